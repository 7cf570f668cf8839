"""How far archives have been read, whichever backend keeps it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smtpguard.store import StoreError
from smtpguard.store.archives import ArchiveStore, ReadArchive
from smtpguard.store.postgresql_archives import PostgreSQLArchives
from tests.memories import Place
from tests.postgresql import Database
from tests.store.conftest import NOW

WEEK = "2026-W40"
READ = ReadArchive(
    WEEK, b"archive-mark----", b"berlin--", 4096, 8192, b"sample----------", NOW, 7, frozenset((20500, 3))
)


@pytest.fixture
async def archives(place: Place) -> ArchiveStore:
    opened = await place.archives()
    assert await opened.begin()
    return opened


async def test_what_is_noted_comes_back_whole(archives: ArchiveStore) -> None:
    bare = ReadArchive(WEEK, b"another-mark----", b"berlin--", 0, 0, b"")
    await archives.note([READ, bare])

    found = await archives.find({WEEK: [READ.mark, bare.mark, b"unknown-mark----"], "2026-W27": [READ.mark]})

    assert sorted(found, key=lambda each: each.mark) == sorted((READ, bare), key=lambda each: each.mark)
    assert list(await archives.find({})) == []


async def test_the_last_note_of_a_piece_counts(archives: ArchiveStore) -> None:
    later = replace(READ, position=9000, last=None, posts=9, days=frozenset())
    await archives.note([READ])
    await archives.note([replace(READ, position=1), later])

    assert list(await archives.find({WEEK: [READ.mark]})) == [later]


async def test_days_are_those_of_one_list_in_all_weeks(archives: ArchiveStore) -> None:
    await archives.note([
        READ,
        replace(READ, mark=b"second-mark-----", days=frozenset((4, 5))),
        replace(READ, week="2026-W27", days=frozenset((6,))),
        replace(READ, mark=b"third-mark------", list=b"press---", days=frozenset((7,))),
    ])  # fmt: skip

    assert await archives.days([(WEEK, b"berlin--"), ("2026-W27", b"berlin--")]) == {3, 4, 5, 6, 20500}
    assert await archives.days([(WEEK, b"nothing-")]) == frozenset()


async def test_weeks_go_with_their_keys(archives: ArchiveStore) -> None:
    await archives.note([READ, replace(READ, week="2026-W27"), replace(READ, week="2026-W14")])
    await archives.forget(["2026-W27", "2026-W14", "2026-W01"])
    await archives.forget([])

    assert await archives.weeks() == {WEEK}
    assert list(await archives.find({"2026-W27": [READ.mark]})) == []


# ---------------------------------------------------------------- several nodes


async def lapse(database: Database) -> None:
    with database.connected() as connection:
        connection.execute("UPDATE archive_reader SET until = now() - interval '1 second'")


@pytest.mark.slow
@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
async def test_one_node_at_a_time_reads_archives(place: Place) -> None:
    first, second = await place.archives(), await place.archives()

    assert await first.begin()
    assert not await second.begin()
    assert await first.begin()
    await first.note([READ])
    await first.close()
    assert await second.begin()
    assert list(await second.find({WEEK: [READ.mark]})) == [READ]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
async def test_who_was_taken_for_dead_writes_no_more(place: Place, memory_database: Database) -> None:
    first, second = await place.archives(), await place.archives()
    assert isinstance(first, PostgreSQLArchives)
    assert await first.begin()
    await lapse(memory_database)
    assert await second.begin()

    with pytest.raises(StoreError, match="another smtpguard remember"):
        await first.note([READ])
    await first.close()

    assert not await first.begin()
    assert list(await second.find({WEEK: [READ.mark]})) == []


@pytest.mark.slow
@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
async def test_every_note_is_a_sign_of_life(place: Place, memory_database: Database) -> None:
    first, second = await place.archives(), await place.archives()
    await first.begin()
    await lapse(memory_database)
    await first.note([])

    assert not await second.begin()
