"""What a typed answer means: each reader makes the answer of a text, or says in a sentence why it cannot be one."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from smtpguard.config.places import Domain, Mailbox, PageUrl
from smtpguard.config.texts import shipped
from smtpguard.config.values import Language, Line, Zone
from smtpguard.mail.address import Address
from smtpguard.tools.setup.answers import Said

NONE = "none"
# `address` of smtpguard.yaml takes no longer one; other letters would need care in regular expressions.
_GUARD_NAME = re.compile(r"[a-z0-9_-]{1,11}")
# What stands in master.cf without quotes, where blanks end a word, and in YAML between braces.
PATH = re.compile(r"/[\w.+@/-]*")

Reader = Callable[[str, Said], Any]
"""Raises ValueError with the sentence."""


def _of(kind: Any) -> Reader:
    """A reader by a type of the settings: the same words for the same mistakes."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def read(text: str, said: Said) -> Any:
        try:
            return adapter.validate_python(text)
        except ValidationError as error:
            message = str(error.errors(include_url=False)[0]["msg"])
            raise ValueError("this is empty." if message == "empty" else message) from None

    return read


def one_of(*words: str) -> Callable[[str, Said], str]:
    def read(text: str, said: Said) -> str:
        if text.strip() not in words:
            raise ValueError(f"write {', '.join(words[:-1])} or {words[-1]}.")
        return text.strip()

    return read


_domain = _of(Domain)
_mailbox = _of(Mailbox)
_url = _of(PageUrl)
line = _of(Line)


def server(text: str, said: Said) -> str:
    found: str = _domain(text, said)
    if "." not in found or _is_ip(found):
        raise ValueError("write the whole name of the mail server, like mail.example.org (postconf -h myhostname).")
    return found


def members_domain(text: str, said: Said) -> str:
    found: str = _domain(text, said)
    if "." not in found or _is_ip(found):
        raise ValueError("write the whole domain, like example.org.")
    return found


def list_domains(text: str, said: Said) -> tuple[str, ...]:
    if text.strip().lower() == NONE:
        return ()
    found = tuple(dict.fromkeys(_domain(each, said) for each in _words(text)))
    if not found:
        raise ValueError("this is empty.")
    if said["domain"] in found:
        raise ValueError(
            f"{said['domain']} is the members' domain, and a list domain has nothing but lists. Leave it out (or write "
            f'"{NONE}"); lists that have an address there are named in list_addresses of smtpguard.yaml afterwards.'
        )
    return found


def guard_address(text: str, said: Said) -> Address:
    # In lower case: tables of Postfix name it as well.
    found: Address = _mailbox(text.lower(), said)
    if not _GUARD_NAME.fullmatch(found.local_part):
        raise ValueError("in front of the @ write at most 11 of a-z, 0-9, - and _: a code is put behind it.")
    if found.domain == said["domain"] or found.domain in said["list_domains"]:
        raise ValueError(f"the guard needs a domain of its own, like check.{said['domain']}.")
    return found


def contact(text: str, said: Said) -> Address:
    found: Address = _mailbox(text, said)
    if found.domain == said["address"].domain:
        raise ValueError("this must be a mailbox that a person reads, not an address of the guard.")
    return found


def page(text: str, said: Said) -> str | None:
    return None if text.strip().lower() == NONE else _url(text, said)


def languages(text: str, said: Said) -> tuple[str, ...]:
    read, there = _of(Language), shipped().codes
    found = tuple(dict.fromkeys(read(each, said) for each in _words(text)))
    if not found:
        raise ValueError("this is empty.")
    for each in found:
        if each.partition("-")[0] not in there:
            raise ValueError(f'there are no texts in "{each}". There are: {", ".join(there)}.')
    return found


def path(text: str, said: Said) -> str:
    if not PATH.fullmatch(text.strip()):
        raise ValueError("write a path that begins with / and has no blank in it.")
    return text.strip()


def zone(text: str, said: Said) -> str:
    zone: ZoneInfo = _of(Zone)(text, said)
    return zone.key


def _words(text: str) -> list[str]:
    return text.replace(",", " ").replace(";", " ").split()


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
