"""Where in a text somebody else may begin to speak: the lines worth reading with care, found by a few fast searches.

Nearly all lines of nearly all mails are none of them. What is found here is a superset: a line that is left out can
neither be nor begin a banner, a block, an attribution, a signature or a footer, whatever stands around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from smtpguard.mail.attributions import ATTRIBUTION_LINES_MAX
from smtpguard.mail.blocks import BANNER_COLON_MAX, COLONS, RULE_STARTS
from smtpguard.mail.labels import LANGUAGES
from smtpguard.mail.lines import STRETCH

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


def _any_of(words: list[str]) -> str:
    """An expression for the beginning of any of `words`, letter by letter, in both cases: what is searched is ASCII."""
    if "" in words:
        return ""
    firsts = sorted({each[0] for each in words})
    branches = [f"[{re.escape(each + each.upper())}]{_any_of([word[1:] for word in words if word[0] == each])}"
                for each in firsts]  # fmt: skip
    return f"(?:{'|'.join(branches)})"


# The same for a text in ASCII, as most are: three times as fast.
_ASCII_DEVICES = [each for each in DEVICE_LINES if each.isascii()]
_ASCII_INITIALS = re.escape("".join(sorted({each[0] + each[0].upper() for each in _ASCII_DEVICES})))
_ASCII_LATER = re.compile(
    rf"\n[ \t\r\v\f\x1c-\x1f]*+(?=[{_ASCII_INITIALS}{_RULES}])(?:[{_RULES}]|{_any_of(_ASCII_DEVICES)})"
)
# Behind the colon of an attribution mail programs put emphasis marks and blanks.
_BEHIND_COLON = " \t*_"


def landmarks(text: str, end: int | None = None) -> tuple[set[int], set[int]]:
    """Numbers of the lines of `text` (LF between them, quote marks taken off) that are to be read with care, and of
    those among them in which an attribution may begin.

    What stands behind `end` is nobody else's. Linear; never raises.
    """
    end = len(text) if end is None else end
    found = {0} if _FIRST.match(text, 0, end) is not None else set()
    attributions: set[int] = set()
    number = counted = 0
    for offset, before in sorted((*_beginnings(text, end), *_colons(text, end))):
        number += text.count("\n", counted, offset)
        counted = offset
        found.add(number)
        if before:
            attributions.update(range(max(0, number - before), number + 1))
    return found | attributions, attributions


def has_landmarks(text: str) -> bool:
    """Whether there are any, in all of `text`; makes no list of them."""
    later = _ASCII_LATER if text.isascii() else _LATER
    if _FIRST.match(text) is not None or any(True for mark in COLONS for _ in _colons_like(text, mark, len(text))):
        return True
    return any(later.search(text, start, stop) is not None for start, stop in _stretches(text, len(text)))


def _stretches(text: str, end: int) -> Iterator[tuple[int, int]]:
    """Where stretches of `text` begin and end: at line breaks."""
    start = 0
    while start < end:
        stop = text.find("\n", start + STRETCH, end)
        stop = end if stop < 0 else stop
        yield start, stop
        start = stop


def _beginnings(text: str, end: int) -> list[tuple[int, int]]:
    """(offset, 0) of each line that begins as a rule, a banner, a signature mark or a footer does; not of the first."""
    later = _ASCII_LATER if text.isascii() else _LATER
    return [
        (match.start() + 1, 0) for start, stop in _stretches(text, end) for match in later.finditer(text, start, stop)
    ]


def _colons(text: str, end: int) -> list[tuple[int, int]]:
    """(offset, lines before it) for each line with a colon where one counts.

    Near its beginning a colon may end a label or a banner; at its end it may end an attribution, which then begins in
    one of the lines before.
    """
    found: list[tuple[int, int]] = []
    for mark in COLONS if not text.isascii() else COLONS[:1]:
        found += _colons_like(text, mark, end)
    return found


def _colons_like(text: str, mark: str, end: int) -> Iterator[tuple[int, int]]:
    start = 0
    colon = text.find(mark, 0, end)
    while colon >= 0:
        start = text.rfind("\n", start, colon) + 1 or start
        stop = text.find("\n", colon, end)
        stop = end if stop < 0 else stop
        last = text.rfind(mark, colon, stop)
        if not text[last + 1 : stop].strip(_BEHIND_COLON):
            yield start, ATTRIBUTION_LINES_MAX - 1
        elif colon - start < BANNER_COLON_MAX:
            yield start, 0
        start = stop
        colon = text.find(mark, stop, end)
