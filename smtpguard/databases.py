"""The databases of one guard, as its settings say (`store.kind`): files in state_dir, or one PostgreSQL database of
several nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from smtpguard.config.named_files import read_database_url, read_node_secret
from smtpguard.config.settings import Settings
from smtpguard.config.sources import FileError
from smtpguard.keyshare import KeyShare
from smtpguard.store import HoldStore, Memory, Statements, StoreError
from smtpguard.store.archives import ArchiveStore, SQLiteArchives
from smtpguard.store.claimant import ALONE, Claimant
from smtpguard.store.memory import SQLiteMemory
from smtpguard.store.sqlite import SQLiteStore

# In state_dir.
HOLDS = "holds.sqlite3"
MEMORY = "memory.sqlite3"

# What a PostgreSQL database has for a guard, by its schemas (store/schema/postgresql).
ALL_SCHEMAS = ("held", "memory", "shared")
MEMORY_SCHEMAS = ("memory",)
SEEDED_SCHEMAS = ("memory", "shared")


class Shared(Protocol):
    """A database that several nodes share (store/shared)."""

    @property
    def server(self) -> Statements: ...
    @property
    def key_share(self) -> KeyShare | None: ...
    def holds(self) -> HoldStore: ...
    def memory(self) -> Memory: ...
    def archives(self) -> ArchiveStore: ...
    async def close(self) -> None: ...


async def passing_memory(folder: Path, clock: Callable[[], datetime]) -> Memory:
    """A memory in `folder` that nobody needs after this process, so that it waits for no disk. Raises StoreError."""
    return await SQLiteMemory.open(folder / MEMORY, clock, synchronous="OFF")


class Databases:
    """Made by `open`. What is opened here is closed by whoever asked for it, and then `close` ends the connections.
    Everything raises StoreError.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime], shared: Shared | None) -> None:
        self._folder = settings.state_dir
        self._clock = clock
        self._shared = shared

    @property
    def server(self) -> Statements | None:
        """The database that the nodes share, None where there is but one node."""
        return None if self._shared is None else self._shared.server

    @property
    def key_share(self) -> KeyShare | None:
        """Where nodes meet that have a folder of keys each; None where there is nobody to meet, or the folder is a
        common one."""
        return None if self._shared is None else self._shared.key_share

    @classmethod
    async def open(
        cls,
        settings: Settings,
        clock: Callable[[], datetime],
        *,
        schemas: Sequence[str] = ALL_SCHEMAS,
        with_keys: bool = False,
    ) -> Databases:
        """Connect, if the settings name a server, and bring `schemas` of its database up to date. `with_keys`: keys
        will be used. All files are read here: whoever goes on as another user may not be able to.
        """
        if settings.store.kind == "sqlite":
            return cls(settings, clock, None)
        from smtpguard.store.shared import SharedDatabase  # noqa: PLC0415 - 11 MB that others do without

        url, secret = _address(settings), _secret(settings) if with_keys else None
        return cls(settings, clock, await SharedDatabase.open(url, schemas, secret))

    async def holds(self, beside: Sequence[Path] = (), claimant: Claimant = ALONE) -> HoldStore:
        """Held mail; a file of its own goes wrong, too, if one of `beside` is removed or replaced. `claimant` is
        who will use it."""
        if self._shared is not None:
            return self._shared.holds()
        return await SQLiteStore.open(self._folder / HOLDS, self._clock, beside=beside, claimant=claimant)

    async def memory(self, *, shared: bool = False) -> Memory:
        """What the guard remembers of mail that passed, and what it counts. `shared`: several workers write it."""
        if self._shared is not None:
            return self._shared.memory()
        return await SQLiteMemory.open(self._folder / MEMORY, self._clock, shared=shared)

    async def archives(self) -> ArchiveStore:
        """How far archives have been read into the memory."""
        if self._shared is not None:
            return self._shared.archives()
        return await SQLiteArchives.open(self._folder / MEMORY, self._clock)

    async def close(self) -> None:
        """End the connections to the server, if there is one."""
        if self._shared is not None:
            await self._shared.close()


def _address(settings: Settings) -> str:
    path = settings.store.url_file
    assert path is not None  # noqa: S101 - StoreSettings
    try:
        return read_database_url(path)
    except FileError as error:
        raise StoreError(f"store.url_file: {path} {error}") from error


def _secret(settings: Settings) -> bytes | None:
    path = settings.secret_file
    try:
        return None if path is None else read_node_secret(path)
    except FileError as error:
        raise StoreError(f"secret_file: {path} {error}") from error
