"""The texts themselves: all there, in every language, with no gap and no word that accuses."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from jinja2 import UndefinedError

import smtpguard
from smtpguard.answers.token import LABEL
from smtpguard.notices import texts
from smtpguard.notices.times import spoken
from smtpguard.rows import ROWS
from tests.notices.samples import FORBIDDEN

PACKAGE = Path(smtpguard.__file__).parent
TEMPLATES = PACKAGE / "notices" / "templates"
SOURCES = [*sorted((PACKAGE / "checks").glob("*.py")), PACKAGE / "examination.py"]
FACTS: dict[str, object] = {
    "subject": "Minutes", "deadline": "Wed", "deadline_at": "Wed at", "name": "Anna", "again": True,
    "reasons": ["a", "b"], "more": 1, "say": "For minutes use minutes@.",
    "fitting": {"list": "press", "address": "press@example.org", "words": ["x"]},
    "last_list": 12, "lists": [{"number": 1, "id": "berlin", "about": "x"}, {"number": 2, "id": "press", "about": "y"}],
    "choices": [{"word": "SEND", "meaning": "x", "suggested": "suggested"}], "desk": "d@example.org", "call": "Sam",
    "code": ("A", "B"), "organisation": "Union", "sent_to": ["a"], "not_sent_to": ["b"],
    "refused": [{"recipient": "a", "words": "550 no"}], "interrupted": True, "arrived": "Mon", "words": ["SEND"],
    "state": "sent", "when": "Tue", "count": 2,
    "file": "lists/berlin.yaml", "problems": ["lists/berlin.yaml:3:1: x"], "is_new": False,
    "ended": [{"until": "2026-12-06", "lists": "press", "reason": "congress week"}],
}  # fmt: skip
REASON_FACTS = {
    "author": "Clara", "begins": "So ...", "sent": "Mon", "subject": "x", "target": ("berlin",), "lists": ("a", "b"),
    "header_only": ("b",), "parent": "a", "children": ("b", "c"), "address": "a@example.org", "list": "b",
    "discussion": "c", "earlier": ("a",), "day": "2026-11-23", "home": "a", "others": ("b",), "words": ("x", "y"),
    "use": "c", "command": "help", "count": "21", "minutes": "60", "desks": ("d@example.org",),
    "by_thread": "", "persons": ("ben@example.org",), "source": "council", "targets": ("b",),
    "outsiders": ("x@example.net",), "what": ("message/partial",),
}  # fmt: skip
# Rows of the table that serve other rules of the organisation, too, or alone.
OTHER_RULES = {
    "11-11": "(rule 2)",
    "11-24": "(rules 2 and 11)",
    "90-07": "(rule 11)",
    "90-11": "(rule 11)",
    "12-17": "(rules 2 and 12)",
    "12-20": "(rules 2 and 12)",
    "12-26": "(rule 7)",
    "12-27": "(rules 4 and 5)",
}


def rows_that_alarm() -> set[str]:
    """The ids of all findings that the source can make."""
    return {
        node.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and (node.value == "unexamined" or (len(node.value) == 5 and node.value[2:3] == "-" and node.value in ROWS))
    }


def test_rows_are_found_at_all() -> None:
    rule_12 = {f"12-{number:02}" for number in (2, 4, 5, 8, 10, 12, 17, 19, 20, *range(22, 30))}

    rule_11 = {f"11-{number:02}" for number in (2, 3, 5, 7, 8, 9, 10, 11, 14, 16, 18, 20, 24)}

    assert {*rule_11, *rule_12, "90-07", "90-11", "unexamined"} == rows_that_alarm()


@pytest.mark.parametrize("language", texts.languages())
def test_every_row_that_alarms_has_a_reason_and_every_reason_a_row(language: str) -> None:
    reasons = {path.stem for path in (TEMPLATES / language / "reasons").glob("*.txt")}

    assert rows_that_alarm() == reasons


@pytest.mark.parametrize("language", texts.languages())
@pytest.mark.parametrize("row", sorted(rows_that_alarm()))
def test_a_reason_begins_in_lower_case_and_names_its_rule(row: str, language: str) -> None:
    reason = texts.render_reason(row, language, REASON_FACTS)

    assert reason[0].islower()
    assert reason.endswith((".", '"'))
    if row != "unexamined":
        assert OTHER_RULES.get(row, f"(rule {int(row[:2])})") in reason


@pytest.mark.parametrize("language", texts.languages())
def test_every_language_has_every_text(language: str) -> None:
    assert {path.name for path in (TEMPLATES / "en").rglob("*.txt")} == {
        path.name for path in (TEMPLATES / language).rglob("*.txt")
    }


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.txt")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_every_text_is_free_of_the_forbidden_words(path: Path) -> None:
    said = path.read_text("utf-8").lower()

    assert [] == [each for each in FORBIDDEN if each in said]


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*/*.txt")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_every_text_has_a_subject_a_body_and_no_gap(path: Path) -> None:
    subject, body = texts.render(path.stem, path.parent.name, FACTS)

    assert path.read_text("utf-8").startswith("Subject: ")
    assert subject
    assert "\n" not in subject
    assert body.strip()
    assert body.endswith("\n")
    assert not body.startswith("\n")
    assert "{" not in subject + body


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*/*.txt")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_missing_fact_is_an_error_and_never_a_gap(path: Path) -> None:
    with pytest.raises(UndefinedError):
        texts.render(path.stem, path.parent.name, {})


def test_a_language_without_texts_falls_back_to_english() -> None:
    assert texts.render("help", "xx", FACTS) == texts.render("help", "en", FACTS)
    assert texts.render_reason("12-02", "../en", REASON_FACTS) == texts.render_reason("12-02", "en", REASON_FACTS)


def test_the_code_lines_carry_the_label_that_is_looked_for() -> None:
    for language in texts.languages():
        _, body = texts.render("held", language, FACTS)

        assert f"\n{LABEL}: A\n{LABEL}: B\n" in body


@pytest.mark.parametrize(("count", "word"), [(2, "two"), (10, "ten"), (11, "11"), (1000, "1000")])
def test_small_numbers_are_words(count: int, word: str) -> None:
    reason = texts.render_reason("12-02", "en", {**REASON_FACTS, "lists": ("x",) * count})

    assert f"addressed to {word} lists" in reason


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a"], "a"),
        (["a", "b"], "a, b"),
        (list("abcde"), "a, b, c, d, e"),
        (list("abcdef"), "a, b, c, d and 2 others"),
    ],
)
def test_a_few_names_are_named_and_never_one_other(names: list[str], said: str) -> None:
    assert said == texts.named(names)


@pytest.mark.parametrize(
    ("moment", "zone", "said"),
    [
        (datetime(2026, 11, 25, 17, 0, tzinfo=UTC), ZoneInfo("Europe/Berlin"), "Wed 25 Nov, 18:00"),
        (datetime(2026, 7, 5, 22, 5, tzinfo=UTC), ZoneInfo("Europe/Berlin"), "Mon 6 Jul, 00:05"),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), timezone(timedelta(hours=-5)), "Thu 31 Dec, 18:59"),
        (datetime(2027, 1, 1, 9, 7, tzinfo=UTC), UTC, "Fri 1 Jan, 09:07"),
    ],
)
def test_times_are_said_in_the_site_s_zone(moment: datetime, zone: timezone, said: str) -> None:
    assert said == spoken(moment, zone)
    assert said.replace(", ", " at ") == spoken(moment, zone, joint=" at ")
