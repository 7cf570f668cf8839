"""The stores that the settings name: files in state_dir for one node, or a database that several nodes share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from smtpguard.config.named_files import read_database_url
from smtpguard.config.settings import Settings, SettingsError
from smtpguard.config.sources import FileError
from smtpguard.store import FiguresStore, HoldStore, MemoryStore, TextStore
from smtpguard.store.memory import SQLiteMemory
from smtpguard.store.postgresql import PostgreSQLStore
from smtpguard.store.postgresql_memory import PostgreSQLMemory
from smtpguard.store.server import Server
from smtpguard.store.sqlite import SQLiteStore

# In state_dir.
HOLDS = "holds.sqlite3"
MEMORY = "memory.sqlite3"


class Memory(MemoryStore, TextStore, FiguresStore, Protocol):
    """List posts, texts and figures, which lie in one place."""


@dataclass(frozen=True, slots=True)
class Stores:
    """What a guard keeps. The memory is to be closed before the held mail: both may be one database."""

    holds: HoldStore
    memory: Memory


async def open_stores(
    settings: Settings, *, beside: Sequence[Path] = (), clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Stores:
    """Open the stores, made and brought to their newest form if need be. `beside` are files that must stay what they
    are as long as mail is held. Raises StoreError, and SettingsError if the database's address cannot be read.
    """
    if settings.store.kind == "postgresql":
        server = await open_server(settings)
        return Stores(PostgreSQLStore(server), PostgreSQLMemory(server))
    holds = await SQLiteStore.open(settings.state_dir / HOLDS, clock, beside=beside)
    try:
        return Stores(holds, await SQLiteMemory.open(settings.state_dir / MEMORY, clock))
    except BaseException:
        await holds.close()
        raise


async def open_server(settings: Settings) -> Server:
    """The database of `store.kind: postgresql`. Raises StoreError, SettingsError."""
    path = settings.store.url_file
    assert path is not None  # noqa: S101 - StoreSettings demands it
    try:
        url = read_database_url(path)
    except FileError as error:
        raise SettingsError(f"{path}: {error}") from error
    return await Server.open(url)
