"""Tells the contact of a settings file that cannot be used: once for each mistake, at most once a day, and once when it
is mended; and that an exception in it has ended: once, the day after. However often the guard is started anew."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from smtpguard import maillog
from smtpguard.config.in_force import Ending, Kept
from smtpguard.config.problems import format_problem
from smtpguard.config.sources import FileError, regular_octets
from smtpguard.correspondence import Correspondence
from smtpguard.mail.address import Address
from smtpguard.notices.file_letters import (
    Ended,
    compose_exceptions_ended,
    compose_file_broken,
    compose_file_mended,
)
from smtpguard.notices.site import Site
from smtpguard.whole_file import replace_file

# In state_dir: what was told of files, and of exceptions in them.
TOLD = "file-letters.json"
TOLD_ENDS = "exception-letters.json"
# At most one mail in so long for one file.
BETWEEN_LETTERS = timedelta(days=1)
# Mails in one go; a mistake in a thousand files (a script's) is told by and by, and in the log at once.
LETTERS_AT_ONCE_MAX = 20
# That an exception has ended is news for so long: whoever starts a guard that was away for months knows.
NEWS = timedelta(days=7)
# As many files as there can be, and some 200 octets for each.
_TOLD_OCTETS_MAX = 2 * 1024 * 1024

Remembered = TypeVar("Remembered")
# The last days of exceptions that were told, each with the day on which that was.
Days = dict[date, date]


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of one file: `of` which mistakes (a hash), `at` what time. `is_open` until it is mended."""

    of: str
    at: datetime
    is_open: bool


