"""What is wrong with a file that a setting names."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from smtpguard.config.places import surroundings_of
from smtpguard.config.sources import AbsentFileError, FileError

# A key of 16,384 bits has 13 KB.
SECRET_OCTETS_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class FileTrouble:
    """What is wrong with the file that the setting `key` names. `is_fatal` if nothing can be served with it.

    `is_absent`: there is none, as where settings are written on another machine than the one that will serve.
    """

    key: str
    path: Path
    text: str
    is_fatal: bool = True
    is_absent: bool = False

    def __str__(self) -> str:
        return f'"{self.key}" {self.text}: {self.path}'


def unusable(key: str, path: Path, error: FileError) -> FileTrouble:
    """The file at `path` cannot be read, or not be used."""
    return FileTrouble(key, path, f"{error}{_as_credential(key, path)}", is_absent=isinstance(error, AbsentFileError))


def _as_credential(key: str, path: Path) -> str:
    """Where systemd keeps secrets for us (LoadCredential=, systemd.exec(5)), what that means for this one."""
    credentials = surroundings_of(path.parent).credentials
    if credentials is None or key.endswith(".ca"):
        return ""
    if path.parent == credentials:
        return f" (the credential {path.name}: its file is the one that LoadCredential= of the service names)"
    return " (to make it a credential, write LoadCredential=NAME:FILE in the service, and the NAME alone here)"


def readable_by_all(key: str, path: Path) -> Iterator[FileTrouble]:
    """A secret that lies open."""
    if path.stat().st_mode & stat.S_IROTH:
        yield FileTrouble(key, path, "can be read by every user of the machine (correct it with chmod o=)", False)
