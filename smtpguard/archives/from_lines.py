"""Where the mails in an mbox begin: RFC 4155 and its dialects (mboxo, mboxrd, mboxcl), an empty line in front or not.

A line begins a mail (From_ line) if it says "From ", somebody and a date, and a header field stands below: text may
have lines that begin with "From ", and not every program writes ">" before them. Some programs write no date; where the
first line of an archive has none, an empty line must stand in front of all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from smtpguard.archives import MAIL_OCTETS_MAX

CHUNK_OCTETS = 64 * 1024
# RFC 5322, 2.1.1. What is longer was written by nobody who writes archives.
FROM_LINE_OCTETS_MAX = 1000
# Of the line below, the name of a field is looked at.
_BELOW_OCTETS = 128
# What stood before a place, by which an archive is known again.
TAIL_OCTETS = 4096

_FROM = b"From "
_BREAK = b"\n" + _FROM
# A break that is cut in two, and the empty line in front of it.
_KEPT_OCTETS = len(_BREAK) + 1
_DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = rb"\d?\d:\d\d(?::\d\d)?"
_DATE = re.compile(
    # As C writes it (RFC 4155), a zone before or behind the year; as mails have it; as databases do.
    b" " + _DAY + b" +" + _MONTH + rb" +\d?\d +" + _TIME + rb" +(?:[A-Za-z0-9+-]{1,6} +){0,2}\d{4}(?:\s|$)"
    b"| " + _DAY + rb", +\d?\d +" + _MONTH + rb" +\d{4} +" + _TIME + rb"| \d{4}-\d\d-\d\d[T ]" + _TIME
)
# A field, or the quoted From_ line of an archive that this one was made of.
_BELOW = re.compile(rb"[\x21-\x39\x3b-\x7e]{1,100}[ \t]*:|>+From ")
# A line and what is below it, looked for in C: a mail may be made of lines that begin with "From ".
_MAYBE = re.compile(rb"\n(?=From [^\n]{0,%d}+\n(?:%b))" % (FROM_LINE_OCTETS_MAX, _BELOW.pattern))
# mboxrd has one more at each level. Nobody quotes an archive deeper.
_QUOTES_MAX = 5


class Stream(Protocol):
    """A file, or what is unpacked of one."""

    def read(self, size: int, /) -> bytes:
        """At most `size` octets, none at the end."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One mail, from its From_ line at `start` to `end`, where the next one begins, or all ends (`last`).

    `octets` is what stands below that line, with "From " as it was written; `before` and `tail` are up to TAIL_OCTETS
    in front of `start` and of `end`.
    """

    start: int
    end: int
    last: bool
    octets: bytes = field(repr=False)
    before: bytes = field(repr=False)
    tail: bytes = field(repr=False)


def is_from_line(line: bytes, *, dated: bool) -> bool:
    """True if `line` may be a From_ line; one with a date if `dated`."""
    if not line.startswith(_FROM) or len(line) > FROM_LINE_OCTETS_MAX:
        return False
    return not dated or _DATE.search(line, len(_FROM) - 1) is not None


def stretches(stream: Stream, position: int, before: bytes, *, dated: bool) -> Iterator[Stretch]:
    """The mails in `stream`, which stands at `position`, where a mail begins; `before` are the octets in front of it.

    `dated` tells whether the archive's first line has a date. The memory in use is some MAIL_OCTETS_MAX, whatever
    comes. Raises what `stream` raises.
    """
    window = _Window(stream, position, before, dated=dated)
    start = window.next_from_line()  # the first line, nothing in front of it
    while start is not None:
        begun, tail = start, window.tail
        kept = _Kept()
        start = window.next_from_line(kept)
        yield Stretch(begun, window.position, start is None, kept.octets, tail, window.tail)


class _Kept:
    """The beginning of a mail."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._left = MAIL_OCTETS_MAX

    def add(self, octets: bytes) -> None:
        if self._left > 0:
            self._parts.append(octets[: self._left])
            self._left -= len(self._parts[-1])

    @property
    def octets(self) -> bytes:
        octets = b"".join(self._parts)
        if b">From " in octets:
            for number in range(_QUOTES_MAX):
                quotes = b">" * number
                octets = octets.replace(b"\n>" + quotes + _FROM, b"\n" + quotes + _FROM)
        # The first one is the end of the From_ line.
        return octets[1:]


class _Window:
    """What of a stream is in memory. `position` counts what has been gone by, `tail` is the end of that."""

    def __init__(self, stream: Stream, position: int, before: bytes, *, dated: bool) -> None:
        self._stream = stream
        self._dated = dated
        # Every From_ line has the end of another in front of it, but for the very first.
        self._octets = b"\n"
        self._at = position - 1
        self._behind = before[:-1]
        self._ended = False

    @property
    def position(self) -> int:
        return self._at

    @property
    def tail(self) -> bytes:
        return self._behind[-min(self._at, TAIL_OCTETS) :] if self._at > 0 else b""

    def next_from_line(self, kept: _Kept | None = None) -> int | None:
        """Go by the next From_ line, up to its end, and say where it began; None if there is none any more.

        What stands before it goes into `kept`; `position` and `tail` are then those of its beginning.
        """
        self._by_line()
        index = 0
        while True:
            found = self._next_break(index)
            begins = None if found < 0 else self._begins_mail(found)
            if begins:
                self._go_by(found + 1, kept)
                return self._at
            if begins is False:
                index = found + 1
                continue
            if self._ended:
                self._go_by(len(self._octets), kept)
                return None
            self._go_by((len(self._octets) if found < 0 else found) - _KEPT_OCTETS, kept)
            index = 0
            self._fill()

    def _next_break(self, index: int) -> int:
        """Where a From_ line may come next, -1 if none does. It is looked at closely where it is not all there yet."""
        whole = _MAYBE.search(self._octets, index)
        if whole is not None:
            return whole.start()
        return self._octets.find(_BREAK, max(index, len(self._octets) - FROM_LINE_OCTETS_MAX - _BELOW_OCTETS))

    def _by_line(self) -> None:
        """If a From_ line comes next, go by it, up to its end."""
        if self._octets.startswith(_FROM):
            end = self._octets.find(b"\n")
            self._go_by(len(self._octets) if end < 0 else end, None)

    def _begins_mail(self, at: int) -> bool | None:
        """Whether the break at `at` has a From_ line behind it; None if there is more to read first."""
        start = at + 1
        end = self._octets.find(b"\n", start, start + FROM_LINE_OCTETS_MAX + 1)
        if end < 0:
            if len(self._octets) - start > FROM_LINE_OCTETS_MAX:
                return False
            end = len(self._octets)
        below = self._octets[end + 1 : end + 1 + _BELOW_OCTETS]
        if not self._ended and len(below) < _BELOW_OCTETS and b"\n" not in below:
            return None
        if not is_from_line(self._octets[start:end], dated=self._dated):
            return False
        if not self._dated and at > 0 and not self._octets[max(at - 2, 0) : at].endswith((b"\n", b"\n\r")):
            return False
        return not below or _BELOW.match(below) is not None

    def _go_by(self, count: int, kept: _Kept | None) -> None:
        if count > 0:
            gone, self._octets = self._octets[:count], self._octets[count:]
            if kept is not None:
                kept.add(gone)
            self._behind = (self._behind + gone[-TAIL_OCTETS:])[-TAIL_OCTETS:]
            self._at += count

    def _fill(self) -> None:
        more = self._stream.read(CHUNK_OCTETS)
        self._ended = not more
        self._octets += more
