"""Whose claims lapse when a worker begins, and whose do not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from smtpguard.store.claimant import Claimant
from smtpguard.store.sqlite import SQLiteStore
from tests.store.conftest import SetClock, a_row

LASTS = timedelta(hours=1)


async def opened(path: Path, number: int, workers: int) -> SQLiteStore:
    return await SQLiteStore.open(path, SetClock(), claimant=Claimant(number, workers))


async def test_a_worker_frees_the_claims_of_the_one_before_it_and_of_nobody_else(path: Path) -> None:
    stores = [await opened(path, number, 3) for number in range(3)]
    rows = [a_row() for _ in stores]
    for store, row in zip(stores, rows, strict=True):
        await store.add(row)
        assert await store.claim(row.id, LASTS)
    await stores[1].close()

    stores[1] = await opened(path, 1, 3)
    assert 1 == await stores[1].release_claims()

    assert [False, True, False] == [await stores[0].claim(row.id, LASTS) is not None for row in rows]
    for store in stores:
        await store.close()


async def test_the_first_worker_frees_the_claims_of_those_that_are_no_more(path: Path) -> None:
    row = a_row()
    last = await opened(path, 7, 8)
    await last.add(row)
    assert await last.claim(row.id, LASTS)
    await last.close()

    first, second = await opened(path, 0, 2), await opened(path, 1, 2)
    assert 0 == await second.release_claims()
    assert 1 == await first.release_claims()
    for each in (first, second):
        await each.close()


async def test_all_claims_find_somebody_who_frees_them_whatever_the_number_was_before(path: Path) -> None:
    alone = await opened(path, 0, 1)
    rows = [a_row() for _ in range(50)]
    for row in rows:
        await alone.add(row)
        assert await alone.claim(row.id, LASTS)
    await alone.close()

    stores = [await opened(path, number, 4) for number in range(4)]
    assert 50 == sum([await each.release_claims() for each in stores])
    for each in stores:
        await each.close()
