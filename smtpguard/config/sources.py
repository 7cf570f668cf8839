"""Files to text: bounded, regular, UTF-8, and never from outside the folder they are said to be in."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from smtpguard.config.problems import Mark, Problem, Severity, Source

# 20,000 accounts at 40 octets a line still fit.
SITE_FILE_OCTETS_MAX = 1024 * 1024
# T-51: one list's settings; the record with every key in it has 2 KiB.
LIST_FILE_OCTETS_MAX = 64 * 1024

# PyYAML ends a line at these; U+0085, U+2028 and U+2029 as well, and the reader refuses those.
_LINE_END = re.compile(r"\r\n|\n|\r")
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF_8_MARK = b"\xef\xbb\xbf"


class FileError(Exception):
    """A file cannot be used; the text says why, to be read behind its name."""


class AbsentFileError(FileError):
    """There is no such file."""


def read_source(path: Path, name: str, octets_max: int, folder: Path | None = None) -> Source | Problem:
    """Read the file at `path`, shown as `name`; a Problem if that cannot or must not be done.

    With `folder` the file's real path must lie below it (T-51): the lines of a broken file are printed and mailed, and
    a link must not make that somebody's secret. The octets are read from the descriptor that was checked.
    """
    try:
        real = path
        # What is no link lies where it stands, and O_NOFOLLOW keeps it so; resolving a thousand names takes 50 ms.
        if folder is None or path.parent != folder or path.is_symlink():
            real = path.resolve(strict=True)
        if folder is not None and real is not path and not real.is_relative_to(folder.resolve(strict=True)):
            return _whole(name, "this is a link to a place outside its folder. Put the file itself here.")
        return _decoded(name, regular_octets(real, octets_max, os.O_NOFOLLOW))
    except (OSError, RuntimeError, ValueError) as error:
        return _whole(name, f"cannot be read: {_reason(error)}.")
    except FileError as error:
        return _whole(name, f"this file {error}.")


def regular_octets(path: Path, octets_max: int, more_flags: int = 0) -> bytes:
    """The octets of a regular file. Raises FileError; never waits, as a named pipe would make one wait for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | more_flags)
    except (OSError, ValueError) as error:
        sort = AbsentFileError if isinstance(error, FileNotFoundError) else FileError
        raise sort(f"cannot be read: {_reason(error)}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileError("is a folder" if stat.S_ISDIR(status.st_mode) else "is not a regular file")
        octets = b""
        if status.st_size <= octets_max:
            with open(descriptor, "rb", closefd=False) as file:
                octets = file.read(octets_max + 1)
        if max(status.st_size, len(octets)) > octets_max:
            raise FileError(f"is larger than {octets_max // 1024} KiB, the most that is read")
        return octets
    except OSError as error:
        raise FileError(f"cannot be read: {_reason(error)}") from error
    finally:
        os.close(descriptor)


def source_of(name: str, text: str) -> Source:
    """A Source of text that is already there."""
    return Source(name, text, tuple(_LINE_END.split(text)))


def _decoded(name: str, octets: bytes) -> Source | Problem:
    if octets.startswith(_UTF_16_MARKS):
        return _whole(name, 'this file is saved as UTF-16. Save it as "UTF-8" in your editor.')
    # Windows editors write a mark in front of UTF-8; it says nothing.
    octets = octets.removeprefix(_UTF_8_MARK)
    try:
        return source_of(name, octets.decode("utf-8"))
    except UnicodeDecodeError as error:
        shown = source_of(name, octets.decode("utf-8", "replace"))
        before = _LINE_END.split(octets[: error.start].decode("utf-8"))
        place = Mark(len(before), len(before[-1]) + 1)
        return shown.problem(place, 'this letter is not written in UTF-8. Save the file as "UTF-8" in your editor.')


def _whole(name: str, text: str) -> Problem:
    return Problem(name, 0, 0, Severity.ERROR, text)


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else "its name cannot be followed"
