"""What `HoldStore` promises, whichever backend keeps it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from smtpguard.held import HeldRow, State
from smtpguard.store import Claim, HoldStore, LifeSign, Quota, StoreError
from smtpguard.store.postgresql import PostgreSQLStore
from smtpguard.store.server import Server
from smtpguard.store.sqlite import SQLiteStore
from tests.memories import BACKENDS
from tests.postgresql import Database
from tests.store.conftest import HOUR, LASTS, NOW, SetClock, a_row

FINAL = [State.SENT, State.DISCARDED, State.EXPIRED, State.REPLACED]


Opener = Callable[[], Awaitable[HoldStore]]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clock(backend: str, request: pytest.FixtureRequest) -> SetClock:
    """The clock that the backend goes by: our own, or its own."""
    return SetClock() if backend == "sqlite" else request.getfixturevalue("database_clock")


@pytest.fixture
async def opener(backend: str, clock: SetClock, path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Opener]:
    """Opens one more store on the same database, as another process or node would."""
    async with AsyncExitStack() as opened:

        async def opener() -> HoldStore:
            store: HoldStore
            if backend == "sqlite":
                store = await SQLiteStore.open(path, clock)
            else:
                database: Database = request.getfixturevalue("postgresql")
                store = PostgreSQLStore(await Server.open(database.url))
            opened.push_async_callback(store.close)
            return store

        yield opener


@pytest.fixture
async def store(opener: Opener) -> HoldStore:
    return await opener()


@pytest.fixture
async def other(store: HoldStore, opener: Opener) -> HoldStore:
    return await opener()


async def claimed(store: HoldStore, row: HeldRow) -> Claim:
    claim = await store.claim(row.id, LASTS)
    assert claim is not None
    return claim


def tombstone(row: HeldRow, state: State) -> HeldRow:
    return HeldRow(row.id, state, decided=NOW)


async def test_a_row_comes_back_as_it_was_stored(store: HoldStore) -> None:
    row = a_row()
    await store.add(row)

    assert await store.find(row.id) == row
    assert await store.find(bytes(32)) is None


async def test_tags_may_be_missing_in_part_or_whole(store: HoldStore) -> None:
    tags = a_row().tags
    assert tags is not None
    for kept in (replace(tags, resend=None, message_id=None, subject=None, sketch=None), None):
        row = a_row(tags=kept)
        await store.add(row)
        assert await store.find(row.id) == row


async def test_an_id_is_stored_once(store: HoldStore) -> None:
    row = a_row()
    await store.add(row)

    with pytest.raises(StoreError):
        await store.add(a_row(id=row.id))
    assert await store.find(row.id) == row


@pytest.mark.parametrize("changes", [{"state": State.HELD}, {"state": State.SENT}, {"expires": None}, {"day": None}])
async def test_only_a_whole_row_in_asking_is_new(store: HoldStore, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="asking"):
        await store.add(a_row(**changes))


async def test_asking_becomes_held(store: HoldStore) -> None:
    row = a_row()
    await store.add(row)

    assert await store.mark_held(row.id)
    assert not await store.mark_held(row.id)
    assert not await store.mark_held(bytes(32))

    assert await store.find(row.id) == replace(row, state=State.HELD)


async def test_a_late_mark_does_not_take_a_mail_back_from_sending_or_sent(store: HoldStore) -> None:
    row = a_row()
    await store.add(row)
    claim = await claimed(store, row)
    await store.mark_sending(claim)

    await store.mark_held(row.id)
    sending = await store.find(row.id)
    await store.decide(claim, State.SENT)
    await store.mark_held(row.id)
    sent = await store.find(row.id)

    assert sending is not None
    assert sending.state is State.SENDING
    assert sent == tombstone(row, State.SENT)


async def test_a_dropped_row_leaves_nothing(store: HoldStore) -> None:
    row = a_row()
    await store.add(row)

    await store.drop(row.id)

    assert await store.find(row.id) is None


async def test_drop_does_not_touch_what_was_answered(store: HoldStore) -> None:
    row = a_row()
    await store.add(row)
    claim = await claimed(store, row)
    await store.mark_sending(claim)

    await store.drop(row.id)

    assert await store.decide(claim, State.SENT)
    await store.drop(row.id)
    assert await store.find(row.id) == tombstone(row, State.SENT)


async def test_a_claim_on_a_dropped_row_is_lost(store: HoldStore) -> None:
    row = a_row()
    await store.add(row)
    claim = await claimed(store, row)

    await store.drop(row.id)

    assert not await store.mark_sending(claim)
    assert not await store.decide(claim, State.SENT)


async def test_a_row_past_its_expiry_is_reported_as_expired_and_cannot_be_opened(
    store: HoldStore, clock: SetClock
) -> None:
    row = a_row()
    await store.add(row)

    clock.pass_by(72 * HOUR)

    assert await store.find(row.id) == HeldRow(row.id, State.EXPIRED, day=row.day, decided=row.expires)
    assert await store.claim(row.id, LASTS) is None
    assert not await store.replace(row.id)


async def test_a_mail_whose_release_is_under_way_at_its_expiry_is_not_expired(
    store: HoldStore, clock: SetClock
) -> None:
    row = a_row()
    await store.add(row)
    clock.pass_by(72 * HOUR - timedelta(seconds=1))
    claim = await claimed(store, row)
    await store.mark_sending(claim)
    clock.pass_by(timedelta(seconds=2))

    found = await store.find(row.id)

    assert found == replace(row, state=State.SENDING)
    assert await store.due(10) == []
    assert not await store.expire([row.id])
    assert await store.renew(claim, LASTS)
    assert await store.decide(claim, State.SENT)


async def test_the_newest_waiting_row_with_one_of_the_tags_is_the_resend(store: HoldStore, clock: SetClock) -> None:
    tags = a_row().tags
    assert tags is not None
    assert tags.resend is not None
    rows = [a_row(tags=replace(tags, account=bytes(32)), created=NOW + number * HOUR) for number in (1, 3, 2)]
    for row in [*rows, a_row()]:
        await store.add(row)

    assert await store.find_resend([bytes(32), tags.resend]) == rows[1]
    await store.decide(await claimed(store, rows[1]), State.DISCARDED)
    assert await store.find_resend([tags.resend]) == rows[2]
    assert await store.find_resend([bytes(32)]) is None
    assert await store.find_resend([]) is None
    clock.pass_by(72 * HOUR)
    assert await store.find_resend([tags.resend]) is None


async def test_rows_without_a_resend_tag_match_nothing(store: HoldStore) -> None:
    tags = a_row().tags
    assert tags is not None
    await store.add(a_row(tags=replace(tags, resend=None)))

    assert await store.find_resend([b""]) is None


async def test_only_one_of_many_can_claim_and_it_is_told_by_its_nonce(store: HoldStore, other: HoldStore) -> None:
    for _ in range(50):
        row = a_row()
        await store.add(row)

        claims = await asyncio.gather(*(each.claim(row.id, LASTS) for each in (store, other) * 2))

        winners = [claim for claim in claims if claim is not None]
        assert len(winners) == 1
        assert await other.find(row.id) == row
        assert await other.decide(winners[0], State.DISCARDED)


async def test_a_claim_lasts_until_it_lapses(store: HoldStore, other: HoldStore, clock: SetClock) -> None:
    row = a_row()
    await store.add(row)
    first = await claimed(store, row)

    clock.pass_by(LASTS - timedelta(microseconds=1))
    assert await other.claim(row.id, LASTS) is None
    clock.pass_by(timedelta(microseconds=1))
    second = await claimed(other, row)

    assert second.nonce != first.nonce
    assert not await store.renew(first, LASTS)
    assert not await store.mark_sending(first)
    assert not await store.unmark_sending(first)
    assert not await store.decide(first, State.SENT)
    await store.give_back(first)
    assert await other.mark_sending(second)
    assert await other.decide(second, State.SENT)


async def test_a_renewed_claim_lasts_from_now(store: HoldStore, clock: SetClock) -> None:
    row = a_row()
    await store.add(row)
    claim = await claimed(store, row)

    for _ in range(3):
        clock.pass_by(LASTS - timedelta(seconds=1))
        assert await store.renew(claim, LASTS)
        assert await store.claim(row.id, LASTS) is None


async def test_a_lapsed_claim_sends_nothing_but_may_still_write_what_has_happened(
    store: HoldStore, clock: SetClock
) -> None:
    row, late = a_row(), a_row()
    for each in (row, late):
        await store.add(each)
    sending, idle = await claimed(store, row), await claimed(store, late)
    assert await store.mark_sending(sending)

    clock.pass_by(LASTS)

    assert not await store.mark_sending(idle)
    assert not await store.renew(idle, LASTS)
    assert await store.decide(sending, State.SENT)


async def test_a_claim_given_back_is_free_at_once(store: HoldStore) -> None:
    row = a_row()
    await store.add(row)
    claim = await claimed(store, row)

    await store.give_back(claim)

    assert not await store.mark_sending(claim)
    assert not (await claimed(store, row)).interrupted


async def test_a_mail_in_sending_stays_there_and_the_next_claim_knows(store: HoldStore) -> None:
    row = a_row()
    await store.add(row)
    claim = await claimed(store, row)
    assert not claim.interrupted
    assert await store.mark_sending(claim)

    await store.give_back(claim)

    found = await store.find(row.id)
    assert found is not None
    assert found.state is State.SENDING
    assert (await claimed(store, row)).interrupted


async def test_refused_after_the_dot_a_mail_waits_again(store: HoldStore) -> None:
    row = a_row()
    await store.add(row)
    claim = await claimed(store, row)
    await store.mark_sending(claim)

    assert await store.unmark_sending(claim)
    assert not await store.unmark_sending(claim)
    await store.give_back(claim)

    assert await store.find(row.id) == replace(row, state=State.HELD)
    assert not (await claimed(store, row)).interrupted


async def test_for_which_answers_a_mail_was_sent_is_known_until_it_waits_again(store: HoldStore) -> None:
    row = a_row()
    await store.add(row)
    claim = await claimed(store, row)
    assert b"" == claim.answers
    assert await store.mark_sending(claim, b"one")
    await store.give_back(claim)

    again = await claimed(store, row)
    assert b"one" == again.answers
    assert await store.mark_sending(again, b"two" + again.answers)
    await store.give_back(again)
    last = await claimed(store, row)
    assert b"twoone" == last.answers
    assert await store.unmark_sending(last)
    await store.give_back(last)
    free = await claimed(store, row)
    assert (b"", False) == (free.answers, free.interrupted)


@pytest.mark.parametrize("state", FINAL)
async def test_a_decision_leaves_id_state_and_time(store: HoldStore, state: State) -> None:
    row = a_row()
    await store.add(row)
    await store.count_help(row.id)
    claim = await claimed(store, row)

    assert await store.decide(claim, state)

    assert await store.find(row.id) == tombstone(row, state)
    assert await store.claim(row.id, LASTS) is None
    assert not await store.decide(claim, State.SENT)
    assert not await store.mark_sending(claim)
    assert not await store.replace(row.id)
    assert not await store.expire([row.id])
    assert await store.waiting_days() == {}


@pytest.mark.parametrize("state", [State.ASKING, State.HELD, State.SENDING])
async def test_waiting_is_no_decision(store: HoldStore, state: State) -> None:
    row = a_row()
    await store.add(row)

    with pytest.raises(ValueError, match="decision"):
        await store.decide(await claimed(store, row), state)


async def test_a_waiting_row_is_replaced_unless_somebody_decides_it(store: HoldStore, clock: SetClock) -> None:
    free, taken = a_row(), a_row()
    for row in (free, taken):
        await store.add(row)
    await claimed(store, taken)

    assert await store.replace(free.id)
    assert not await store.replace(free.id)
    assert not await store.replace(taken.id)
    assert not await store.replace(bytes(32))

    assert await store.find(free.id) == tombstone(free, State.REPLACED)
    clock.pass_by(LASTS)
    assert await store.replace(taken.id)


async def test_help_answers_are_counted_for_each_hold(store: HoldStore, other: HoldStore) -> None:
    one, two = a_row(), a_row()
    for row in (one, two):
        await store.add(row)

    assert [await each.count_help(one.id) for each in (store, other, store)] == [0, 1, 2]
    assert await store.count_help(two.id) == 0
    found = await store.find(one.id)
    assert found is not None
    assert found.helps == 3


async def test_due_rows_come_oldest_first_without_box_and_not_more_than_asked(
    store: HoldStore, clock: SetClock
) -> None:
    rows = [a_row(expires=NOW + number * HOUR) for number in (3, 1, 2, 9)]
    for row in rows:
        await store.add(row)
    assert await store.due(10) == []

    clock.pass_by(3 * HOUR)

    assert await store.due(10) == [replace(rows[number], box=b"") for number in (1, 2, 0)]
    assert await store.due(2) == [replace(rows[number], box=b"") for number in (1, 2)]


async def test_a_lapsed_claim_does_not_keep_a_row_from_expiring(store: HoldStore, clock: SetClock) -> None:
    row = a_row()
    await store.add(row)
    clock.pass_by(72 * HOUR - timedelta(seconds=1))
    claim = await claimed(store, row)
    clock.pass_by(LASTS)

    assert [each.id for each in await store.due(10)] == [row.id]
    assert await store.expire([row.id])
    assert not await store.decide(claim, State.SENT)


async def test_only_what_is_due_expires_and_only_once(store: HoldStore, other: HoldStore, clock: SetClock) -> None:
    row, later = a_row(), a_row(expires=NOW + 100 * HOUR)
    for each in (row, later):
        await store.add(each)
    assert not await store.expire([row.id])

    clock.pass_by(72 * HOUR)
    done = await asyncio.gather(store.expire([row.id]), other.expire([row.id]))

    assert sorted(done, key=len) == [frozenset(), {row.id}]
    assert not await store.expire([later.id])
    assert await store.due(10) == []
    assert await store.find(row.id) == HeldRow(row.id, State.EXPIRED, decided=clock.now)


async def test_of_several_rows_those_expire_that_are_due_and_nobody_decides(
    store: HoldStore, other: HoldStore, clock: SetClock
) -> None:
    rows = [a_row() for _ in range(6)]
    later, busy, decided = a_row(expires=NOW + 100 * HOUR), a_row(), a_row()
    for each in (*rows, later, busy, decided):
        await store.add(each)
    assert await store.decide(await claimed(store, decided), State.SENT)
    clock.pass_by(72 * HOUR - timedelta(seconds=1))
    await claimed(store, busy)
    clock.pass_by(timedelta(seconds=2))
    asked = [each.id for each in (*rows, later, busy, decided)] + [bytes(32)]
    first, second = await asyncio.gather(store.expire(asked), other.expire(list(reversed(asked))))

    assert {each.id for each in rows} == first | second
    assert not first & second
    assert not await store.expire([])
    for each, state in ((later, State.ASKING), (busy, State.ASKING), (decided, State.SENT), (rows[0], State.EXPIRED)):
        found = await store.find(each.id)
        assert found is not None
        assert state is found.state


async def test_what_is_due_is_asked_for_without_some_days(store: HoldStore, clock: SetClock) -> None:
    days = [date(2026, 11, each) for each in (20, 21, 22)]
    rows = [a_row(day=day) for day in days]
    for each in rows:
        await store.add(each)
    clock.pass_by(73 * HOUR)

    assert {rows[1].id} == {each.id for each in await store.due(10, {days[0], days[2]})}
    assert [] == await store.due(10, days)


async def test_waiting_rows_are_counted_by_day(store: HoldStore) -> None:
    rows = [a_row(day=date(2026, 11, day)) for day in (20, 21, 21, 22)]
    for row in rows:
        await store.add(row)
    await store.decide(await claimed(store, rows[0]), State.SENT)
    await store.mark_held(rows[1].id)
    await store.mark_sending(await claimed(store, rows[2]))

    assert await store.waiting_days() == {date(2026, 11, 21): 2, date(2026, 11, 22): 1}


async def test_old_tombstones_go_and_waiting_rows_stay(store: HoldStore, clock: SetClock) -> None:
    old, young, waiting = a_row(), a_row(), a_row()
    for row in (old, young, waiting):
        await store.add(row)
    await store.decide(await claimed(store, old), State.SENT)
    clock.pass_by(HOUR)
    await store.decide(await claimed(store, young), State.SENT)
    clock.pass_by(30 * 24 * HOUR - timedelta(seconds=1))

    assert await store.purge_tombstones(timedelta(days=30)) == 1

    assert await store.find(old.id) is None
    assert await store.find(young.id) is not None
    assert await store.find(waiting.id) is not None


async def test_the_last_sign_of_life_is_remembered(store: HoldStore, other: HoldStore, clock: SetClock) -> None:
    assert await store.sign_of_life() == LifeSign(NOW, None)
    clock.pass_by(HOUR)

    assert await other.sign_of_life() == LifeSign(NOW + HOUR, NOW)
    assert await store.sign_of_life() == LifeSign(NOW + HOUR, NOW + HOUR)


async def test_no_more_of_an_account_waits_than_its_quota_allows(store: HoldStore, clock: SetClock) -> None:
    rows = [a_row(size=100) for _ in range(4)]
    accounts = [each.tags.account for each in rows if each.tags is not None]
    for row in rows[:3]:
        assert await store.add(row, Quota(accounts, holds=3, octets=10_000))

    assert not await store.add(rows[3], Quota(accounts, holds=3, octets=10_000))
    assert await store.find(rows[3].id) is None
    assert not await store.add(rows[3], Quota(accounts, holds=9, octets=399))
    assert await store.add(rows[3], Quota(accounts, holds=9, octets=400))
    assert await store.add(a_row(size=100), Quota([os.urandom(32)], holds=1, octets=100))


async def test_what_is_replaced_decided_or_expired_does_not_count(store: HoldStore, clock: SetClock) -> None:
    former, decided, late = a_row(), a_row(), a_row(expires=NOW + HOUR)
    accounts = [each.tags.account for each in (former, decided, late) if each.tags is not None]
    for row in (former, decided, late):
        await store.add(row)
    assert await store.decide(await claimed(store, decided), State.DISCARDED)
    clock.pass_by(HOUR)

    assert not await store.add(a_row(), Quota(accounts, holds=1, octets=10_000))
    assert await store.add(a_row(), Quota(accounts, holds=1, octets=10_000, besides=former.id))


async def test_what_a_hold_that_was_cut_off_left_behind_counts_for_two_hours_and_can_still_be_answered(
    store: HoldStore, other: HoldStore, clock: SetClock
) -> None:
    cut_off, noticed = a_row(size=100), a_row(size=100)
    accounts = [each.tags.account for each in (cut_off, noticed) if each.tags is not None]
    for row in (cut_off, noticed):
        await store.add(row)
    assert await store.mark_held(noticed.id)
    clock.pass_by(2 * HOUR - timedelta(seconds=1))
    assert not await other.add(a_row(), Quota(accounts, holds=2, octets=10_000))
    assert not await other.add(a_row(size=100), Quota(accounts, holds=9, octets=299))

    clock.pass_by(timedelta(seconds=1))

    # What has its notice counts on.
    assert not await other.add(a_row(), Quota(accounts, holds=1, octets=10_000))
    assert not await other.add(a_row(size=100), Quota(accounts, holds=9, octets=199))
    assert await other.add(a_row(size=100), Quota(accounts, holds=2, octets=200))
    assert await other.mark_sending(await claimed(other, cut_off))
    # Whoever answers makes it a mail like the others.
    assert not await store.add(a_row(), Quota(accounts, holds=2, octets=10_000))


async def test_of_many_at_once_as_many_are_stored_as_fit(store: HoldStore, other: HoldStore) -> None:
    tags = a_row().tags
    rows = [a_row(tags=tags) for _ in range(20)]
    quota = Quota([tags.account if tags is not None else b""], holds=5, octets=10**9)

    stored = await asyncio.gather(
        *((store if number % 2 else other).add(row, quota) for number, row in enumerate(rows))
    )

    assert 5 == sum(stored)
    assert 5 == len(await store.waiting_ids(quota.accounts))


async def test_notices_are_counted_for_each_asker_and_forgotten_with_their_day(
    store: HoldStore, other: HoldStore
) -> None:
    one, another, today = os.urandom(32), os.urandom(32), NOW.date()

    assert [0, 1] == [await store.count_notice(one, today), await other.count_notice(one, today)]
    assert 0 == await store.count_notice(another, today)
    await store.take_back_notice(one, today)
    assert 1 == await store.count_notice(one, today)
    assert 0 == await store.forget_notices(today)
    assert 2 == await store.forget_notices(today + timedelta(days=1))
    assert 0 == await store.count_notice(one, today)


async def test_waiting_rows_are_named_of_one_account_or_of_all(store: HoldStore) -> None:
    mine, others, decided = a_row(), a_row(created=NOW + HOUR), a_row()
    for row in (mine, others, decided):
        await store.add(row)
    await store.decide(await claimed(store, decided), State.DISCARDED)
    assert mine.tags is not None
    assert decided.tags is not None

    assert [mine.id, others.id] == await store.waiting_ids()
    assert [mine.id] == await store.waiting_ids([mine.tags.account, decided.tags.account])
    assert [] == await store.waiting_ids([])


async def test_a_waiting_mail_can_be_expired_before_its_time_unless_somebody_decides_it(store: HoldStore) -> None:
    free, taken = a_row(), a_row()
    for row in (free, taken):
        await store.add(row)
    claim = await claimed(store, taken)

    assert await store.expire_now(free.id)
    assert not await store.expire_now(free.id)
    assert not await store.expire_now(taken.id)
    assert tombstone(free, State.EXPIRED) == await store.find(free.id)
    await store.give_back(claim)
    assert await store.expire_now(taken.id)


async def test_many_calls_at_once_all_happen(store: HoldStore, other: HoldStore) -> None:
    rows = [a_row(box=b"x" * 5000) for _ in range(100)]

    await asyncio.gather(*((store, other)[number % 2].add(row) for number, row in enumerate(rows)))

    assert await store.waiting_days() == {date(2026, 11, 22): 100}


async def test_after_close_every_call_is_a_store_error(store: HoldStore) -> None:
    await store.close()
    await store.close()

    with pytest.raises(StoreError, match="closed"):
        await store.find(bytes(32))


@pytest.mark.parametrize("state", FINAL)
async def test_T_05_a_row_is_settled_whatever_its_claim_and_its_time(
    store: HoldStore, clock: SetClock, state: State
) -> None:
    held, sending, late, other = a_row(), a_row(), a_row(expires=NOW + HOUR), a_row()
    for row in (held, sending, late, other):
        await store.add(row)
    claim = await claimed(store, sending)
    assert await store.mark_sending(claim)
    clock.pass_by(2 * HOUR)
    claim = await claimed(store, sending)
    before = NOW - 5 * HOUR
    for row in (held, sending, late):
        assert await store.settle(row.id, state, before)
        assert await store.find(row.id) == HeldRow(row.id, state, decided=before)
        assert not await store.settle(row.id, state, NOW)

    assert not await store.mark_sending(claim)
    assert not await store.decide(claim, State.SENT)
    assert not await store.settle(bytes(32), state, before)
    assert await store.find(other.id) == other
    assert [other.id] == await store.waiting_ids()


async def test_a_row_is_settled_with_a_decision_only(store: HoldStore) -> None:
    with pytest.raises(ValueError, match="decision"):
        await store.settle(bytes(32), State.HELD, NOW)
