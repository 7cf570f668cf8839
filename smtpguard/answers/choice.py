"""The choice in a member's answer (SEMANTICS c6).

It is the first non-empty line that the member wrote himself: one of the words, in any case, with one full stop or
exclamation mark allowed behind it, and quote marks or emphasis around it, which mail programs put there. Anything else
is no choice: a bare reply never sends, nor does a line of the notice that somebody's mail program has quoted unmarked.

The words are English ones, and those of the languages that the site has texts in: of the member's first, because those
stand in his notice, then of the others, where they do not contradict each other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from smtpguard.answers.spelling import WORD_PARTS_MAX, bare, bare_spellings, is_word, plain
from smtpguard.mail.message import Message

# A list's id with what stands around it; a longer line is a sentence.
LINE_CHARACTERS_MAX = 400


class Word(Enum):
    """The words of a choice. English always works; other languages add theirs."""

    SEND = "SEND"
    ONLY = "ONLY"
    DISCARD = "DISCARD"
    BACK = "BACK"


_QUOTES = "*_`\"'\u00ab\u00bb\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u2039\u203a\u300c\u300d\u300e\u300f"
# Also as Chinese and Japanese write them; Spanish has a mark in front as well.
_MARK = "[.!\u3002\uff01\uff0e]"
_DRESSED = re.compile(rf"[{_QUOTES}]{{0,3}} ?\u00a1?(.*?) ?(?:{_MARK}|{_MARK}?[{_QUOTES}]{{1,3}} ?{_MARK}?)?")
# No list of a message has a number with more digits than this (1,000 recipients at most).
_NUMBERED = re.compile(r"(.*?) ?(?:#? ?([0-9]{1,4})\)?|\(([0-9]{1,4})\))")


@dataclass(frozen=True, slots=True)
class Choice:
    """What the member wants; `number` is the list's number for ONLY."""

    word: Word
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """What is understood: `spellings` are words as `spelling.plain` writes them; `bare_spellings` are words without
    accents and umlauts, for those that are no spelling.
    """

    spellings: Mapping[str, Word] = field(repr=False)
    bare_spellings: Mapping[str, Word] = field(repr=False)

    @classmethod
    def of(cls, *languages: Mapping[Word, Sequence[str]]) -> Words:
        """The words of `languages`, the member's first, and English, which always works.

        Where other languages than the first contradict each other, the word means nothing.
        """
        english = {word.value.lower(): word for word in Word}
        own = _understood(languages[:1])
        others = _understood(languages[1:])
        further = {text: word for text, word in others.spellings.items() if own.bare_spellings.get(text, word) is word}
        return cls({**further, **own.spellings, **english}, {**others.bare_spellings, **own.bare_spellings})

    def meaning(self, typed: str) -> Word | None:
        """The word that `typed` is, None if it is none."""
        text = plain(typed)
        if text is None:
            return None
        found = self.spellings.get(text)
        return found if found is not None else self.bare_spellings.get(bare(text))


def _understood(languages: Sequence[Mapping[Word, Sequence[str]]]) -> Words:
    """What is understood of `languages`; none of them is preferred."""
    spellings: dict[str, set[Word]] = {}
    without: dict[str, set[Word]] = {}
    for word, typed in _all_words(languages):
        text = plain(typed)
        if text is None or not is_word(typed):
            continue
        spellings.setdefault(text, set()).add(word)
        for each in bare_spellings(text):
            without.setdefault(each, set()).add(word)
    return Words(_certain(spellings), _certain(without))


def _all_words(languages: Sequence[Mapping[Word, Sequence[str]]]) -> Iterator[tuple[Word, str]]:
    for language in languages:
        for word, typed in language.items():
            for each in typed:
                yield word, each


def _certain(meanings: Mapping[str, set[Word]]) -> dict[str, Word]:
    return {text: next(iter(words)) for text, words in meanings.items() if len(words) == 1}


ENGLISH = Words.of()


def parse_choice(line: str, lists: Mapping[int, str], words: Words = ENGLISH) -> Choice | None:
    """Read one line. `lists` are the numbers of the notice and the ids of the lists.

    None if it is no choice, or ONLY with a list that the notice does not have.
    """
    line = line.strip()
    if len(line) > LINE_CHARACTERS_MAX:
        return None
    text = " ".join(line.split())
    dressed = _DRESSED.fullmatch(text)
    return _undressed(dressed[1], lists, words) if dressed is not None else None


def _undressed(text: str, lists: Mapping[int, str], words: Words) -> Choice | None:
    """The word alone, or ONLY with a number or an id."""
    word = words.meaning(text)
    if word is not None:
        return Choice(word) if word is not Word.ONLY else None
    numbered = _NUMBERED.fullmatch(text)
    if numbered is not None and words.meaning(numbered[1]) is Word.ONLY:
        number = int(numbered[2] or numbered[3])
        return Choice(Word.ONLY, number) if number in lists else None
    parts = text.split(" ")
    named = {
        number
        for end in range(1, min(len(parts), WORD_PARTS_MAX + 1))
        if words.meaning(" ".join(parts[:end])) is Word.ONLY
        for number in _named(" ".join(parts[end:]), lists)
    }
    return Choice(Word.ONLY, named.pop()) if len(named) == 1 else None


def _named(name: str, lists: Mapping[int, str]) -> list[int]:
    return [number for number, each in lists.items() if _spelling(each) == _spelling(name)]


def _spelling(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()


def choice_in(message: Message, lists: Mapping[int, str], words: Words = ENGLISH) -> Choice | None:
    """The choice of an answer, or None. `lists` and `words` as in `parse_choice`."""
    return parse_choice(message.opening, lists, words)
