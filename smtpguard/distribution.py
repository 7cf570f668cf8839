"""The list that a list manager has distributed a mail for, as the mail's own header says (RFC 2369, RFC 2919).

Anybody can write these fields. They count only where the list manager's own connection brought the mail (T-17).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from smtpguard.lists import MailingList
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.header import Header
from smtpguard.policy import Policy

# RFC 2919, 2: a list identifier has at most 255 octets.
LIST_ID_CHARACTERS_MAX = 255
# Mailman writes each field once; what has more is not the list manager's own.
FIELDS_MAX = 4

_ID = re.compile(r"<([^<>\s]{1,255})>")
_MAILTO = re.compile(r"<mailto:([^<>?\s]{1,1000})", re.IGNORECASE)


def distributed_for(header: Header, policy: Policy) -> MailingList | None:
    """The one configured list that List-Id and List-Post name; None if there is none, or if they name several.

    Without List-Post it is no post: list managers leave it out of what they write themselves, like a moderator's notice
    with the mail that it is about (Mailman 3: reduced_list_headers; Mailman 2: X-List-Administrivia).
    """
    ids, posts = header.every("list-id"), header.every("list-post")
    if not posts or len(ids) + len(posts) > FIELDS_MAX or header.every("x-list-administrivia"):
        return None
    addresses = [*(each for value in ids for each in _of_id(value)), *(each for value in posts for each in _to(value))]
    found = {each.id: each for each in map(policy.list_of, addresses) if each is not None}
    return next(iter(found.values())) if len(found) == 1 else None


def _of_id(value: str) -> Iterator[Address]:
    """The addresses that a list identifier may stand for: one of its dots stands where the @ was."""
    named = _ID.findall(value)
    words = named[-1] if named else value.strip()
    if len(words) > LIST_ID_CHARACTERS_MAX:
        return
    for place in (number for number, letter in enumerate(words) if letter == "."):
        address = parse_address(f"{words[:place]}@{words[place + 1 :]}")
        if address is not None:
            yield address


def _to(value: str) -> Iterator[Address]:
    """The addresses of a List-Post field; it has none where only moderators may post (`NO`)."""
    for each in _MAILTO.findall(value):
        address = parse_address(unquote(each))
        if address is not None:
            yield address
