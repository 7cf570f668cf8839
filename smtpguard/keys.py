"""The key folder: day keys of held mail, week keys of its tags and of the memory, one small file each (THREAT-MODEL
section 4).

They never lie in the database or in a backup. A key is on the disk, file and folder, before anybody uses it: a mail
sealed under a key that a power cut takes away would be lost. Several processes may share a folder; who comes second
takes the key of the first. No key is kept in memory here, so one that is erased is gone for all of them. Nodes that
have no folder in common meet at a share (T-04). What was decided on holds of a day lies beside its key, and goes with
it (T-05).

All calls wait for the disk, some for the share; call them from a thread.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar, overload

from smtpguard.decided_file import DecidedFile, Decision
from smtpguard.erased_names import ErasedNames
from smtpguard.key_file import KEY_OCTETS, KeyFolderError, make_key, read_key, refuse_if_readable
from smtpguard.keyshare import KeyAwayError, KeyShare, KeyShareError
from smtpguard.whole_file import sync_folder, wipe_file

# Tags of held mail; list posts and threads; who has posted where; what was counted; private mail; public texts.
WeekKeys = Literal["week", "memory", "posted", "counted", "private", "public"]

Name = TypeVar("Name")

_DAY_FILE = re.compile(r"day-(\d{4}-\d\d-\d\d)\.key")
# Keys of all sets.
_KEY_FILE = re.compile(r"((?:day-\d{4}-\d\d-\d\d|[a-z]+-\d{4}-W\d\d)\.key)")
# One that was offered to the other nodes and not answered yet; named like what `make_key` leaves, so that erasing finds
# it.
_OFFERED = ".new-offered"
_OFFERED_FILE = re.compile(rf"(.*\.key){re.escape(_OFFERED)}")
_ANY_FILE = re.compile("(.*)", re.DOTALL)
_ERASED_NAMES = "erased"
_DECIDED_FILE = re.compile(r"day-(\d{4}-\d\d-\d\d)\.decided")
_WEEK = re.compile(r"\d{4}-W(?:0[1-9]|[1-4]\d|5[0-3])")
# How often making a key may be crossed by somebody who erases it. Once is rare, this often is a fault.
_TRIES = 5


class KeyElsewhereError(KeyFolderError):
    """The key was made by another node, and cannot be had for now."""


def week_of(day: date) -> str:
    """The ISO 8601 week of `day`, as in 2026-W47."""
    year, week, _ = day.isocalendar()
    return f"{year:04}-W{week:02}"


def season_of(day: date) -> str:
    """The first week of the quarter of a year, 13 weeks or 14, that `day` is in."""
    year, week, _ = day.isocalendar()
    return f"{year:04}-W{min((week - 1) // 13, 3) * 13 + 1:02}"


def first_day(week: str) -> date:
    """The Monday of `week`, an ISO 8601 week as `week_of` and `season_of` give it."""
    return date.fromisocalendar(int(week[:4]), int(week[6:]), 1)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What meeting other nodes came to: keys that came, keys that went, and keys that are not the others'."""

    fetched: int = 0
    erased: int = 0
    differing: int = 0


