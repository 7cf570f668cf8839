"""The memory of either backend, for tests that hold for both; and, for PostgreSQL, that of several nodes.

A test takes `memory`, and `other` for what a second node (on PostgreSQL) or process (on SQLite) sees.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from smtpguard.store.archives import ArchiveStore, SQLiteArchives
from smtpguard.store.memory import SQLiteMemory
from smtpguard.store.postgresql_archives import PostgreSQLArchives
from smtpguard.store.postgresql_memory import PostgreSQLMemory
from smtpguard.store.server import Server
from tests.postgresql import Database

BACKENDS = ("sqlite", "postgresql")
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


def url_of(backend: str, request: pytest.FixtureRequest) -> str | None:
    """The address of a fresh database, None for SQLite."""
    if backend == "sqlite":
        return None
    database: Database = request.getfixturevalue("postgresql")
    return database.url
