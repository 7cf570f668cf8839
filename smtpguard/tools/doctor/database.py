"""The databases: whole, of a schema that this version knows, closed to others; what a server writes into its log."""

from __future__ import annotations

import sqlite3
import stat
import time
from datetime import date
from functools import partial
from pathlib import Path

from smtpguard.databases import HOLDS, MEMORY, Databases
from smtpguard.store import Statements, StoreError
from smtpguard.store.database import reading
from smtpguard.store.view import newest_step, waiting_in_file, waiting_in_server
from smtpguard.store.worker import BUSY_SECONDS
from smtpguard.tools.doctor.premises import Premises
from smtpguard.tools.doctor.sheet import Sheet, in_a_thread, words

# In state_dir, with the folder of each one's schema.
FILES = {HOLDS: "", MEMORY: "memory"}
# Whoever reads keeps the guard from emptying its log, which it does at each sweep (T-03 wants it within 60 s).
LOOK_SECONDS = 20.0
# Steps of SQLite's machine between two looks at the clock: some milliseconds.
_STEPS = 10_000
# Complaints of the integrity check that are shown.
_COMPLAINTS_MAX = 3

# T-04: what makes a server write values of statements into its log, by name, and the value at which it does not.
_LOGGED_WHEN = {
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_duration": "off",
}
_SETTINGS = (
    *_LOGGED_WHEN,
    "log_statement",
    "log_parameter_max_length",
    "log_parameter_max_length_on_error",
    "pgaudit.log_parameter",
    "auto_explain.log_min_duration",
    "auto_explain.log_parameter_max_length",
)


async def examine_files(premises: Premises, sheet: Sheet) -> dict[date, int]:
    """SQLite: both files in `state_dir`. Returns how many mails wait for each day key."""
    folder = premises.settings.state_dir
    for name, schema in FILES.items():
        path = folder / name
        if not path.exists():
            sheet.skipped(f"{path}: not there yet; the guard makes it at its first start")
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            sheet.problem(f"{path}: other users can get at it (mode {mode:04o}); correct it with chmod 600")
        try:
            await in_a_thread(partial(_examine_file, path, schema, sheet))
        except StoreError as error:
            sheet.problem(str(error))
        except sqlite3.Error as error:
            unreachable = getattr(error, "sqlite_errorcode", 0) in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY)
            hint = " (call it as root, or as the guard's own user)" if unreachable else ""
            sheet.problem(f"{path}: {error}{hint}", unreachable=unreachable)
    if not (folder / HOLDS).exists():
        return {}
    try:
        return dict((await waiting_in_file(folder / HOLDS, premises.now, ())).days)
    except StoreError:
        return {}  # said above


def _examine_file(path: Path, schema: str, sheet: Sheet) -> None:
    """Raises StoreError, sqlite3.Error."""
    connection = reading(path, BUSY_SECONDS)
    try:
        version = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()[0]
        _compare(sheet, str(path), version, newest_step(schema))
        complaints = _complaints(connection)
    finally:
        connection.close()
    if complaints is None:
        sheet.skipped(f"{path}: too large to be looked through in {LOOK_SECONDS:.0f} s; stop the guard and look then")
    elif complaints:
        said = "; ".join(words(each) for each in complaints)
        sheet.problem(f"{path}: the database is damaged ({said}): restore it from a backup")
    else:
        sheet.ok(f"{path}: whole")


def _complaints(connection: sqlite3.Connection) -> list[str] | None:
    """What SQLite finds wrong; None if that takes too long."""
    end = time.monotonic() + LOOK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        rows = connection.execute(f"PRAGMA quick_check({_COMPLAINTS_MAX})").fetchall()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None
        if error.sqlite_errorcode == sqlite3.SQLITE_CORRUPT:
            return [str(error)]
        raise
    finally:
        connection.set_progress_handler(None, 0)
    return [str(each[0]) for each in rows if each[0] != "ok"]


def _compare(sheet: Sheet, what: str, version: int, newest: int) -> None:
    if version > newest:
        sheet.problem(f"{what}: written by a newer smtpguard (schema {version}, this one knows up to {newest})")
    elif version < newest:
        sheet.warning(f"{what}: has schema {version}; the next start of this version brings it to {newest}")
    else:
        sheet.ok(f"{what}: schema {version}")


async def examine_server(premises: Premises, sheet: Sheet) -> dict[date, int]:
    """PostgreSQL: reachable, its schema, and what it logs. Returns how many mails wait for each day key."""
    try:
        databases = await Databases.open(premises.settings, lambda: premises.now, schemas=())
    except StoreError as error:
        sheet.problem(str(error), unreachable=True)
        return {}
    server = databases.server
    if server is None:
        return {}
    try:
        sheet.ok("the database answers")
        versions = {
            str(each["name"]): int(each["step"])
            for each in await server.run("SELECT name, max(step) AS step FROM schema_steps GROUP BY name")
        }
        if not versions:
            sheet.skipped("nothing is in the database yet; the guard prepares it at its first start")
        for name, version in sorted(versions.items()):
            _compare(sheet, f"schema of {name}", version, newest_step(f"postgresql/{name}"))
        await _what_is_logged(server, sheet)
        return dict((await waiting_in_server(server, ())).days) if "held" in versions else {}
    except StoreError as error:
        sheet.problem(str(error), unreachable=True)
        return {}
    finally:
        await databases.close()


async def _what_is_logged(server: Statements, sheet: Sheet) -> None:
    """T-04: keys and sealed mail must not lie in the server's log when they are gone everywhere else."""
    rows = await server.run(
        "SELECT name, setting FROM pg_settings WHERE name = ANY(%(names)s)", {"names": [*_SETTINGS]}
    )
    said = {str(each["name"]): str(each["setting"]) for each in rows}
    if "log_statement" not in said:
        sheet.skipped("the server does not tell what it logs: see to it yourself that values of statements are not")
        return
    reasons = [f"{each} = {said[each]}" for each, off in _LOGGED_WHEN.items() if said.get(each, off) != off]
    if said["log_statement"] in ("mod", "all"):
        reasons.append(f"log_statement = {said['log_statement']}")
    found = []
    if reasons and said.get("log_parameter_max_length", "-1") != "0":
        found.append(f"{', '.join(reasons)}: set log_parameter_max_length = 0")
    if said.get("log_parameter_max_length_on_error", "0") != "0":
        found.append("set log_parameter_max_length_on_error = 0")
    if said.get("pgaudit.log_parameter", "off") == "on":
        found.append("set pgaudit.log_parameter = off")
    explains = said.get("auto_explain.log_min_duration", "-1") != "-1"
    if explains and said.get("auto_explain.log_parameter_max_length", "-1") != "0":
        found.append("set auto_explain.log_parameter_max_length = 0")
    for each in found:
        sheet.warning(f"the server may write values of statements into its log, where they stay: {each}")
    if not found:
        sheet.ok("the server logs no values of statements")
