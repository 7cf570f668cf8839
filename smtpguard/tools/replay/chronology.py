"""The order of time of archived mails: by their dates, but no answer before what it answers."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

# Clocks are wrong: an answer comes at least so long after what it answers, whatever its Date says.
MOMENT = 1.0
# Further than this no clock is corrected: one mail of the year 2019 must not take a thread of 2009 along.
CORRECTED_MAX = 7 * 86_400.0


class Dated(NamedTuple):
    """What the order depends on: `when` in seconds since 1970; `id` and `answers` are Message-IDs, or marks of them."""

    when: float
    id: bytes | None
    answers: tuple[bytes, ...]


def in_order_of_time(mails: Sequence[Dated]) -> Iterator[tuple[int, float]]:
    """The index of each mail and when it came in; these times never go back. What stands first in `mails` comes first
    of what has the same time. Mails that answer each other come last."""
    by_id = {each.id: number for number, each in enumerate(mails) if each.id is not None}
    heap = [(each.when, number) for number, each in enumerate(mails)]
    heapq.heapify(heap)
    came = [False] * len(mails)
    waiting: dict[int, list[int]] = {}
    now = float("-inf")
    while heap:
        when, number = heapq.heappop(heap)
        mail = mails[number]
        answered = (by_id.get(each) for each in mail.answers)
        first = next(
            (
                each
                for each in answered
                if each is not None
                and each != number
                and not came[each]
                and mails[each].when - mail.when < CORRECTED_MAX
            ),
            None,
        )
        if first is not None:
            waiting.setdefault(first, []).append(number)
            continue
        came[number] = True
        now = max(now, when)
        yield number, now
        for each in waiting.pop(number, ()):
            heapq.heappush(heap, (max(when + MOMENT, mails[each].when), each))
    for number in sorted((each for some in waiting.values() for each in some), key=lambda each: mails[each].when):
        if not came[number]:
            now = max(now, mails[number].when)
            yield number, now
