"""Archives where each mail has a file of its own: Maildir, a folder of .eml files, one such file.

A folder is gone through in whatever order the system gives: to sort the names, all would have to be in memory.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from smtpguard.archives import MAIL_OCTETS_MAX, Access, ArchivedMail, ArchiveError, Bookmark, Keyed, Piece

# Files that are looked up together.
GROUP_FILES = 200
# In the order in which a mail program moves its mails: one that is moved meanwhile is met twice, not missed.
MAILDIR_FOLDERS = ("new", "cur")
# Behind it a Maildir has what was done with a mail, which changes.
_FLAGS = ":"
_SECONDS = re.compile(r"(\d{9,10})\.")


class MailFiles:
    """The mails in `folder` (absolute), each in a file of its own. `read` and `size` count files.

    A Maildir has them in two folders, and their names begin with the time of arrival, in seconds. A file that cannot be
    opened is passed over and counted in `unreadable`: the next run finds it again.
    """

    def __init__(self, folder: Path, access: Access, *, maildir: bool) -> None:
        self._folder = folder
        self._access = access
        self._maildir = maildir
        self.read = 0
        self.unreadable = 0

    @property
    def size(self) -> int:
        return sum(1 for _ in self._pieces())

    def groups(self) -> Iterator[Sequence[Piece]]:
        pieces = self._pieces()
        while group := tuple(islice(pieces, GROUP_FILES)):
            yield group

    def mails(self, group: Sequence[Piece], bookmarks: Mapping[str, Bookmark], keyed: Keyed) -> Iterator[ArchivedMail]:
        for piece in group:
            self.read += 1
            if piece.name not in bookmarks:
                try:
                    with opened(piece.path, self._access, follow=False) as file:
                        octets = file.read(MAIL_OCTETS_MAX)
                except FileNotFoundError:
                    continue  # moved or deleted since; moved, it is met again
                except (OSError, ArchiveError):
                    self.unreadable += 1
                    continue
                yield ArchivedMail(piece, 0, octets, Bookmark(taken=len(octets)))

    def _pieces(self) -> Iterator[Piece]:
        kind = "maildir" if self._maildir else "folder"
        begin = f"{kind} {self._folder}/"
        folders = [self._folder / each for each in MAILDIR_FOLDERS] if self._maildir else [self._folder]
        for folder in folders:
            for path in self._files(folder):
                unique = path.name.partition(_FLAGS)[0] if self._maildir else path.name
                yield Piece(begin + unique, path, _arrival(unique) if self._maildir else None)

    def _files(self, folder: Path) -> Iterator[Path]:
        """Bounded, however many there are."""
        try:
            with self._access():
                entries = os.scandir(folder)
            with entries:
                for each in entries:
                    is_mail = not each.name.startswith(".") and (self._maildir or is_eml(each.name))
                    if is_mail and not each.is_dir(follow_symlinks=False):
                        yield Path(each.path)
        except FileNotFoundError:
            return  # a Maildir without new mail
        except OSError as error:
            raise ArchiveError(said(error)) from error


class OneMail:
    """A file that is one mail."""

    unreadable = 0

    def __init__(self, path: Path, access: Access) -> None:
        self._path = path
        self._access = access
        self.size = 1
        self.read = 0

    def groups(self) -> Iterator[Sequence[Piece]]:
        yield (Piece(f"mail {self._path}", self._path),)

    def mails(self, group: Sequence[Piece], bookmarks: Mapping[str, Bookmark], keyed: Keyed) -> Iterator[ArchivedMail]:
        self.read = 1
        for piece in group:
            if piece.name not in bookmarks:
                try:
                    with opened(self._path, self._access) as file:
                        octets = file.read(MAIL_OCTETS_MAX)
                except OSError as error:
                    raise ArchiveError(said(error)) from error
                yield ArchivedMail(piece, 0, octets, Bookmark(taken=len(octets)))


def is_eml(name: str) -> bool:
    """True if `name` is that of a file with one mail."""
    return name.lower().endswith(".eml")


@contextmanager
def opened(path: Path, access: Access, *, follow: bool = True) -> Iterator[BinaryIO]:
    """A plain file, open for reading; `access` is needed only to open it. Raises OSError, ArchiveError."""
    # Not to wait for whoever writes into a pipe.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    with access():
        number = os.open(path, flags)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise ArchiveError("this is no file")
        yield file


def said(error: OSError) -> str:
    """What the system says, without the name."""
    if error.errno == errno.ELOOP:
        return "this is a link that leads to itself"
    return error.strerror or type(error).__name__


def _arrival(unique: str) -> datetime | None:
    """The Maildir's own time of a mail."""
    found = _SECONDS.match(unique)
    return None if found is None else datetime.fromtimestamp(int(found[1]), UTC)
