"""T-05: what was decided outlives the database, beside the day keys."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from smtpguard.claims import Claims
from smtpguard.decided_file import DecidedFile, Decision
from smtpguard.decisions import Decisions
from smtpguard.held import HeldRow, State
from smtpguard.keys import KeyFolder
from smtpguard.store.sqlite import SQLiteStore
from tests.logs import caught
from tests.pipes import a_pipe, told
from tests.store.conftest import a_row

DAY = date(2026, 11, 22)
WHEN = datetime(2026, 11, 22, 18, 2, 3, 456789, tzinfo=UTC)
LASTS = timedelta(minutes=10)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    KeyFolder(tmp_path / "keys").day_key(DAY, create=True)
    return tmp_path / "keys"


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "day-2026-11-22.decided"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    store = await SQLiteStore.open(tmp_path / "state" / "holds.sqlite3", lambda: WHEN, busy_seconds=0.05)
    yield store
    await store.close()


async def waiting(store: SQLiteStore) -> HeldRow:
    row = a_row()
    await store.add(row)
    await store.mark_held(row.id)
    return row


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize("state", [State.SENT, State.DISCARDED, State.EXPIRED, State.REPLACED])
def test_T_05_what_was_decided_is_read_by_whoever_comes_later(folder: Path, path: Path, state: State) -> None:
    id_, decision = os.urandom(32), Decision(state, WHEN)
    KeyFolder(folder).note_decided(DAY, [(id_, decision)])

    assert decision == KeyFolder(folder).decision(DAY, id_)
    assert {id_: decision} == KeyFolder(folder).decisions(DAY)
    assert KeyFolder(folder).decision(DAY, bytes(32)) is None
    assert KeyFolder(folder).decision(date(2026, 11, 21), id_) is None
    assert 0o600 == path.stat().st_mode & 0o777


def test_T_05_another_process_of_the_node_is_heard_and_the_first_word_counts(folder: Path) -> None:
    one, other = KeyFolder(folder), KeyFolder(folder)
    ids = [os.urandom(32) for _ in range(3)]
    one.note_decided(DAY, [(ids[0], Decision(State.SENT, WHEN))])
    assert State.SENT is other.decisions(DAY)[ids[0]].state
    one.note_decided(DAY, [(ids[1], Decision(State.DISCARDED, WHEN))])
    other.note_decided(DAY, [(ids[2], Decision(State.EXPIRED, WHEN)), (ids[0], Decision(State.EXPIRED, WHEN))])

    expected = dict(zip(ids, (State.SENT, State.DISCARDED, State.EXPIRED), strict=True))
    assert expected == {id_: each.state for id_, each in one.decisions(DAY).items()}
    assert expected == {id_: each.state for id_, each in other.decisions(DAY).items()}


@pytest.mark.parametrize("torn", [1, 31, 32, 40])
def test_T_05_a_torn_last_record_is_not_read_and_spoils_nothing_behind_it(path: Path, torn: int) -> None:
    first, second, third = (os.urandom(32) for _ in range(3))
    reader = DecidedFile(path)
    DecidedFile(path).add([(first, Decision(State.SENT, WHEN)), (second, Decision(State.SENT, WHEN))])
    os.truncate(path, 41 + torn)
    assert {first} == set(reader.decisions())
    DecidedFile(path).add([(third, Decision(State.DISCARDED, WHEN))])

    assert [first, third] == list(reader.decisions())
    assert [first, third] == list(DecidedFile(path).decisions())


def test_T_05_any_octets_are_read_as_far_as_they_go(path: Path) -> None:
    path.write_bytes(os.urandom(41 * 50 + 7))

    assert 50 == len(DecidedFile(path).decisions())


def test_T_05_a_file_that_was_put_in_its_place_is_read_anew(path: Path) -> None:
    reader = DecidedFile(path)
    for _ in range(2):
        id_ = os.urandom(32)
        DecidedFile(path.with_suffix(".other")).add([(id_, Decision(State.SENT, WHEN))])
        path.with_suffix(".other").rename(path)
        assert [id_] == list(reader.decisions())
    path.unlink()
    assert {} == reader.decisions()


def test_T_05_ids_say_no_more_than_tombstones_do(path: Path) -> None:
    id_ = os.urandom(32)
    DecidedFile(path).add([(id_, Decision(State.SENT, WHEN))])

    assert id_ + b"s" + (1795370523456789).to_bytes(8, "big") == path.read_bytes()


def test_T_05_decided_ids_go_with_the_key_and_none_are_kept_without_it(folder: Path) -> None:
    keys = KeyFolder(folder)
    keys.note_decided(DAY, [(os.urandom(32), Decision(State.SENT, WHEN))])
    assert (DAY,) == keys.decided_days()
    assert keys.erase_day(DAY)
    keys.note_decided(DAY, [(os.urandom(32), Decision(State.SENT, WHEN))])

    assert () == keys.decided_days()
    assert [] == list(folder.iterdir())
    assert {} == keys.decisions(DAY)


# ---------------------------------------------------------------- with the store


async def test_T_05_a_release_whose_mark_failed_becomes_a_tombstone_and_is_not_claimed_again(
    tmp_path: Path, folder: Path, store: SQLiteStore
) -> None:
    row = await waiting(store)
    decisions = Decisions(store, KeyFolder(folder), lambda: WHEN)
    claims = Claims(store, decisions, lambda: LASTS, retry_seconds=3600)
    async with claims.taken(row) as claimed:
        assert claimed is not None
        assert await claimed.mark_sending()
        locker = sqlite3.connect(tmp_path / "state" / "holds.sqlite3", isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        assert not await claims.write_sent(claimed)
        locker.close()
    await claims.close()
    # The guard died before it could try again; a new one frees the claims.
    await store.release_claims()
    found = await store.find(row.id)
    assert found is not None
    assert found.state is State.SENDING

    later = Claims(store, Decisions(store, KeyFolder(folder)), lambda: LASTS)
    async with later.taken(found) as claimed:
        assert claimed is None
    assert HeldRow(row.id, State.SENT, decided=WHEN) == await store.find(row.id)


async def test_T_05_nothing_is_noted_that_was_not_decided(folder: Path, store: SQLiteStore) -> None:
    row = await waiting(store)
    keys = KeyFolder(folder)
    claims = Claims(store, Decisions(store, keys), lambda: LASTS)
    async with claims.taken(row) as claimed:
        assert claimed is not None
        await store.settle(row.id, State.EXPIRED, WHEN)
        assert not await claimed.decide(State.DISCARDED)

    assert {} == keys.decisions(DAY)


async def test_T_05_a_decision_stands_though_the_key_folder_refuses_and_is_kept_later(
    folder: Path, path: Path, store: SQLiteStore
) -> None:
    rows = [await waiting(store) for _ in range(3)]
    keys = KeyFolder(folder)
    decisions = Decisions(store, keys, lambda: WHEN, retry_seconds=0.01)
    claims = Claims(store, decisions, lambda: LASTS)
    path.mkdir()
    with caught() as log:
        async with claims.taken(a_row()) as nobody:
            assert nobody is None
        for row in rows:
            await decisions.note(State.DISCARDED, row)
    path.rmdir()
    await until(lambda: len(keys.decisions(DAY)) == 3)

    assert 3 == log.getvalue().count("could not be kept beside the day key yet")
    assert {row.id for row in rows} == set(keys.decisions(DAY))
    await decisions.close()


async def test_T_05_a_day_whose_key_is_damaged_keeps_no_other_from_being_noted_once(
    folder: Path, path: Path, store: SQLiteStore
) -> None:
    days = [DAY + timedelta(days=each) for each in range(6)]
    keys = KeyFolder(folder)
    for day in days:
        keys.day_key(day, create=True)
    damaged = folder / f"day-{days[3]}.key"
    key = damaged.read_bytes()
    damaged.write_bytes(b"short")
    rows = [a_row(day=day) for day in days]
    decisions = Decisions(store, keys, lambda: WHEN, retry_seconds=0.01)
    with caught() as log:
        await decisions.note(State.EXPIRED, *rows)
    assert damaged.name in log.getvalue()
    assert [day for day in days if day != days[3]] == [day for day in days if keys.decisions(day)]
    await asyncio.sleep(0.1)  # some tries
    damaged.write_bytes(key)
    await until(lambda: keys.decisions(days[3]))

    assert {41} == {(folder / f"day-{day}.decided").stat().st_size for day in days}
    await decisions.close()


async def test_T_05_a_claim_is_given_back_when_the_key_folder_cannot_be_asked(
    folder: Path, path: Path, store: SQLiteStore
) -> None:
    row = await waiting(store)
    claims = Claims(store, Decisions(store, KeyFolder(folder)), lambda: LASTS)
    path.symlink_to("/dev/null")
    with pytest.raises(Exception, match="decided"):
        async with claims.taken(row):
            pytest.fail("nobody knows whether it was decided")
    path.unlink()
    async with claims.taken(row) as claimed:
        assert claimed is not None


async def test_T_05_only_rows_that_were_decided_are_settled_whatever_their_claim_and_time(
    folder: Path, store: SQLiteStore
) -> None:
    keys = KeyFolder(folder)
    decided, other, late = [a_row(), a_row(), a_row(expires=WHEN - timedelta(hours=1))]
    for row in (decided, other, late):
        await store.add(row)
    assert await store.claim(decided.id, LASTS)
    for row in (decided, late):
        keys.note_decided(DAY, [(row.id, Decision(State.SENT, WHEN))])
    decisions = Decisions(store, keys)

    assert 2 == await decisions.settle_all()
    assert 0 == await decisions.settle_all()
    assert [other.id] == await store.waiting_ids()


def test_a_pipe_in_place_of_the_file_is_refused_and_not_waited_for(path: Path) -> None:
    a_pipe(path)

    error = told(DecidedFile(path).decisions)

    assert isinstance(error, OSError)
    assert "is not a regular file" in str(error)
