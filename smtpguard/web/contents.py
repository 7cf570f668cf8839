"""What of a held mail its sender is shown: its texts as plain text, attached mails, and files by name and size.

Never HTML of the mail, and nothing that a browser would load or run: an HTML text is read as `mail.html` reads it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from smtpguard.mail.bodies import Body
from smtpguard.mail.bounds import Bounds
from smtpguard.mail.content import unstuffed
from smtpguard.mail.header import ContentType, decoded
from smtpguard.mail.html import html_text
from smtpguard.mail.lines import unflowed
from smtpguard.mail.parsing import open_message
from smtpguard.notices.letter import clean_line

# All texts of a page together: some thirty screens, which nobody reads through, and a phone still shows at once.
TEXT_CHARACTERS_MAX = 60_000
# What is read for that: text may be coded, and HTML is mostly markup. Parts beyond these are not named.
READ = Bounds(text=1024 * 1024, parts=100, depth=10, seconds=1)
FILES_SHOWN_MAX = 30
MAILS_SHOWN_MAX = 10
NAME_CHARACTERS_MAX = 120

# Base64 has 76 characters and a line end for 57 octets (RFC 2045, 6.8).
_BASE64_LINE, _BASE64_OCTETS = 78, 57
_LINE_ENDS = re.compile(r"\r\n?|[\x85\u2028\u2029\v\f]")
_EMPTY_LINES = re.compile(r"\n(?:[ \t]*\n){3,}")
# What has no place in a text, or turns its order round so that it reads otherwise than it is.
_UNWANTED = frozenset(("Cc", "Cs"))
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\ufeff")


@dataclass(frozen=True, slots=True)
class File:
    """An attached file; `octets` is about how many it has."""

    name: str = field(repr=False)
    octets: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What is shown. `mails` are attached mails with their subjects; `cut` is true if there is more text, `more_files`
    if there are more files."""

    text: str = field(repr=False)
    mails: tuple[tuple[str, str], ...] = field(repr=False)
    files: tuple[File, ...] = field(repr=False)
    cut: bool
    more_files: bool


def contents_of(wire: bytes) -> Contents:
    """Read the content of a held mail, in wire form. Never raises; takes bounded time whatever is in it."""
    found = open_message(unstuffed((wire,)), lambda _: False, READ).found
    left = _Left()
    text = left.text(found.bodies)
    mails = tuple(
        (clean_line(decoded(each.header.first("subject")), NAME_CHARACTERS_MAX), left.text(each.bodies))
        for each in found.mails[:MAILS_SHOWN_MAX]
    )
    return Contents(
        text=text,
        mails=mails,
        files=tuple(_file(*each) for each in found.files[:FILES_SHOWN_MAX]),
        cut=left.cut or bool(found.defects) or len(found.mails) > MAILS_SHOWN_MAX,
        more_files=len(found.files) > FILES_SHOWN_MAX,
    )


class _Left:
    """How many characters may still be shown."""

    def __init__(self) -> None:
        self.characters = TEXT_CHARACTERS_MAX
        self.cut = False

    def text(self, bodies: Iterable[Body]) -> str:
        """The texts of one mail, one below the other."""
        shown = []
        for each in bodies:
            # Characters that are taken away count as well: so many are looked at and no more.
            text = _read(each)
            self.cut = self.cut or len(text) > self.characters
            text = text[: self.characters]
            self.characters -= len(text)
            shown.append(harmless(text).strip("\n"))
        return "\n\n".join(filter(None, shown))


def harmless(text: str) -> str:
    """`text` with LF line ends, and without characters that are invisible or turn the order of others."""
    text = _LINE_ENDS.sub("\n", text)
    kept = "".join(
        each
        for each in text
        if each in "\n\t" or (each not in _TURNING and unicodedata.category(each) not in _UNWANTED)
    )
    return _EMPTY_LINES.sub("\n\n\n", kept)


def _read(body: Body) -> str:
    if body.html:
        return html_text(body.text, hidden=False)
    return unflowed(body.text, body.delsp, READ.lines) if body.flowed else body.text


def _file(kind: ContentType, octets: int, in_base64: bool) -> File:
    name = clean_line(decoded(kind.filename), NAME_CHARACTERS_MAX) or kind.type
    return File(name, octets * _BASE64_OCTETS // _BASE64_LINE if in_base64 else octets)
