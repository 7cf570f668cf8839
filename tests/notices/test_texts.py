"""The texts themselves: all there, in every language, with no gap and no word that accuses."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from jinja2 import UndefinedError

import smtpguard
from smtpguard.answers.choice import Word
from smtpguard.config.sources import source_of
from smtpguard.config.texts import shipped, shipped_wordings, texts_file
from smtpguard.notices.reasons import reason
from smtpguard.notices.sections import RULES_OF
from smtpguard.rows import ROWS
from smtpguard.verdict import Fact
from tests.notices.samples import ENGLISH, FORBIDDEN

PACKAGE = Path(smtpguard.__file__).parent
FOLDER = PACKAGE / "notices" / "texts"
SOURCES = [*sorted((PACKAGE / "checks").glob("*.py")), PACKAGE / "examination.py"]
LANGUAGES = shipped().codes
REASON_FACTS: dict[str, Fact] = {
    "author": "Clara", "begins": "So ...", "sent": "Mon", "subject": "x", "target": ("berlin",), "lists": ("a", "b"),
    "header_only": ("b",), "parent": "a", "children": ("b", "c"), "address": "a@example.org", "list": "b",
    "discussion": "c", "earlier": ("a",), "day": "2026-11-23", "home": "a", "others": ("b",), "words": ("x", "y"),
    "use": "c", "command": "help", "count": "21", "minutes": "60", "desks": ("d@example.org",),
    "by_thread": "", "persons": ("ben@example.org",), "source": "council", "targets": ("b",),
    "outsiders": ("x@example.net",), "what": ("message/partial",),
}  # fmt: skip


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


def texts_of(language: str) -> dict[str, str]:
    """Every sentence of a language by its name, forms one by one."""
    found = {}
    for name, said in shipped_wordings()[language].texts.items():
        forms = {"": said} if isinstance(said, str) else said
        found |= {f"{name} {form}".strip(): text for form, text in forms.items()}
    return found


def test_rows_are_found_at_all() -> None:
    rule_12 = {f"12-{number:02}" for number in (2, 4, 5, 8, 10, 12, 17, 19, 20, *range(22, 30))}

    rule_11 = {f"11-{number:02}" for number in (2, 3, 5, 7, 8, 9, 10, 11, 14, 16, 18, 20, 24)}

    assert {*rule_11, *rule_12, "90-07", "90-11", "unexamined"} == rows_that_alarm()


def test_every_row_that_alarms_has_a_reason_and_every_reason_a_row() -> None:
    reasons = {each.removeprefix("reasons.") for each in shipped_wordings()["en"].texts if each.startswith("reasons.")}

    assert rows_that_alarm() | {"part", "private_answered", "private_text"} == reasons


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("row", sorted(rows_that_alarm()))
def test_a_reason_names_its_rule_and_ends_like_a_sentence(row: str, language: str) -> None:
    said = reason(row, REASON_FACTS, shipped().of(language))

    assert said.endswith((".", '"', "“", "»"))
    assert "{" not in said
    numbers = RULES_OF.get(row, (int(row[:2]),) if row != "unexamined" else ())
    assert all(re.search(rf"\b{number}\b", said) for number in numbers)
    if language == "en":
        assert said[0].islower()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text_and_nothing_is_wrong_with_it(language: str) -> None:
    english = shipped_wordings()["en"]
    source = source_of(f"texts/{language}.yaml", (FOLDER / f"{language}.yaml").read_text("utf-8"))

    wording, problems = texts_file(language, source, None if language == "en" else english)

    assert () == problems
    assert set(english.texts) == set(wording.texts)
    assert set(Word) == set(wording.words)
    assert set(english.dates) == set(wording.dates)
    assert wording.name
    assert 11 <= len(wording.numbers or ())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_free_of_the_forbidden_words(language: str) -> None:
    said = (FOLDER / f"{language}.yaml").read_text("utf-8").lower()

    assert [] == [each for each in FORBIDDEN if each in said]


def test_a_missing_fact_is_an_error_and_never_a_gap() -> None:
    for name in texts_of("en"):
        if "{{" in texts_of("en")[name]:
            with pytest.raises(UndefinedError):
                ENGLISH.text(name.partition(" ")[0])


def test_a_language_without_texts_is_the_site_s_first() -> None:
    texts = shipped()

    assert texts.of("xx") is texts.of(None) is texts.of("en") is texts.of("en-GB")


@pytest.mark.parametrize(("count", "word"), [(2, "two"), (10, "ten"), (11, "11"), (1000, "1000")])
def test_small_numbers_are_words(count: int, word: str) -> None:
    said = reason("12-02", {**REASON_FACTS, "lists": ("x",) * count}, ENGLISH)

    assert f"addressed to {word} lists" in said


@pytest.mark.parametrize(
    ("names", "listed", "named"),
    [
        ([], "", ""),
        (["a"], "a", "a"),
        (["a", "b"], "a, b", "a and b"),
        (list("abcde"), "a, b, c, d, e", "a, b, c, d and e"),
        (list("abcdef"), "a, b, c, d and 2 others", "a, b, c, d and 2 others"),
    ],
)
def test_a_few_names_are_named_and_never_one_other(names: list[str], listed: str, named: str) -> None:
    assert listed == ENGLISH.listed(names)
    assert named == ENGLISH.named(names)


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
    assert said == ENGLISH.moment(moment, zone)
    assert said.replace(", ", " at ") == ENGLISH.moment(moment, zone, "moment_at")
    assert said.partition(",")[0] == ENGLISH.day(moment.astimezone(zone).date())


@pytest.mark.parametrize("code", sorted(shipped_wordings()))
def test_what_is_shipped_stands_up_to_what_is_asked_of_a_sites_own_file(code: str) -> None:
    text = (FOLDER / f"{code}.yaml").read_text("utf-8")
    english = None if code == "en" else shipped_wordings()["en"]

    wording, problems = texts_file(code, source_of(f"texts/{code}.yaml", text), english)

    assert () == problems
    assert shipped_wordings()[code] == wording
