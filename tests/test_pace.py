"""Large contents leave room for small commands, and take everything where nobody else is."""

from __future__ import annotations

from smtpguard.pace import BESIDE_SECONDS, OCTETS_PER_SECOND, PIECE_OCTETS, Pace

CHUNK = 256 * 1024


def test_alone_content_never_rests() -> None:
    pace = Pace()
    assert [pace.rest(CHUNK, number * 0.0005) for number in range(100)] == [0.0] * 100


def test_beside_others_all_large_contents_together_keep_to_the_budget() -> None:
    pace = Pace()
    now, moved = 10.0, 0
    while now < 10.5:
        pace.command(now)
        # Two contents at once, each of which rests as it is told.
        rests = [pace.rest(CHUNK, now), pace.rest(CHUNK, now)]
        moved += 2 * CHUNK
        now += max(*rests, 0.0001)
    assert moved <= 0.5 * OCTETS_PER_SECOND * 1.1


def test_small_content_never_rests() -> None:
    pace = Pace()
    pace.command(10.0)
    assert pace.rest(PIECE_OCTETS - 1, 10.0) == 0.0
    assert pace.rest(CHUNK, 10.0) > 0.0


def test_when_the_others_have_left_content_takes_everything_again() -> None:
    pace = Pace()
    pace.command(10.0)
    assert pace.rest(CHUNK, 10.0) > 0.0
    assert pace.rest(CHUNK, 10.0 + 2 * BESIDE_SECONDS) == 0.0
