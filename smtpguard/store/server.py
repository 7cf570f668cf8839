"""A PostgreSQL database that several nodes share: statements, transactions, errors in our words.

Every wait is bounded on both sides: the server ends statements, lock waits and forgotten transactions; a server that
says nothing has its connection cut. The call after a restart of the server works again.

Values go to the server beside the statement, never in it. What the server writes to its log when a statement fails is
the statement; values only if `log_parameter_max_length_on_error` says so, which each session here sets to 0. (Values of
statements that succeed are logged as `log_parameter_max_length` says, which only a superuser may set.) Our own errors
quote no value either.

Nothing here needs more than PostgreSQL's plain language: no advisory locks, LISTEN, triggers or sequences.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias, TypeVar

from smtpguard.store import StoreError

try:
    import psycopg
    from psycopg import AsyncConnection

    from smtpguard.store.connections import CONNECT_SECONDS, Connections, bounded, set_to
    from smtpguard.store.migration import migrate

    _THERE = True
except ImportError:  # the optional extra; libpq may be what is missing
    _THERE = False

Value = TypeVar("Value")
Row = dict[str, Any]
Connection: TypeAlias = "AsyncConnection[Row]"

# A hold has 60 s in all, and asks a few times. On the server a statement ends before we lose patience here.
CALL_SECONDS = 20.0
# The first start of a new version on a large database builds indexes; the other nodes wait for it.
MIGRATION_SECONDS = 600.0
# What the server gave up because of others (40001, 40P01) and what never reached it is tried so often, with pauses that
# grow to a second: a server that only restarts is waited for.
TRIES = 8
_PAUSE_SECONDS = 0.01
# Rows that are made Python's before sessions get their turn: some milliseconds.
_ROWS_AT_ONCE = 1000
# Classes of SQLSTATE whose primary message the server makes of names and numbers. In others it may quote values.
_SPEAKABLE = ("08", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "XX")


class Server:
    """One database. Made by `open`; every method raises StoreError and nothing else."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @classmethod
    async def open(cls, url: str, *, schemas: Sequence[str] = ("held", "memory", "shared")) -> Server:
        """Connect to the database at `url` (libpq's URL or key=value form) and bring `schemas` to their newest step.

        Raises StoreError if psycopg is missing, the database cannot be reached or prepared, or a newer smtpguard has
        written to it.
        """
        if not _THERE:
            raise StoreError("PostgreSQL needs the library psycopg: pip install 'smtpguard[postgresql]'")
        connections = Connections(url)
        try:
            with _in_our_words():
                async with asyncio.timeout(2 * CONNECT_SECONDS):
                    connection = await connections.fresh()
                try:
                    for name in ("statement_timeout", "lock_timeout"):
                        await set_to(connection, name, f"{MIGRATION_SECONDS:.0f}s")
                    with bounded(connection, MIGRATION_SECONDS):
                        await migrate(connection, schemas)
                finally:
                    await connection.close()
        except TimeoutError:
            raise StoreError("the database cannot be reached: it does not answer") from None
        return cls(connections)

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
        await self._connections.close()

    async def _try(self, once: Callable[[Connection], Awaitable[Value]], again: bool, seconds: float) -> Value:
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        with _in_our_words():
            for number in range(1, TRIES + 1):
                begun = False
                try:
                    async with self._connection(end - clock()) as connection:
                        begun = True
                        return await once(connection)
                except psycopg.OperationalError as error:
                    harmless = _given_up(error) or (_broken(error) and (again or not begun))
                    pause = random.uniform(0, _PAUSE_SECONDS * 2**number)  # noqa: S311 - no secret
                    if not harmless or number == TRIES or clock() + pause > end:
                        raise
                await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")

    @asynccontextmanager
    async def _connection(self, seconds: float) -> AsyncIterator[Connection]:
        async with self._connections.one(seconds) as connection:
            try:
                yield connection
            except psycopg.errors.ReadOnlySqlTransaction:
                # This server has become a replica: the next connection looks for the one that writes.
                await connection.close()
                raise


async def rows_of(connection: Connection, statement: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> list[Row]:
    """The rows of one statement in a transaction, none if it returns none. Raises psycopg.Error: `perform` and
    `transaction` have words for it."""
    cursor = await connection.execute(statement, values, binary=True)
    rows: list[Row] = []
    while cursor.description is not None and (some := await cursor.fetchmany(_ROWS_AT_ONCE)):
        rows += some
        if len(some) == _ROWS_AT_ONCE:
            await asyncio.sleep(0)
    return rows


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
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


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
    name = type(error).__name__
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
        return f"the database cannot be reached: {' '.join(str(error).split())}"
    if (error.sqlstate or "").startswith(_SPEAKABLE):
        return f"the database refused: {error.diag.message_primary} ({name})"
    return f"the database refused: {name} {error.diag.constraint_name or ''}".rstrip()
