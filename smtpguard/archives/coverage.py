"""From when on the posts of a list are known, by the days on which there are some in its archives.

"Known since" says that a post which is not known was none (SEMANTICS c1, E3), so it may be said too late, never too
early. An archive of 2010 to 2015 says nothing of 2018; a month that nobody has named is a hole. A list that is silent
for four weeks cannot be told from one with a hole, so it counts as one: who doubts lets pass.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

# A calendar month that is missing leaves 29 days at least between two posts.
SILENCE_MAX = timedelta(days=28)

_EPOCH = date(1970, 1, 1)


def number_of_day(day: date) -> int:
    """Days since 1970."""
    return (day - _EPOCH).days


def dense_since(days: Collection[int], known: date) -> date:
    """From which day on posts are known without a hole. `known` is known already, or today; `days` (`number_of_day`)
    have posts."""
    since = known
    for number in sorted(days, reverse=True):
        day = _EPOCH + timedelta(days=number)
        if since - day > SILENCE_MAX:
            break
        since = min(since, day)
    return since
