"""Invitations and other calendar objects (iCalendar, RFC 5545): their METHOD, and what they say in words."""

from __future__ import annotations

from typing import NamedTuple

from smtpguard.mail.html import HTML_CHARACTERS_MAX, html_text

# Properties in which people write; what X-ALT-DESC has is the description once more, in HTML.
_SPOKEN = frozenset(("SUMMARY", "DESCRIPTION", "COMMENT"))
_PAGE = "X-ALT-DESC"
# A calendar of some years; what follows is not read.
PROPERTIES_MAX = 20_000
METHOD_CHARACTERS_MAX = 40


class Calendar(NamedTuple):
    """`methods` in upper case (RFC 5546: REQUEST, PUBLISH, REPLY, ...); `text` with LF between lines. `markup` is how
    many characters of HTML were read; `complete` is false where not all was.
    """

    methods: frozenset[str]
    text: str
    markup: int = 0
    complete: bool = True


def is_calendar(type_: str, filename: str) -> bool:
    """True for a part that calendar programs take for theirs."""
    return type_ in ("text/calendar", "application/ics") or filename.lower().endswith(".ics")


def read_calendar(text: str, markup_max: int = HTML_CHARACTERS_MAX) -> Calendar:
    """Read `text`, lines with LF. What is no calendar comes back as it is. Linear; never raises."""
    if "BEGIN:VCALENDAR" not in text.upper():
        return Calendar(frozenset(), text)
    methods: set[str] = set()
    spoken: dict[str, None] = {}
    pages: dict[str, None] = {}
    markup = 0
    lines = text.replace("\n ", "").replace("\n\t", "").split("\n", PROPERTIES_MAX)
    complete = len(lines) <= PROPERTIES_MAX
    for line in lines[:PROPERTIES_MAX]:
        colon = _colon(line)
        name = line[: max(colon, 0)].partition(";")[0].strip().upper()
        if name == "METHOD":
            methods.add(line[colon + 1 :].strip().upper()[:METHOD_CHARACTERS_MAX])
        elif name in _SPOKEN:
            spoken[_unescaped(line[colon + 1 :])] = None
        elif name == _PAGE:
            pages[_unescaped(line[colon + 1 :])] = None
    if not any("\n" in each or len(each) > METHOD_CHARACTERS_MAX for each in spoken):
        # Nothing but titles: the description is in the page, if there is one.
        for each in pages:
            most = min(markup_max - markup, HTML_CHARACTERS_MAX)
            complete = complete and len(each) <= most
            markup += min(len(each), most)
            spoken[html_text(each[:most])] = None
    said = "\n\n".join(each for each in spoken if each.strip())
    return Calendar(frozenset(methods), said, markup, complete)


def _colon(line: str) -> int:
    """Where the value begins: at the first colon outside of quotes (RFC 5545, 3.1)."""
    colon = line.find(":")
    quote = line.find('"', 0, max(colon, 0))
    while 0 <= quote < colon:
        close = line.find('"', quote + 1)
        if close < 0:
            break
        if colon < close:
            colon = line.find(":", close)
        quote = line.find('"', close + 1, max(colon, 0))
    return colon


def _unescaped(value: str) -> str:
    """RFC 5545, 3.3.11."""
    if "\\" not in value:
        return value
    pieces = value.split("\\\\")
    return "\\".join(
        each.replace("\\n", "\n").replace("\\N", "\n").replace("\\,", ",").replace("\\;", ";") for each in pieces
    )
