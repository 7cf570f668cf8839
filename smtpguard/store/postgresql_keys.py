"""Where several nodes meet for their keys: three tables in the database that they share (THREAT-MODEL T-04).

Wrapped keys lie in an UNLOGGED table: not in the server's log, so in no archive, no replica and no base backup; pg_dump
takes them unless told otherwise. A crash of the server empties the table, and each node puts its copies back when it
meets the others next. Until then the names in `known_keys` keep everybody from making such a key a second time.

One connection, opened on demand and used by one thread at a time; every wait is bounded.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from smtpguard.decided_file import Decision
from smtpguard.keyshare import AWAY_MAX, KeyAwayError, KeyShareError, Meeting, Wrapping

try:
    import psycopg

    _THERE = True
except ImportError:  # the optional extra; libpq may be what is missing
    _THERE = False

Value = TypeVar("Value")

# A hold has 60 s in all, and asks for a key once or twice.
CALL_SECONDS = 10.0
CONNECT_SECONDS = 5
# After a try in vain others need not wait for the same.
PAUSE_SECONDS = 1.0
TRIES = 3
# Keys are made and erased by the day, with an hour's grace for holds that began before midnight. Nodes whose clocks are
# further from the database's than this must do neither: they could erase what others still use.
CLOCKS_APART_MAX = timedelta(minutes=15)
# Marks stay somewhat longer here than in the nodes' folders: a node never brings back one that was forgotten here.
_FORGOTTEN_AFTER = AWAY_MAX + timedelta(days=7)

_SETTINGS = {
    "statement_timeout": "5s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "15s",
    "log_parameter_max_length_on_error": "0",
    "timezone": "UTC",
    "synchronous_commit": "on",
}
_LINK: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "client_encoding": "utf8",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}

_KNOW = "INSERT INTO known_keys (name, made, proof) VALUES (%s, CURRENT_DATE, %s) ON CONFLICT (name) DO NOTHING"
_KNOWN = "SELECT erased, proof FROM known_keys WHERE name = %s"
_ERASE = (
    "INSERT INTO known_keys (name, made, erased) VALUES (%(name)s, CURRENT_DATE, coalesce(%(day)s, CURRENT_DATE)) "
    "ON CONFLICT (name) DO UPDATE SET erased = EXCLUDED.erased WHERE known_keys.erased IS NULL"
)
_NOT_ERASED = "NOT EXISTS (SELECT 1 FROM known_keys WHERE known_keys.name = %(name)s AND erased IS NOT NULL)"
_SHARE = (
    f"INSERT INTO shared_keys (name, wrapped) SELECT %(name)s::text, %(wrapped)s::bytea WHERE {_NOT_ERASED} "
    "ON CONFLICT (name) DO NOTHING"
)
_FETCH = f"SELECT wrapped FROM shared_keys WHERE name = %(name)s AND {_NOT_ERASED}"  # noqa: S608
_FORGET_WRAPPED = "DELETE FROM shared_keys WHERE name IN (SELECT name FROM known_keys WHERE erased IS NOT NULL)"
_FORGET_NAMES = (
    "DELETE FROM known_keys WHERE coalesce(erased, made) < %s AND name NOT IN (SELECT name FROM shared_keys)"
)
_DECIDED = "INSERT INTO decided_ids (id, day, state, at) VALUES (%s, %s, %s, %s) ON CONFLICT (id) DO NOTHING"


class PostgreSQLKeyShare:
    """`KeyShare` in a database whose schema "shared" is there. `url` is libpq's, `secret` 32 octets of all nodes."""

    def __init__(self, url: str, secret: bytes) -> None:
        if not _THERE:
            raise KeyShareError("secret_file: PostgreSQL needs psycopg: pip install 'smtpguard[postgresql]'")
        self._url = url
        self._wrapping = Wrapping(secret)
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._not_before = 0.0

    def offer(self, name: str, key: bytes) -> bytes:
        def work(connection: psycopg.Connection[tuple[Any, ...]]) -> bytes:
            _compare_clocks(connection)
            proof = self._wrapping.proof(name, key)
            # Who comes at the same time waits here until we are done.
            connection.execute(_KNOW, (name, proof))
            erased, known_by = connection.execute(_KNOWN, (name,)).fetchone() or (None, None)
            if known_by == proof:
                # Made now, or before by an offer whose answer never came; a crash may have taken it out again.
                connection.execute(_SHARE, {"name": name, "wrapped": self._wrapping.wrapped(name, key)})
            found = connection.execute(_FETCH, {"name": name}).fetchone()
            if found is not None:
                return self._wrapping.unwrapped(name, found[0])
            if erased is not None:
                raise KeyShareError(f"{name} was erased on {erased}: is the clock of this node right?")
            raise _away(name)

        return self._perform(work)

    def fetch(self, name: str) -> bytes | None:
        def work(connection: psycopg.Connection[tuple[Any, ...]]) -> bytes | None:
            found = connection.execute(_FETCH, {"name": name}).fetchone()
            if found is not None:
                return self._wrapping.unwrapped(name, found[0])
            known = "SELECT name FROM known_keys WHERE name = %s AND erased IS NULL"
            if connection.execute(known, (name,)).fetchone() is not None:
                raise _away(name)
            return None

        return self._perform(work)

    def erase(self, name: str, day: date | None) -> None:
        def work(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
            _compare_clocks(connection)
            connection.execute(_ERASE, {"name": name, "day": None})
            connection.execute("DELETE FROM shared_keys WHERE name = %s", (name,))
            if day is not None:
                connection.execute("DELETE FROM decided_ids WHERE day = %s", (day,))

        self._perform(work)

    def meet(self, keys: Mapping[str, bytes], erased: Mapping[str, date]) -> Meeting:
        def work(connection: psycopg.Connection[tuple[Any, ...]]) -> Meeting:
            today = _compare_clocks(connection)
            known: dict[str, date | None] = dict(connection.execute("SELECT name, erased FROM known_keys"))
            news = {name: day for name, day in erased.items() if known.get(name) is None and today - day <= AWAY_MAX}
            # In one order everywhere, so that no two nodes wait for each other.
            for name in sorted(news):
                connection.execute(_ERASE, {"name": name, "day": news[name]})
            gone = {name: day for name, day in known.items() if day is not None} | news
            connection.execute(_FORGET_WRAPPED)
            there = dict(connection.execute("SELECT name, wrapped FROM shared_keys"))
            for name in sorted(keys.keys() - there.keys() - gone.keys()):
                connection.execute(_KNOW, (name, self._wrapping.proof(name, keys[name])))
                connection.execute(_SHARE, {"name": name, "wrapped": self._wrapping.wrapped(name, keys[name])})
            connection.execute(_FORGET_NAMES, (today - _FORGOTTEN_AFTER,))
            shared = {name: self._wrapping.unwrapped(name, wrapped) for name, wrapped in there.items()}
            return Meeting(
                {name: key for name, key in shared.items() if name not in keys and name not in gone},
                gone,
                frozenset(name for name, key in shared.items() if keys.get(name, key) != key),
            )

        return self._perform(work)

    def meet_decided(
        self, days: Mapping[date, tuple[int, int]], decisions: Callable[[date], Mapping[bytes, Decision]]
    ) -> Mapping[date, Mapping[bytes, Decision]]:
        def work(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[date, dict[bytes, Decision]]:
            rows = connection.execute("SELECT day, count(*), sum(at) FROM decided_ids GROUP BY day")
            there = {day: (int(count), int(total)) for day, count, total in rows}
            lacking: dict[date, dict[bytes, Decision]] = {}
            for day in sorted(days):
                if days[day] == there.get(day, (0, 0)):
                    continue
                rows = connection.execute("SELECT id, state, at FROM decided_ids WHERE day = %s", (day,))
                others = {bytes(id_): Decision.of(state, at) for id_, state, at in rows}
                own = decisions(day)
                new = sorted(own.keys() - others.keys())
                connection.cursor().executemany(
                    _DECIDED, [(id_, day, own[id_].state.value, own[id_].number) for id_ in new]
                )
                lacking[day] = {id_: each for id_, each in others.items() if id_ not in own}
            return lacking

        return self._perform(work)

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _perform(self, work: Callable[[psycopg.Connection[tuple[Any, ...]]], Value]) -> Value:
        """What `work` gives, done in one transaction; once more if the connection had broken. All of it may be done
        twice without harm.
        """
        if not self._lock.acquire(timeout=CALL_SECONDS):
            raise KeyShareError("the database with the nodes' keys does not answer in time")
        try:
            for left in reversed(range(TRIES)):
                try:
                    connection = self._connected()
                    with _bounded(connection), connection.transaction():
                        return work(connection)
                except psycopg.OperationalError:
                    self._drop()
                    if not left or time.monotonic() < self._not_before:
                        raise
            raise AssertionError("the last try returns or raises")
        except psycopg.Error as error:
            self._drop()
            raise KeyShareError(f"the database with the nodes' keys {_words(error)}") from None
        except OSError as error:
            self._drop()
            raise KeyShareError(f"the database with the nodes' keys cannot be reached: {error}") from None
        finally:
            self._lock.release()

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        if time.monotonic() < self._not_before:
            raise psycopg.OperationalError("it did not answer a moment ago")
        try:
            connection = psycopg.connect(
                self._url, autocommit=True, prepare_threshold=None, application_name="smtpguard keys", **_LINK
            )
            with _bounded(connection):
                for name, value in _SETTINGS.items():
                    with suppress(psycopg.errors.UndefinedObject):  # not every engine has all of them
                        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        except (psycopg.Error, OSError):
            self._not_before = time.monotonic() + PAUSE_SECONDS
            raise
        self._connection = connection
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error, OSError):
                connection.close()


def _away(name: str) -> KeyAwayError:
    return KeyAwayError(f"{name} was made by another node, which has not put it back into the database yet")


def _compare_clocks(connection: psycopg.Connection[tuple[Any, ...]]) -> date:
    """The database's UTC day. Raises KeyShareError if this node's clock is far from it."""
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    now = row[0] if row is not None else datetime.min.replace(tzinfo=UTC)
    apart = abs(now - datetime.now(UTC))
    if apart > CLOCKS_APART_MAX:
        raise KeyShareError(
            f"the clocks of this node and of the database are {apart // timedelta(minutes=1)} minutes apart: "
            "no key is made or erased until that is mended"
        )
    day: date = now.astimezone(UTC).date()
    return day


@contextmanager
def _bounded(connection: psycopg.Connection[tuple[Any, ...]]) -> Iterator[None]:
    """Cut the connection if the block takes too long: a server that has stopped keeps its line open."""

    def cut() -> None:
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(CALL_SECONDS, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _words(error: psycopg.Error) -> str:
    """What went wrong, without any value."""
    if error.sqlstate is None:
        return f"cannot be reached: {' '.join(str(error).split())}"
    return f"refused ({type(error).__name__})"
