"""The choice in a member's answer (SEMANTICS c6).

It is the first non-empty line that the member wrote himself: one of the words, in any case, with one full stop or
exclamation mark allowed behind it, and quote marks or emphasis around it, which mail programs put there. Anything else
is no choice: a bare reply never sends, nor does a line of the notice that somebody's mail program has quoted unmarked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from smtpguard.mail.message import Message

# A list's id with what stands around it; a longer line is a sentence.
LINE_CHARACTERS_MAX = 400


class Word(Enum):
    """The words of a choice. English always works; other languages add theirs."""

    SEND = "SEND"
    ONLY = "ONLY"
    DISCARD = "DISCARD"
    BACK = "BACK"


_QUOTES = "*_`\"'\u00ab\u00bb\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u2039\u203a"
_MARK = "[.!]"
_DRESSED = re.compile(rf"[{_QUOTES}]{{0,3}} ?(.*?) ?(?:{_MARK}|{_MARK}?[{_QUOTES}]{{1,3}} ?{_MARK}?)?")
# No list of a message has a number with more digits than this (1,000 recipients at most).
_NUMBERED = re.compile(r"ONLY ?(?:#? ?([0-9]{1,4})\)?|\(([0-9]{1,4})\))")


@dataclass(frozen=True, slots=True)
class Choice:
    """What the member wants; `number` is the list's number for ONLY."""

    word: Word
    number: int | None = None


def parse_choice(line: str, lists: Mapping[int, str]) -> Choice | None:
    """Read one line. `lists` are the numbers of the notice and the ids of the lists.

    None if it is no choice, or ONLY with a list that the notice does not have.
    """
    line = line.strip()
    if len(line) > LINE_CHARACTERS_MAX:
        return None
    text = " ".join(line.split())
    dressed = _DRESSED.fullmatch(text)
    return _plain(dressed[1], lists) if dressed is not None else None


def _plain(text: str, lists: Mapping[int, str]) -> Choice | None:
    """The word alone, or ONLY with a number or an id."""
    # Before upper(): it would make ASCII letters of others (U+017F, U+0131).
    if text.isascii():
        for word in (Word.SEND, Word.DISCARD, Word.BACK):
            if text.upper() == word.value:
                return Choice(word)
        numbered = _NUMBERED.fullmatch(text.upper())
        if numbered is not None:
            number = int(numbered[1] or numbered[2])
            return Choice(Word.ONLY, number) if number in lists else None
    word_typed, _, name = text.partition(" ")
    if word_typed.isascii() and word_typed.upper() == Word.ONLY.value:
        numbers = [number for number, each in lists.items() if _spelling(each) == _spelling(name)]
        return Choice(Word.ONLY, numbers[0]) if len(numbers) == 1 else None
    return None


def _spelling(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()


def choice_in(message: Message, lists: Mapping[int, str]) -> Choice | None:
    """The choice of an answer, or None. `lists` as in `parse_choice`."""
    return parse_choice(message.opening, lists)
