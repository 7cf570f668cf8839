"""Connections to a PostgreSQL server: made when one is needed, kept while they work, each of its waits bounded.

No psycopg_pool: after a restart of the server it let a call wait 13 s (measured), because its pause doubles with each
dead connection that it finds. Here whoever needs a connection makes it, and hears at once why that fails.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from smtpguard.store import StoreError

CONNECT_SECONDS = 5
# A server takes 100 connections by default, and there are several nodes. One statement takes about a millisecond.
CONNECTIONS_MAX = 8
_STATEMENT_SECONDS = 10
_LOCK_SECONDS = 5
# What a node that died in mid-transaction has locked is free after this.
_IDLE_IN_TRANSACTION_SECONDS = 15

_SETTINGS = {
    "statement_timeout": f"{_STATEMENT_SECONDS}s",
    "lock_timeout": f"{_LOCK_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{_IDLE_IN_TRANSACTION_SECONDS}s",
    "log_parameter_max_length_on_error": "0",
    "timezone": "UTC",
    # Each statement sees what was committed when it began, also after it has waited for a lock.
    "default_transaction_isolation": "read committed",
}
_ADDRESS: dict[str, str | int] = {
    "connect_timeout": CONNECT_SECONDS,
    "client_encoding": "utf8",
    "fallback_application_name": "smtpguard",
    # A line that is cut without a word is noticed while nobody uses it (seconds), and while data waits (milliseconds).
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}

Connection = AsyncConnection[dict[str, Any]]


class Connections:
    """At most CONNECTIONS_MAX to the database at `url`. Raises StoreError if the address cannot be read."""

    def __init__(self, url: str) -> None:
        self._address = _address(url)
        self._turns = asyncio.Semaphore(CONNECTIONS_MAX)
        self._idle: list[Connection] = []
        self._closed = False

    @asynccontextmanager
    async def one(self, seconds: float) -> AsyncIterator[Connection]:
        """A connection that commits by itself; it is cut after `seconds`. Raises psycopg.OperationalError if none can
        be made, and StoreError if that or the block takes too long, all are busy, or after `close`."""
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._turns.acquire()
        except TimeoutError:
            raise StoreError("all connections to the database are busy") from None
        try:
            connection = self._working() or await self._made(end - clock())
            try:
                with bounded(connection, end - clock()):
                    yield connection
            finally:
                await self._put_back(connection)
        finally:
            self._turns.release()

    async def fresh(self) -> Connection:
        """One more, for the caller to close. Raises psycopg.OperationalError."""
        connection: Connection = await AsyncConnection.connect(self._address, autocommit=True, row_factory=dict_row)
        try:
            with bounded(connection, CONNECT_SECONDS):
                await _configure(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def close(self) -> None:
        """End those that are idle now; the others end when they come back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().close()

    def _working(self) -> Connection | None:
        if self._closed:
            raise StoreError("the store is closed")
        while self._idle:
            connection = self._idle.pop()
            if _is_alive(connection):
                return connection
            # Without waiting: there is nobody to say good-bye to.
            connection.pgconn.finish()
        return None

    async def _made(self, seconds: float) -> Connection:
        try:
            # Also names must be looked up, which connect_timeout does not bound.
            async with asyncio.timeout(max(0.0, min(seconds, 2 * CONNECT_SECONDS))):
                return await self.fresh()
        except TimeoutError:
            raise StoreError("the database cannot be reached: it does not answer") from None

    async def _put_back(self, connection: Connection) -> None:
        usable = not connection.closed and connection.info.transaction_status is TransactionStatus.IDLE
        if usable and not self._closed:
            self._idle.append(connection)
        else:
            await connection.close()


@contextmanager
def bounded(connection: Connection, seconds: float) -> Iterator[None]:
    """Cut the connection if the block is not done after `seconds`, and raise StoreError then. To cancel would be to ask
    the silent server."""
    late = False

    def cut() -> None:
        nonlocal late
        late = True
        try:
            with socket.socket(fileno=os.dup(connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
        except (OSError, psycopg.Error):
            pass  # it has ended by itself

    timer = asyncio.get_running_loop().call_later(max(0.0, seconds), cut)
    try:
        yield
    except psycopg.Error as error:
        if late:
            raise StoreError("the database did not answer in time") from error
        raise
    finally:
        timer.cancel()


async def set_to(connection: Connection, name: str, value: str) -> None:
    """Set a setting of this session, if the server has it: engines that speak PostgreSQL's language lack some."""
    try:
        await connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    except psycopg.errors.UndefinedObject:
        pass


def _address(url: str) -> str:
    try:
        return conninfo.make_conninfo(url, **_ADDRESS)
    except psycopg.Error:
        # libpq quotes what it cannot read, and there may be a password in it.
        raise StoreError(
            "the address of the database cannot be read; it looks like postgresql://user:password@host:5432/smtpguard"
        ) from None


async def _configure(connection: Connection) -> None:
    for name, value in _SETTINGS.items():
        await set_to(connection, name, value)
    # A server or user whose default is off would lose the last holds at a power cut. More than `on` is left.
    await connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') <> 'remote_apply'"
    )


def _is_alive(connection: Connection) -> bool:
    """False if it ended while nobody used it. Costs no round trip: a server speaks to an idle client only to say that
    it is over, or that a setting has changed."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
