"""Where in a text somebody else may begin to speak: the lines worth reading with care, found by a few fast searches.

Nearly all lines of nearly all mails are none of them. What is found here is a superset: a line that is left out can
neither be nor begin a banner, a block, an attribution, a signature or a footer, whatever stands around it.
"""

from __future__ import annotations

import re

from smtpguard.mail.attributions import ATTRIBUTION_LINES_MAX
from smtpguard.mail.blocks import BANNER_COLON_MAX, COLONS, RULE_STARTS
from smtpguard.mail.labels import LANGUAGES
from smtpguard.mail.lines import LINES_MAX

# What telephones and web mailers put below a letter ("Sent from my ..."), in lower case.
DEVICE_LINES = tuple(word for words in LANGUAGES.values() for word in words.get("device", "").split("|") if word)

# The beginning of a line behind its blanks. `re` ignores case in more ways than str.lower(): a superset again.
_RULES = re.escape("".join(sorted(RULE_STARTS)))
_INITIALS = sorted({each[0] for each in DEVICE_LINES})
# By their first letter: of most lines that is all that is looked at.
_DEVICES = "|".join(
    f"{initial}(?:{'|'.join(re.escape(each[1:]) for each in DEVICE_LINES if each[0] == initial)})"
    for initial in _INITIALS
)
_BEGINNING = rf"[^\S\n]*+(?:[{_RULES}]|(?i:(?=[{''.join(_INITIALS)}])(?:{_DEVICES})))"
_FIRST = re.compile(_BEGINNING)
_LATER = re.compile(rf"\n{_BEGINNING}")
# Behind the colon of an attribution mail programs put emphasis marks and blanks.
_BEHIND_COLON = " \t*_"
# Long texts are searched in stretches, so that other threads get their turn in between.
_STRETCH = 256 * 1024


def landmarks(text: str, most: int = LINES_MAX) -> tuple[set[int], set[int]]:
    """Numbers of the lines of `text` (LF between them, quote marks taken off) that are to be read with care, and of
    those among them in which an attribution may begin.

    Line breaks beyond `most` do not count, and what stands behind them is nobody else's. Linear; never raises.
    """
    if len(text) > most:
        text = _lines_up_to(text, most)
    found = {0} if _FIRST.match(text) is not None else set()
    attributions: set[int] = set()
    number = counted = 0
    for offset, before in sorted((*_beginnings(text), *_colons(text))):
        number += text.count("\n", counted, offset)
        counted = offset
        found.add(number)
        if before:
            attributions.update(range(max(0, number - before), number + 1))
    return found | attributions, attributions


def _lines_up_to(text: str, most: int) -> str:
    """The first `most` lines of `text` with their ends; all of it if it has no more."""
    start = 0
    while start < len(text):
        lines = text.count("\n", start, start + _STRETCH)
        if lines >= most:
            beyond = text[start : start + _STRETCH].split("\n", most)[most]
            end = min(len(text), start + _STRETCH) - len(beyond)
            return text[:end] if "\n" in text[end:] else text
        most -= lines
        start += _STRETCH
    return text


def _beginnings(text: str) -> list[tuple[int, int]]:
    """(offset, 0) of each line that begins as a rule, a banner, a signature mark or a footer does; not of the first."""
    found: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        end = text.find("\n", start + _STRETCH)
        end = len(text) if end < 0 else end
        found += [(match.start() + 1, 0) for match in _LATER.finditer(text, start, end)]
        start = end
    return found


def _colons(text: str) -> list[tuple[int, int]]:
    """(offset, lines before it) for each line with a colon where one counts.

    Near its beginning a colon may end a label or a banner; at its end it may end an attribution, which then begins in
    one of the lines before.
    """
    found: list[tuple[int, int]] = []
    for mark in COLONS if not text.isascii() else COLONS[:1]:
        found += _colons_like(text, mark)
    return found


def _colons_like(text: str, mark: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    start = 0
    colon = text.find(mark)
    while colon >= 0:
        start = text.rfind("\n", start, colon) + 1 or start
        end = text.find("\n", colon)
        end = len(text) if end < 0 else end
        last = text.rfind(mark, colon, end)
        if not text[last + 1 : end].strip(_BEHIND_COLON):
            found.append((start, ATTRIBUTION_LINES_MAX - 1))
        elif colon - start < BANNER_COLON_MAX:
            found.append((start, 0))
        start = end
        colon = text.find(mark, end)
    return found
