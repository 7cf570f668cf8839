"""Addresses in header fields and in the header lines of a forwarded block.

A header that can be read in two ways is read in both (CVE-2023-27043 and its kin): an address that any of the two
standard readers of the email package gives is an address of the field. Both readers are slow on torn fields, so one
message has a budget for each; what lies beyond it is searched for anything that looks like an address.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterable, Iterator
from email.headerregistry import HeaderRegistry

from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.header import EMAIL_PACKAGE_ERRORS, decoded

# What one message may cost, its attached mails included. Measured on hostile fields: the grammar reader of
# email.headerregistry needs up to 25 us a character (a long row of quotes), the lenient reader up to 2.5 us where a
# field is torn and 0.8 us where it is plain, the search 0.1 us. So a message costs 0.4 s at most, and one that is small
# enough to be read on the event loop (64 KiB) 0.2 s.
GRAMMAR_CHARACTERS_MAX = 4 * 1024
TORN_CHARACTERS_MAX = 32 * 1024
# A thousand recipients of 60 octets; servers take about as many in one envelope (RFC 5321, 4.5.3.1.8: at least 100).
PLAIN_CHARACTERS_MAX = 256 * 1024
SEARCHED_CHARACTERS_MAX = 1024 * 1024
# The grammar reader's time grows faster than the field on some input; a torn field of real mail is shorter than this.
GRAMMAR_FIELD_CHARACTERS_MAX = 1024
ADDRESSES_MAX = 2000
# A block's To line; what is longer than this is not read.
LINE_CHARACTERS_MAX = 16 * 1024

# Fields in which all readers agree: plain addresses, and display names with or without quotes before <address>.
# Comments, groups, routes, escapes and anything torn go to both readers. Possessive quantifiers stand behind single
# characters only: up to Python 3.11.4 they are wrong behind groups (gh-106052). So no text may match in two ways.
_WORD = r"[^\"()\\:;@<>,\[\]]*+"
_ADDRESS = r"[^\s\"()\\:;<>,@\[\]]++@[^\s\"()\\:;<>,@\[\]]++"
_NAMED = rf"(?:{_WORD}(?:\"[^\"\\@<>]*+\"{_WORD})*|[ \t]*+\"[^\"\\@<>]*+[@<>][^\"\\]*+\"[ \t]*+)<{_ADDRESS}>"
_MAILBOX = rf"(?:{_NAMED}|\s*+{_ADDRESS})\s*+"
_PLAIN = re.compile(rf"{_MAILBOX}(?:,{_MAILBOX})*")
# Of these, what nearly every mail has: words or one quoted text, then the address. The email package reads the same a
# letter at a time.
_SIMPLE_WORDS = r"[^\x00-\x20\x7f-\xa0()\\:;\"@<>,\[\]\s][^\x00-\x08\x0a-\x1f\x7f-\xa0()\\:;\"@<>,\[\]]*+"
_SIMPLE_ADDRESS = r"[\w+=-]++(?:\.[\w+=-]++)*@[a-zA-Z0-9-]++(?:\.[a-zA-Z0-9-]++)*"
_SIMPLE_NAME = rf"(?:\"([^\x00-\x1f\"\\@<>]*+)\"|({_SIMPLE_WORDS}))"
_SIMPLE = re.compile(
    rf"[ \t]*+(?:{_SIMPLE_NAME}?[ \t]*+<({_SIMPLE_ADDRESS})>|({_SIMPLE_ADDRESS}))[ \t]*+(,|\Z)", re.ASCII
)
_BLANKS = re.compile(r"[ \t]+")
_ADDRESS_ENDS = re.compile(r"[\s<>()\[\]\"',;|*]+")
_COMMENTS_AND_QUOTES = re.compile(r"\([^()]*+\)|[\"\\]")
_SEARCH_ENDS = re.compile(r"[\s<>()\[\]',:;|*]+")
_REGISTRY = HeaderRegistry()


class MailboxReader:
    """Reads the address fields of one message and of the mails attached to it, within one budget for all of them.

    `complete` turns false where a field could not be read in every way.
    """

    def __init__(self) -> None:
        self.complete = True
        self._grammar_left = GRAMMAR_CHARACTERS_MAX
        self._torn_left = TORN_CHARACTERS_MAX
        self._plain_left = PLAIN_CHARACTERS_MAX
        self._searched_left = SEARCHED_CHARACTERS_MAX

    def mailboxes(self, values: Iterable[str]) -> tuple[tuple[str, Address], ...]:
        """(display name, address) of each mailbox in the fields `values`, at most ADDRESSES_MAX. Never raises."""
        found: dict[tuple[str, str], tuple[str, Address]] = {}
        for value in values:
            for name, text in self._readings(value):
                address = parse_address(text) if "@" in text else None
                if address is None or (key := address.key) in found:
                    continue
                if len(found) >= ADDRESSES_MAX:
                    self.complete = False
                    break
                found[key] = decoded(name) if name else "", address
        return tuple(found.values())

    def _readings(self, value: str) -> Iterator[tuple[str, str]]:
        """What stands in one field, as (display name, text of an address), in each way of reading it."""
        if "@" not in value:
            return
        if len(value) <= self._plain_left and _PLAIN.fullmatch(value) is not None:
            self._plain_left -= len(value)
            yield from _simply(value) or _lenient(value)
            return
        both = self._leniently_torn(value), self._by_grammar(value)
        for each in both:
            yield from each or ()
        if None in both:
            self.complete = False
        # Behind a quote that is never closed each program finds something else.
        if None in both or value.count('"') % 2:
            yield from self._searched(value)

    def _leniently_torn(self, value: str) -> list[tuple[str, str]] | None:
        if len(value) > self._torn_left:
            return None
        self._torn_left -= len(value)
        try:
            return _lenient(value)
        except EMAIL_PACKAGE_ERRORS:
            return None

    def _by_grammar(self, value: str) -> list[tuple[str, str]] | None:
        if len(value) > min(self._grammar_left, GRAMMAR_FIELD_CHARACTERS_MAX):
            return None
        self._grammar_left -= len(value)
        try:
            addresses = getattr(_REGISTRY("To", value), "addresses", ())
            return [(each.display_name, each.addr_spec) for each in addresses]
        except EMAIL_PACKAGE_ERRORS:
            return None

    def _searched(self, value: str) -> Iterator[tuple[str, str]]:
        """Everything in `value` that looks like an address, in a display name, too."""
        value = value[: self._searched_left]
        self._searched_left -= len(value)
        for token in _SEARCH_ENDS.split(_COMMENTS_AND_QUOTES.sub("", value)):
            if "@" in token:
                yield "", token


def _simply(value: str) -> list[tuple[str, str]]:
    """What `_lenient` gives for the fields of most mails; [] for any other field."""
    found: list[tuple[str, str]] = []
    position = 0
    while (match := _SIMPLE.match(value, position)) is not None:
        quoted, words, named, bare, comma = match.groups()
        found.append((quoted or _BLANKS.sub(" ", (words or "").rstrip(" \t")), named or bare))
        if not comma:
            return found
        position = match.end()
    return []


def _lenient(value: str) -> list[tuple[str, str]]:
    """getaddresses as it was before CVE-2023-27043: since then it gives nothing for a doubtful field."""
    if getattr(email.utils, "supports_strict_parsing", False):
        return email.utils.getaddresses([value], strict=False)  # type: ignore[call-arg, unused-ignore]
    return email.utils.getaddresses([value])


def line_mailboxes(line: str) -> tuple[str, tuple[Address, ...]]:
    """The first display name and all addresses of a header line as mail programs print it into a text.

    `Anna <anna@example.org>`, `Anna [mailto:anna@example.org]`, `<mailto:..>`, separators comma and semicolon. The
    host of an address needs a dot: names of internal directories (`Anna/Berlin/Org@Org`) are names. Linear; never
    raises.
    """
    line = line[:LINE_CHARACTERS_MAX]
    found: dict[Address, None] = {}
    for token in _ADDRESS_ENDS.split(line) if "@" in line else ():
        # "mailto:" in links, and "Email:" or "SMTP:" as directories print it.
        token = token.rstrip(".:>").rpartition(":")[2]
        local, _, host = token.rpartition("@")
        if local and "." in host.strip(".") and len(token) <= 320:
            address = parse_address(token)
            if address is not None and len(found) < ADDRESSES_MAX:
                found[address] = None
    return _display_name(line), tuple(found)


def _display_name(line: str) -> str:
    """What stands before the first address, without quotes; the whole first item where there is no address."""
    head = re.split(r"[<\[(;]", line, maxsplit=1)[0].strip()
    if "@" in head and "." in head.rpartition("@")[2]:
        words = head.split()
        head = " ".join(word for word in words if "@" not in word) if len(words) > 1 else ""
    return decoded(head.strip(" \t\"'*,").removesuffix(" via"))
