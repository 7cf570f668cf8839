"""What goes into a sealed box and onto a card, as octets: a JSON head, and behind it the content in wire form as it is.

A box is: format version (1 octet), length of the head (4 octets), the head, the content. JSON, because a box written
by one release must be read by the next one and by nobody's object loader. Text goes through UTF-8 with `surrogatepass`:
the envelope holds octets that a client typed outside UTF-8 as surrogates, and they must come out again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from smtpguard.held import Card, HeldMail, NumberedList
from smtpguard.mail.address import Address
from smtpguard.mail.envelope import Envelope, Path
from smtpguard.mail.message import Account
from smtpguard.verdict import Fact, Finding

MAIL_VERSION = 1
CARD_VERSION = 1

_LENGTH = 4

Value = TypeVar("Value")


class UnreadableError(Exception):
    """What the seal protected was whole, but was written in a form that this release does not know."""

    def __init__(self) -> None:
        super().__init__("a held mail is written in a form that this release cannot read")


def mail_to_octets(mail: HeldMail) -> bytes:
    """The plain text of a sealed box."""
    head = _dumped(
        {
            "submission": mail.submission_id,
            "account": {
                "login": mail.account.login,
                "mailbox": _optional(_address_out, mail.account.mailbox),
                "language": mail.account.language,
            },
            "reverse_path": _path_out(mail.envelope.reverse_path),
            "recipients": [_path_out(each) for each in mail.envelope.recipients],
            "subject": mail.subject,
            "greeting": mail.greeting,
            "findings": [_finding_out(each) for each in mail.findings],
            "lists": [
                {"number": each.number, "id": each.id, "about": each.about, "suggested": each.suggested}
                for each in mail.lists
            ],
            "recipient_lists": list(mail.recipient_lists),
            "arrived": _time_out(mail.arrived),
            "expires": _time_out(mail.expires),
        }
    )
    return b"".join((bytes((MAIL_VERSION,)), len(head).to_bytes(_LENGTH, "big"), head, mail.wire))


def mail_from_octets(octets: bytes) -> HeldMail:
    """What `mail_to_octets` was given. Raises UnreadableError."""
    start = 1 + _LENGTH
    end = start + int.from_bytes(octets[1:start], "big")
    if octets[:1] != bytes((MAIL_VERSION,)) or end > len(octets):
        raise UnreadableError
    return _read(_mail_in, octets[start:end], octets[end:])


def card_to_octets(card: Card) -> bytes:
    """The plain text of a card."""
    head = {
        "mailbox": _address_out(card.mailbox),
        "language": card.language,
        "notice": card.notice_id,
        "arrived": _time_out(card.arrived),
    }
    return bytes((CARD_VERSION,)) + _dumped(head)


def card_from_octets(octets: bytes) -> Card:
    """What `card_to_octets` was given. Raises UnreadableError."""
    if octets[:1] != bytes((CARD_VERSION,)):
        raise UnreadableError
    return _read(_card_in, octets[1:], b"")


def _mail_in(head: Any, wire: bytes) -> HeldMail:
    account = head["account"]
    return HeldMail(
        submission_id=_is(str, head["submission"]),
        account=Account(
            login=_is(str, account["login"]),
            mailbox=_optional(_address_in, account["mailbox"]),
            language=_optional(_text_in, account["language"]),
        ),
        envelope=Envelope(
            _path_in(head["reverse_path"]), tuple(_path_in(each) for each in _is(list, head["recipients"]))
        ),
        subject=_is(str, head["subject"]),
        greeting=_optional(_text_in, head["greeting"]),
        findings=tuple(_finding_in(each) for each in _is(list, head["findings"])),
        lists=tuple(_numbered_in(each) for each in _is(list, head["lists"])),
        recipient_lists=tuple(_optional(_number_in, each) for each in _is(list, head["recipient_lists"])),
        arrived=_time_in(head["arrived"]),
        expires=_time_in(head["expires"]),
        wire=wire,
    )


def _card_in(head: Any, _nothing: bytes) -> Card:
    return Card(
        mailbox=_address_in(head["mailbox"]),
        language=_is(str, head["language"]),
        notice_id=_is(str, head["notice"]),
        arrived=_time_in(head["arrived"]),
    )


def _dumped(head: dict[str, Any]) -> bytes:
    # Not ASCII escapes: JSON would join an escaped pair of lone surrogates into one character.
    return json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _read(reader: Callable[[Any, bytes], Value], head: bytes, wire: bytes) -> Value:
    try:
        return reader(json.loads(head.decode("utf-8", "surrogatepass")), wire)
    except (KeyError, TypeError, ValueError, RecursionError):
        # Without the cause: it would carry parts of the mail into a traceback (T-06).
        raise UnreadableError from None


def _is(kind: type[Value], value: object) -> Value:
    if not isinstance(value, kind):
        raise TypeError
    return value


def _optional(convert: Callable[[Any], Value], value: object) -> Value | None:
    return None if value is None else convert(value)


def _text_in(value: object) -> str:
    return _is(str, value)


def _number_in(value: object) -> int:
    return _is(int, value)


def _time_out(time: datetime) -> str:
    if time.tzinfo is None:
        raise ValueError("a time needs its time zone")
    return time.astimezone(UTC).isoformat()


def _time_in(value: object) -> datetime:
    time = datetime.fromisoformat(_is(str, value))
    if time.tzinfo is None:
        raise ValueError
    return time


def _address_out(address: Address) -> list[str]:
    return [address.local_part, address.domain, address.typed]


def _address_in(value: object) -> Address:
    local_part, domain, typed = _is(list, value)
    return Address(_is(str, local_part), _is(str, domain), _is(str, typed))


def _path_out(path: Path) -> dict[str, Any]:
    return {
        "typed": path.typed,
        "address": _optional(_address_out, path.address),
        "parameters": list(path.parameters),
    }


def _path_in(value: Any) -> Path:
    parameters = tuple(_is(str, each) for each in _is(list, value["parameters"]))
    return Path(_is(str, value["typed"]), _optional(_address_in, value["address"]), parameters)


def _finding_out(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "check": finding.check,
        "facts": {name: fact if isinstance(fact, str) else list(fact) for name, fact in finding.facts.items()},
        "lists": list(finding.lists),
        "suggested": finding.suggested,
    }


def _finding_in(value: Any) -> Finding:
    return Finding(
        id=_is(str, value["id"]),
        check=_is(str, value["check"]),
        facts={name: _fact_in(fact) for name, fact in _is(dict, value["facts"]).items()},
        lists=tuple(_is(str, each) for each in _is(list, value["lists"])),
        suggested=_optional(_text_in, value["suggested"]),
    )


def _fact_in(value: object) -> Fact:
    return value if isinstance(value, str) else tuple(_is(str, each) for each in _is(list, value))


def _numbered_in(value: Any) -> NumberedList:
    return NumberedList(
        number=_is(int, value["number"]),
        id=_is(str, value["id"]),
        about=_is(str, value["about"]),
        suggested=_is(bool, value["suggested"]),
    )
