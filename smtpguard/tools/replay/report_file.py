"""The file of a report: whole or not there, and never in the place of anything but a former report."""

from __future__ import annotations

import os
from pathlib import Path

# What every report begins with, and no archive, no settings.
_BEGIN = b"<!DOCTYPE html>"


class ReportFileError(Exception):
    """A report must not be written to this file; the text says why, to be read behind its name."""


def look_at(path: Path) -> None:
    """Before hours of work: can a report be written to `path`? Raises ReportFileError, OSError if nobody may."""
    path = Path(os.path.realpath(path))
    if path.is_symlink():
        raise ReportFileError("this is a link that leads to itself")
    folder = path.parent
    if not folder.is_dir():
        raise ReportFileError("there is no such folder")
    if path.exists() and not path.is_file():
        return  # a terminal or a pipe: whoever waits there gets it as it is made
    if path.is_file():
        with path.open("rb") as file:
            begin = file.read(len(_BEGIN))
        if begin not in (b"", _BEGIN):
            raise ReportFileError("there is a file already that is no report. Give another name")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(0, "nobody but the owner of its folder may", str(path))


def write(path: Path, octets: bytes) -> None:
    """Write a report in one step. Raises OSError, with the file's name."""
    if path.exists() and not path.is_file():
        path.write_bytes(octets)
        return
    path = Path(os.path.realpath(path))
    copy = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        copy.write_bytes(octets)
        copy.replace(path)
    except OSError as error:
        copy.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
