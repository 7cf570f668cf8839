"""Archives are read into one file of mails as they were submitted, each once, and an index in order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, NamedTuple

from smtpguard.archives import Archive, ArchivedMail, ArchiveError
from smtpguard.archives.dates import date_of, sensible
from smtpguard.archives.files import OneMail
from smtpguard.archives.mbox import Mbox
from smtpguard.archives.opening import open_archive
from smtpguard.mail.header import Header, message_ids, read_header
from smtpguard.tools.replay.chronology import Dated, in_order_of_time
from smtpguard.tools.replay.posts import as_submitted

# The index takes some 500 octets of memory for each mail.
MAILS_MAX = 1_000_000
# All that is looked at of a header.
HEADER_OCTETS = 64 * 1024
# How a report names a mail; what is longer was written to make a report long.
MESSAGE_ID_CHARACTERS_MAX = 250
# A post stands in the archives of as many lists as it went to.
HOMES_MAX = 100
# Lists, each with some wordings of its List-Id. Of further ones only the archive is known.
DISTINCT_HOMES_MAX = 20_000
# A list identifier has at most 255 octets (RFC 2919, 2), and a name beside it.
LIST_FIELD_CHARACTERS_MAX = 1000
# An answer names the mail that it answers, and most programs those before it; the last ones are enough for its place.
ANSWERED_MAX = 3
# The fields in which a list manager says for which list it has distributed a mail.
_LIST_FIELDS = ("list-id", "list-post")
# What has none of these is no mail.
_FIELDS = frozenset(("from", "date", "message-id", "subject"))


class TooManyMailsError(Exception):
    """The archives have more mails than are replayed together."""


@dataclass(frozen=True, slots=True)
class Source:
    """An archive as it was named: `list` is the list that LIST=ARCHIVE says, None if its mails must tell."""

    path: Path
    list: str | None = None

    @property
    def name(self) -> str:
        """What a report calls it."""
        return str(self.path)


class Home(NamedTuple):
    """Where a copy of a mail was found: the number of its archive, and the List-Id and List-Post that it has there."""

    archive: int
    list_id: str = ""
    list_post: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One mail: where it lies in the spool, when it came in, and by what a report names it.

    `position` is its number in an mbox, else the name of its file. `homes` are all archives that have it.
    """

    start: int
    octets: int
    when: datetime
    position: str = field(repr=False)
    message_id: str = field(repr=False)
    homes: tuple[Home, ...] = field(repr=False)


@dataclass(slots=True)
class Read:
    """What came of one archive. `twice` were there before, here or in another archive."""

    source: Source = field(repr=False)
    mails: int = 0
    twice: int = 0
    broken: int = 0
    undated: int = 0
    unreadable: int = 0
    trouble: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The mails of all archives in order of time, and the spool that has their octets."""

    spool: Path = field(repr=False)
    entries: tuple[Entry, ...] = field(repr=False)
    archives: tuple[Read, ...] = field(repr=False)


# Told how much of an archive has been read.
Tell = Callable[[int], None]
# Shows how far an archive (its name, its size) has been read.
Shows = Callable[[str, int], AbstractContextManager[Tell]]


class Gathering:
    """Reads archives one after the other into `spool`, a new file."""

    def __init__(self, spool: Path, now: datetime) -> None:
        self._spool = spool
        self._now = now
        self._entries: list[Entry] = []
        self._dated: list[Dated] = []
        self._by_id: dict[bytes, int] = {}
        self._homes: dict[Home, Home] = {}
        self._archives: list[Read] = []
        self._position = 0

    def gather(self, sources: Sequence[Source], shows: Shows) -> Gathered:
        """Read `sources`; an archive that cannot be read, or not to its end, has its `trouble`.

        Raises TooManyMailsError, OSError if the spool cannot be written.
        """
        with self._spool.open("xb") as spool:
            for source in sources:
                read = Read(source)
                self._archives.append(read)
                try:
                    archive = open_archive(source.path, nullcontext)
                    with shows(source.path.name or source.name, archive.size) as tell:
                        self._read(archive, read, spool, tell)
                except ArchiveError as error:
                    read.trouble = str(error)
        ordered = in_order_of_time(self._dated)
        entries = (replace(self._entries[number], when=_moment(when)) for number, when in ordered)
        return Gathered(self._spool, tuple(entries), tuple(self._archives))

    def _read(self, archive: Archive, read: Read, spool: BinaryIO, tell: Tell) -> None:
        near: datetime | None = None
        for position, mail in _mails(archive):
            tell(archive.read)
            read.unreadable = archive.unreadable
            header, _ = read_header(mail.octets, most=HEADER_OCTETS)
            if mail.unfinished or _FIELDS.isdisjoint(header.names):
                read.broken += 1
                continue
            # A mail without a date came in after the one before it.
            near = date_of(header.first("date"), self._now) or sensible(mail.piece.around, self._now) or near
            if near is None:
                read.undated += 1
            else:
                self._take(position, mail, header, near, read, spool)
        read.unreadable = archive.unreadable

    def _take(
        self, position: str, mail: ArchivedMail, header: Header, when: datetime, read: Read, spool: BinaryIO
    ) -> None:
        list_id, list_post = (header.first(each)[:LIST_FIELD_CHARACTERS_MAX] for each in _LIST_FIELDS)
        home = Home(len(self._archives) - 1, list_id, list_post)
        if len(self._homes) >= DISTINCT_HOMES_MAX and home not in self._homes:
            home = Home(home.archive)
        home = self._homes.setdefault(home, home)
        ids = message_ids(header.first("message-id"))
        mark = _mark(ids[0]) if ids else None
        known = None if mark is None else self._by_id.get(mark)
        if known is not None:
            read.twice += 1
            entry = self._entries[known]
            if home not in entry.homes and len(entry.homes) < HOMES_MAX:
                self._entries[known] = replace(entry, homes=(*entry.homes, home))
            return
        if len(self._entries) >= MAILS_MAX:
            raise TooManyMailsError(f"more than {MAILS_MAX:,} mails: name fewer archives")
        octets = as_submitted(mail.octets)
        spool.write(octets)
        if mark is not None:
            self._by_id[mark] = len(self._entries)
        answers = message_ids(header.first("references"), header.first("in-reply-to"))[-ANSWERED_MAX:]
        self._dated.append(Dated(when.timestamp(), mark, tuple(map(_mark, answers))))
        message_id = (ids[0] if ids else "")[:MESSAGE_ID_CHARACTERS_MAX]
        self._entries.append(Entry(self._position, len(octets), when, position, message_id, (home,)))
        self._position += len(octets)
        read.mails += 1


def _mails(archive: Archive) -> Iterator[tuple[str, ArchivedMail]]:
    """All mails of `archive` and their positions."""
    has_numbers = isinstance(archive, Mbox | OneMail)
    number = 0
    for group in archive.groups():
        for mail in archive.mails(group, {}, lambda _: b""):
            number += 1
            yield (str(number) if has_numbers else mail.piece.path.name), mail


def _mark(message_id: str) -> bytes:
    return blake2b(message_id.encode("utf-8", "surrogateescape"), digest_size=10).digest()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
