"""Tells the contact of a settings file that cannot be used: once for each mistake, at most once a day, and once when it
is mended, however often the guard is started anew."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from smtpguard import maillog
from smtpguard.config.in_force import Kept
from smtpguard.config.problems import format_problem
from smtpguard.config.sources import FileError, regular_octets
from smtpguard.correspondence import Correspondence
from smtpguard.mail.address import Address
from smtpguard.notices.compose import Site
from smtpguard.notices.file_letters import compose_file_broken, compose_file_mended
from smtpguard.whole_file import replace_file

# In state_dir.
TOLD = "file-letters.json"
# At most one mail in so long for one file.
BETWEEN_LETTERS = timedelta(days=1)
# Mails in one go; a mistake in a thousand files (a script's) is told by and by, and in the log at once.
LETTERS_AT_ONCE_MAX = 20
# As many files as there can be, and some 200 octets for each.
_TOLD_OCTETS_MAX = 2 * 1024 * 1024


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
        language: str = "en",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._correspondence = correspondence
        self._path = folder / TOLD
        self._site = site
        self._language = language
        self._clock = clock
        self._told: dict[str, Told] | None = None

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

    def _broken(self, kept: Kept, to: Address) -> tuple[Address, bytes]:
        # A line of another file is not quoted: the site file names accounts.
        problems = [replace(each, quoted=each.quoted if each.file == kept.name else "") for each in kept.problems]
        words = [format_problem(each) for each in problems]
        head = self._correspondence.letterhead(to)
        letter = compose_file_broken(head, self._site(), kept.name, words, is_new=kept.is_new, language=self._language)
        return to, letter

    def _mended(self, name: str, to: Address) -> tuple[Address, bytes]:
        head = self._correspondence.letterhead(to)
        return to, compose_file_mended(head, self._site(), name, language=self._language)

    def _forgotten(self, told: Mapping[str, Told], broken: set[str], now: datetime) -> dict[str, Told]:
        """`told` without what matters no more."""
        return {
            name: each
            for name, each in told.items()
            if each.is_open or name in broken or abs(now - each.at) < BETWEEN_LETTERS
        }

    def _read(self) -> dict[str, Told]:
        try:
            read = json.loads(regular_octets(self._path, _TOLD_OCTETS_MAX, os.O_NOFOLLOW))
            return {
                name: Told(str(each["of"]), datetime.fromisoformat(each["at"]).astimezone(UTC), each["open"] is True)
                for name, each in read.items()
            }
        except FileError:
            return {}  # the first time
        except (ValueError, TypeError, KeyError, AttributeError):
            maillog.warning("what was told of settings files cannot be read; it may be told again", file=TOLD)
            return {}

    def _write(self, told: Mapping[str, Told]) -> None:
        whole = {name: {"of": each.of, "at": each.at.isoformat(), "open": each.is_open} for name, each in told.items()}
        try:
            replace_file(self._path, json.dumps(whole, indent=1).encode("ascii"))
        except OSError as error:
            maillog.warning("what was told of settings files cannot be kept", file=TOLD, why=error.strerror)


def _is_due(kept: Kept, told: Told | None, now: datetime) -> bool:
    if told is None:
        return True
    # A clock that was set back by more than a day does not silence anybody.
    return abs(now - told.at) >= BETWEEN_LETTERS and not (told.is_open and told.of == _hash(kept))


def _hash(kept: Kept) -> str:
    """What tells one mistake from another."""
    return sha256("\n".join(format_problem(each) for each in kept.problems).encode("utf-8", "replace")).hexdigest()
