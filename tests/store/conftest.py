"""A clock that tests set, rows to store, and a store in a private folder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from smtpguard.held import HeldRow, State, Tags
from smtpguard.store.sqlite import SQLiteStore

NOW = datetime(2026, 11, 22, 18, 2, 3, 456789, tzinfo=UTC)
HOUR = timedelta(hours=1)
LASTS = timedelta(minutes=10)


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, time: timedelta) -> None:
        self.now += time


def a_row(**changes: object) -> HeldRow:
    """A new row with everything in it; `changes` replace fields."""
    tags = Tags("2026-W47", os.urandom(32), os.urandom(32), os.urandom(32), os.urandom(32), os.urandom(32))
    fields: dict[str, object] = {
        "id": os.urandom(32),
        "state": State.ASKING,
        "day": date(2026, 11, 22),
        "created": NOW,
        "expires": NOW + 72 * HOUR,
        "size": 1234,
        "box": os.urandom(2000),
        "card": os.urandom(200),
        "tags": tags,
    }
    return HeldRow(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "holds.sqlite3"


@pytest.fixture
async def store(path: Path, clock: SetClock) -> AsyncIterator[SQLiteStore]:
    opened = await SQLiteStore.open(path, clock)
    yield opened
    await opened.close()


@pytest.fixture
async def other(store: SQLiteStore, path: Path, clock: SetClock) -> AsyncIterator[SQLiteStore]:
    """A second store on the same file, as another process would have it."""
    opened = await SQLiteStore.open(path, clock)
    yield opened
    await opened.close()
