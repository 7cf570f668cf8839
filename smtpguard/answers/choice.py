"""The choice in a member's answer (SEMANTICS c6).

It is the first non-empty line that the member wrote himself: one of the words, in any case, with one full stop or
exclamation mark allowed behind it. Anything else is no choice: a bare reply never sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from smtpguard.mail.message import Message, Voice

# No list of a message has a number with more digits than this (1,000 recipients at most).
_ONLY = re.compile(r"ONLY\s+([0-9]{1,4})")


class Word(Enum):
    """The words of a choice. English always works; other languages add theirs."""

    SEND = "SEND"
    ONLY = "ONLY"
    DISCARD = "DISCARD"
    BACK = "BACK"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the member wants; `number` is the list's number for ONLY."""

    word: Word
    number: int | None = None


def parse_choice(line: str, numbers: Iterable[int]) -> Choice | None:
    """Read one line; None if it is no choice, or ONLY with a number that the notice does not have."""
    text = " ".join(line.split())
    # Before upper(): it would make ASCII letters of others (U+017F, U+0131).
    if not text.isascii():
        return None
    text = text.upper()
    text = text[:-1].rstrip() if text.endswith((".", "!")) else text
    only = _ONLY.fullmatch(text)
    if only is not None:
        number = int(only[1])
        return Choice(Word.ONLY, number) if number in set(numbers) else None
    for word in (Word.SEND, Word.DISCARD, Word.BACK):
        if text == word.value:
            return Choice(word)
    return None


def first_own_line(message: Message) -> str:
    """The first non-empty line in the member's own words, '' if there is none."""
    for passage in message.passages:
        if passage.voice is not Voice.OWN:
            continue
        for line in passage.text.splitlines():
            if line.strip():
                return line.strip()
    return ""


def choice_in(message: Message, numbers: Iterable[int]) -> Choice | None:
    """The choice of an answer, or None."""
    return parse_choice(first_own_line(message), numbers)
