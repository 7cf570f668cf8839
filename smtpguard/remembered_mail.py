"""What the memory keeps of private mail, and of the posts of closed lists: keyed marks and fingerprints, unreadable."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Glance(NamedTuple):
    """Of one remembered mail what every mail is compared with; hundreds are looked at each time. `time` are
    microseconds since 1970, the rest is as in `RememberedMail`."""

    mailbox: bytes
    time: int
    thread: bytes
    message: bytes
    conversation: bytes
    fingerprints: bytes

    @property
    def key(self) -> tuple[bytes, int, bytes, bytes]:
        """Which mail it is."""
        return self.mailbox, self.time, self.thread, self.message


@dataclass(frozen=True, slots=True)
class RememberedMail:
    """One mail as it lies in the mailbox of one who wrote or got it, under his own key of `week` (marks.MailboxMarks).

    `mailbox` is the mark of that mailbox, or of a closed list. `thread` is shared by the mails of one thread in it;
    `message` and `conversation` are the marks of its Message-ID and of its thread in Outlook's counting, `authors`
    those of who wrote it, by every address of his, `audience` of all who know it, `subject` of what it is about. `own`
    is true in the mailbox of its author; then `fingerprints` are of his own words, elsewhere of all that is new there.
    `of_list` is true of a closed list's post.
    """

    week: str
    when: datetime
    mailbox: bytes = field(repr=False)
    thread: bytes = field(repr=False)
    authors: tuple[bytes, ...] = field(default=(), repr=False)
    audience: tuple[bytes, ...] = field(default=(), repr=False)
    subject: bytes = field(default=b"", repr=False)
    message: bytes = field(default=b"", repr=False)
    conversation: bytes = field(default=b"", repr=False)
    own: bool = False
    of_list: bool = False
    consent: bool = False
    no_forward: bool = False
    fingerprints: bytes = field(default=b"", repr=False)

    @property
    def glance(self) -> Glance:
        """What others are compared with."""
        time = (self.when - _EPOCH) // _MICROSECOND
        return Glance(self.mailbox, time, self.thread, self.message, self.conversation, self.fingerprints)


@dataclass(frozen=True, slots=True)
class MailQuestion:
    """What is asked before a mail is judged: all that is kept in `mailboxes` since `since`, with fingerprints only if
    there are `texts`. A mailbox has another mark in each week: the newest one first. With `messages`, marks of
    Message-IDs, only these mails are asked for."""

    mailboxes: tuple[bytes, ...] = field(repr=False)
    since: datetime
    texts: bool = True
    messages: tuple[bytes, ...] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class KnownList:
    """From when on all posts of a list are known: the mark of the list under the key of `season`."""

    season: str
    list: bytes = field(repr=False)
    since: datetime


@dataclass(frozen=True, slots=True)
class Reader:
    """That an account gets the posts of a closed list, both as marks of `week` (T-13)."""

    week: str
    account: bytes = field(repr=False)
    list: bytes = field(repr=False)
