"""A clock that tests set, rows to store, and a store in a private folder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from smtpguard.held import HeldRow, State, Tags
from smtpguard.store.sqlite import SQLiteStore
from tests.memories import BACKENDS, Memory, Place, memory_database, placed, url_of
from tests.postgresql import Database, postgresql, postgresql_cluster

__all__ = ["memory_database", "postgresql", "postgresql_cluster"]

NOW = datetime(2026, 11, 22, 18, 2, 3, 456789, tzinfo=UTC)
HOUR = timedelta(hours=1)
LASTS = timedelta(minutes=10)


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, time: timedelta) -> None:
        self.now += time


class DatabaseClock(SetClock):
    """The same inside a database: who connects from now on finds these two functions before PostgreSQL's own."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._connection = database.connected()
        self._connection.execute(
            f"CREATE SCHEMA moved; CREATE TABLE moved.clock (at timestamptz NOT NULL);"
            f"INSERT INTO moved.clock VALUES ('{self.now.isoformat()}');"
            f"CREATE FUNCTION moved.now() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT at FROM moved.clock';"
            f"CREATE FUNCTION moved.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT at FROM moved.clock';"
            f"ALTER DATABASE {database.name} SET search_path = public, moved, pg_catalog"
        )

    def pass_by(self, time: timedelta) -> None:
        super().pass_by(time)
        self._connection.execute("UPDATE moved.clock SET at = %s", (self.now,))

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def database_clock(postgresql: Database) -> Iterator[DatabaseClock]:
    """The clock of the fresh database."""
    clock = DatabaseClock(postgresql)
    yield clock
    clock.close()


def a_row(**changes: object) -> HeldRow:
    """A new row with everything in it; `changes` replace fields."""
    tags = Tags("2026-W47", os.urandom(32), os.urandom(32), os.urandom(32), os.urandom(32), os.urandom(32))
    fields: dict[str, object] = {
        "id": os.urandom(32),
        "state": State.ASKING,
        "day": date(2026, 11, 22),
        "created": NOW,
        "expires": NOW + 72 * HOUR,
        "size": 1234,
        "box": os.urandom(2000),
        "card": os.urandom(200),
        "tags": tags,
    }
    return HeldRow(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "holds.sqlite3"


@pytest.fixture
async def store(path: Path, clock: SetClock) -> AsyncIterator[SQLiteStore]:
    opened = await SQLiteStore.open(path, clock)
    yield opened
    await opened.close()


@pytest.fixture
async def other(store: SQLiteStore, path: Path, clock: SetClock) -> AsyncIterator[SQLiteStore]:
    """A second store on the same file, as another process would have it."""
    opened = await SQLiteStore.open(path, clock)
    yield opened
    await opened.close()


@pytest.fixture(params=BACKENDS)
async def place(request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock) -> AsyncIterator[Place]:
    """Where a memory lies, of either backend."""
    async with placed(tmp_path / "state" / "memory.sqlite3", clock, url_of(request.param, request)) as made:
        yield made


@pytest.fixture
async def memory(place: Place) -> Memory:
    """The memory of one node."""
    return await place.open()


@pytest.fixture
async def second(memory: Memory, place: Place) -> Memory:
    """The same memory, as another node has it, or another process."""
    return await place.open()
