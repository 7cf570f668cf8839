"""Where the guard keeps what it holds: files of its own, or a database on a PostgreSQL server. What they say is read
without the guard."""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psycopg

from tests.postgresql import Cluster, Database, SharedCluster, fresh_database
from tests.torture.ledger import Account

HOLDS = "holds.sqlite3"
DATABASES = (HOLDS, "memory.sqlite3")


class Found(NamedTuple):
    """A row as it stands. `until` and `decided` are told by PostgreSQL alone."""

    state: str
    claim: bytes = b""
    until: datetime | None = None
    decided: datetime | None = None


Rows = dict[bytes, Found]


class Store(Protocol):
    """What a site asks of it."""

    settings: Mapping[str, Any]
    note: str  # what tells it from others of its kind

    def look(self) -> Rows | None:
        """All rows as they are now; None if that cannot be said at this moment."""

    def states(self, account: Account) -> dict[bytes, str]:
        """States by id; the guard has ended or does nothing. Counts into `account` what is not whole."""

    def is_at_work(self) -> bool:
        """True while something of a guard that has ended is still being done."""

    def let_claims_lapse(self) -> None:
        """Nobody alive is deciding anything: as if the time of the dead had gone by."""

    def died(self, rows: Rows, number: int) -> None:
        """The worker `number` was killed when `rows` were so."""

    def killed_in_sending(self) -> list[bytes]:
        """The ids of rows that a dead worker had in `sending`, once for each death; everything is decided by now."""


Stores = Callable[[Path], AbstractAsyncContextManager[Store]]


class Files:
    """SQLite, in `state` of the site's folder."""

    def __init__(self, folder: Path) -> None:
        self.settings: Mapping[str, Any] = {}
        self.note = ""
        self._folder = folder
        self._state = folder / "state"
        self._killed: list[bytes] = []

    def look(self) -> Rows | None:
        try:
            with closing(sqlite3.connect(f"file:{self._state}/{HOLDS}?mode=ro", uri=True)) as holds:
                found = holds.execute("SELECT id, state, claim FROM held").fetchall()
        except sqlite3.Error:
            return None
        return {id_: Found(state, claim or b"") for id_, state, claim in found}

    def states(self, account: Account) -> dict[bytes, str]:
        """From a copy of the files: to open them would change what the next start finds."""
        states: dict[bytes, str] = {}
        with tempfile.TemporaryDirectory(dir=self._folder) as copies:
            for name in DATABASES:
                for suffix in ("", "-wal"):
                    if (self._state / (name + suffix)).exists():
                        shutil.copyfile(self._state / (name + suffix), Path(copies) / (name + suffix))
                with closing(sqlite3.connect(Path(copies) / name)) as database:
                    account.integrity += database.execute("PRAGMA integrity_check").fetchall() != [("ok",)]
                    if name == HOLDS:
                        states = dict(database.execute("SELECT id, state FROM held").fetchall())
        return states

    def is_at_work(self) -> bool:
        return False

    def let_claims_lapse(self) -> None:
        pass  # the next start of a guard frees them, or that of a worker its former's

    def died(self, rows: Rows, number: int) -> None:
        # A claim begins with the number of the worker that has it (store/claimant.py).
        its = bytes((number,))
        self._killed += [id_ for id_, each in rows.items() if each.state == "sending" and each.claim[:1] == its]

    def killed_in_sending(self) -> list[bytes]:
        return self._killed


@asynccontextmanager
async def files(folder: Path) -> AsyncIterator[Store]:
    """The guard's own files."""
    yield Files(folder)


