"""Opening a database file: who may read it, its settings, and its schema.

The schema comes in numbered steps, schema/0001.sql, 0002.sql and so on, only ever added to.
"""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

from smtpguard.store import StoreError
from smtpguard.whole_file import sync_folder

Synchronous = Literal["FULL", "NORMAL", "OFF"]

# STRICT tables; RETURNING is older. Debian 12 has 3.40.
SQLITE_MIN = (3, 37, 0)

_SETTINGS = (
    # THREAT-MODEL T-03: what is deleted is overwritten, and nothing goes into temporary files.
    "secure_delete = ON",
    "temp_store = MEMORY",
)
# Between two tries where SQLite does not wait by itself; the other side needs a few milliseconds.
_BUSY_PAUSE = 0.02
_STEP = re.compile(r"(\d{4})\.sql")


def opened(
    path: Path, now: int, busy_seconds: float, *, schema: str = "", synchronous: Synchronous = "FULL"
) -> sqlite3.Connection:
    """A connection to the database at `path`, which is made if it is not there, at the newest schema.

    The caller begins and ends transactions. A locked database is waited for `busy_seconds`; `now` (microseconds since
    1970, UTC) is written beside each step of the schema, which is the one in schema/`schema`. In WAL mode `synchronous`
    NORMAL may lose the last commits at a power cut, OFF all. Raises StoreError with words, sqlite3.Error and OSError.
    """
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: {'.'.join(map(str, SQLITE_MIN))} is needed")
    _make_private(path)
    _refuse_irregular(path)
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        if _journal_mode(connection, busy_seconds) != "wal":
            raise StoreError(f"{path}: this file system cannot carry a database in WAL mode")
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        _migrate(connection, path, now, steps_of(schema))
    except BaseException:
        connection.close()
        raise
    return connection


def reading(path: Path, busy_seconds: float = 0) -> sqlite3.Connection:
    """A connection that only reads the database at `path`, which `opened` has prepared; a lock is waited for
    `busy_seconds`. To be used in one thread at a time. Raises StoreError with words, sqlite3.Error."""
    _refuse_irregular(path)
    address = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, timeout=busy_seconds, isolation_level=None, check_same_thread=False, uri=True)
    connection.row_factory = sqlite3.Row
    return connection


class Identity:
    """Which files these are: device and inode of the database, its log and index, and of `more`, at this moment.

    SQLite goes on writing into a file whose name is gone, and every commit succeeds: a mail kept there is lost.
    """

    def __init__(self, database: Path, more: Sequence[Path] = ()) -> None:
        named = [database, *_beside(database, "-wal", "-shm"), *more]
        self._files = {each: _number_of(each) for each in named}

    def ensure(self) -> None:
        """Raises StoreError if one of the files has been removed or replaced."""
        for path, number in self._files.items():
            if number is None or _number_of(path) != number:
                raise StoreError(f"{path} was removed or replaced while in use; restart smtpguard")


def _number_of(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _journal_mode(connection: sqlite3.Connection, busy_seconds: float) -> str:
    """Switch to WAL, also while others open or close the same file: SQLite itself does not wait for them here."""
    end = time.monotonic() + busy_seconds
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(_BUSY_PAUSE)


def _make_private(path: Path) -> None:
    """Make folder (0700) and file (0600) where they are missing, durably; refuse them where others can get at them."""
    folder = path.parent
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(folder.parent)
    _refuse_if_open(folder, "chmod 700")
    if not path.exists():
        # SQLite would make the file readable for others; its -wal and -shm take the mode from it. Made under another
        # name: to close a database's file here would drop the locks of this process's other connections (fcntl(2)).
        number, name = tempfile.mkstemp(dir=folder, prefix=f"{path.name}.new-")
        os.close(number)
        new = Path(name)
        try:
            os.link(new, path)
        except FileExistsError:
            pass  # somebody else was quicker
        finally:
            new.unlink()
    _refuse_if_open(path, "chmod 600")
    sync_folder(folder)


def _refuse_if_open(path: Path, remedy: str) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StoreError(f"{path}: other users can get at it (mode {mode:04o}); correct it with {remedy}")


def _refuse_irregular(path: Path) -> None:
    """Whoever opens a named pipe waits for its other end, for ever, and SQLite looks for all of these files."""
    for each in (path, *_beside(path, "-wal", "-shm", "-journal")):
        # What is not there, or not to be got at, SQLite says itself.
        with suppress(OSError):
            mode = each.stat().st_mode
            if not stat.S_ISREG(mode):
                raise StoreError(f"{each} is {'a folder' if stat.S_ISDIR(mode) else 'not a regular file'}")


def _beside(path: Path, *ends: str) -> list[Path]:
    return [path.with_name(path.name + each) for each in ends]


def _migrate(connection: sqlite3.Connection, path: Path, now: int, steps: Mapping[int, str]) -> None:
    newest = max(steps)
    with connection:  # commits, or rolls back what was begun
        # IMMEDIATE: of two processes that start together, the second waits and finds everything done.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY, applied INTEGER NOT NULL)"
        )
        version = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()[0]
        if version > newest:
            raise StoreError(
                f"{path}: the database was written by a newer smtpguard: it has schema {version}, "
                f"this one knows up to {newest}"
            )
        for number in sorted(each for each in steps if each > version):
            for statement in _statements(steps[number]):
                connection.execute(statement)
            connection.execute("INSERT INTO schema_version VALUES (?, ?)", (number, now))


@cache
def steps_of(schema: str) -> Mapping[int, str]:
    """The numbered steps in the folder schema/`schema`, as scripts. Raises FileNotFoundError if there is none."""
    folder = resources.files("smtpguard.store") / "schema" / schema
    found = ((_STEP.fullmatch(each.name), each) for each in folder.iterdir())
    return {int(match[1]): each.read_text("utf-8") for match, each in found if match is not None}


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit in between."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise sqlite3.ProgrammingError("a schema step does not end with a whole statement")
