"""The names of keys that are erased everywhere, in a file in the key folder of a node that shares keys with others.

The share says it, too; but that is in a database, and an older copy of it that is put back would bring erased keys to
life again out of the folder of a node that was away (THREAT-MODEL T-04, T-05). A line is a day and a name, only added.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from smtpguard.keyshare import AWAY_MAX
from smtpguard.whole_file import replace_file, sync_folder


class ErasedNames:
    """The file at `path`, if there is one. Every method raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> dict[str, date]:
        """Names, and the days on which those keys were erased."""
        try:
            text = self._path.read_bytes().decode("ascii", "replace")
        except FileNotFoundError:
            return {}
        found: dict[str, date] = {}
        # What stands behind the last line end was torn by a power cut.
        for line in text.split("\n")[:-1]:
            day, _, name = line.partition(" ")
            try:
                found.setdefault(name, date.fromisoformat(day))
            except ValueError:
                continue
        return found

    def add(self, erased: Mapping[str, date], today: date) -> None:
        """Write these behind what there is, durably; when all is too long ago to matter, it is left out again."""
        known = self.names()
        kept = {name: day for name, day in known.items() if today - day <= AWAY_MAX}
        new = {name: day for name, day in erased.items() if name not in known and today - day <= AWAY_MAX}
        if len(kept) < len(known):
            replace_file(self._path, _lines(kept | new))
        elif new:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(self._path, flags, 0o600), "ab") as file:
                # Behind half a line, that one ends here.
                file.write((b"\n" if file.tell() else b"") + _lines(new))
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self._path.parent)


def _lines(names: Mapping[str, date]) -> bytes:
    return "".join(f"{day.isoformat()} {name}\n" for name, day in names.items()).encode("ascii")
