"""Words of other languages: as they are printed, without accents, and never as something that was not meant."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.answers.choice import ENGLISH, Choice, Word, Words, choice_in, parse_choice
from smtpguard.config.texts import shipped
from smtpguard.mail.parsing import parse_message

LISTS = {1: "berlin", 2: "all-members", 3: "b\u00fccher"}
GERMAN = {
    Word.SEND: ("SENDEN", "ABSCHICKEN"),
    Word.ONLY: ("NUR", "NUR AN"),
    Word.DISCARD: ("L\u00d6SCHEN", "VERWERFEN"),
    Word.BACK: ("ZUR\u00dcCK",),
}
FRENCH = {
    Word.SEND: ("ENVOYER",),
    Word.ONLY: ("SEULEMENT",),
    Word.DISCARD: ("JETER", "SUPPRIM\u00c9"),
    Word.BACK: ("RENVOYER", "RENDS-MOI L'ORIGINAL"),
}
TURKISH = {Word.SEND: ("G\u00d6NDER",), Word.ONLY: ("YALNIZ",), Word.DISCARD: ("S\u0130L",), Word.BACK: ("GER\u0130",)}
JAPANESE = {Word.SEND: ("\u9001\u4fe1",), Word.ONLY: ("\u306e\u307f",), Word.DISCARD: ("\u524a\u9664",)}
RUSSIAN = {Word.SEND: ("\u041e\u0422\u041f\u0420\u0410\u0412\u0418\u0422\u042c",), Word.BACK: ("\u0415\u0429\u0401",)}
GREEK = {
    Word.SEND: ("\u03a3\u03a4\u0395\u0399\u039b\u0395",),
    Word.BACK: ("\u03a0\u038a\u03a3\u03a9 \u03a3\u0395 \u0395\u039c\u0391\u03a3",),
}
ALL = Words.of(GERMAN, FRENCH, TURKISH, JAPANESE, RUSSIAN, GREEK)


@pytest.mark.parametrize(
    ("line", "choice"),
    [
        ("Senden", Choice(Word.SEND)),
        ("senden!", Choice(Word.SEND)),
        ("*Abschicken.*", Choice(Word.SEND)),
        ("Zur\u00fcck", Choice(Word.BACK)),
        ("Zuru\u0308ck", Choice(Word.BACK)),
        ("ZURUECK", Choice(Word.BACK)),
        ("zuruck", Choice(Word.BACK)),
        ("L\u00f6schen", Choice(Word.DISCARD)),
        ("Loeschen", Choice(Word.DISCARD)),
        ("loschen", Choice(Word.DISCARD)),
        ("nur 2", Choice(Word.ONLY, 2)),
        ("NUR AN 2", Choice(Word.ONLY, 2)),
        ("nur an berlin", Choice(Word.ONLY, 1)),
        ("Nur B\u00dcCHER.", Choice(Word.ONLY, 3)),
        ("\u201eNur (1)\u201c", Choice(Word.ONLY, 1)),
        ("NUR1", Choice(Word.ONLY, 1)),
        ("Envoyer\u00a0!", Choice(Word.SEND)),
        ("\u00ab\u202fENVOYER\u202f\u00bb", Choice(Word.SEND)),
        ("\u00a1Envoyer!", Choice(Word.SEND)),
        ("supprime", Choice(Word.DISCARD)),
        ("JET\u00c9R", Choice(Word.DISCARD)),
        ("rends-moi l\u2019original", Choice(Word.BACK)),
        ("Seulement 1", Choice(Word.ONLY, 1)),
        ("g\u00f6nder", Choice(Word.SEND)),
        ("gonder", Choice(Word.SEND)),
        ("sil", Choice(Word.DISCARD)),
        ("S\u0130L", Choice(Word.DISCARD)),
        ("SIL", Choice(Word.DISCARD)),
        ("geri", Choice(Word.BACK)),
        ("yaln\u0131z 1", Choice(Word.ONLY, 1)),
        ("\u9001\u4fe1", Choice(Word.SEND)),
        ("\u300c\u9001\u4fe1\u300d\u3002", Choice(Word.SEND)),
        ("\u9001\u4fe1\uff01", Choice(Word.SEND)),
        ("\u306e\u307f 1", Choice(Word.ONLY, 1)),
        ("\u041e\u0442\u043f\u0440\u0430\u0432\u0438\u0442\u044c", Choice(Word.SEND)),
        ("\u0435\u0449\u0435", Choice(Word.BACK)),
        ("\u03c3\u03c4\u03b5\u03b9\u03bb\u03b5", Choice(Word.SEND)),
        ("\u03c0\u03af\u03c3\u03c9 \u03c3\u03b5 \u03b5\u03bc\u03b1\u03c2", Choice(Word.BACK)),
        ("\u03a0\u0399\u03a3\u03a9 \u03a3\u0395 \u0395\u039c\u0391\u03a3", Choice(Word.BACK)),
        ("SEND", Choice(Word.SEND)),
        ("only 2", Choice(Word.ONLY, 2)),
        ("Back", Choice(Word.BACK)),
        ("discard", Choice(Word.DISCARD)),
    ],
)
def test_words_of_all_languages_are_read_with_and_without_their_accents(line: str, choice: Choice) -> None:
    assert choice == parse_choice(line, LISTS, ALL)


@pytest.mark.parametrize(
    "line",
    [
        "nur", "nur 9", "nur 1 2", "nur an", "nur nur 1", "nicht senden", "senden bitte", "Bitte senden", "sende",
        "zurueckk", "zu ruck", "zur\u00fccK\u200b", "z\u016fr\u00fcck!!", "zuruec\u212a",
        "\uff33\uff25\uff2e\uff24\uff25\uff2e",
        # Crossed out.
        "".join(f"{each}\u0336" for each in "SENDEN"), "\u0338senden", "sende\u0335n",
        "\u017fenden", "l\u00f6\u017fchen", "SE\u0301ND", "D\u0131SCARD", "BAC\u212a", "2", "nur \u0661", "nur eins",
        "ne pas envoyer", "envoyer et renvoyer", "senden / l\u00f6schen", "l\u00f6schen?", "\u9001\u4fe1\u9001\u4fe1",
    ],
)  # fmt: skip
def test_anything_else_is_no_choice_in_any_language(line: str) -> None:
    assert parse_choice(line, LISTS, ALL) is None


def test_words_of_a_language_that_the_site_does_not_have_mean_nothing() -> None:
    assert parse_choice("senden", LISTS) is None
    assert parse_choice("senden", LISTS, Words.of(FRENCH)) is None


def misunderstood(language: Mapping[Word, Sequence[str]], words: Words | None = None) -> tuple[str, ...]:
    """The words of a language that are not understood as they are meant there."""
    words = Words.of(language) if words is None else words
    return tuple(
        typed
        for word, spellings in language.items()
        for typed in spellings
        if parse_choice(f"{typed} 1" if word is Word.ONLY else typed, {1: "1"}, words)
        != Choice(word, 1 if word is Word.ONLY else None)
    )


def test_english_always_means_what_it_says() -> None:
    twisted = {Word.SEND: ("BACK", "LOS"), Word.DISCARD: ("SEND",)}

    assert parse_choice("back", LISTS, Words.of(twisted)) == Choice(Word.BACK)
    assert parse_choice("SEND", LISTS, Words.of({}, twisted)) == Choice(Word.SEND)
    assert misunderstood(twisted) == ("BACK", "SEND")


def test_where_two_other_languages_contradict_each_other_a_word_means_nothing() -> None:
    one, other = {Word.SEND: ("FORT", "WEG")}, {Word.DISCARD: ("FORT",)}

    assert parse_choice("fort", LISTS, Words.of(GERMAN, one, other)) is None
    assert parse_choice("weg", LISTS, Words.of(GERMAN, one, other)) == Choice(Word.SEND)


@pytest.mark.parametrize("typed", ["fort", "FORT", "f\u00f6rt"])
def test_the_members_own_language_comes_before_the_sites_others(typed: str) -> None:
    own, other = {Word.SEND: ("F\u00d6RT",)}, {Word.DISCARD: ("FORT",)}

    assert parse_choice(typed, LISTS, Words.of(own, other)) == Choice(Word.SEND)


def test_a_word_that_differs_from_another_by_its_accent_alone_needs_it() -> None:
    language = {Word.SEND: ("SCHON",), Word.DISCARD: ("SCH\u00d6N",)}

    assert parse_choice("SCHON", LISTS, Words.of(language)) == Choice(Word.SEND)
    assert parse_choice("sch\u00f6n", LISTS, Words.of(language)) == Choice(Word.DISCARD)
    assert parse_choice("schoen", LISTS, Words.of(language)) == Choice(Word.DISCARD)
    assert parse_choice("sch\u00f3n", LISTS, Words.of(language)) is None


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "1",
        "A1",
        "SEND!",
        "-A",
        "A-",
        "\u2019A",
        "a_b",
        "X" * 41,
        "A B C D E",
        "A\nB!",
        "BAC\u212a",
        "\u0301",
        "A,B",
    ],
)
def test_what_cannot_be_a_word_is_told_and_never_understood(typed: str) -> None:
    language = {Word.DISCARD: (typed, "WEG")}

    assert misunderstood(language) == (typed,)
    assert parse_choice(typed, LISTS, Words.of(language)) is None or typed == "SEND!"
    assert parse_choice("weg", LISTS, Words.of(language)) == Choice(Word.DISCARD)


@pytest.mark.parametrize("language", [GERMAN, FRENCH, TURKISH, JAPANESE, RUSSIAN, GREEK])
def test_every_word_of_a_good_language_is_understood(language: dict[Word, tuple[str, ...]]) -> None:
    assert misunderstood(language) == ()


def test_every_word_of_the_shipped_languages_is_understood_whoever_types_it() -> None:
    languages = [shipped().of(code) for code in shipped().codes]
    for own in languages:
        words = Words.of(own.words, *(each.words for each in languages if each is not own))
        for each in languages:
            assert misunderstood(each.words, words) == (), (own.code, each.code)
            lower = {word: tuple(map(str.lower, spellings)) for word, spellings in each.words.items()}
            assert misunderstood(lower, words) == ()
            bare = {word: tuple(map(without_accents, spellings)) for word, spellings in each.words.items()}
            assert misunderstood(bare, words) == ()


def without_accents(text: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFD", text) if not unicodedata.combining(each))


LETTERS = st.text("SENDONLYBACKZur\u00fc\u0308ck1 !\u0130\u0131\u017f\u212a\u00c9JETR'\u2019-", max_size=14)


@given(st.text(max_size=40) | LETTERS)
def test_no_line_raises_and_a_choice_stands_there_letter_by_letter(line: str) -> None:
    choice, english = parse_choice(line, LISTS, ALL), parse_choice(line, LISTS)

    assert english in (None, choice)
    if choice is not None and english is None:
        seen = _letters(line)
        words = [each for language in (GERMAN, FRENCH, TURKISH, JAPANESE, RUSSIAN, GREEK)
                 for each in language.get(choice.word, ())]  # fmt: skip
        assert any(_letters(each) in (seen, seen.replace("ue", "u").replace("oe", "o")) for each in words) or (
            choice.word is Word.ONLY
        )
        assert "\u017f" not in line
        assert "\u212a" not in line


def _letters(text: str) -> str:
    """The letters of `text`, told in another way than the code tells them."""
    decomposed = unicodedata.normalize("NFD", text.replace("\u0131", "i").replace("\u0130", "I"))
    return "".join(each for each in decomposed.lower() if each.isalpha())


def test_a_letter_is_read_with_the_words_that_it_is_given() -> None:
    message = parse_message("Content-Type: text/plain; charset=utf-8\r\n\r\nZur\u00fcck\r\n\r\n> SEND\r\n".encode())

    assert choice_in(message, LISTS, ALL) == Choice(Word.BACK)
    assert choice_in(message, LISTS, ENGLISH) is None
