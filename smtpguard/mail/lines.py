"""Lines of a text with their depth of quotation, and format=flowed put together (RFC 3676)."""

from __future__ import annotations

import re
from typing import NamedTuple

# 10 MiB of empty lines would be ten million values; a letter of 100,000 lines does not exist. The rest is one line.
LINES_MAX = 100_000

# A blank before the first ">" is set by programs that indent; more is somebody's layout.
_QUOTE = re.compile(r" ?((?:>[ \t]?){1,50})")
# Zero-width characters, joiners, direction marks and the byte order mark hide a word from comparison.
_INVISIBLE = {
    ord(each): None for each in "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad\u202a\u202b\u202c\u202d\u202e"
}
_INVISIBLE_CLASS = re.compile("[" + "".join(map(chr, _INVISIBLE)) + "]")


class Line(NamedTuple):
    """`text` is without quote marks; `depth` says how many there were."""

    depth: int
    text: str

    @property
    def blank(self) -> bool:
        return not self.text or self.text.isspace()


def lines_of(text: str) -> list[Line]:
    """Split `text` at LF and count quote marks. No-break spaces become spaces, invisible characters go. Linear."""
    if not text.isascii():
        text = text.replace("\xa0", " ")
        if _INVISIBLE_CLASS.search(text):
            text = text.translate(_INVISIBLE)
    raw = text.replace("\r", "").split("\n", LINES_MAX)
    lines: list[Line] = []
    before = 0
    for each in raw:
        depth = 0
        if each[:2].lstrip(" ")[:1] == ">":
            match = _QUOTE.match(each)
            # ">From" is how mailbox files keep a line that begins with "From "; it is no quote of its own.
            if match is not None and (before or not each.startswith(">From ")):
                depth = match[1].count(">")
                each = each[match.end() :]
            elif match is not None:
                each = each[1:]
        lines.append(Line(depth, each))
        before = depth
    return lines


def unflowed(text: str, delsp: bool) -> str:
    """Join soft-broken lines of format=flowed (RFC 3676, 4): same depth, a space at the end, no signature mark."""
    joined: list[str] = []
    pending: list[str] = []
    pending_depth = 0
    for raw in text.split("\n", LINES_MAX):
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
