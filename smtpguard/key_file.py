"""One file of the key folder: 32 octets that nobody but the guard's own user may read (THREAT-MODEL section 4)."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

KEY_OCTETS = 32

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# What whole_file.wipe_file leaves where it is cut off before it has taken the file away.
_ERASED = bytes(KEY_OCTETS)


class KeyFolderError(Exception):
    """The key folder cannot be used: others can read it, it is damaged, or the disk refuses. The text says which."""


def read_key(path: Path) -> bytes | None:
    """The key in the file `path`; None if there is no file, or one that was being erased.

    Raises KeyFolderError for a file that others can read or that holds no key, and OSError.
    """
    try:
        # A link could point to a file that others can read or change; a named pipe would be waited for.
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(number, "rb") as file:
        status = os.fstat(number)
        refuse_if_readable(path, status, "chmod 600")
        key = file.read(KEY_OCTETS + 1) if stat.S_ISREG(status.st_mode) else b""
    if key == _ERASED:
        return None
    if len(key) != KEY_OCTETS:
        raise KeyFolderError(f"{path}: a key file has {KEY_OCTETS} octets; restore or remove this one")
    return key


def make_key(path: Path, key: bytes) -> None:
    """Write `key` into a new file `path`, durable but for its name. One that is there stays. Raises OSError."""
    # The name begins with the key's, so that erasing finds it when we die in between.
    new = path.with_name(f"{path.name}.new-{secrets.token_hex(8)}")
    number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(number)
        # Unlike a rename, a link never takes the place of a key that is there already.
        os.link(new, path)
    except (FileExistsError, FileNotFoundError):
        pass  # made, or erased, by somebody else in the meantime: the caller looks again
    finally:
        new.unlink(missing_ok=True)


def refuse_if_readable(path: Path, status: os.stat_result, remedy: str) -> None:
    """Raise KeyFolderError if others than our own user can get at what has this status; `remedy` mends it."""
    if status.st_uid != os.geteuid():
        raise KeyFolderError(f"{path}: belongs to user {status.st_uid}, not to the user this runs as ({os.geteuid()})")
    if status.st_mode & _OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise KeyFolderError(f"{path}: other users can get at it (mode {mode:04o}); correct it with {remedy}")
