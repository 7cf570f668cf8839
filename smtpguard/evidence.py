"""What was known before a submission came: a value that the stores fill, so that checks about the past stay pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
class Evidence:
    """What the stores know about this account and this message. `posted_to` are ids of lists this account has posted to
    before (12-25); None if nobody has counted."""

    earlier: tuple[EarlierPost, ...] = ()
    thread: Thread | None = None
    posted_to: frozenset[str] | None = None


NOTHING_KNOWN = Evidence()
