"""A PostgreSQL database that several nodes share: connections, transactions, errors in our words.

Every wait is bounded on both sides: the server ends statements, lock waits and forgotten transactions; a server that
says nothing has its connection cut. A connection that broke while it lay idle is not used, and the pool makes new ones,
so the call after a restart works again.

Values go to the server beside the statement, never in it. What the server writes to its log when a statement fails is
the statement; values only if `log_parameter_max_length_on_error` says so, which each session here sets to 0. (Values of
statements that succeed are logged as `log_parameter_max_length` says, which only a superuser may set.) Names of values
never stand in our own errors.

Nothing here needs more than PostgreSQL's plain language: no advisory locks, LISTEN, triggers or sequences.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import select
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias, TypeVar

from smtpguard.store import StoreError

try:
    import psycopg
    from psycopg import AsyncConnection, conninfo
    from psycopg.rows import dict_row
    from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

    from smtpguard.store.migration import migrate

    _THERE = True
except ImportError:  # the optional extra; libpq may be what is missing
    _THERE = False

Value = TypeVar("Value")
Row = dict[str, Any]
Connection: TypeAlias = "AsyncConnection[Row]"

# A hold has 60 s in all, and asks a few times. On the server a statement ends before we lose patience here.
CALL_SECONDS = 20.0
POOL_SECONDS = 10.0
CONNECT_SECONDS = 5
_STATEMENT_SECONDS = 10
_LOCK_SECONDS = 5
# What a node that died in mid-transaction has locked is free after this.
_IDLE_IN_TRANSACTION_SECONDS = 15
# The first start of a new version on a large database builds indexes; the other nodes wait for it.
MIGRATION_SECONDS = 600.0
# Transactions that the server gave up because of others (40001, 40P01) are tried so often, with growing pauses.
TRIES = 8
_PAUSE_SECONDS = 0.01
# A server takes 100 connections by default, and there are several nodes. One statement takes about a millisecond.
CONNECTIONS_MAX = 8
# How long the pool's own tries to connect may pause: a server that is back is found before a call's patience ends.
_RECONNECT_SECONDS = 5.0

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
    # A link that is cut without a word is noticed while nobody uses it (seconds), and while data waits (milliseconds).
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
# Classes of SQLSTATE whose primary message the server makes of names and numbers. In others it may quote values.
_SPEAKABLE = ("08", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "XX")


class Server:
    """One database. Made by `open`; every method raises StoreError and nothing else."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, url: str, *, schemas: Sequence[str] = ("held", "memory", "shared")) -> Server:
        """Connect to the database at `url` (libpq's URL or key=value form) and bring `schemas` to their newest step.

        Raises StoreError if psycopg is missing, the database cannot be reached or prepared, or a newer smtpguard has
        written to it.
        """
        if not _THERE:
            raise StoreError("store: PostgreSQL needs psycopg: pip install 'smtpguard[postgresql]'")
        # Without a handler of its own the pool would write to stderr beside our log; callers log their StoreErrors.
        logging.getLogger("psycopg").addHandler(logging.NullHandler())
        address = _address(url)
        with _in_our_words():
            await _prepare(address, schemas)
            pool = AsyncConnectionPool(
                address,
                kwargs={"autocommit": True, "row_factory": dict_row},
                connection_class=AsyncConnection[Row],
                min_size=1,
                max_size=CONNECTIONS_MAX,
                open=False,
                configure=_configure,
                check=_check,
                timeout=POOL_SECONDS,
                reconnect_timeout=_RECONNECT_SECONDS,
                num_workers=2,
                name="store",
            )
            try:
                await pool.open(wait=True, timeout=POOL_SECONDS)
            except BaseException:
                await pool.close()
                raise
        return cls(pool)

    async def run(
        self,
        statement: str,
        values: Mapping[str, Any] | Sequence[Any] = (),
        *,
        serializable: bool = False,
        again: bool = False,
        seconds: float = CALL_SECONDS,
    ) -> list[Row]:
        """Run one statement as one transaction; its rows, none if it returns none. Committed durably on return.

        `again` says that it may be done twice: then it is also tried anew if the connection breaks and nobody knows
        whether it was done. `seconds` bounds all of it.
        """

        async def once(connection: Connection) -> list[Row]:
            return await rows_of(connection, statement, values)

        if serializable:
            return await self.perform(once, serializable=True, again=again, seconds=seconds)
        return await self._try(once, again, seconds)

    async def perform(
        self,
        work: Callable[[Connection], Awaitable[Value]],
        *,
        serializable: bool = False,
        again: bool = False,
        seconds: float = CALL_SECONDS,
    ) -> Value:
        """What `work` gives, done in one transaction, and from the beginning if the server gives it up because of
        others: so `work` changes nothing but the database. `again` and `seconds` as in `run`."""

        async def once(connection: Connection) -> Value:
            async with _begun(connection, serializable):
                return await work(connection)

        return await self._try(once, again, seconds)

    @asynccontextmanager
    async def transaction(
        self, *, serializable: bool = False, seconds: float = CALL_SECONDS
    ) -> AsyncIterator[Connection]:
        """A connection in a transaction, committed at the end of the block. Nothing is tried twice: see `perform`."""
        with _in_our_words():
            async with self._connection(seconds) as connection, _begun(connection, serializable):
                yield connection

    async def close(self) -> None:
        """End all connections. Calls after this raise StoreError."""
        await self._pool.close(timeout=CONNECT_SECONDS)

    async def _try(self, once: Callable[[Connection], Awaitable[Value]], again: bool, seconds: float) -> Value:
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        with _in_our_words():
            for number in range(1, TRIES + 1):
                try:
                    async with self._connection(end - clock()) as connection:
                        return await once(connection)
                except psycopg.OperationalError as error:
                    if number == TRIES or clock() > end or not (_given_up(error) or (again and _broken(error))):
                        raise
                await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS * 2**number))  # noqa: S311 - no secret
        raise AssertionError("the last try returns or raises")

    @asynccontextmanager
    async def _connection(self, seconds: float) -> AsyncIterator[Connection]:
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        async with self._pool.connection(timeout=max(0.0, min(seconds, POOL_SECONDS))) as connection:
            with _bounded(connection, end - clock()):
                try:
                    yield connection
                except psycopg.errors.ReadOnlySqlTransaction:
                    # This server has become a replica: the next connection looks for the one that writes.
                    await connection.close()
                    raise


