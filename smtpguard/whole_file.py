"""A small file of the guard's own that is replaced, or wiped, as a whole: no reader ever sees half of it."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, octets: bytes, *, durable: bool = True, syncs_name: bool = True) -> None:
    """Put `octets` (mode 0600) in the place of the file at `path`. Raises OSError; the former file is left as it was.

    `durable`: on the disk, name and all, when this returns (rename(2) alone promises the order only). Whoever replaces
    many says `sync_folder` once, and until then either file may be found. One writer for each file: the new one has a
    fixed name until it is whole, so that a crash leaves at most one behind.
    """
    new = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
        file.write(octets)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    new.replace(path)
    if durable and syncs_name:
        sync_folder(path.parent)


def wipe_file(path: Path, octets: int) -> None:
    """Take the name of a file away, then the `octets` in it, as far as the disk lets us; whoever reads in between finds
    only zeros. Nothing is done if there is none. Raises OSError.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        path.unlink(missing_ok=True)
        os.pwrite(number, bytes(octets), 0)
        os.fsync(number)
    finally:
        os.close(number)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. Raises OSError."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
