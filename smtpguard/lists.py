"""The mailing lists, each as its own file describes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from smtpguard.mail.address import Address
from smtpguard.mail.message import Account


class Manager(Enum):
    """The list manager software, which fixes what a suffix means (SEMANTICS c1)."""

    MAILMAN3 = "mailman3"
    SYMPA = "sympa"
    EZMLM = "ezmlm"
    PLAIN = "plain"


class ListKind(Enum):
    """Who may post: everybody whom the list server lets, or its posters alone."""

    DISCUSSION = "discussion"
    ANNOUNCE = "announce"


class Audience(Enum):
    """Who reads a list. What went to a `closed` one is not passed on (12-17, 12-20), and nobody else hears of it."""

    PUBLIC = "public"
    MEMBERS = "members"
    CLOSED = "closed"


class OnAlarm(Enum):
    """What an alarm leads to (`on_alarm`), the strictest last."""

    OBSERVE = "observe"
    HOLD = "hold"
    REFUSE = "refuse"

    @property
    def strictness(self) -> int:
        """Of several lists the strictest counts (SEMANTICS c1a, 7)."""
        return list(OnAlarm).index(self)


class WrongTopic(Enum):
    """What words that belong to another list lead to (12-29), as the addressed list's file says."""

    OFF = "off"
    SUGGEST = "suggest"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class WrongIf:
    """12-23: plain words in a Subject that belong to the list `use` (its id); `say` is the admin's own sentence."""

    subject_has: tuple[str, ...]
    use: str
    say: str | None = None


@dataclass(frozen=True, slots=True)
class Exemption:
    """An entry of `exceptions`: to the end of the day `until`, mail that also goes to the lists `crosspost_with` (ids)
    is fine, if their files say so, too."""

    until: date
    crosspost_with: frozenset[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Burst:
    """12-27: more than `posts` of one account to one thread within `within`; `asks` is false if that only is a hint."""

    posts: int = 5
    within: timedelta = timedelta(hours=1)
    asks: bool = False


@dataclass(frozen=True, slots=True)
class MailingList:
    """One list as its file describes it. `id` is the file's name; `about` is one sentence for members.

    Other lists are named by their ids. None stands for "as the site says". `posters`, `automatic` and `readers` are
    logins or mailboxes in normal form. What went to a closed list may be passed on to the lists `may_quote_to`.
    `strict` (11-10), `adding_people_asks` (11-03) and `encrypted` (11-20: its members can read encrypted mail) say
    something of mail to this list and of no other (T-50).
    """

    id: str
    address: Address
    manager: Manager
    about: str
    contact: str
    aliases: tuple[Address, ...] = ()
    crosspost_with: frozenset[str] = frozenset()
    kind: ListKind = ListKind.DISCUSSION
    posters: frozenset[str] = frozenset()
    discussion: str | None = None
    includes: frozenset[str] = frozenset()
    topics: tuple[str, ...] = ()
    tag: str | None = None
    wrong_if: tuple[WrongIf, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    automatic: frozenset[str] = frozenset()
    audience: Audience = Audience.MEMBERS
    readers: frozenset[str] = frozenset()
    may_quote_to: frozenset[str] = frozenset()
    say: str | None = None
    call: str | None = None
    was: str | None = None
    on_alarm: OnAlarm | None = None
    expires: timedelta | None = None
    first_post_asks: bool | None = None
    burst: Burst | None = None
    wrong_topic: WrongTopic | None = None
    strict: bool | None = None
    adding_people_asks: bool | None = None
    encrypted: bool = False

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The posting address and every alias."""
        return (self.address, *self.aliases)

    def admits(self, other: str, day: date | None) -> bool:
        """True if this list's own file lets a mail go to the list `other` (its id), too: always, or on that `day`."""
        if other in self.crosspost_with:
            return True
        return day is not None and any(day <= each.until and other in each.crosspost_with for each in self.exemptions)

    def is_poster(self, account: Account) -> bool:
        """True if `account` is one of the posters, by its login or its mailbox; never by what From: says (12-07)."""
        return _names(self.posters, account)

    @property
    def is_closed(self) -> bool:
        """True if nobody but its readers may learn of it, or of what was said there."""
        return self.audience is Audience.CLOSED

    def is_read_by(self, account: Account) -> bool:
        """True if this list's file says that `account` reads it: as a reader or a poster (T-13)."""
        return _names(self.readers | self.posters, account)

    def takes_automatic(self, account: Account) -> bool:
        """True if automatic mail of `account` may come to this list (`automatic`); it says nothing of other lists."""
        return _names(self.automatic, account)


def _names(entries: frozenset[str], account: Account) -> bool:
    if account.login and account.login in entries:
        return True
    return account.mailbox is not None and account.mailbox.normal in entries
