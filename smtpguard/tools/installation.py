"""List files put in their place as a whole: whoever reads the folder sees the old file or the new one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The loader passes over folders that begin with a dot, so a copy in one is never taken for a list.
_WORKSHOP = ".edit-"
_NEW_FILE_MODE = 0o644


@contextmanager
def workshop(folder: Path) -> Iterator[Path]:
    """A folder for copies, within `folder` so that a finished one can be moved into its place; nobody else can enter.

    What is left in it is deleted at the end. Raises OSError if `folder` cannot be written to.
    """
    made = Path(tempfile.mkdtemp(prefix=_WORKSHOP, dir=folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def create(path: Path, text: str) -> None:
    """Write a file that is not there yet. Raises FileExistsError if it is, also if it has come up meanwhile."""
    path.parent.mkdir(exist_ok=True)
    with workshop(path.parent) as folder:
        copy = folder / path.name
        copy.write_text(text, "utf-8")
        copy.chmod(_NEW_FILE_MODE)
        _flush(copy)
        # A link to a name that exists is refused by the system; a rename would overwrite.
        path.hardlink_to(copy)
    _flush(path.parent)


def install(copy: Path, path: Path) -> bool:
    """Put `copy` in the place of `path`, with its mode, owner and attributes; False if the owner could not be kept.

    A folder that several admins may write to lets each of them replace a file, but give it to another only as root.
    """
    status = path.stat()
    kept = True
    try:
        os.chown(copy, status.st_uid, status.st_gid)
    except PermissionError:
        kept = False
        try:
            os.chown(copy, -1, status.st_gid)
        except PermissionError:
            pass  # nor the group: the file is its new owner's
    shutil.copystat(path, copy)
    os.utime(copy)
    _flush(copy)
    copy.replace(path)
    _flush(path.parent)
    return kept


def _flush(path: Path) -> None:
    """A power cut must not leave an empty file in the place of a good one."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
