"""The figures that a guard keeps, read by another process while it goes on counting."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from smtpguard.config.settings import Settings
from smtpguard.counting import opened
from smtpguard.databases import MEMORY, MEMORY_SCHEMAS, Databases
from smtpguard.figures import Counts, FiguresError
from smtpguard.key_file import KeyFolderError
from smtpguard.keys import KeyFolder
from smtpguard.store import StoreError
from smtpguard.store.database import reading
from smtpguard.store.worker import BUSY_SECONDS
from smtpguard.tools.owner import Owner


class UnreadableFiguresError(Exception):
    """The figures cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class KeptFigures:
    """The counts of each ISO week in which a guard ran; `lost` are the weeks whose counts do not open."""

    weeks: Mapping[str, Counts]
    lost: tuple[str, ...] = ()


def read_figures(settings: Settings) -> KeptFigures:
    """What the guard with these settings has counted, all its nodes together, as far as its keys open it. Raises
    UnreadableFiguresError."""
    state_dir, key_folder = settings.state_dir, settings.key_folder
    try:
        if not state_dir.is_dir():
            raise UnreadableFiguresError(
                f"{state_dir}: there is no such folder; is this the state_dir of your guard? (--state-dir FOLDER)"
            )
        with Owner(state_dir).acting():
            shared = settings.store.kind == "postgresql"
            sealed = asyncio.run(_shared(settings)) if shared else _sealed(state_dir / MEMORY)
            # A folder that is not there would be made by KeyFolder, and this only reads.
            return _opened(sealed, key_folder) if sealed and key_folder.is_dir() else KeptFigures({}, (*sealed,))
    except sqlite3.Error as error:
        raise UnreadableFiguresError(f"{state_dir / MEMORY}: {error}") from error
    except (KeyFolderError, StoreError) as error:
        raise UnreadableFiguresError(str(error)) from error
    except OSError as error:
        raise UnreadableFiguresError(f"{error.filename or state_dir}: {error.strerror or error}") from error


def _sealed(file: Path) -> dict[str, bytes]:
    """Week by week; empty where no guard that counts has been here."""
    if not file.exists():
        return {}
    connection = reading(file, busy_seconds=BUSY_SECONDS)
    try:
        if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'figures'").fetchone() is None:
            return {}
        return {each["week"]: each["sealed"] for each in connection.execute("SELECT week, sealed FROM figures")}
    finally:
        connection.close()


async def _shared(settings: Settings) -> dict[str, bytes]:
    """The same in the database of several nodes."""
    databases = await Databases.open(settings, lambda: datetime.now(UTC), schemas=MEMORY_SCHEMAS)
    try:
        return dict(await (await databases.memory()).all_figures())
    finally:
        await databases.close()


def _opened(sealed: Mapping[str, bytes], key_folder: Path) -> KeptFigures:
    keys = KeyFolder(key_folder, "counted")
    weeks: dict[str, Counts] = {}
    lost = []
    for week, octets in sorted(sealed.items()):
        key = keys.week_key(week)
        try:
            if key is None:
                raise FiguresError("the key is gone")
            weeks[week] = opened(octets, week, key)
        except FiguresError:
            lost.append(week)
    return KeptFigures(weeks, tuple(lost))
