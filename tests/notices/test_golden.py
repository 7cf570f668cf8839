"""Every mail of the guard's, word for word: golden/notices holds header lines as sent, and the decoded text."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpguard.checks import CHECKS
from smtpguard.config.texts import shipped
from smtpguard.config.values import LINE_CHARACTERS_MAX
from smtpguard.notices.sections import opening
from tests.notices.cases import CASES
from tests.notices.samples import ENGLISH, FORBIDDEN, crosspost, finding, shown, speaking, text

GOLDEN = Path(__file__).parents[1] / "golden" / "notices"
LANGUAGES = shipped().codes
# The same in other languages: words that make of a slip a matter of guilt.
FORBIDDEN_IN = {
    "en": (),
    "de": (
        "verstoß",
        "verstoss",
        "verletz",
        "richtlinie",
        "blockiert",
        "gesperrt",
        "verdächtig",
        "vorfall",
        " gemeldet",
    ),
    "es": ("infracción", "infringe", "violación", "bloquead", "sospechos", "incidente", "denunciad", "incumpl"),
    "fr": ("infraction", "violation", "bloqué", "suspect", "incident", "signalé", "sanction"),
}
NOTICES = [name for name in CASES if name[:2] in ("11", "12", "un") and not name.startswith("unreadable")]


def golden(name: str, language: str) -> Path:
    """English stands beside the folders of the other languages."""
    return (GOLDEN if language == "en" else GOLDEN / language) / f"{name}.txt"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", CASES)
def test_the_mail_is_what_was_reviewed(name: str, language: str) -> None:
    with speaking(language):
        assert golden(name, language).read_text("utf-8") == shown(CASES[name]())


def test_there_is_no_golden_file_without_a_case() -> None:
    files = sorted(str(golden(name, language)) for name in CASES for language in LANGUAGES)

    assert files == sorted(map(str, GOLDEN.rglob("*.txt")))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", CASES)
def test_no_mail_of_ours_accuses(name: str, language: str) -> None:
    with speaking(language):
        words = shown(CASES[name]()).lower()

    assert [] == [each for each in (*FORBIDDEN, *FORBIDDEN_IN[language]) if each in words]


@pytest.mark.parametrize("name", NOTICES)
def test_a_notice_says_things_in_their_order_and_the_choices_on_the_first_screen(name: str) -> None:
    said = text(CASES[name]())
    order = (
        "has not gone to anyone yet",
        'may show it under "Sent"',
        "Why: ",
        "What shall we do?",
        "   BACK",
        "If you do nothing",
        "Only you have been told",
        "Rather talk?",
        "code: ",
    )

    places = [said.index(each) for each in order]

    assert sorted(places) == places
    assert 12 >= sum(bool(line.strip()) for line in said[: said.index("What shall we do?")].splitlines())
    assert 1 == said.count("Why: ")
    assert "\n\n\n" not in said.rstrip()


@pytest.mark.parametrize("name", [each for each in NOTICES if each.startswith("11")])
def test_rule_11_suggests_to_discard_first_and_names_the_desk(name: str) -> None:
    said = text(CASES[name]())
    choices = said[said.index("What shall we do?") : said.index("If you do nothing")]

    assert "   DISCARD" in choices.splitlines()[2]
    assert 1 == said.count("(suggested)")
    assert "commission@example.org - mail to that address is never checked or held." in said


# Where the row itself, or the words of the mail, suggest one of the lists.
SUGGESTED = {
    "12-02_a_list_that_fits": '   ONLY 1     send it to berlin, not to all-members   (fits "minutes")',
    "12-04": "   ONLY 2     send it to all-members, not to berlin   (suggested)",
    "12-19": "   ONLY 1     send it to berlin, not to all-members   (suggested)",
    "12-22": "   ONLY 1     send it to berlin, not to all-members   (suggested)",
    "12-28": "   ONLY 1     send it to commission@example.org, not to berlin   (suggested)",
    "12-28_two_desks_and_a_person": (
        "   ONLY 1     send it to commission@example.org, postmaster@example.org and ben@example.org, not to berlin   "
        "(suggested)"
    ),
}


@pytest.mark.parametrize("name", [each for each in NOTICES if each.startswith("12")])
def test_rule_12_alone_suggests_what_its_row_does_and_does_not_speak_of_complaints(name: str) -> None:
    said = text(CASES[name]())
    choices = said[said.index("What shall we do?") : said.index("If you do nothing")].splitlines()
    marked = [line for line in choices if line.endswith(")")]

    assert ([SUGGESTED[name]] if name in SUGGESTED else []) == marked
    if marked:
        assert choices.index(marked[0]) == 2
    assert "complaint" not in said


def test_what_a_list_says_of_such_mail_stands_below_the_reason_and_no_word_of_it_twice() -> None:
    said = text(CASES["12-02_another_list_fits"]())

    assert said.index("(rule 12)") < said.index("Its words fit the list press") < said.index("   1  berlin")
    assert 1 == said.count("For the press, please give a telephone number.")


def test_what_a_lists_file_may_say_is_said_whole() -> None:
    say = ("For minutes please use the archive. " * 6)[:LINE_CHARACTERS_MAX].strip()
    held = crosspost(findings=(finding("12-10", lists=("berlin",), say=say),))

    assert [say] == opening(held, ENGLISH, False)["remarks"]


def test_every_check_has_a_golden_notice() -> None:
    # A check names its rows as constants; a new one without a case here is seen at once.
    import ast
    import inspect

    rows = set()
    for check in CHECKS.values():
        for node in ast.walk(ast.parse(inspect.getsource(check))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value[:3] in ("11-", "12-"):
                rows.add(node.value)

    assert 17 <= len(rows)
    assert rows <= set(CASES)
