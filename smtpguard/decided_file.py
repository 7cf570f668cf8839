"""The ids that were decided on holds of one day, in a file beside the day's key (THREAT-MODEL T-05).

A restored database does not know what was decided after the copy was made; this file does. It says no more than the
tombstones in the database: id, state and time. Records are only added, each on the disk when `add` returns. One that a
power cut tore is not read, and cut off by whoever writes next. Several processes may share the folder.

All calls wait for the disk.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from smtpguard.held import State
from smtpguard.whole_file import sync_folder

# Id, first letter of the state, microseconds since 1970, UTC.
_RECORD = struct.Struct(">32scq")
_STATES = {b"s": State.SENT, b"d": State.DISCARDED, b"e": State.EXPIRED, b"r": State.REPLACED}
_LETTERS = {state: letter for letter, state in _STATES.items()}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a held mail, and when (aware)."""

    state: State
    when: datetime

    @property
    def number(self) -> int:
        """`when` as microseconds since 1970, UTC."""
        return (self.when - _EPOCH) // _MICROSECOND

    @classmethod
    def of(cls, state: str, number: int) -> Decision:
        """The decision that `state`, a state's value, and `number` tell of."""
        return cls(State(state), _time(number))


def _time(number: int) -> datetime:
    try:
        return _EPOCH + number * _MICROSECOND
    except OverflowError:
        return _EPOCH  # a damaged disk


class DecidedFile:
    """The file at `path`, if there is one. What was read is kept, and only what has come since is read again. Every
    method raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[bytes, Decision] = {}
        self._sum = 0
        self._read_to = 0
        self._file: tuple[int, int] | None = None

    def decisions(self) -> Mapping[bytes, Decision]:
        """By id. The first decision counts: nothing that is decided is decided again."""
        with self._lock:
            self._catch_up()
            return dict(self._known)

    def tally(self) -> tuple[int, int]:
        """How many there are, and the sum of their numbers: by this two copies are compared."""
        with self._lock:
            self._catch_up()
            return len(self._known), self._sum

    def decisions_among(self, hold_ids: Iterable[bytes]) -> Mapping[bytes, Decision]:
        """What was decided on any of `hold_ids`, by id."""
        with self._lock:
            self._catch_up()
            return {each: self._known[each] for each in hold_ids if each in self._known}

    def add(self, decided: Iterable[tuple[bytes, Decision]]) -> None:
        """Write these behind what there is; durable, name and all, on return."""
        octets = b"".join(_RECORD.pack(id_, _LETTERS[each.state], each.number) for id_, each in decided)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        number = os.open(self._path, flags, 0o600)
        try:
            # Closing lets go of it.
            fcntl.flock(number, fcntl.LOCK_EX)
            size = os.fstat(number).st_size
            if size % _RECORD.size:
                os.ftruncate(number, size - size % _RECORD.size)
            with os.fdopen(os.dup(number), "ab") as file:
                file.write(octets)
            os.fsync(number)
        finally:
            os.close(number)
        sync_folder(self._path.parent)

    def _catch_up(self) -> None:
        try:
            number = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            self._forget(None)
            return
        with os.fdopen(number, "rb") as file:
            status = os.fstat(number)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "is not a regular file", str(self._path))
            if self._file != (status.st_dev, status.st_ino) or status.st_size < self._read_to:
                self._forget((status.st_dev, status.st_ino))
            if status.st_size - self._read_to < _RECORD.size:
                return
            file.seek(self._read_to)
            octets = file.read(status.st_size - self._read_to)
        whole = len(octets) - len(octets) % _RECORD.size
        for id_, letter, time in _RECORD.iter_unpack(octets[:whole]):
            if id_ not in self._known:
                # A letter of a later version: what it stands for was decided all the same.
                self._known[id_] = decision = Decision(_STATES.get(letter, State.DISCARDED), _time(time))
                self._sum += decision.number
        self._read_to += whole

    def _forget(self, file: tuple[int, int] | None) -> None:
        self._known, self._sum, self._read_to, self._file = {}, 0, 0, file