class OnServer:
    """A database on a PostgreSQL server."""

    def __init__(self, database: Database, settings: Mapping[str, Any]) -> None:
        self.settings = settings
        self.note = "keys by the database" if "secret_file" in settings else "keys in a common folder"
        self._database = database
        # What was in `sending` when a worker died, and until when nobody else could claim it.
        self._doubtful: dict[tuple[bytes, bytes], datetime] = {}

    def look(self) -> Rows | None:
        try:
            with self._database.connected() as connection:
                # A guard that is stopped has asked for something, and that is done by now.
                return None if _others(connection, "state = 'active'") else _rows(connection)
        except psycopg.Error:
            return None

    def states(self, account: Account) -> dict[bytes, str]:
        with self._database.connected(superuser=True) as connection:
            account.integrity += not _is_whole(connection)
            return {id_: each.state for id_, each in _rows(connection).items()}

    def is_at_work(self) -> bool:
        with self._database.connected(superuser=True) as connection:
            return bool(_others(connection, "TRUE"))

    def let_claims_lapse(self) -> None:
        """They lapse by their time, which is all that a release may take: minutes."""
        with self._database.connected() as connection:
            row = connection.execute("SELECT clock_timestamp()").fetchone()
            assert row is not None
            self._doubtful = {each: min(until, row[0]) for each, until in self._doubtful.items()}
            connection.execute("UPDATE held SET claimed_until = clock_timestamp() WHERE claim IS NOT NULL")

    def died(self, rows: Rows, number: int) -> None:
        """A claim does not say whose it is. But whoever lives decides what he has in `sending` before his claim lapses,
        and nobody else does; what was decided later, if at all, was the dead one's."""
        for id_, each in rows.items():
            if each.state == "sending" and each.until is not None:
                self._doubtful.setdefault((id_, each.claim), each.until)

    def killed_in_sending(self) -> list[bytes]:
        with self._database.connected() as connection:
            rows = _rows(connection)
        decided = {id_: each.decided for id_, each in rows.items()}
        return [id_ for (id_, _), until in self._doubtful.items() if (when := decided[id_]) is None or when >= until]


def on_server(cluster: Cluster | SharedCluster, *, keys_by_database: bool | None = None) -> Stores:
    """A fresh database on this server for each site. Keys lie in a folder that other nodes would use, too, or each node
    has its own and they are shared by the database; by chance one or the other if that is not said."""

    @asynccontextmanager
    async def stores(folder: Path) -> AsyncIterator[Store]:
        by_database = random.random() < 0.5 if keys_by_database is None else keys_by_database
        with ExitStack() as stack:
            database = await asyncio.to_thread(stack.enter_context, fresh_database(cluster))
            with database.connected(superuser=True) as connection:
                connection.execute("CREATE EXTENSION amcheck")
            texts = {"store-url": database.url, "node-secret": secrets.token_hex(32)}
            for name, text in texts.items():
                (folder / name).touch(0o600)
                (folder / name).write_text(f"{text}\n")
            keys = {"secret_file": "node-secret"} if by_database else {"keys": str(folder / "keys")}
            yield OnServer(database, {"store": {"kind": "postgresql", "url_file": "store-url"}, **keys})

    return stores


_Connection = psycopg.Connection[tuple[Any, ...]]


def _rows(connection: _Connection) -> Rows:
    found = connection.execute("SELECT id, state, claim, claimed_until, decided FROM held").fetchall()
    return {id_: Found(state, claim or b"", until, decided) for id_, state, claim, until, decided in found}


def _others(connection: _Connection, which: str) -> int:
    """How many other sessions this database has that are so."""
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        f"AND backend_type = 'client backend' AND {which}"
    ).fetchone()
    assert row is not None
    return int(row[0])


def _is_whole(connection: _Connection) -> bool:
    """What amcheck says of all tables and indexes of the guard's."""
    try:
        broken = connection.execute(
            "SELECT each.oid, found.msg FROM pg_class AS each, LATERAL verify_heapam(each.oid) AS found "
            "WHERE each.relkind = 'r' AND each.relnamespace = 'public'::regnamespace"
        ).fetchall()
        connection.execute(
            "SELECT bt_index_check(each.oid, true) FROM pg_class AS each JOIN pg_am ON pg_am.oid = each.relam "
            "WHERE pg_am.amname = 'btree' AND each.relkind = 'i' AND each.relnamespace = 'public'::regnamespace"
        ).fetchall()
    except psycopg.InternalError:  # data_corrupted, index_corrupted
        return False
    return not broken
