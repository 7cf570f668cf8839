"""`state_dir` and the key folder: closed to others, with room left, and with the keys that waiting mail needs."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from datetime import UTC, date, timedelta
from math import inf
from pathlib import Path

from smtpguard.config.sections import Limits
from smtpguard.housekeeping import KEY_GRACE
from smtpguard.key_file import KEY_OCTETS
from smtpguard.status import live_findings
from smtpguard.tools.doctor.premises import Premises
from smtpguard.tools.doctor.sheet import Sheet

# Databases and their logs are copied when SQLite tidies up, and some mails of full size are in the spool meanwhile.
ROOM_MAILS = 8
ROOM_WARNING = 1024**3
FILES_WARNING = 1000
# What a guard that died in mid-write leaves behind; one at work needs milliseconds.
LEFTOVER_AGE = timedelta(hours=1)
# Names in one line.
NAMES_MAX = 5
# A guard sweeps every 20 s; one that was stopped for the night has not.
SWEPT_WITHIN = timedelta(days=1)

_DAY_KEY = re.compile(r"day-(\d{4}-\d\d-\d\d)\.key", re.ASCII)
_DECIDED = re.compile(r"day-\d{4}-\d\d-\d\d\.decided", re.ASCII)
_WEEK_KEY = re.compile(r"[a-z]+-\d{4}-W\d\d\.key", re.ASCII)
_LEFTOVER = re.compile(r".*\.new(-[0-9a-f]+)?")


async def examine_guard(premises: Premises, sheet: Sheet) -> None:
    """Whether one runs, and what it says of itself."""
    folder = premises.settings.state_dir
    live = live_findings(folder, premises.now)
    found, said = live.found, live.said
    if not said:
        sheet.skipped("; ".join(found) or "no guard runs")
        return
    for each in found:
        sheet.warning(" ".join(each.split()))
    for each in said:
        sheet.ok(each)


async def examine_state_dir(premises: Premises, sheet: Sheet) -> None:
    """The folder of state: who may enter, and how much room is left."""
    folder = premises.settings.state_dir
    if not folder.is_dir():
        sheet.skipped(f"{folder}: not there yet; the guard makes it at its first start (or --state-dir FOLDER)")
        return
    if _is_closed(folder, folder.stat(), sheet, "chmod 700"):
        sheet.ok(f"{folder}: closed to other users")
    _room(folder, premises.settings.limits, sheet)


def _room(folder: Path, limits: Limits, sheet: Sheet) -> None:
    there = os.statvfs(folder)
    free, least = there.f_bavail * there.f_frsize, ROOM_MAILS * limits.hold_size
    text = f"{folder}: {free // 1024**2} MiB are free"
    if free < least:
        sheet.problem(f"{text}, less than {ROOM_MAILS} mails of `hold_size` need: mail will be put off (451)")
    elif free < ROOM_WARNING:
        sheet.warning(text)
    elif there.f_files and there.f_favail < FILES_WARNING:
        sheet.warning(f"{text}, but only {there.f_favail} more files can be made")
    else:
        sheet.ok(text)


async def examine_keys(premises: Premises, sheet: Sheet, waiting: Mapping[date, int]) -> None:
    """The key folder; `waiting` is how many mails wait for each day key."""
    folder = premises.settings.key_folder
    if not folder.is_dir():
        if waiting:
            sheet.problem(f"{folder}: the folder is gone: {sum(waiting.values())} mails that wait cannot be opened")
        else:
            sheet.skipped(f"{folder}: not there yet; the guard makes it at its first start")
        return
    closed = _is_closed(folder, folder.stat(), sheet, "chmod 700")
    files = sorted(folder.iterdir())
    for each in files:
        closed = _is_key_like_others(each, folder, sheet) and closed
    if closed:
        sheet.ok(f"{folder}: {len(files)} files, closed to other users")
    _leftovers(files, premises, sheet)
    _day_keys(files, premises, sheet, waiting)


def _is_closed(path: Path, status: os.stat_result, sheet: Sheet, remedy: str) -> bool:
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        sheet.problem(f"{path}: other users can get at it (mode {mode:04o}); correct it with {remedy}")
        return False
    return True


def _is_key_like_others(path: Path, folder: Path, sheet: Sheet) -> bool:
    """A regular file of the folder's own user, closed to others, and a whole key if its name says so."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return True  # the guard has just erased it
    if not stat.S_ISREG(status.st_mode):
        sheet.problem(f"{path}: is no regular file")
        return False
    if status.st_uid != folder.stat().st_uid:
        sheet.problem(f"{path}: belongs to user {status.st_uid}, the folder to user {folder.stat().st_uid}")
        return False
    if (_DAY_KEY.fullmatch(path.name) or _WEEK_KEY.fullmatch(path.name)) and status.st_size != KEY_OCTETS:
        sheet.problem(f"{path}: a key file has {KEY_OCTETS} octets; restore or remove this one")
        return False
    return _is_closed(path, status, sheet, "chmod 600")


def _leftovers(files: list[Path], premises: Premises, sheet: Sheet) -> None:
    known = (_DECIDED, _WEEK_KEY)
    strange = [each for each in files if _day_of(each) is None and not any(one.fullmatch(each.name) for one in known)]
    old = premises.now.timestamp() - LEFTOVER_AGE.total_seconds()
    left = [each for each in strange if _LEFTOVER.fullmatch(each.name)]
    stale = [each.name for each in left if _written(each) < old]
    if stale:
        sheet.warning(f"left behind by a guard that was interrupted, to be removed: {_named(stale)}")
    other = [each.name for each in strange if each not in left]
    if other:
        sheet.warning(f"no keys of the guard's, and nothing else should lie here: {_named(other)}")


def _day_keys(files: list[Path], premises: Premises, sheet: Sheet, waiting: Mapping[date, int]) -> None:
    """Who waits has his key, and no key stays when nobody waits for it: it is what makes a decided mail unreadable."""
    have = {day for day in map(_day_of, files) if day is not None}
    for day, number in sorted(waiting.items()):
        if day in have:
            continue
        text = f"the key of {day.isoformat()} is missing, and {number} mails wait for it"
        if premises.settings.secret_file is not None:
            sheet.warning(f"{text}; a node that runs fetches it from the others")
        else:
            sheet.problem(f"{text}: they cannot be opened without it. Restore the folder, if you can")
    newest = (premises.now.astimezone(UTC) - KEY_GRACE - SWEPT_WITHIN).date()
    idle = [day.isoformat() for day in sorted(have) if day < newest and not waiting.get(day)]
    if idle:
        sheet.warning(f"nothing waits for these day keys; a guard that runs erases them: {_named(idle)}")
    elif all(day in have for day in waiting):
        sheet.ok("the day keys are those that waiting mail needs")


def _day_of(path: Path) -> date | None:
    """The day of a day key; None for another file, also if its name has a day that no calendar has."""
    match = _DAY_KEY.fullmatch(path.name)
    try:
        return None if match is None else date.fromisoformat(match[1])
    except ValueError:
        return None


def _written(path: Path) -> float:
    """When it was written; now, so to speak, if it has gone meanwhile."""
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return inf


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return ", ".join(names[:NAMES_MAX]) + more
