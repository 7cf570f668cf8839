"""The right to decide a held mail: whoever lost it sends nothing, and what has gone out is known to whoever has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from smtpguard.claims import ANSWERS_MAX, Claims
from smtpguard.decisions import Decisions
from smtpguard.held import HeldRow, State
from smtpguard.keys import KeyFolder
from smtpguard.seal import ANSWER_TAG_OCTETS
from smtpguard.store.sqlite import SQLiteStore
from tests.store.conftest import LASTS, SetClock, a_row

ONE, TWO = b"1" * ANSWER_TAG_OCTETS, b"2" * ANSWER_TAG_OCTETS


class Steady:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def store(tmp_path: Path, clock: SetClock) -> AsyncIterator[SQLiteStore]:
    store = await SQLiteStore.open(tmp_path / "state" / "holds.sqlite3", clock)
    yield store
    await store.close()


@pytest.fixture
async def row(store: SQLiteStore) -> HeldRow:
    row = a_row()
    await store.add(row)
    await store.mark_held(row.id)
    return row


def claims(store: SQLiteStore, folder: Path, steady: Steady) -> Claims:
    keys = KeyFolder(folder / "keys")
    keys.day_key(date(2026, 11, 22), create=True)
    return Claims(store, Decisions(store, keys), lambda: LASTS, clock=steady)


async def test_a_claim_is_over_by_the_clock_unless_it_is_renewed(
    tmp_path: Path, store: SQLiteStore, row: HeldRow
) -> None:
    steady = Steady()
    async with claims(store, tmp_path, steady).taken(row) as claimed:
        assert claimed is not None
        steady.seconds += LASTS.total_seconds() - 1
        assert claimed.lasts
        steady.seconds += 1
        assert not claimed.lasts


async def test_what_went_out_is_sent_though_somebody_else_has_the_claim_by_now(
    tmp_path: Path, store: SQLiteStore, clock: SetClock, row: HeldRow
) -> None:
    one = claims(store, tmp_path / "one", Steady())
    two = claims(store, tmp_path / "two", Steady())
    async with one.taken(row) as first:
        assert first is not None
        assert await first.mark_sending()
        clock.pass_by(LASTS + timedelta(seconds=1))
        async with two.taken(row) as second:
            assert second is not None
            assert second.interrupted
            # The mail server's 250 to the first comes late.
            assert await one.write_sent(first)

            assert not await second.mark_sending()
        found = await store.find(row.id)

    assert found is not None
    assert State.SENT is found.state


async def test_a_release_that_was_refused_does_not_take_from_an_earlier_one_that_it_may_have_gone_out(
    tmp_path: Path, store: SQLiteStore, row: HeldRow
) -> None:
    claiming = claims(store, tmp_path, Steady())
    for answer in (ONE, TWO):
        async with claiming.taken(row) as claimed:
            assert claimed is not None
            assert not claimed.was_sent_for(answer)
            assert await claimed.mark_sending(answer)
            if answer is TWO:
                await claimed.unmark_sending()

    async with claiming.taken(row) as last:
        assert last is not None
        assert [True, False] == [last.was_sent_for(each) for each in (ONE, TWO)]
        assert last.interrupted


async def test_a_release_that_never_came_to_the_dot_takes_nothing_back(
    tmp_path: Path, store: SQLiteStore, row: HeldRow
) -> None:
    claiming = claims(store, tmp_path, Steady())
    async with claiming.taken(row) as first:
        assert first is not None
        assert await first.mark_sending()
    async with claiming.taken(row) as second:
        assert second is not None
        await second.unmark_sending()

    async with claiming.taken(row) as last:
        assert last is not None
        assert last.interrupted
        assert not last.was_sent_for(b"")


async def test_of_many_answers_whose_releases_were_cut_off_the_last_are_known(
    tmp_path: Path, store: SQLiteStore, row: HeldRow
) -> None:
    answers = [bytes([number]) * ANSWER_TAG_OCTETS for number in range(ANSWERS_MAX + 1)]
    claiming = claims(store, tmp_path, Steady())
    for answer in answers:
        async with claiming.taken(row) as claimed:
            assert claimed is not None
            # One in her own session, and one of the page's, have no tag.
            assert await claimed.mark_sending()
            assert await claimed.mark_sending(answer)

    async with claiming.taken(row) as last:
        assert last is not None
        assert [False] + [True] * ANSWERS_MAX == [last.was_sent_for(each) for each in answers]