class KeyFolder:
    """A folder of keys, made with mode 0700 if it is not there. Every method raises KeyFolderError.

    `weeks` names the set of week keys: what is kept for different times has keys of its own in the same folder.
    `shared` is where several nodes meet that have a folder each.
    """

    def __init__(self, folder: Path, weeks: WeekKeys = "week", shared: KeyShare | None = None) -> None:
        self._folder = folder
        self._shared = shared
        self._erased = ErasedNames(folder / _ERASED_NAMES)
        self._weeks = weeks
        self._week_file = re.compile(rf"{weeks}-(\d{{4}}-W\d\d)\.key")
        # Names that this process knows to be durable, so that the folder is synced once for each key.
        self._durable: set[str] = set()
        self._decided: dict[date, DecidedFile] = {}
        try:
            self._found = folder.is_dir()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(folder.parent)
            refuse_if_readable(folder, folder.stat(), "chmod 700")
        except OSError as error:
            raise _refused(folder, error) from error

    def ensure_mounted(self, week: str) -> None:
        """Where mail waits under its keys, refuse a folder that was there and is empty: a mount point without its disk,
        which would hide what was made in it. One that was made now gets the key of `week`, and is not taken for it.
        """
        # What others have comes from the share.
        if self._shared is None and not self._names(_ANY_FILE):
            if self._found:
                where = f"{self._folder}: is empty, but mail waits whose keys belong there; mount it before the start"
                raise KeyFolderError(f"{where}. If they are lost for good: touch {self._folder}/lost")
            self.week_key(week, create=True)

    @overload
    def day_key(self, day: date, create: Literal[True]) -> bytes: ...
    @overload
    def day_key(self, day: date, create: bool = False) -> bytes | None: ...
    def day_key(self, day: date, create: bool = False) -> bytes | None:
        """The key of the UTC day `day`, 32 octets; if there is none, a new one or None as `create` says.

        Raises KeyElsewhereError if it is there, but with a node that is away.
        """
        return self._key(_day_name(day), create)

    @overload
    def week_key(self, week: str, create: Literal[True]) -> bytes: ...
    @overload
    def week_key(self, week: str, create: bool = False) -> bytes | None: ...
    def week_key(self, week: str, create: bool = False) -> bytes | None:
        """The key of the ISO week `week` ("2026-W47"); if there is none, a new one or None as `create` says."""
        try:
            return self._key(self._week_name(week), create)
        except KeyElsewhereError:
            if create:
                raise
            return None

    def present_day(self, day: date) -> tuple[date, bytes]:
        """A day and its key, made if there is none, for what is sealed on `day`.

        It is the next day's if today's was made by a node that is away, when nobody else has it: the name of a key does
        not matter, that all nodes can have it does.
        """
        return _first_at_hand((day, day + timedelta(days=1)), lambda each: self.day_key(each, create=True))

    def present_week(self, day: date) -> tuple[str, bytes]:
        """A week and its key, made if there is none, for `day`; the next week's where `present_day` does so."""
        weeks = (week_of(day), week_of(day + timedelta(days=7)))
        return _first_at_hand(weeks, lambda each: self.week_key(each, create=True))

    def days(self) -> tuple[date, ...]:
        """The days that have a key, oldest first."""
        return tuple(sorted(date.fromisoformat(name) for name in self._names(_DAY_FILE)))

    def weeks(self) -> tuple[str, ...]:
        """The weeks that have a key, oldest first."""
        return tuple(sorted(self._names(self._week_file)))

    def decided_days(self) -> tuple[date, ...]:
        """The days that have decided ids, oldest first."""
        return tuple(sorted(date.fromisoformat(name) for name in self._names(_DECIDED_FILE)))

    def decisions(self, day: date) -> Mapping[bytes, Decision]:
        """What was decided on holds of `day`, by id (T-05)."""
        try:
            return self._decided_file(day).decisions()
        except OSError as error:
            raise _refused(self._folder / _decided_name(day), error) from error

    def decision(self, day: date, hold_id: bytes) -> Decision | None:
        """What was decided on a hold of `day`, whatever the database says of it (T-05)."""
        return self.decisions_among(day, (hold_id,)).get(hold_id)

    def decisions_among(self, day: date, hold_ids: Iterable[bytes]) -> Mapping[bytes, Decision]:
        """The same of several holds of `day`, by id."""
        try:
            return self._decided_file(day).decisions_among(hold_ids)
        except OSError as error:
            raise _refused(self._folder / _decided_name(day), error) from error

    def note_decided(self, day: date, decided: Iterable[tuple[bytes, Decision]]) -> None:
        """Keep what was decided beside the key of `day`, durably. Nothing is kept where the key is gone: without it no
        copy of the database opens anyway.
        """
        try:
            if self._read(_day_name(day)) is None:
                return
            self._decided_file(day).add(decided)
            if self._read(_day_name(day)) is None:
                (self._folder / _decided_name(day)).unlink(missing_ok=True)
        except OSError as error:
            raise _refused(self._folder / _decided_name(day), error) from error

    def erase_day(self, day: date) -> bool:
        """Erase the key of `day` and what was decided beside it; what was sealed under it never opens again. False if
        there was no key.
        """
        return self._erase(_day_name(day), day)

    def exchange(self) -> Exchange:
        """Meet the other nodes: give and take keys of all sets, erase what is erased elsewhere, and learn what was
        decided there. Where no share is, nothing is done. A file that is damaged is told of when all others are done.
        """
        if self._shared is None:
            return Exchange()
        try:
            with _in_our_words():
                return self._meet(self._shared)
        except OSError as error:
            raise _refused(self._folder, error) from error

    def _meet(self, shared: KeyShare) -> Exchange:
        own, damaged = self._own_keys()
        met = shared.meet(own, self._erased.names())
        self._erased.add(met.erased, datetime.now(UTC).date())
        gone = (own.keys() | damaged.keys()) & met.erased.keys()
        for name in gone | (set(self._names(_OFFERED_FILE)) & met.erased.keys()):
            self._remove(name)
        for name, key in met.fetched.items():
            if _KEY_FILE.fullmatch(name):
                self._make(name, key)
        sync_folder(self._folder)
        tallies = {day: self._decided_file(day).tally() for day in self.days()}
        for day, decided in shared.meet_decided(tallies, self.decisions).items():
            if decided:
                self.note_decided(day, decided.items())
        if left := [damaged[name] for name in sorted(damaged.keys() - gone)]:
            raise left[0]
        return Exchange(len(met.fetched), len(gone), len(met.differing))

    def _own_keys(self) -> tuple[dict[str, bytes], dict[str, KeyFolderError]]:
        """The keys that are here by their names, and what is wrong with those that cannot be read."""
        own: dict[str, bytes] = {}
        damaged: dict[str, KeyFolderError] = {}
        for name in self._names(_KEY_FILE):
            try:
                if (key := self._read(name)) is not None:
                    own[name] = key
            except KeyFolderError as error:
                damaged[name] = error
        return own, damaged

    def _decided_file(self, day: date) -> DecidedFile:
        return self._decided.setdefault(day, DecidedFile(self._folder / _decided_name(day)))

    def erase_weeks(self, before: str) -> int:
        """Erase the keys of all weeks before `before` ("2026-W47"); returns how many."""
        self._week_name(before)
        return sum(self._erase(self._week_name(week)) for week in self.weeks() if week < before)

    def _week_name(self, week: str) -> str:
        if _WEEK.fullmatch(week) is None:
            raise ValueError("a week is written like 2026-W47")
        return f"{self._weeks}-{week}.key"

    def _names(self, pattern: re.Pattern[str]) -> list[str]:
        try:
            entries = [each.name for each in self._folder.iterdir()]
        except OSError as error:
            raise _refused(self._folder, error) from error
        return [match[1] for match in map(pattern.fullmatch, entries) if match is not None]

    def _key(self, name: str, create: bool) -> bytes | None:
        try:
            for _ in range(_TRIES):
                key = self._read(name)
                if key is not None:
                    if name not in self._durable:
                        # Another process may have made it a moment ago, its folder not yet synced.
                        sync_folder(self._folder)
                        self._durable.add(name)
                    return key
                new = self._new(name, create)
                if new is None:
                    return None
                self._make(name, new)
                self._forget_offered(name)
        except OSError as error:
            raise _refused(self._folder / name, error) from error
        raise KeyFolderError(f"{self._folder / name}: no key can be made; it is erased at once, or holds only zeros")

    def _new(self, name: str, create: bool) -> bytes | None:
        """A key that is not in the folder: that of the other nodes, or one that is made now."""
        if self._shared is None:
            return secrets.token_bytes(KEY_OCTETS) if create else None
        with _in_our_words():
            return self._shared.offer(name, self._offered(name)) if create else self._shared.fetch(name)

    def _offered(self, name: str) -> bytes:
        """What this folder offers the others as key under `name`: the same until they have answered. If their database
        crashes before it has, it may know that key, and nobody else has it.
        """
        path = self._folder / f"{name}{_OFFERED}"
        key = read_key(path)
        if key is None:
            make_key(path, secrets.token_bytes(KEY_OCTETS))
            sync_folder(self._folder)
            key = read_key(path)
        # Another process has just had its answer: the key is there now, and what we offer does not matter.
        return key or secrets.token_bytes(KEY_OCTETS)

    def _forget_offered(self, name: str) -> None:
        """The key is in the folder: what was offered is no longer needed."""
        path = self._folder / f"{name}{_OFFERED}"
        if self._shared is not None and path.exists():
            sync_folder(self._folder)
            wipe_file(path, KEY_OCTETS)

    def _read(self, name: str) -> bytes | None:
        key = read_key(self._folder / name)
        if key is None:
            # A missing key is lost for good; a missing folder is a mistake that somebody will mend.
            self._folder.stat()
        return key

    def _make(self, name: str, key: bytes) -> None:
        """Put `key` into the folder under `name`, unless somebody else was quicker."""
        # What was durable under this name is gone, by whoever's hand: the new file's name is not on the disk yet.
        self._durable.discard(name)
        make_key(self._folder / name, key)

    def _erase(self, name: str, day: date | None = None) -> bool:
        """Erase a key everywhere: whoever still has it learns of that at the share, and never brings it back."""
        try:
            if self._shared is not None:
                with _in_our_words():
                    self._shared.erase(name, day)
                today = datetime.now(UTC).date()
                self._erased.add({name: today}, today)
            return self._remove(name)
        except OSError as error:
            raise _refused(self._folder / name, error) from error

    def _remove(self, name: str) -> bool:
        """Take a key out of this folder, and what lies beside it. Raises OSError."""
        self._durable.discard(name)
        day = _DAY_FILE.fullmatch(name)
        beside = None if day is None else _decided_name(date.fromisoformat(day[1]))
        if day is not None:
            self._decided.pop(date.fromisoformat(day[1]), None)
        entries = tuple(self._folder.iterdir())
        found = [path for path in entries if path.name == name or path.name.startswith(f"{name}.new-")]
        for path in found:
            wipe_file(path, KEY_OCTETS)
        # After the key: as long as that is there, so is what was decided.
        others = [path for path in entries if path.name == beside]
        for path in others:
            path.unlink(missing_ok=True)
        if found or others:
            sync_folder(self._folder)
        return any(path.name == name for path in found)


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except KeyAwayError as error:
        raise KeyElsewhereError(str(error)) from error
    except KeyShareError as error:
        raise KeyFolderError(str(error)) from error


def _first_at_hand(names: Iterable[Name], key: Callable[[Name], bytes]) -> tuple[Name, bytes]:
    """The first name whose key is at hand. Raises KeyFolderError."""
    away: KeyElsewhereError | None = None
    for name in names:
        try:
            return name, key(name)
        except KeyElsewhereError as error:
            away = error
    raise away or KeyFolderError("no key was asked for")


def _day_name(day: date) -> str:
    return f"day-{day:%Y-%m-%d}.key"


def _decided_name(day: date) -> str:
    return f"day-{day:%Y-%m-%d}.decided"


def _refused(path: Path, error: OSError) -> KeyFolderError:
    return KeyFolderError(f"{path}: {error.strerror or type(error).__name__}")
