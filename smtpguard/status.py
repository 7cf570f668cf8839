"""`state_dir/status.json`: what a running guard says about itself, for `smtpguard check --live` and for monitoring.

Nothing of members or their mail stands in it but how many mails wait.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from smtpguard.config.sources import FileError, regular_octets
from smtpguard.whole_file import replace_file

# In state_dir.
STATUS = "status.json"
# How often it is written.
STATUS_SECONDS = 10.0
# Three writings missed: the guard has ended or hangs.
STALE = timedelta(seconds=35)
# 5,000 files with a few hundred letters each.
STATUS_OCTETS_MAX = 4 * 1024 * 1024
# What is said of one file; the log and `check` say all.
PROBLEM_CHARACTERS_MAX = 2000


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One settings file. `ok`: it counts as it stands; `since` when; `problem` why not; `is_new`: nothing of it counts
    yet, else its last good version does."""

    name: str
    ok: bool
    since: datetime
    problem: str | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """A guard at the time `written`. `waiting`: held mails, None if the store does not answer. `metrics`: where
    monitoring asks, None without a port for it."""

    version: str
    pid: int
    config: str
    started: datetime
    written: datetime
    files: tuple[FileStatus, ...]
    needs_restart: tuple[str, ...] = ()
    waiting: int | None = None
    metrics: str | None = None

    def write(self, state_dir: Path) -> None:
        """Put it into `state_dir`. Raises OSError."""
        whole = {
            "version": self.version,
            "pid": self.pid,
            "config": self.config,
            "started": self.started.isoformat(timespec="seconds"),
            "written": self.written.isoformat(timespec="seconds"),
            "waiting": self.waiting,
            "metrics": self.metrics,
            "needs_restart": list(self.needs_restart),
            "files": [_as_json(each) for each in self.files],
        }
        # Not durable: after a crash of the machine it is stale anyhow.
        replace_file(state_dir / STATUS, json.dumps(whole, indent=1).encode("ascii") + b"\n", durable=False)


def erase_status(state_dir: Path) -> None:
    """The guard ends in good order and says nothing more."""
    (state_dir / STATUS).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Live:
    """What a guard has to complain of, and what it says of itself: lines for a person. That none runs, or none that
    writes, is a complaint; then it is not `alive`."""

    found: list[str]
    said: list[str]
    alive: bool = False
    waiting: int | None = None
    metrics: str | None = None


def live_findings(state_dir: Path, now: datetime) -> Live:
    """What `status.json` in `state_dir` says now."""
    try:
        status = json.loads(regular_octets(state_dir / STATUS, STATUS_OCTETS_MAX, os.O_NOFOLLOW))
        written = datetime.fromisoformat(status["written"])
        files = list(status["files"])
        who = f"smtpguard {status['version']} (process {status['pid']}) runs since {status['started']}"
        said = [f"{who} with {status['config']}: {sum(map(_counts, files))} files in force"]
        found = [_finding(each) for each in files if not each["ok"]]
        found += [f"{each}: changed in the site file; this needs a restart" for each in status["needs_restart"]]
    except FileError as error:
        return Live([f"{state_dir / STATUS} {error}: no guard runs with this state_dir"], [])
    except (ValueError, TypeError, KeyError, AttributeError):
        return Live([f"{state_dir / STATUS}: this was not written by a guard of this version"], [])
    if now - written > STALE:
        return Live([f"the guard wrote last at {status['written']}: it has ended, or it hangs"], said)
    return Live(found, said, True, status.get("waiting"), status.get("metrics"))


def _as_json(file: FileStatus) -> dict[str, object]:
    problem = None if file.problem is None else file.problem[:PROBLEM_CHARACTERS_MAX]
    return {
        "file": file.name,
        "ok": file.ok,
        "since": file.since.isoformat(timespec="seconds"),
        "problem": problem,
        "in_force": "nothing yet" if file.is_new else "as it is" if file.ok else "its last good version",
    }


def _counts(file: Mapping[str, Any]) -> bool:
    return bool(file["in_force"] != "nothing yet")


def _finding(file: Mapping[str, Any]) -> str:
    return f"{file['file']}: {file['in_force']} is in force since {file['since']}, because of\n{file['problem']}"
