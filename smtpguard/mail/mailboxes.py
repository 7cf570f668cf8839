"""Addresses in header fields and in the header lines of a forwarded block.

A header that can be read in two ways is read in both (CVE-2023-27043 and its kin): an address that any of the two
standard readers of the email package gives is an address of the field. Nothing is looked for inside other words.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterable
from email.headerregistry import HeaderRegistry

from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.header import EMAIL_PACKAGE_ERRORS, decoded

# A thousand recipients of 60 octets; servers take about as many in one envelope (RFC 5321, 4.5.3.1.8: at least 100).
FIELD_CHARACTERS_MAX = 64 * 1024
# The grammar reader of email.headerregistry needs some 6 us a character: at most 50 ms for one field.
GRAMMAR_CHARACTERS_MAX = 8 * 1024
ADDRESSES_MAX = 2000
# A block's To line; what is longer than this is not read.
LINE_CHARACTERS_MAX = 16 * 1024

# Fields in which all readers agree: plain addresses, and display names with or without quotes before <address>.
# Comments, groups, routes, escapes and anything torn go to both readers.
_WORD = r"[^\"()\\:;@<>,\[\]]*+"
_ADDRESS = r"[^\s\"()\\:;<>,@\[\]]++@[^\s\"()\\:;<>,@\[\]]++"
_MAILBOX = rf"(?:{_WORD}(?:\"[^\"\\@<>]*+\"{_WORD})*+<{_ADDRESS}>\s*+|\s*+{_ADDRESS}\s*+)"
_PLAIN = re.compile(rf"{_MAILBOX}(?:,{_MAILBOX})*+")
_ADDRESS_ENDS = re.compile(r"[\s<>()\[\]\"',;|*]+")
_REGISTRY = HeaderRegistry()


def field_mailboxes(values: Iterable[str]) -> tuple[tuple[tuple[str, Address], ...], bool]:
    """(display name, address) of each mailbox in the fields `values`, and whether all of them could be read.

    Never raises.
    """
    found: dict[Address, str] = {}
    readable = True
    for value in values:
        if len(value) > FIELD_CHARACTERS_MAX:
            value, readable = value[:FIELD_CHARACTERS_MAX], False
        pairs, complete = _readings(value)
        readable = readable and complete
        for name, text in pairs:
            address = parse_address(text) if "@" in text else None
            if address is not None and len(found) < ADDRESSES_MAX:
                found.setdefault(address, decoded(name))
    return tuple((name, address) for address, name in found.items()), readable


def _readings(value: str) -> tuple[list[tuple[str, str]], bool]:
    pairs: list[tuple[str, str]] = []
    complete = True
    try:
        pairs += _lenient(value)
    except EMAIL_PACKAGE_ERRORS:
        complete = False
    if _PLAIN.fullmatch(value) is None:
        try:
            grammar = _REGISTRY("To", value[:GRAMMAR_CHARACTERS_MAX])
            pairs += [(each.display_name, each.addr_spec) for each in getattr(grammar, "addresses", ())]
            complete = complete and len(value) <= GRAMMAR_CHARACTERS_MAX
        except EMAIL_PACKAGE_ERRORS:
            complete = False
    return pairs, complete


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
        token = token.removeprefix("mailto:").rstrip(".:>")
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