def _address(url: str) -> str:
    try:
        return conninfo.make_conninfo(url, **_ADDRESS)
    except psycopg.Error:
        # libpq quotes what it cannot read, and there may be a password in it.
        raise StoreError(
            "the address of the database cannot be read; it looks like postgresql://user:password@host:5432/smtpguard"
        ) from None


async def _prepare(address: str, schemas: Sequence[str]) -> None:
    connection = await AsyncConnection.connect(address, autocommit=True, row_factory=dict_row)
    try:
        with _bounded(connection, MIGRATION_SECONDS):
            await _configure(connection)
            for name in ("statement_timeout", "lock_timeout"):
                await _set(connection, name, f"{MIGRATION_SECONDS:.0f}s")
            await migrate(connection, schemas)
    finally:
        await connection.close()


async def _configure(connection: Connection) -> None:
    with _bounded(connection, CONNECT_SECONDS):
        for name, value in _SETTINGS.items():
            await _set(connection, name, value)
        # A server or user whose default is off would lose the last holds at a power cut. More than `on` is left.
        await connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') <> 'remote_apply'"
        )


async def _set(connection: Connection, name: str, value: str) -> None:
    try:
        await connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    except psycopg.errors.UndefinedObject:
        pass  # engines that speak PostgreSQL's language do not have all of its settings


async def _check(connection: Connection) -> None:
    """Raises OperationalError for a connection that broke in the pool. Costs no round trip: nobody speaks to an idle
    client but to say that it is over, or that a setting has changed."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        # Closed, or the pool would offer it again and again: it has not been used since, and looks as before.
        await connection.close()
        raise psycopg.OperationalError("the connection has ended")


async def rows_of(connection: Connection, statement: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> list[Row]:
    """The rows of one statement in a transaction, none if it returns none. Raises psycopg.Error: `perform` and
    `transaction` have words for it."""
    cursor = await connection.execute(statement, values, binary=True)
    return await cursor.fetchall() if cursor.description is not None else []


@asynccontextmanager
async def _begun(connection: Connection, serializable: bool) -> AsyncIterator[None]:
    async with connection.transaction():
        if serializable:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        yield


def _given_up(error: psycopg.Error) -> bool:
    return isinstance(error, (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected))


def _broken(error: psycopg.Error) -> bool:
    """True if the connection ended, and nobody knows how far the statement came."""
    if isinstance(error, (PoolTimeout, PoolClosed)):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


@contextmanager
def _bounded(connection: Connection, seconds: float) -> Iterator[None]:
    """Cut the connection if the block is not done after `seconds`. To cancel would be to ask the silent server."""
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
            raise StoreError(f"the database did not answer in time ({seconds:.0f} s)") from error
        raise
    finally:
        timer.cancel()


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise StoreError(_words(error)) from None
    except OSError as error:
        raise StoreError(f"the database cannot be reached: {error}") from error


def _words(error: psycopg.Error) -> str:
    """What went wrong, without any value: neither in the text nor, by `from None`, in a traceback."""
    if isinstance(error, PoolClosed):
        return "the store is closed"
    if isinstance(error, PoolTimeout):
        return "the database cannot be reached, or all connections to it are busy"
    name = type(error).__name__
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
        return f"the database cannot be reached: {' '.join(str(error).split())}"
    if (error.sqlstate or "").startswith(_SPEAKABLE):
        return f"the database refused: {error.diag.message_primary} ({name})"
    return f"the database refused: {name} {error.diag.constraint_name or ''}".rstrip()
