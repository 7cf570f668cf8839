"""Golden folders of mistakes: each holds settings files and, word for word, what `check` says about them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from smtpguard.config import reader
from smtpguard.config.loading import load
from smtpguard.config.problems import format_problem

CASES = sorted((Path(__file__).parents[1] / "golden" / "bad_config").iterdir())


def said_about(case: Path) -> str:
    return "".join(format_problem(each) + "\n" for each in load(case / "smtpguard.yaml").problems)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_mistake_is_told_with_its_place_and_what_to_write(case: Path) -> None:
    said = said_about(case)

    assert said
    assert (case / "expected.txt").read_text(encoding="utf-8") == said


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_messages_are_the_same_without_libyaml(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_EVENTS", yaml.SafeLoader)

    said = said_about(case)

    assert (case / "expected.txt").read_text(encoding="utf-8") == said


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_error_in_any_file_gives_no_policy(case: Path) -> None:
    loaded = load(case / "smtpguard.yaml")

    errors = [each for each in loaded.problems if each.is_error]
    assert loaded.ok is (not errors)
    assert (loaded.policy is None) is bool(errors)
    assert (loaded.directory is None) is bool(errors)
