"""A look at held mail from outside the guard, for whoever looks after it: counts and times, never a name, and nothing
is changed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from smtpguard.store import Statements, StoreError
from smtpguard.store.database import reading, steps_of
from smtpguard.store.held_rows import WAITING
from smtpguard.store.worker import BUSY_SECONDS, number_of, time_of


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits. `younger` counts for each step of age the mails held since; `days` how many wait for each day key;
    `octets` is the content that waits, `store_octets` the whole store on the disk, None where nobody can tell."""

    total: int
    younger: tuple[int, ...]
    octets: int
    next_expiry: datetime | None
    days: Mapping[date, int]
    store_octets: int | None


async def waiting_in_file(path: Path, now: datetime, ages: Sequence[timedelta]) -> Waiting:
    """What waits in the SQLite store at `path`, which a guard may be using. Raises StoreError."""

    def look() -> Waiting:
        connection = reading(path, BUSY_SECONDS)
        try:
            columns = "".join(f", coalesce(sum(created > :age{number}), 0)" for number in range(len(ages)))
            bounds = {f"age{number}": number_of(now - age) for number, age in enumerate(ages)}
            row = connection.execute(
                f"SELECT count(*), coalesce(sum(size), 0), min(expires){columns} FROM held WHERE {WAITING}",  # noqa: S608
                bounds,
            ).fetchone()
            days = connection.execute(
                f"SELECT day, count(*) FROM held WHERE {WAITING} GROUP BY day"  # noqa: S608 - a constant
            ).fetchall()
        finally:
            connection.close()
        found = {date.fromisoformat(day): number for day, number in days}
        return Waiting(row[0], tuple(row[3:]), row[1], time_of(row[2]), found, _size_of(path))

    try:
        return await asyncio.to_thread(look)
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


async def waiting_in_server(server: Statements, ages: Sequence[timedelta]) -> Waiting:
    """What waits in a PostgreSQL database, by its own clock. Raises StoreError."""
    columns = "".join(f", count(*) FILTER (WHERE created > now() - %(age{n})s) AS younger{n}" for n in range(len(ages)))
    row = await _only_row(
        server,
        f"SELECT count(*) AS total, coalesce(sum(size), 0)::bigint AS octets, min(expires) AS next{columns}"  # noqa: S608
        f" FROM held WHERE {WAITING}",
        {f"age{number}": age for number, age in enumerate(ages)},
    )
    days = await server.run(f"SELECT day, count(*) AS number FROM held WHERE {WAITING} GROUP BY day")  # noqa: S608
    try:
        size = (await _only_row(server, "SELECT pg_total_relation_size('held') AS size"))["size"]
    except StoreError:
        size = None  # engines that speak PostgreSQL's language count otherwise
    return Waiting(
        row["total"],
        tuple(row[f"younger{number}"] for number in range(len(ages))),
        row["octets"],
        row["next"],
        {each["day"]: each["number"] for each in days},
        size,
    )


def newest_step(schema: str) -> int:
    """The newest step of `schema` (a folder of schema/) that this version knows."""
    return max(steps_of(schema))


async def _only_row(server: Statements, statement: str, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return (await server.run(statement, values or {}))[0]


def _size_of(path: Path) -> int:
    """The database with its log and index."""
    files = (path, *(path.with_name(path.name + each) for each in ("-wal", "-shm")))
    return sum(each.stat().st_size for each in files if each.exists())
