"""Archives of list posts, as list servers and mail programs keep them: read within bounds, and on from where one was.

The standard library's `mailbox` reads a whole mbox to find its mails, holds lines and mails of any length, and begins
at the beginning each time; no library that does not was found to be looked after. Content-Length is believed in no
dialect: whoever edits an archive leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

# So much of one mail is kept, which is more than is looked into of its text; what lies behind is passed over.
MAIL_OCTETS_MAX = 12 * 1024 * 1024

# Makes this process somebody who may read archives, for a moment: they belong to the list server, not to the guard.
Access = Callable[[], AbstractContextManager[None]]


class ArchiveError(Exception):
    """An archive cannot be read, or not to its end; the text says why, without its name."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What has a bookmark of its own: an mbox, or a file with one mail.

    `name` is the same in every run; `around` is when its mail came in, where the archive says so beside the mail.
    """

    name: str = field(repr=False)
    path: Path = field(repr=False)
    around: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bookmark:
    """How far a piece has been read, in octets, after decompression.

    The next mail begins at `position`. What stands from there to `taken` was taken as the last mail, which may not have
    been whole. `sample` is made of what stood around these places, to know the archive again.
    """

    position: int = 0
    taken: int = 0
    sample: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ArchivedMail:
    """One mail, which begins at `start`: its first MAIL_OCTETS_MAX octets, lines as they are there. `after` is to be
    noted once it is kept.

    `known` is true if a former run has taken it already and it has only become longer; `unfinished` if it is all that
    an archive's end has of a mail, not even a header.
    """

    piece: Piece
    start: int
    octets: bytes = field(repr=False)
    after: Bookmark
    known: bool = False
    unfinished: bool = False


# Makes a sample of octets that says nothing to whoever does not have the key.
Keyed = Callable[[bytes], bytes]


class Archive(Protocol):
    """One archive, of any kind."""

    @property
    def size(self) -> int:
        """How much there is to read, in the unit of `read`: octets, or files."""

    @property
    def read(self) -> int:
        """How much of `size` has been read."""

    @property
    def unreadable(self) -> int:
        """How many files of it could not be opened."""

    def groups(self) -> Iterator[Sequence[Piece]]:
        """All pieces, so many together as are worth one look for their bookmarks. Raises ArchiveError."""

    def mails(self, group: Sequence[Piece], bookmarks: Mapping[str, Bookmark], keyed: Keyed) -> Iterator[ArchivedMail]:
        """The mails of `group` behind their bookmarks (by the name of the piece), in order, and those that have grown.

        Raises ArchiveError, also after some mails.
        """
