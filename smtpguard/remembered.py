"""What the memory of rule 12 keeps of a list post: keyed marks and fingerprints, nothing that can be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RememberedPost:
    """One post that a mail server took, all of it under the memory key of `week` (marks.Marks).

    `lists` are the marks of the lists it went to, `together` those of all that it was addressed to, if they are two or
    more that go together now (12-21); `home` is where its thread began (12-18), `narrowed_to` the list that an ONLY
    chose (12-22); `links` are the marks of its Message-ID and of those that it answers; `words` and `fingerprints` are
    of its own new text, empty where there is too little or it is kept no longer.
    """

    week: str
    when: datetime
    account: bytes = field(repr=False)
    lists: tuple[bytes, ...] = field(repr=False)
    together: tuple[bytes, ...] = field(default=(), repr=False)
    home: bytes | None = field(default=None, repr=False)
    narrowed_to: bytes | None = field(default=None, repr=False)
    links: tuple[bytes, ...] = field(default=(), repr=False)
    words: int = 0
    fingerprints: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Poster:
    """12-25: that an account has posted to a list, under the key `posted` of `week`."""

    week: str
    account: bytes = field(repr=False)
    lists: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Question:
    """What the memory is asked before one post is judged, in every week's marks.

    `since` asks for earlier posts of `accounts` that have a text, but those to `same_lists` alone; without it none are
    asked for. `links` and `thread_since` ask for the thread, `recent_since` for what `accounts` wrote to it; `posters`
    for the lists that an account has posted to. What is empty is not asked.
    """

    accounts: tuple[bytes, ...] = field(default=(), repr=False)
    since: datetime | None = None
    same_lists: tuple[tuple[bytes, ...], ...] = field(default=(), repr=False)
    links: tuple[bytes, ...] = field(default=(), repr=False)
    thread_since: datetime | None = None
    recent_since: datetime | None = None
    posters: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Recollected:
    """The answer: earlier posts, the newest first; of the thread its oldest post, then those that decided something or
    are recent and the account's own, the oldest first, all without fingerprints; lists posted to."""

    earlier: tuple[RememberedPost, ...] = ()
    thread: tuple[RememberedPost, ...] = ()
    posted_to: tuple[Poster, ...] = ()
