"""What has been read of which archive, beside the posts that came of it in `memory.sqlite3`.

Posts are written first and then how far the archive was read, into one log (WAL) in this order: whatever a power cut
takes away, it takes away from its end. So a post may be written twice, which changes nothing, and none is left out.
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values are bound

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from smtpguard.store.database import Identity, opened
from smtpguard.store.worker import BUSY_SECONDS, Clock, committed, in_worker, number_of, time_of

# The columns of the table `archives`.
FIELDS = "week, mark, list, position, taken, sample, last, posts, days"
_DAY_OCTETS = 4


@dataclass(frozen=True, slots=True)
class ReadArchive:
    """How far one piece of an archive has been read, under the key of `week`.

    `mark` stands for the piece, `list` for the list; `position`, `taken` and `sample` are those of its bookmark. `last`
    is when the last mail with a sensible date was written, `posts` how many are remembered, `days` on which days of
    these (counted from 1970) there were any.
    """

    week: str
    mark: bytes = field(repr=False)
    list: bytes = field(repr=False)
    position: int
    taken: int
    sample: bytes = field(repr=False)
    last: datetime | None = None
    posts: int = 0
    days: frozenset[int] = field(default=frozenset(), repr=False)


class ArchiveStore(Protocol):
    """How far archives have been read. Every method raises StoreError if the database refuses."""

    async def begin(self) -> bool:
        """Before all others: False if somebody else, on whichever node, is reading archives into this memory."""

    async def weeks(self) -> frozenset[str]:
        """The weeks under whose keys anything is kept."""

    async def find(self, marks: Mapping[str, Sequence[bytes]]) -> Sequence[ReadArchive]:
        """What is known of these marks, which are given by week."""

    async def days(self, lists: Iterable[tuple[str, bytes]]) -> frozenset[int]:
        """On which days there is a remembered post of the list that has these marks, each in its week."""

    async def note(self, archives: Sequence[ReadArchive]) -> None:
        """Write all of them in place of what was known, or none."""

    async def forget(self, weeks: Collection[str]) -> None:
        """Delete what is kept under the keys of `weeks`."""

    async def close(self) -> None:
        """Finish what was begun and close."""


class SQLiteArchives:
    """`ArchiveStore` in the memory's file. Made by `open`; every method raises StoreError if the database refuses."""

    def __init__(self, connection: sqlite3.Connection, identity: Identity, worker: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._identity = identity
        self._worker = worker

    @classmethod
    async def open(cls, path: Path, clock: Clock, *, busy_seconds: float = BUSY_SECONDS) -> SQLiteArchives:
        """Open the memory's file at `path`, as `SQLiteMemory.open` does, also while a guard uses it."""
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="archives")

        def begin() -> tuple[sqlite3.Connection, Identity]:
            connection = opened(path, number_of(clock()), busy_seconds, schema="memory", synchronous="NORMAL")
            return connection, Identity(path)

        try:
            connection, identity = await in_worker(worker, begin)
        except BaseException:
            worker.shutdown(wait=False)
            raise
        return cls(connection, identity, worker)

    async def begin(self) -> bool:
        """Always: one node has this file, and `smtpguard remember` has a lock beside it."""
        return True

    async def weeks(self) -> frozenset[str]:
        def look() -> frozenset[str]:
            return frozenset(each["week"] for each in self._connection.execute("SELECT DISTINCT week FROM archives"))

        return await committed(self._worker, self._identity, look)

    async def find(self, marks: Mapping[str, Sequence[bytes]]) -> list[ReadArchive]:
        def look() -> list[ReadArchive]:
            found: list[ReadArchive] = []
            for week, some in marks.items():
                places = ", ".join("?" for _ in some)
                rows = self._connection.execute(
                    f"SELECT {FIELDS} FROM archives WHERE week = ? AND mark IN ({places})", (week, *some)
                )
                found += map(archive_of, rows)
            return found

        return await committed(self._worker, self._identity, look)

    async def days(self, lists: Iterable[tuple[str, bytes]]) -> frozenset[int]:
        def look() -> frozenset[int]:
            found: set[int] = set()
            for week, mark in lists:
                rows = self._connection.execute("SELECT days FROM archives WHERE week = ? AND list = ?", (week, mark))
                for row in rows:
                    found |= days_of(row["days"])
            return frozenset(found)

        return await committed(self._worker, self._identity, look)

    async def note(self, archives: Sequence[ReadArchive]) -> None:
        def write() -> None:
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(
                    f"INSERT OR REPLACE INTO archives ({FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [row_of(each) for each in archives],
                )

        await committed(self._worker, self._identity, write)

    async def forget(self, weeks: Collection[str]) -> None:
        def delete() -> None:
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany("DELETE FROM archives WHERE week = ?", [(each,) for each in weeks])

        await committed(self._worker, self._identity, delete)

    async def close(self) -> None:
        try:
            await in_worker(self._worker, self._connection.close)
        finally:
            self._worker.shutdown(wait=False)


def row_of(each: ReadArchive) -> tuple[Any, ...]:
    """The values of FIELDS, in their order."""
    last = None if each.last is None else number_of(each.last)
    days = b"".join(day.to_bytes(_DAY_OCTETS, "big") for day in sorted(each.days))
    return (each.week, each.mark, each.list, each.position, each.taken, each.sample, last, each.posts, days)


def archive_of(row: sqlite3.Row | Mapping[str, Any]) -> ReadArchive:
    """What a row with FIELDS holds."""
    return ReadArchive(
        week=row["week"],
        mark=row["mark"],
        list=row["list"],
        position=row["position"],
        taken=row["taken"],
        sample=row["sample"],
        last=time_of(row["last"]),
        posts=row["posts"],
        days=days_of(row["days"]),
    )


def days_of(octets: bytes) -> frozenset[int]:
    """The days that a row has, counted from 1970."""
    starts = range(0, len(octets), _DAY_OCTETS)
    return frozenset(int.from_bytes(octets[start : start + _DAY_OCTETS], "big") for start in starts)
