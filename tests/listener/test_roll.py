"""Who is let in, as the roll counts."""

from __future__ import annotations

import asyncio

from smtpguard import replies
from smtpguard.headcount import Headcount
from smtpguard.listener.client import client_key
from smtpguard.listener.options import Kind, ListenerOptions
from smtpguard.listener.roll import Roll

OFFICE = client_key("2001:db8:1:2::1")
NEXT_DESK = client_key("2001:db8:1:2::2")
ELSEWHERE = client_key("192.0.2.1")


class Caller:
    """A session that stays until it is told."""

    def leave(self) -> None:
        pass

    def abort(self) -> None:
        pass


def test_who_is_turned_away_and_not_yet_gone_takes_nobodys_place() -> None:
    roll, options = Roll(), ListenerOptions("::1", 0, Kind.ANSWERS, connections=2, connections_per_address=1)
    first, refused, other, last = Caller(), Caller(), Caller(), Caller()

    assert roll.enter(first, OFFICE, options) is None
    assert roll.enter(refused, NEXT_DESK, options) is replies.TOO_MANY_FROM_ADDRESS
    assert roll.enter(other, ELSEWHERE, options) is None
    assert roll.enter(last, None, options) is replies.TOO_MANY_CONNECTIONS
    assert roll.sessions == 4
    roll.leave(refused)
    assert roll.enter(refused, OFFICE, options) is replies.TOO_MANY_CONNECTIONS
    roll.leave(first)
    roll.leave(first)
    assert roll.enter(Caller(), OFFICE, options) is None


def test_an_entrance_hands_its_place_to_the_session_behind_it() -> None:
    roll, options = Roll(), ListenerOptions("::1", 0, Kind.ANSWERS, connections=1, connections_per_address=1)
    entrance, session = Caller(), Caller()

    assert roll.enter(entrance, None, options) is None
    assert roll.enter(session, OFFICE, options, entrance) is None
    assert roll.sessions == 1
    roll.leave(entrance)
    assert roll.sessions == 1
    assert roll.enter(Caller(), ELSEWHERE, options) is replies.TOO_MANY_CONNECTIONS
    # In its own place the client of an entrance may turn out to be one too many.
    assert roll.enter(session, OFFICE, options, session) is None


def test_the_rolls_of_all_workers_count_together() -> None:
    counted = Headcount(2)
    one, other = Roll(counted.row(0)), Roll(counted.row(1))
    options = ListenerOptions("::1", 0, Kind.ANSWERS, connections=3, connections_per_address=1)
    first, entrance, session = Caller(), Caller(), Caller()

    assert one.enter(first, OFFICE, options) is None
    assert other.enter(Caller(), NEXT_DESK, options) is replies.TOO_MANY_FROM_ADDRESS
    assert other.enter(entrance, None, options) is None
    assert other.enter(session, ELSEWHERE, options, entrance) is None
    assert one.enter(Caller(), None, options) is None
    assert other.enter(Caller(), None, options) is replies.TOO_MANY_CONNECTIONS
    one.leave(first)
    one.leave(first)
    assert other.enter(Caller(), OFFICE, options) is None


async def test_the_end_does_not_miss_a_session_that_takes_over_from_its_entrance() -> None:
    roll, options = Roll(), ListenerOptions("::1", 0, Kind.ANSWERS)
    entrance, session = Caller(), Caller()
    roll.enter(entrance, None, options)
    closing = asyncio.create_task(roll.close(30))
    await asyncio.sleep(0)

    roll.enter(session, OFFICE, options, entrance)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not closing.done()
    roll.leave(session)
    assert await closing