class FileLetters:
    """Remembers in `folder` what was told. `site` and `clock` as elsewhere: what notices say of us, aware UTC."""

    def __init__(
        self,
        correspondence: Correspondence,
        folder: Path,
        site: Callable[[], Site],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._correspondence = correspondence
        self._path = folder / TOLD
        self._path_of_ends = folder / TOLD_ENDS
        self._site = site
        self._clock = clock
        self._told: dict[str, Told] | None = None
        self._told_ends: dict[str, Days] | None = None

    async def tell(self, kept: Sequence[Kept], contacts: Mapping[str, Address | None], site_contact: Address) -> None:
        """Send what is due. `contacts` are those of the files in force, by name; `site_contact` gets what has none."""
        told = self._told if self._told is not None else await asyncio.to_thread(self._read)
        now = self._clock()
        after = self._forgotten(told, {each.name for each in kept}, now)
        letters: list[tuple[Address, bytes]] = []
        for each in kept:
            if len(letters) < LETTERS_AT_ONCE_MAX and _is_due(each, after.get(each.name), now):
                after[each.name] = Told(_hash(each), now, is_open=True)
                letters.append(self._broken(each, each.contact or site_contact))
        open_names = [name for name, each in after.items() if each.is_open]
        for name in sorted(set(open_names) - {each.name for each in kept}):
            after[name] = replace(after[name], is_open=False)
            if name in contacts:  # else the file is gone, and there is nothing to say
                letters.append(self._mended(name, contacts[name] or site_contact))
        self._told = after
        if after != told:
            await asyncio.to_thread(self._write, after)
        for to, letter in letters:
            self._correspondence.send_later(to, letter)

    async def tell_of_ends(self, endings: Sequence[Ending]) -> None:
        """Send what is due: one mail for all exceptions of a file that have ended, and of one file one a day.

        It is due from the first day on which they count no more at the site, and for the time of NEWS.
        """
        today = self._clock().astimezone(self._site().zone).date()
        told = self._told_ends
        if told is None:
            told = self._told_ends = await asyncio.to_thread(self._read_ends)
        due: dict[str, list[Ending]] = {}
        for each in endings:
            known = told.get(each.name, {})
            if each.until < today <= each.until + NEWS and each.until not in known and today not in known.values():
                due.setdefault(each.name, []).append(each)
        chosen = sorted(due)[:LETTERS_AT_ONCE_MAX]
        if not chosen:
            return
        new = {name: {each.until: today for each in due[name]} for name in chosen}
        self._told_ends = after = {
            name: {**_news(told.get(name, {}), today), **new.get(name, {})} for name in told | new
        }
        # Before they are sent: a crash in between costs a mail, it does not make a second one.
        await asyncio.to_thread(self._write_ends, {name: days for name, days in after.items() if days})
        for name in chosen:
            self._correspondence.send_later(*self._ended(due[name]))

    def _ended(self, endings: Sequence[Ending]) -> tuple[Address, bytes]:
        first = endings[0]
        head = self._correspondence.letterhead(first.contact)
        ended = [Ended(each.until, each.lists, each.reason) for each in endings]
        return first.contact, compose_exceptions_ended(head, self._site(), first.name, ended)

    def _broken(self, kept: Kept, to: Address) -> tuple[Address, bytes]:
        # A line of another file is not quoted: the site file names accounts.
        problems = [replace(each, quoted=each.quoted if each.file == kept.name else "") for each in kept.problems]
        words = [format_problem(each) for each in problems]
        head = self._correspondence.letterhead(to)
        letter = compose_file_broken(head, self._site(), kept.name, words, is_new=kept.is_new)
        return to, letter

    def _mended(self, name: str, to: Address) -> tuple[Address, bytes]:
        head = self._correspondence.letterhead(to)
        return to, compose_file_mended(head, self._site(), name)

    def _forgotten(self, told: Mapping[str, Told], broken: set[str], now: datetime) -> dict[str, Told]:
        """`told` without what matters no more."""
        return {
            name: each
            for name, each in told.items()
            if each.is_open or name in broken or abs(now - each.at) < BETWEEN_LETTERS
        }

    def _read(self) -> dict[str, Told]:
        def told(each: Mapping[str, Any]) -> Told:
            return Told(str(each["of"]), datetime.fromisoformat(each["at"]).astimezone(UTC), each["open"] is True)

        return _read(self._path, told)

    def _write(self, told: Mapping[str, Told]) -> None:
        _write(self._path, {name: {"of": e.of, "at": e.at.isoformat(), "open": e.is_open} for name, e in told.items()})

    def _read_ends(self) -> dict[str, Days]:
        def days(each: Mapping[str, str]) -> Days:
            return {date.fromisoformat(until): date.fromisoformat(on) for until, on in each.items()}

        return _read(self._path_of_ends, days)

    def _write_ends(self, told: Mapping[str, Days]) -> None:
        whole = {name: {e.isoformat(): on.isoformat() for e, on in days.items()} for name, days in told.items()}
        _write(self._path_of_ends, whole)


def _read(path: Path, understood: Callable[[Any], Remembered]) -> dict[str, Remembered]:
    try:
        read = json.loads(regular_octets(path, _TOLD_OCTETS_MAX, os.O_NOFOLLOW))
        return {name: understood(each) for name, each in read.items()}
    except FileError:
        return {}  # the first time
    except (ValueError, TypeError, KeyError, AttributeError):
        maillog.warning("what was told of settings files cannot be read; it may be told again", file=path.name)
        return {}


def _write(path: Path, whole: Mapping[str, object]) -> None:
    try:
        replace_file(path, json.dumps(whole, indent=1).encode("ascii"))
    except OSError as error:
        maillog.warning("what was told of settings files cannot be kept", file=path.name, why=error.strerror)


def _news(told: Days, today: date) -> Days:
    """`told` without what is no news any more. What is to come stays: a clock that was ahead tells nothing twice."""
    return {until: on for until, on in told.items() if today <= until + NEWS}


def _is_due(kept: Kept, told: Told | None, now: datetime) -> bool:
    if told is None:
        return True
    # A clock that was set back by more than a day does not silence anybody.
    return abs(now - told.at) >= BETWEEN_LETTERS and not (told.is_open and told.of == _hash(kept))


def _hash(kept: Kept) -> str:
    """What tells one mistake from another."""
    return sha256("\n".join(format_problem(each) for each in kept.problems).encode("utf-8", "replace")).hexdigest()
