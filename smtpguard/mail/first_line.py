"""The first line that the sender of a mail wrote himself: in an answer it decides what becomes of a held mail.

Of his own text three things are left out here, which nobody means as an answer: lines without a letter or a digit, the
line that introduces a quote, and the rest of a quoted line that a program has broken.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from smtpguard.mail.attributions import ATTRIBUTION_CHARACTERS_MAX
from smtpguard.mail.message import Passage, Voice

_LETTER = re.compile(r"[^\W_]")
# As str.splitlines() knows them.
_LINE = re.compile("[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*")
_TIME = re.compile(r"\d{1,2}[:.h]\d\d")
_COLONS = (":", "\uff1a")


# RFC 9580, 7: the text begins behind an empty line.
_ARMOUR = re.compile(r"\s*-----BEGIN PGP SIGNED MESSAGE-----\n(?:[^\n]{1,200}\n){0,20}\n")


def first_line(passages: Sequence[Passage], rests: Collection[int]) -> str:
    """The first line with words in the sender's own voice, '' if there is none. `rests` are the numbers of those
    passages that are what is left of a broken line.
    """
    for number, each in enumerate(passages):
        if each.voice is Voice.OWN and number not in rests:
            line = _with_words(each.text)
            quoted = number + 1 < len(passages) and passages[number + 1].voice is Voice.QUOTED
            if line and not (quoted and _introduces(line, each.text)):
                return line
    return ""


def _with_words(text: str) -> str:
    """The first line with a letter or a digit: "..." and "[...]" stand for what was left out of a quote."""
    armour = _ARMOUR.match(text)
    letter = _LETTER.search(text, armour.end() if armour is not None else 0)
    if letter is None:
        return ""
    *_, start = (each.start() for each in _LINE.finditer(text, 0, letter.end()) if each[0])
    found = _LINE.match(text, start)
    return found[0].strip() if found is not None else ""


def _introduces(line: str, text: str) -> bool:
    """Whether all that stands above a quote announces it, as people set up their programs to do: "Anna mentioned:",
    with the day in a line above it or without. An attribution in known words is no own text in the first place.
    """
    text = text.strip()
    announces = text.endswith(_COLONS) and len(text) <= ATTRIBUTION_CHARACTERS_MAX
    return announces and (line == text or (_TIME.search(line) is not None and text.count("\n") == 1))
