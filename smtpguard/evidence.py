"""What was known before a submission came: a value that the stores fill, so that checks about the past stay pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from smtpguard.mail.address import Address


@dataclass(frozen=True, slots=True)
class EarlierPost:
    """A post of the same account within `window` whose own text is like this one's.

    `lists` are ids; `similarity` is the share of the new own text, 0 to 1, that stood in it; `own_words` counts the
    words of the new own text that were compared; `taken` is false for one that was discarded, expired or refused
    (12-13).
    """

    lists: tuple[str, ...]
    similarity: float
    own_words: int
    when: datetime
    taken: bool = True


@dataclass(frozen=True, slots=True)
class Thread:
    """What is known of the thread that this message answers in. All are ids of lists.

    `home` is where it began (12-18 to 12-20); `together` are the sets that were confirmed or allowed in it (12-21);
    `narrowed_to` is the list that an ONLY chose in it (12-22); `recent` counts this account's posts in it within
    `burst.within` (12-27).
    """

    home: str | None = None
    together: tuple[frozenset[str], ...] = ()
    narrowed_to: str | None = None
    recent: int = 0


@dataclass(frozen=True, slots=True)
class EarlierMail:
    """A private mail that this account wrote or got, or a post of the closed list `list_id`, which it reads.

    `own` is true if the account wrote it. `strangers` are those recipients of the present envelope who neither wrote
    nor got it; `author_visible` is true if its author stands in To or Cc of the present message. `consent` and
    `no_forward` are what its author said of passing it on (11-13, 11-14). `subject_same`: the present Subject is the
    same but for prefixes. `answered`: the present message answers it, by its Message-ID or its thread.
    """

    when: datetime
    own: bool = False
    strangers: frozenset[Address] = field(default=frozenset(), repr=False)
    author_visible: bool = False
    consent: bool = False
    no_forward: bool = False
    subject_same: bool = False
    answered: bool = False
    list_id: str | None = None


@dataclass(frozen=True, slots=True)
class KnownText:
    """Evidence class E1: `words` words of passage number `passage` of the message that stood in `mail`.

    `begins` are its first words as they stand in the present message. Not counted are words of list posts that the
    account may read, stock phrases, and what the account's own mailbox has from two threads or more.
    """

    passage: int
    words: int
    begins: str = field(repr=False)
    mail: EarlierMail


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the stores know about this account and this message.

    `posted_to` are ids of lists this account has posted to before (12-25); None if nobody has counted. `reads` are
    those of closed lists whose posts it was seen to get (T-13). `known` is private text that was found again, for each
    passage and earlier mail the longest stretch, own words among them (`EarlierMail.own`); `answered` are earlier
    private mails that this one answers, by header alone, the newest first. `public` are the numbers of passages that
    are known as posts of lists that the account may read (E0), `unmarked` those that have too little prose to be known
    again, wherever they stood. `known_since` says from when on posts are known, by list id; it is empty where nothing
    is remembered.
    """

    earlier: tuple[EarlierPost, ...] = ()
    thread: Thread | None = None
    posted_to: frozenset[str] | None = None
    reads: frozenset[str] = frozenset()
    known: tuple[KnownText, ...] = ()
    answered: tuple[EarlierMail, ...] = ()
    public: frozenset[int] = frozenset()
    unmarked: frozenset[int] = frozenset()
    known_since: Mapping[str, datetime] = field(default_factory=dict)


NOTHING_KNOWN = Evidence()
