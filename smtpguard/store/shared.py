"""All that one PostgreSQL database has for a guard. Imported only where the settings name one: psycopg and what belongs
to it take 11 MB, and most guards have one node."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from smtpguard.keyshare import KeyShare
from smtpguard.store import HoldStore, Memory
from smtpguard.store.archives import ArchiveStore
from smtpguard.store.postgresql import PostgreSQLStore
from smtpguard.store.postgresql_archives import PostgreSQLArchives
from smtpguard.store.postgresql_keys import PostgreSQLKeyShare
from smtpguard.store.postgresql_memory import PostgreSQLMemory
from smtpguard.store.server import Server


class SharedDatabase:
    """A database that several nodes share; made by `open`. Every method raises StoreError."""

    def __init__(self, server: Server, key_share: KeyShare | None) -> None:
        self.server = server
        self.key_share = key_share

    @classmethod
    async def open(cls, url: str, schemas: Sequence[str], secret: bytes | None) -> SharedDatabase:
        """Connect to `url` and bring `schemas` up to date. With `secret`, nodes meet there for their keys."""
        server = await Server.open(url, schemas=schemas)
        return cls(server, None if secret is None else PostgreSQLKeyShare(url, secret))

    def holds(self) -> HoldStore:
        """Held mail."""
        return PostgreSQLStore(self.server)

    def memory(self) -> Memory:
        """What is remembered and counted."""
        return PostgreSQLMemory(self.server)

    def archives(self) -> ArchiveStore:
        """How far archives have been read."""
        return PostgreSQLArchives(self.server)

    async def close(self) -> None:
        """End all connections."""
        if self.key_share is not None:
            await asyncio.to_thread(self.key_share.close)
        await self.server.close()
