"""`smtpguard held`: what waits, by age, for whoever looks after the guard. Never a name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from smtpguard.config.settings import Settings
from smtpguard.databases import HOLDS, Databases
from smtpguard.store import StoreError
from smtpguard.store.view import Waiting, waiting_in_file, waiting_in_server
from smtpguard.tools.owner import Owner

AGES = (timedelta(hours=1), timedelta(days=1), timedelta(days=3))
_NAMES = ("younger than an hour", "younger than a day", "younger than three days", "older")
_KEYS = ("younger_1h", "younger_1d", "younger_3d", "older")


async def waiting(settings: Settings, now: datetime) -> Waiting:
    """What waits in the store of a guard, which may be running. Raises StoreError."""
    databases = await Databases.open(settings, lambda: now, schemas=())
    try:
        if databases.server is not None:
            return await waiting_in_server(databases.server, AGES)
        with _of_guard(settings.state_dir) as file:
            return await waiting_in_file(file, now, AGES)
    finally:
        await databases.close()


@contextmanager
def _of_guard(state_dir: Path) -> Iterator[Path]:
    """The database, as the guard's own user. Raises StoreError if there is none."""
    file = state_dir / HOLDS
    if not file.exists():
        raise StoreError(f"{file}: no such file; is this the state_dir of your guard? (--state-dir FOLDER)")
    with Owner(state_dir).acting():
        yield file


def as_words(found: Waiting) -> Iterator[str]:
    """For a person."""
    yield counted(found.total)
    for name, number in zip(_NAMES, _by_age(found), strict=True):
        yield f"  {number:6} {name}"
    if found.next_expiry is not None:
        yield f"The next one's time is over at {_moment(found.next_expiry)}."
    size = "" if found.store_octets is None else f"; the store takes {_mebibytes(found.store_octets)}"
    yield f"They hold {_mebibytes(found.octets)}{size}."


def as_object(found: Waiting) -> dict[str, object]:
    """For a program."""
    return {
        "waiting": found.total,
        **dict(zip(_KEYS, _by_age(found), strict=True)),
        "next_expiry": None if found.next_expiry is None else _moment(found.next_expiry),
        "octets": found.octets,
        "store_octets": found.store_octets,
    }


def _by_age(found: Waiting) -> list[int]:
    """How many are of each age, none counted twice."""
    steps = [0, *found.younger, found.total]
    return [after - before for before, after in pairwise(steps)]


def _moment(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")


def _mebibytes(octets: int) -> str:
    return f"{octets / 1024**2:.1f} MiB"


def counted(number: int) -> str:
    """How many mails wait, as the beginning of a sentence."""
    return "1 mail waits for an answer" if number == 1 else f"{number} mails wait for an answer"
