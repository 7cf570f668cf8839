"""Lines of a text with their depth of quotation, and format=flowed put together (RFC 3676)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple, overload

from smtpguard.mail.bounds import BOUNDS

# 10 MiB of empty lines would be ten million values; what is beyond this is one line.
LINES_MAX = BOUNDS.lines
# Long texts are searched in stretches, so that other threads get their turn in between.
STRETCH = 256 * 1024

# A line that a program broke was nearly as long as its lines may be, and telephones do not break lines.
BROKEN_LINE_MIN = 40

# A blank before the first ">" is set by programs that indent; more is somebody's layout.
_QUOTE = re.compile(r" ?((?:>[ \t]?){1,50})")
# Zero-width characters, joiners, direction marks and the byte order mark hide a word from comparison.
_INVISIBLE: dict[int, str | None] = {
    ord(each): None
    for each in "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad\u061c\u180e"
    "\u202a\u202b\u202c\u202d\u202e\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u206a\u206b\u206c\u206d\u206e\u206f"
}
_INVISIBLE_CLASS = re.compile("[" + "".join(map(chr, _INVISIBLE)) + "]")
_INVISIBLE[0xA0] = " "


class Line(NamedTuple):
    """`text` is without quote marks; `depth` says how many there were."""

    depth: int
    text: str

    @property
    def blank(self) -> bool:
        return not self.text or self.text.isspace()


class Lines(Sequence[Line]):
    """The lines of a text, each made when it is asked for: most of them nobody asks for.

    `whole` is the text without quote marks, LF between the lines; `depths` has the lines that are quoted. Of its line
    breaks `most` count. `marked` is true if a quote mark stands in front of any line, also behind these.
    """

    __slots__ = ("_counted", "_most", "_texts", "depths", "marked", "whole")

    def __init__(self, whole: str, depths: Mapping[int, int], most: int, texts: list[str] | None = None) -> None:
        self.whole = whole
        self._most = most
        self.depths = depths
        self._texts = texts
        self.marked = texts is not None
        self._counted: tuple[int, int] | None = None

    def __len__(self) -> int:
        return self.counted[0] + 1

    @overload
    def __getitem__(self, at: int) -> Line: ...
    @overload
    def __getitem__(self, at: slice) -> list[Line]: ...
    def __getitem__(self, at: int | slice) -> Line | list[Line]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        return Line(self.depths.get(at, 0), self.texts[at])

    def __iter__(self) -> Iterator[Line]:
        return map(Line, map(self.depths.get, range(len(self)), repeat(0)), self.texts)

    @property
    def counted(self) -> tuple[int, int]:
        """How many line breaks count, and where in `whole` what stands behind these lines begins: at its end if nothing
        does.
        """
        if self._counted is None:
            self._counted = _counted(self.whole, self._most)
        return self._counted

    @property
    def end(self) -> int:
        """Where in `whole` the lines that count end; a text with fewer letters than lines may be is not counted."""
        return self.counted[1] if len(self.whole) > self._most else len(self.whole)

    @property
    def texts(self) -> list[str]:
        """The texts of all lines."""
        if self._texts is None:
            self._texts = self.whole.split("\n", self._most)
        return self._texts

    def between(self, start: int, end: int) -> str:
        """The text of the lines start..end (end not included)."""
        return "\n".join(self.texts[start:end])


def _counted(text: str, most: int) -> tuple[int, int]:
    breaks = start = 0
    while start < len(text):
        number = text.count("\n", start, start + STRETCH)
        if breaks + number >= most:
            last = text[start : start + STRETCH].split("\n", most - breaks)[-1]
            end = min(start + STRETCH, len(text)) - len(last)
            return most, end if text.find("\n", end) >= 0 else len(text)
        breaks += number
        start += STRETCH
    return breaks, len(text)


def visible(text: str) -> str:
    """`text` without invisible characters, with spaces for no-break spaces."""
    if text.isascii():
        return text
    # One copy where both are there: a text may have ten million letters.
    if _INVISIBLE_CLASS.search(text):
        return text.translate(_INVISIBLE)
    return text.replace("\xa0", " ") if "\xa0" in text else text


def lines_of(text: str, most: int = LINES_MAX) -> Lines:
    """Split `text` at its first `most` LF and count quote marks. No-break spaces become spaces, invisible characters
    go. Linear.
    """
    text = visible(text)
    if "\r" in text:
        text = text.replace("\r", "")
    if ">" not in text or not (text.startswith((">", " >")) or "\n>" in text or "\n >" in text):
        return Lines(text, {}, most)
    texts = text.split("\n", most)
    depths: dict[int, int] = {}
    for at, each in enumerate(texts):
        if each[:2].lstrip(" ")[:1] == ">":
            match = _QUOTE.match(each)
            # ">From" is how mailbox files keep a line that begins with "From "; it is no quote of its own.
            if match is not None and (at - 1 in depths or not each.startswith(">From ")):
                depths[at] = match[1].count(">")
                texts[at] = each[match.end() :]
            elif match is not None:
                texts[at] = each[1:]
    return Lines("\n".join(texts), depths, most, texts)


def may_be_rest(lines: Sequence[Line], at: int) -> bool:
    """Whether the line `at`, which is not quoted, may be the end of a quoted one: a program broke that and did not mark
    it again.
    """
    if at == 0 or lines[at - 1].depth == 0 or len(lines[at - 1].text) < BROKEN_LINE_MIN:
        return False
    below = next((each for each in lines[at + 1 : at + 3] if not each.blank), None)
    return below is not None and below.depth > 0


def unflowed(text: str, delsp: bool, most: int = LINES_MAX) -> str:
    """Join soft-broken lines of format=flowed (RFC 3676, 4): same depth, a space at the end, no signature mark.
    What stands behind `most` lines stays as it is.
    """
    joined: list[str] = []
    pending: list[str] = []
    pending_depth = 0
    for raw in text.split("\n", most):
        marks = len(raw) - len(raw.lstrip(">"))
        content = raw[marks:].removeprefix(" ")
        if pending and (marks != pending_depth or content == "-- "):
            joined.append(_marked(pending_depth, pending))
            pending = []
        if content.endswith(" ") and content != "-- ":
            pending.append(content[:-1] if delsp else content)
            pending_depth = marks
            continue
        joined.append(_marked(marks, [*pending, content]))
        pending = []
    if pending:
        joined.append(_marked(pending_depth, pending))
    return "\n".join(joined)


def _marked(depth: int, pieces: list[str]) -> str:
    return ">" * depth + (" " if depth else "") + "".join(pieces)
