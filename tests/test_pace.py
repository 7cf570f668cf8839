"""Large contents leave room for small commands, and take everything where nobody else is."""

from __future__ import annotations

from smtpguard.pace import BESIDE_SECONDS, OCTETS_PER_SECOND, PIECE_OCTETS, Pace

CHUNK = 256 * 1024


def test_alone_content_never_rests_not_even_right_behind_its_own_commands() -> None:
    alone = Pace().share()
    alone.command(0.0)
    assert [alone.rest(CHUNK, number * 0.0005) for number in range(100)] == [0.0] * 100


def test_beside_others_all_large_contents_together_keep_to_the_budget() -> None:
    pace = Pace()
    small, large = pace.share(), [pace.share(), pace.share()]
    now, moved = 10.0, 0
    while now < 10.5:
        small.command(now)
        # Two contents at once, each of which rests as it is told.
        rests = [each.rest(CHUNK, now) for each in large]
        moved += 2 * CHUNK
        now += max(*rests, 0.0001)
    assert moved <= 0.5 * OCTETS_PER_SECOND * 1.1


def test_content_rests_although_its_own_session_spoke_last() -> None:
    pace = Pace()
    small, large = pace.share(), pace.share()
    small.command(10.0)
    large.command(10.001)
    assert large.rest(CHUNK, 10.002) > 0.0


def test_small_content_never_rests() -> None:
    pace = Pace()
    pace.share().command(10.0)
    other = pace.share()
    assert other.rest(PIECE_OCTETS - 1, 10.0) == 0.0
    assert other.rest(CHUNK, 10.0) > 0.0


def test_when_the_others_have_left_content_takes_everything_again() -> None:
    pace = Pace()
    pace.share().command(10.0)
    large = pace.share()
    assert large.rest(CHUNK, 10.0) > 0.0
    assert large.rest(CHUNK, 10.0 + 2 * BESIDE_SECONDS) == 0.0
