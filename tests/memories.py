"""The memory of either backend, for tests that hold for both; and, for PostgreSQL, that of several nodes.

A test takes `memory`, and `second` for what a second node (on PostgreSQL) or process (on SQLite) sees.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from smtpguard.store.archives import ArchiveStore, SQLiteArchives
from smtpguard.store.memory import SQLiteMemory
from smtpguard.store.postgresql_archives import PostgreSQLArchives
from smtpguard.store.postgresql_memory import PostgreSQLMemory
from smtpguard.store.server import Server
from tests.postgresql import Database, SharedCluster, fresh_database

# A server of our own takes seconds to start: `make check` asks the file alone.
BACKENDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.slow))
SCHEMAS = ("memory",)

Memory = SQLiteMemory | PostgreSQLMemory


class Place:
    """Where a memory lies: a file, or a database. Opens it as often as a test wants, and closes all at the end."""

    def __init__(self, ends: AsyncExitStack, clock: Callable[[], datetime], file: Path, url: str | None) -> None:
        self._ends = ends
        self._clock = clock
        self.file = file
        self.url = url

    async def open(self) -> Memory:
        """The memory, as one more node or process has it."""
        memory: Memory
        if self.url is None:
            memory = await SQLiteMemory.open(self.file, self._clock)
        else:
            memory = PostgreSQLMemory(await self._server())
        self._ends.push_async_callback(memory.close)
        return memory

    async def archives(self) -> ArchiveStore:
        """How far archives have been read, as one more `smtpguard remember` has it."""
        archives: ArchiveStore
        if self.url is None:
            archives = await SQLiteArchives.open(self.file, self._clock)
        else:
            archives = PostgreSQLArchives(await self._server())
        self._ends.push_async_callback(archives.close)
        return archives

    async def rows(self, question: str) -> list[tuple[Any, ...]]:
        """What the tables have, asked past the memory."""
        if self.url is None:
            with closing(sqlite3.connect(self.file)) as connection:
                return connection.execute(question).fetchall()
        with psycopg.connect(self.url) as server:
            return server.execute(question.encode()).fetchall()

    async def octets(self) -> bytes:
        """All that lies there, as somebody who has stolen it sees it."""
        if self.url is None:
            return b"".join(each.read_bytes() for each in self.file.parent.iterdir() if each.is_file())
        tables = await self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = []
        with psycopg.connect(self.url) as server:
            for (table,) in tables:
                with server.cursor().copy(f"COPY {table} TO STDOUT (FORMAT BINARY)".encode()) as copied:
                    found += [bytes(each) for each in copied]
        return b"".join(found)

    async def _server(self) -> Server:
        assert self.url is not None
        server = await Server.open(self.url, schemas=SCHEMAS)
        self._ends.push_async_callback(server.close)
        return server


@asynccontextmanager
async def placed(file: Path, clock: Callable[[], datetime], url: str | None = None) -> AsyncIterator[Place]:
    """A place for the time of the block: the database at `url`, or without one `file`."""
    async with AsyncExitStack() as ends:
        yield Place(ends, clock, file, url)


@pytest.fixture(scope="session")
def memory_database(postgresql_cluster: SharedCluster) -> Iterator[Database]:
    """A database for all memories of this process: to make one for each test costs more than most tests."""
    with fresh_database(postgresql_cluster) as database:
        yield database


def url_of(backend: str, request: pytest.FixtureRequest) -> str | None:
    """The address of an empty database, None for SQLite."""
    if backend == "sqlite":
        return None
    database: Database = request.getfixturevalue("memory_database")
    empty(database)
    return database.url


def empty(database: Database) -> None:
    """Take everything out of the memory in `database`."""
    with database.connected() as connection:
        found = connection.execute(
            "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables "
            "WHERE schemaname = 'public' AND tablename <> 'schema_steps'"
        ).fetchone()
        if found is not None and found[0] is not None:
            connection.execute(f"TRUNCATE {found[0]}".encode())
