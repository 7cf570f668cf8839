"""Who is let in, as the roll counts."""

from __future__ import annotations

from smtpguard import replies
from smtpguard.listener.options import Kind, ListenerOptions, client_network
from smtpguard.listener.roll import Roll

OFFICE = client_network("2001:db8:1:2::1")
NEXT_DESK = client_network("2001:db8:1:2::2")
ELSEWHERE = client_network("192.0.2.1")


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
