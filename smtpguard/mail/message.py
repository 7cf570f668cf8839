"""A message as far as judging needs it (RFC 5322): addresses in its header, marks of automatic mail, and who speaks.

`parsing.py` makes these values from content; nothing here raises or looks anything up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum

from smtpguard.mail.address import Address


class Voice(Enum):
    """Who speaks in a passage."""

    OWN = "own"
    QUOTED = "quoted"
    FORWARDED = "forwarded"
    SIGNATURE = "signature"


class ForwardKind(Enum):
    """How a forwarded passage came in: as text in the body, or as an attached mail."""

    INLINE = "inline"
    ATTACHED = "attached"


class Sensitivity(Enum):
    """What the author wishes (RFC 4021, 2.1.55); a mail without a wish has none of these."""

    PERSONAL = "personal"
    PRIVATE = "private"
    CONFIDENTIAL = "company-confidential"


class Protection(Enum):
    """What PGP (RFC 3156, RFC 9580 in the text itself) or S/MIME (RFC 8551) has done to a message.

    A signed message is read as any other. Of an encrypted one nothing can be read, but for what stands beside it.
    """

    SIGNED = "signed"
    ENCRYPTED = "encrypted"


class Unread(Enum):
    """What of a message cannot be looked into, though somebody else's mail may be in it (SEMANTICS 11-18)."""

    TNEF = "TNEF (winmail.dat)"
    OUTLOOK = "Outlook message (.msg)"
    PARTIAL = "message/partial"
    EXTERNAL = "message/external-body"
    LOCKED = "archive with a password"
    COMPRESSED = "S/MIME compressed-data"
    ENCRYPTED = "encrypted attached mail"


class Defect(StrEnum):
    """What could not be read, or not as it is meant."""

    TEXT_CUT = "text cut"
    HEADER_CUT = "header cut"
    MANY_PARTS = "too many parts"
    DEEP = "nested too deep"
    MANY_LINES = "too many lines"
    MANY_SPEAKERS = "too many quotes"
    CONTENT_TYPE = "content type unreadable"
    NO_PARTS = "multipart without parts"
    NOT_CLOSED = "multipart not closed"
    CHARSET = "unknown charset"
    BASE64_TAIL = "base64 with something below it"
    BASE64 = "base64 broken"
    CMS = "S/MIME unreadable"
    ADDRESSES = "address field unreadable"


