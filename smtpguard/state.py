"""`state_dir`: made for the guard alone, and locked while one runs."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

# In state_dir, held as long as the guard runs. If it goes, a second guard can start, so the store looks at it as well.
LOCK = "lock"


class StateFolderError(Exception):
    """state_dir cannot be used; the text says why (exit code 73)."""


def _close_to_others(folder: Path) -> None:
    """An empty folder that was made for us gets mode 0700; one that holds anything is left for its owner to close.

    Raises StateFolderError, OSError.
    """
    if not folder.stat().st_mode & 0o077:
        return
    if any(folder.iterdir()):
        raise StateFolderError(f"{folder}: others can get at what lies in it; chmod 700 it, if it is the guard's own")
    folder.chmod(0o700)


def lock_state(folder: Path) -> int:
    """Make `state_dir` (0700) and take its lock: two guards on one SQLite store would free each other's claims."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(folder)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateFolderError(f"{folder}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(lock), (folder / LOCK).stat()):
            raise BlockingIOError("the file that we have locked is gone")
    except OSError as error:
        os.close(lock)
        raise StateFolderError(f"{folder}: another smtpguard uses this state_dir") from error
    return lock
