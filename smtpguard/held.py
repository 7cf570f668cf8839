"""A held mail: what lies sealed, what lies beside the seal, and the states it goes through.

SEMANTICS c6 "What lies in the store" and THREAT-MODEL T-02 decide which field stands where: `HeldMail` is the plain
text that goes into the sealed box, `Card` goes under the day key, `HeldRow` is what the database sees.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum

from smtpguard.mail.address import Address
from smtpguard.mail.envelope import Envelope
from smtpguard.mail.message import Account
from smtpguard.verdict import Finding


class State(Enum):
    """States of SEMANTICS c6: asking -> held -> sending -> sent | discarded | expired | replaced."""

    ASKING = "asking"
    HELD = "held"
    SENDING = "sending"
    SENT = "sent"
    DISCARDED = "discarded"
    EXPIRED = "expired"
    REPLACED = "replaced"

    @property
    def waiting(self) -> bool:
        """True while a code can still decide the mail."""
        return self in (State.ASKING, State.HELD, State.SENDING)


@dataclass(frozen=True, slots=True)
class NumberedList:
    """A list as the notice numbers it: in the order of RCPT, fixed when the mail is sealed."""

    number: int
    id: str
    about: str
    suggested: bool = False


@dataclass(frozen=True, slots=True)
class HeldMail:
    """The plain text of a sealed box. `wire` is the content in wire form; `recipient_lists` names, for each recipient
    of the envelope, the number of its list, or None where it is no list.
    """

    submission_id: str
    account: Account = field(repr=False)
    envelope: Envelope = field(repr=False)
    subject: str = field(repr=False)
    greeting: str | None = field(repr=False)
    findings: tuple[Finding, ...] = field(repr=False)
    lists: tuple[NumberedList, ...] = field(repr=False)
    recipient_lists: tuple[int | None, ...] = field(repr=False)
    arrived: datetime
    expires: datetime
    wire: bytes = field(repr=False)

    @property
    def requires_tls(self) -> bool:
        """True if its sender wants it to go by checked TLS or not at all (RFC 8689)."""
        return self.envelope.reverse_path.parameter("REQUIRETLS") is not None


@dataclass(frozen=True, slots=True)
class Card:
    """What the expiry line needs, readable with the day key alone: never subject, text or recipients (T-02)."""

    mailbox: Address = field(repr=False)
    language: str
    notice_id: str = field(repr=False)
    arrived: datetime


@dataclass(frozen=True, slots=True)
class Tags:
    """Keyed hashes under the week key, by which a second copy of a held mail is recognised (T-02).

    `resend` covers account, Message-ID, recipients and whole content together (12-15), never recipients alone.
    `account`, `message_id` and `subject` and the 256-bit `sketch` serve 12-14 and account quotas.
    """

    week: str
    resend: bytes | None
    account: bytes
    message_id: bytes | None = None
    subject: bytes | None = None
    sketch: bytes | None = None


@dataclass(frozen=True, slots=True)
class HeldRow:
    """One row of the store, waiting or a tombstone. After the decision only `id`, `state` and `decided` are left.

    `id` is 32 octets; `day` is the UTC day of the day key; `size` is the octets of the content.
    """

    id: bytes
    state: State
    day: date | None = None
    created: datetime | None = None
    expires: datetime | None = None
    decided: datetime | None = None
    size: int = 0
    box: bytes = field(default=b"", repr=False)
    card: bytes = field(default=b"", repr=False)
    tags: Tags | None = field(default=None, repr=False)
    helps: int = 0