_BOUNDS = frozenset(
    (Defect.TEXT_CUT, Defect.HEADER_CUT, Defect.MANY_PARTS, Defect.DEEP, Defect.MANY_LINES, Defect.MANY_SPEAKERS)
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of text with one voice.

    `authors`, `recipients`, `sent` and `subject` are what the block itself says (its header lines or attribution), not
    what is true. `author_name` is the display name where the block gives one; a block may name a person by name only.
    `message_id` and `sensitivity` are known of attached mails only. What is forwarded within an attached mail is a
    passage of its own, behind the one of that mail, and of kind ATTACHED, too.
    """

    voice: Voice
    text: str = field(repr=False)
    kind: ForwardKind | None = None
    author: Address | None = field(default=None, repr=False)
    author_name: str | None = field(default=None, repr=False)
    recipients: tuple[Address, ...] = field(default=(), repr=False)
    sent: str | None = field(default=None, repr=False)
    subject: str | None = field(default=None, repr=False)
    message_id: str | None = field(default=None, repr=False)
    sensitivity: Sensitivity | None = None

    @property
    def words(self) -> int:
        """Number of words, as white space separates them."""
        return len(self.text.split())

    def words_up_to(self, most: int) -> int:
        """Number of words, but at most `most`: a large text is not taken apart to learn that it is long."""
        return min(len(self.text.split(None, most)), most)


class Automatic(Enum):
    """Why a message counts as automatic (SEMANTICS 90-01)."""

    AUTO_SUBMITTED = "Auto-Submitted"
    PRECEDENCE = "Precedence"
    LIST_ID = "List-Id"
    AUTO_REPLY = "auto-reply mark"


@dataclass(frozen=True, slots=True)
class Message:
    """The parts of a message that decisions rest on. Texts are decoded; addresses are in the order of the header.

    `destinations` are the addresses in To and Cc, or in Resent-To and Resent-Cc if the message is `resent`: if it has
    one of Resent-To, Resent-Cc and Resent-Bcc (SEMANTICS c1); `formerly_to` are those in To and Cc then. They are those
    of *any* reading of a header that can be read in two ways (CVE-2023-27043). `bcc` is used only by `explain`, which
    has no envelope. `report` is true for multipart/report (delivery and disposition notifications).

    `opening` is the first line with words that the member wrote himself and that a reader can see: HTML may hide text,
    which is in the passages all the same. `hidden_texts` are further texts, bounded together, in which the code of a
    notice may stand but nobody speaks: header fields, HTML as it is written, beginnings of attached files.

    `says_forward` is true where the message says that it passes something on: by the prefix of its Subject, a banner,
    a block, or an attached mail. `unread` is what could not be looked into. `calendar_methods` are the METHODs of its
    invitations (RFC 5546), in upper case; what these say is among the own passages. `conversation` is the part of
    Outlook's Thread-Index that all mails of a thread share, in hexadecimal.
    """

    message_id: str | None = field(default=None, repr=False)
    subject: str = field(default="", repr=False)
    authors: tuple[Address, ...] = field(default=(), repr=False)
    author_name: str | None = field(default=None, repr=False)
    destinations: tuple[Address, ...] = field(default=(), repr=False)
    bcc: tuple[Address, ...] = field(default=(), repr=False)
    formerly_to: tuple[Address, ...] = field(default=(), repr=False)
    references: tuple[str, ...] = field(default=(), repr=False)
    resent: bool = False
    automatic: Automatic | None = None
    report: bool = False
    passages: tuple[Passage, ...] = ()
    opening: str = field(default="", repr=False)
    hidden_texts: tuple[str, ...] = field(default=(), repr=False)
    defects: tuple[Defect, ...] = ()
    says_forward: bool = False
    sensitivity: Sensitivity | None = None
    protection: Protection | None = None
    calendar_methods: frozenset[str] = frozenset()
    unread: frozenset[Unread] = frozenset()
    conversation: str | None = field(default=None, repr=False)

    @property
    def cut_short(self) -> bool:
        """True if a bound was met, so that not all of the message has been read (90-07)."""
        return not _BOUNDS.isdisjoint(self.defects)

    @property
    def malformed(self) -> bool:
        """True if the message was read leniently: its MIME structure or a charset is not as it should be (90-11)."""
        return not _BOUNDS.issuperset(self.defects)

    @property
    def own_text(self) -> str:
        """The member's new words, all own passages together."""
        return "\n".join(each.text for each in self.passages if each.voice is Voice.OWN)


@dataclass(frozen=True, slots=True)
class Account:
    """Who logged in (SEMANTICS c1).

    `login` is canonical: NFC, lower case, with the default realm. `mailbox` is where a notice would go, None if there
    is none. Two accounts are the same if their mailboxes are, or, without mailboxes, their logins. All mail of an
    `automatic` one is a program's, whether its header says so or not.
    """

    login: str = field(repr=False)
    mailbox: Address | None = field(default=None, repr=False)
    language: str | None = None
    automatic: bool = False

    def same_as(self, other: Account) -> bool:
        """True if both mean one member ("same account" in SEMANTICS c1)."""
        if self.mailbox is not None and other.mailbox is not None:
            return self.mailbox == other.mailbox
        return self.mailbox is None and other.mailbox is None and self.login == other.login


UNASKABLE = Account(login="")
"""Whoever sends from a trusted network without a login (90-06): judged like a member, and nobody can be asked."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One message, one envelope, and the account that submitted it (RFC 6409); `account` is None without AUTH.

    `recipients` are the envelope's addresses in the order of RCPT; `null_sender` is MAIL FROM:<>; `arrived` is aware,
    UTC, and the only "now" that a check sees; `size` is in octets.
    """

    id: str
    account: Account | None
    recipients: tuple[Address, ...] = field(repr=False)
    message: Message
    arrived: datetime
    size: int
    null_sender: bool = False
