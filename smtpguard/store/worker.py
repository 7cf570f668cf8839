"""What the SQLite stores share: one worker thread for each, its errors in our words, and times as numbers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TypeVar, overload

from smtpguard.store import StoreError
from smtpguard.store.database import Identity

Value = TypeVar("Value")
Clock = Callable[[], datetime]

# Another process of this node (`smtpguard held`, a backup) may hold the lock for a moment. A hold has 60 s in all.
BUSY_SECONDS = 10.0
MICROSECOND = timedelta(microseconds=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def in_worker(worker: ThreadPoolExecutor, work: Callable[[], Value]) -> Value:
    """What `work` gives, done in the thread of `worker`. Raises StoreError for whatever the database refuses."""
    try:
        running = asyncio.get_running_loop().run_in_executor(worker, work)
    except RuntimeError as error:
        # The executor's word for a call after close.
        raise StoreError("the store is closed") from error
    try:
        return await running
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", None) or type(error).__name__
        raise StoreError(f"the database refused: {error} ({name})") from error
    except OSError as error:
        raise StoreError(f"the database cannot be opened: {error}") from error


async def committed(worker: ThreadPoolExecutor, files: Identity, transaction: Callable[[], Value]) -> Value:
    """What `transaction` gives, done in the thread of `worker`, if it went into the files that others will find under
    their names. Raises StoreError."""

    def run() -> Value:
        value = transaction()
        files.ensure()
        return value

    return await in_worker(worker, run)


def number_of(time: datetime) -> int:
    """Microseconds since 1970, UTC."""
    return (time - _EPOCH) // MICROSECOND


@overload
def time_of(number: int) -> datetime: ...
@overload
def time_of(number: None) -> None: ...
def time_of(number: int | None) -> datetime | None:
    """The time that `number_of` made a number of."""
    return None if number is None else _EPOCH + number * MICROSECOND
