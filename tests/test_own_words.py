"""Words of a mail beside words of list files: whole words, whatever their case; nothing else is a match."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.checks.command_words import COMMANDS
from smtpguard.checks.list_command import command_in
from smtpguard.checks.own_words import CHARACTERS_READ_MAX, answers, own_words, words_of
from smtpguard.lists import MailingList, Manager
from smtpguard.mail.address import Address
from smtpguard.mail.message import Message, Passage, Voice

BERLIN = MailingList("berlin", Address("berlin", "lists.example.org"), Manager.MAILMAN3, "", "")
TEXTS = st.text("aAbB -.,\n\u00e9\u00c9", max_size=30)


@given(TEXTS, st.text("aAbB -", max_size=6))
def test_a_phrase_is_its_words_side_by_side_and_no_part_of_a_word(text: str, phrase: str) -> None:
    words = re.findall(r"\w+", phrase.casefold())
    said = re.findall(r"\w+", text.casefold())
    expected = bool(words) and any(said[at : at + len(words)] == words for at in range(len(said)))

    assert expected is words_of((text,)).has(phrase)


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("My TRAVEL\n costs", "travel costs", True),
        ("the costs of travel", "travel costs", False),
        ("parent meeting", "rent", False),
        ("Stra\u00dfe", "STRASSE", True),
        ("cafe\u0301", "CAF\u00c9", True),
        ("an e-mail", "e-mail", True),
        ("write to receipt@example.org", "receipt", False),
        ("see https://example.org/receipt", "receipt", False),
        ("anything", "", False),
        ("anything", "...", False),
    ],
)
def test_words_as_people_write_them(text: str, phrase: str, found: bool) -> None:
    assert found is words_of((text,)).has(phrase)


def test_only_the_sender_s_own_words_count_and_a_book_is_not_read_to_its_end() -> None:
    passages = (
        Passage(Voice.OWN, "mine " + "x" * CHARACTERS_READ_MAX),
        Passage(Voice.QUOTED, "quoted"),
        Passage(Voice.FORWARDED, "forwarded"),
        Passage(Voice.SIGNATURE, "signature"),
        Passage(Voice.OWN, "later"),
    )
    words = own_words(Message(subject="Subject", passages=passages))

    assert [True, True] == [words.has(each) for each in ("subject", "mine")]
    assert not any(words.has(each) for each in ("quoted", "forwarded", "signature", "later"))


@pytest.mark.parametrize(
    ("subject", "references", "answer"),
    [
        ("Minutes", (), False),
        ("Minutes", ("<m@example.org>",), True),
        ("Re: Minutes", (), True),
        ("AW: Minutes", (), True),
        ("Fwd: Minutes", ("<m@example.org>",), False),
        ("[berlin] Re: Minutes", (), True),
    ],
)
def test_what_answers_and_what_begins(subject: str, references: tuple[str, ...], answer: bool) -> None:
    assert answer is answers(Message(subject=subject, references=references))


# ---------------------------------------------------------------- 12-24

COMMAND_KEYS = ("join", "leave", "come", "go", "help")
PHRASES = [
    (language, key, each)
    for language, words in COMMANDS.items()
    for key in COMMAND_KEYS
    for each in words[key].split("|")
]


def test_at_least_these_languages_have_their_commands() -> None:
    assert {"en", "de", "es", "fr", "it", "nl", "pt", "pl", "sv", "fi"} <= set(COMMANDS)
    assert {frozenset((*COMMAND_KEYS, "courtesy"))} == {frozenset(each) for each in COMMANDS.values()}


@pytest.mark.parametrize(("language", "key", "phrase"), PHRASES)
def test_each_command_alone_is_one_in_any_dress(language: str, key: str, phrase: str) -> None:
    meaning = {"come": "join", "go": "leave"}.get(key, key)

    for text in (phrase, phrase.upper(), f"  {phrase}!\n", f"{phrase} berlin"):
        assert meaning == command_in(text, (BERLIN,)), text


@pytest.mark.parametrize("language", COMMANDS)
def test_courtesy_alone_is_no_command(language: str) -> None:
    assert command_in(" ".join(COMMANDS[language]["courtesy"].split("|")), (BERLIN,)) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "See you there.",
        "Please help me.",
        "I leave the house at nine.",
        "Please join us on Friday!",
        "How can I unsubscribe?",
        "subscribe unsubscribe",
        "Who wants to subscribe to the newspaper with me?",
        "Bitte alle anmelden bis Freitag",
        "unsubscribe\nplease\nfrom\nthis\nlist\nthanks",
        "unsubscribe hamburg",
    ],
)
def test_what_only_has_a_command_in_it_is_none(text: str) -> None:
    assert command_in(text, (BERLIN,)) is None
