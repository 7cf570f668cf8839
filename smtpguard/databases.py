"""The databases of one guard, as its settings say (`store.kind`): files in state_dir, or one PostgreSQL database of
several nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from smtpguard.config.named_files import read_database_url, read_node_secret
from smtpguard.config.settings import Settings, SettingsError
from smtpguard.config.sources import FileError
from smtpguard.keyshare import KeyShare
from smtpguard.store import HoldStore, Memory, StoreError
from smtpguard.store.archives import ArchiveStore, SQLiteArchives
from smtpguard.store.memory import SQLiteMemory
from smtpguard.store.postgresql import PostgreSQLStore
from smtpguard.store.postgresql_archives import PostgreSQLArchives
from smtpguard.store.postgresql_keys import PostgreSQLKeyShare
from smtpguard.store.postgresql_memory import PostgreSQLMemory
from smtpguard.store.server import Server
from smtpguard.store.sqlite import SQLiteStore

# In state_dir.
HOLDS = "holds.sqlite3"
MEMORY = "memory.sqlite3"

# What a PostgreSQL database has for a guard, by its schemas (store/schema/postgresql).
ALL_SCHEMAS = ("held", "memory", "shared")
MEMORY_SCHEMAS = ("memory",)


class Databases:
    """Made by `open`. What is opened here is closed by whoever asked for it, and then `close` ends the connections.

    `server` is the database that the nodes share, None where there is but one node. Everything raises StoreError.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime], server: Server | None) -> None:
        self._settings = settings
        self._folder = settings.state_dir
        self._clock = clock
        self.server = server

    @classmethod
    async def open(
        cls, settings: Settings, clock: Callable[[], datetime], *, schemas: Sequence[str] = ALL_SCHEMAS
    ) -> Databases:
        """Connect, if the settings name a server, and bring `schemas` of its database up to date."""
        server = None if settings.store.kind == "sqlite" else await Server.open(_address(settings), schemas=schemas)
        return cls(settings, clock, server)

    async def holds(self, beside: Sequence[Path] = ()) -> HoldStore:
        """Held mail; a file of its own goes wrong, too, if one of `beside` is removed or replaced."""
        if self.server is not None:
            return PostgreSQLStore(self.server)
        return await SQLiteStore.open(self._folder / HOLDS, self._clock, beside=beside)

    async def memory(self) -> Memory:
        """What the guard remembers of mail that passed, and what it counts."""
        if self.server is not None:
            return PostgreSQLMemory(self.server)
        return await SQLiteMemory.open(self._folder / MEMORY, self._clock)

    async def archives(self) -> ArchiveStore:
        """How far archives have been read into the memory."""
        if self.server is not None:
            return PostgreSQLArchives(self.server)
        return await SQLiteArchives.open(self._folder / MEMORY, self._clock)

    def key_share(self) -> KeyShare | None:
        """Where nodes that have a folder of keys each meet (`secret_file`); None where there is nobody to meet, or the
        folder is a common one. Raises SettingsError, KeyShareError."""
        path = self._settings.secret_file
        if path is None or self.server is None:
            return None
        try:
            secret = read_node_secret(path)
        except FileError as error:
            raise SettingsError(f"secret_file: {path} {error}") from error
        return PostgreSQLKeyShare(_address(self._settings), secret)

    async def close(self) -> None:
        """End the connections to the server, if there is one."""
        if self.server is not None:
            await self.server.close()


def _address(settings: Settings) -> str:
    path = settings.store.url_file
    assert path is not None  # noqa: S101 - StoreSettings
    try:
        return read_database_url(path)
    except FileError as error:
        raise StoreError(f"store.url_file: {path} {error}") from error
