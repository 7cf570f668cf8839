"""Files to text: bounded, regular, UTF-8, and never from outside the folder they are said to be in."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from smtpguard.config.problems import Mark, Problem, Severity, Source

# 20,000 accounts at 40 octets a line still fit.
SITE_FILE_OCTETS_MAX = 1024 * 1024
# T-51: one list's settings; the record with every key in it has 2 KiB.
LIST_FILE_OCTETS_MAX = 64 * 1024

# Of files that say nothing of their size (/proc), or grow.
_AT_ONCE = 64 * 1024

# PyYAML ends a line at these; U+0085, U+2028 and U+2029 as well, and the reader refuses those.
_LINE_END = re.compile(r"\r\n|\n|\r")
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF_8_MARK = b"\xef\xbb\xbf"


class FileError(Exception):
    """A file cannot be used; the text says why, to be read behind its name."""


class AbsentFileError(FileError):
    """There is no such file."""


class LinkError(FileError):
    """The last part of the name is a link, where none may be."""


def read_source(path: Path, name: str, octets_max: int, folder: Path | None = None) -> Source | Problem:
    """Read the file at `path`, shown as `name`; a Problem if that cannot or must not be done.

    With `folder` the file's real path must lie below it (T-51): the lines of a broken file are printed and mailed, and
    a link must not make that somebody's secret. The octets are read from the descriptor that was checked.
    """
    return read_dated(path, name, octets_max, folder)[0]


def read_dated(path: Path, name: str, octets_max: int, folder: Path | None = None) -> tuple[Source | Problem, int]:
    """The same, and when the file was changed: its mtime in ns, 0 if it cannot be read."""
    try:
        try:
            octets, changed = _dated_octets(_at_hand(path, folder), octets_max, os.O_NOFOLLOW)
        except LinkError:
            real = path.resolve(strict=True)
            if folder is not None and not real.is_relative_to(folder.resolve(strict=True)):
                return _whole(name, "this is a link to a place outside its folder. Put the file itself here."), 0
            octets, changed = _dated_octets(real, octets_max, os.O_NOFOLLOW)
        return _decoded(name, octets), changed
    except (OSError, RuntimeError, ValueError) as error:
        return _whole(name, f"cannot be read: {_reason(error)}."), 0
    except FileError as error:
        return _whole(name, f"this file {error}."), 0


def _at_hand(path: Path, folder: Path | None) -> Path:
    """`path`, if it is sure to lie in `folder` unless it is a link. Raises LinkError.

    A thousand files are looked at beside sessions that work, and each call of the system may wait for its turn.
    """
    if folder is None or path.parent != folder:
        raise LinkError("is perhaps a link")
    return path


def regular_octets(path: Path, octets_max: int, more_flags: int = 0) -> bytes:
    """The octets of a regular file. Raises FileError; never waits, as a named pipe would make one wait for ever."""
    return _dated_octets(path, octets_max, more_flags)[0]


def _dated_octets(path: Path, octets_max: int, more_flags: int) -> tuple[bytes, int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | more_flags)
    except (OSError, ValueError) as error:
        raise _sort_of(error)(f"cannot be read: {_reason(error)}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileError("is a folder" if stat.S_ISDIR(status.st_mode) else "is not a regular file")
        octets = b"" if status.st_size > octets_max else _read(descriptor, status.st_size, octets_max)
        if max(status.st_size, len(octets)) > octets_max:
            raise FileError(f"is larger than {octets_max // 1024} KiB, the most that is read")
        return octets, status.st_mtime_ns
    except OSError as error:
        raise FileError(f"cannot be read: {_reason(error)}") from error
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int, octets_max: int) -> bytes:
    """To the end, which is known without asking once more if it is where it should be; more than `octets_max` if there
    is more."""
    parts: list[bytes] = []
    length = 0
    while part := os.read(descriptor, max(size + 1, _AT_ONCE)):
        parts.append(part)
        length += len(part)
        if length == size or length > octets_max:
            break
    return b"".join(parts)


def _sort_of(error: Exception) -> type[FileError]:
    if isinstance(error, FileNotFoundError):
        return AbsentFileError
    return LinkError if isinstance(error, OSError) and error.errno == errno.ELOOP else FileError


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
