"""The flow of `smtpguard remember`: read an archive > keep its posts in batches > note how far it was read.

A batch is kept before its place is noted, so that none is left out whenever the process dies; the one that was under
way is kept once more in the next run, which changes nothing, and is counted then only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from hashlib import blake2b

from smtpguard.archives import Archive, ArchivedMail, ArchiveError, Bookmark, Piece
from smtpguard.archives.coverage import dense_since, number_of_day
from smtpguard.archives.dates import date_of, sensible
from smtpguard.failpoints import reach
from smtpguard.lists import MailingList
from smtpguard.mail.bounds import BOUNDS, Bounds
from smtpguard.mail.header import read_header
from smtpguard.mail.parsing import parse_message
from smtpguard.seeding import SeededPost, Seeding
from smtpguard.store.archives import ArchiveStore, ReadArchive

# What is kept at once, and how much of it is in memory before.
BATCH_POSTS = 200
BATCH_OCTETS = 8 * 1024 * 1024
# Mails that are too old are only passed by; after so many the place is noted all the same.
NOTED_AFTER_MAILS = 5000
# All that is looked at of a header before its mail is worth reading.
HEADER_OCTETS = 64 * 1024
MARK_OCTETS = 16
LIST_OCTETS = 8
# What has none of these is no mail.
_FIELDS = frozenset(("from", "date", "message-id", "subject"))


@dataclass(slots=True)
class Counts:
    """What came of one archive: posts that were kept, now and in former runs; mails that are too old to be kept, that
    are none, and files that cannot be read. `stopped` if it was not read to its end."""

    posts: int = 0
    earlier: int = 0
    old: int = 0
    broken: int = 0
    unreadable: int = 0
    stopped: bool = False


@dataclass(slots=True)
class _State:
    """What is to be noted of one piece."""

    noted: ReadArchive
    last: datetime | None
    posts: int
    days: set[int]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A mail that is to be kept, and when the one before it was written."""

    mail: ArchivedMail
    state: _State
    own: datetime | None
    near: datetime | None


@dataclass(slots=True)
class _Batch:
    posts: list[_Waiting] = field(default_factory=list)
    places: dict[str, tuple[_State, Bookmark]] = field(default_factory=dict)
    octets: int = 0
    mails: int = 0

    @property
    def is_full(self) -> bool:
        full = len(self.posts) >= BATCH_POSTS or self.octets >= BATCH_OCTETS
        return full or self.mails >= NOTED_AFTER_MAILS


class Remembering:
    """Reads archives of `mailing_list` into `seeding`.

    `keys` are those by week under which marks live; `week` is the present one. `stops` is asked between two mails.
    `bounds` say how much of a mail is looked into.
    """

    def __init__(
        self,
        seeding: Seeding,
        archives: ArchiveStore,
        keys: Mapping[str, bytes],
        mailing_list: MailingList,
        *,
        week: str,
        now: datetime,
        bounds: Bounds = BOUNDS,
        stops: Callable[[], bool] = lambda: False,
    ) -> None:
        self._seeding = seeding
        self._archives = archives
        self._keys = keys
        self._list = mailing_list
        self._week = week
        self.oldest = seeding.oldest(mailing_list)
        self._now = now
        self._bounds = bounds
        self._stops = stops

    async def read(self, archive: Archive, counts: Counts, tell: Callable[[int], None]) -> None:
        """Read what is new in `archive`; `tell` is told how much of it has been read.

        Raises ArchiveError when all before the trouble is kept, StoreError, KeyFolderError.
        """
        for group in archive.groups():
            await self._read_group(archive, group, counts, tell)
            counts.unreadable = archive.unreadable
            tell(archive.read)
            if counts.stopped:
                return

    async def known_since(self) -> tuple[date, date | None]:
        """Note from when on the list is known; the day, and the last one that the archives have a post of."""
        marks = [(week, self._mark_of_list(week)) for week in self._keys]
        first = number_of_day(self.oldest.date())
        days = {each for each in await self._archives.days(marks) if each >= first}
        known = await self._seeding.known(self._list)
        until = (known or self._now).date()
        since = dense_since(days, until)
        if since < until:
            await self._seeding.note_known(self._list, datetime.combine(since, time(), UTC))
        last = date(1970, 1, 1) + timedelta(days=max(days)) if days else None
        return since, last

    async def _read_group(
        self, archive: Archive, group: Sequence[Piece], counts: Counts, tell: Callable[[int], None]
    ) -> None:
        found = await self._noted(group)
        counts.earlier += sum(each.posts for each in found.values())
        # An archive that is read on keeps its key; of files that come together, those that are known are not read.
        week = next(iter(found.values())).week if len(group) == 1 and found else self._week
        bookmarks = {name: Bookmark(each.position, each.taken, each.sample) for name, each in found.items()}
        states = {name: _State(each, each.last, each.posts, set(each.days)) for name, each in found.items()}
        batch = _Batch()
        trouble: ArchiveError | None = None
        mails = archive.mails(group, bookmarks, partial(_sample, self._keys[week]))
        while not counts.stopped:
            try:
                mail = next(mails, None)
            except ArchiveError as error:
                mail, trouble = None, error
            if mail is None:
                break
            if not mail.unfinished:
                state = self._state_of(mail, week, states, counts)
                self._take(mail, state, counts, batch)
            tell(archive.read)
            counts.stopped = self._stops()
            if batch.is_full:
                await self._keep(batch, counts)
                batch = _Batch()
        await self._keep(batch, counts)
        if trouble is not None:
            raise trouble

    async def _noted(self, group: Sequence[Piece]) -> dict[str, ReadArchive]:
        """What is known of these pieces, by name."""
        names = {(week, self._mark(week, each)): each.name for week in self._keys for each in group}
        marks: dict[str, list[bytes]] = {}
        for week, mark in names:
            marks.setdefault(week, []).append(mark)
        return {names[each.week, each.mark]: each for each in await self._archives.find(marks)}

    def _state_of(self, mail: ArchivedMail, week: str, states: dict[str, _State], counts: Counts) -> _State:
        state = states.get(mail.piece.name)
        if state is not None and not mail.known and _is_before(mail, state.noted):
            # Another archive has taken its place.
            counts.earlier -= state.noted.posts
            state = None
        if state is None:
            noted = ReadArchive(week, self._mark(week, mail.piece), self._mark_of_list(week), 0, 0, b"")
            state = states[mail.piece.name] = _State(noted, None, 0, set())
        return state

    def _take(self, mail: ArchivedMail, state: _State, counts: Counts, batch: _Batch) -> None:
        """Put `mail` into `batch`, if it is to be kept."""
        batch.mails += 1
        batch.places[mail.piece.name] = (state, mail.after)
        header, _ = read_header(mail.octets, most=HEADER_OCTETS)
        if _FIELDS.isdisjoint(header.names):
            counts.broken += not mail.known
            return
        own = date_of(header.first("date"), self._now)
        if own is not None and own < self.oldest:
            counts.old += not mail.known
            if state.last is None:
                batch.posts = [each if each.near else replace(each, near=own) for each in batch.posts]
        else:
            batch.posts.append(_Waiting(mail, state, own, state.last))
            batch.octets += len(mail.octets)
        state.last = own or state.last

    async def _keep(self, batch: _Batch, counts: Counts) -> None:
        """Keep what waits, then note how far the archive has been read."""
        posts = []
        following: datetime | None = None
        for each in reversed(batch.posts):
            following = each.own or following
            around = sensible(each.mail.piece.around, self._now)
            when = each.own or around or each.near or following or self._now
            if when < self.oldest:
                counts.old += not each.mail.known
                continue
            post = SeededPost(parse_message(each.mail.octets, self._bounds), when)
            if not self._seeding.is_wanted(self._list, post):
                continue  # of a desk, or to one: not even counted
            posts.append(post)
            if each.own is not None:
                each.state.days.add(number_of_day(each.own.date()))
            counts.posts += not each.mail.known
            each.state.posts += not each.mail.known
        posts.reverse()
        if posts:
            await self._seeding.add(self._list, posts)
            reach("remember.kept")
        for state, after in batch.places.values():
            state.noted = replace(
                state.noted,
                position=after.position,
                taken=after.taken,
                sample=after.sample,
                last=state.last,
                posts=state.posts,
                days=frozenset(state.days),
            )
        if batch.places:
            await self._archives.note([state.noted for state, _ in batch.places.values()])
            reach("remember.noted")

    def _mark(self, week: str, piece: Piece) -> bytes:
        return _keyed(self._keys[week], f"{self._list.id} {piece.name}", b"archive", MARK_OCTETS)

    def _mark_of_list(self, week: str) -> bytes:
        return _keyed(self._keys[week], self._list.id, b"archives of", LIST_OCTETS)


def _is_before(mail: ArchivedMail, noted: ReadArchive) -> bool:
    return mail.start < noted.position or mail.start == noted.position < noted.taken


def _keyed(key: bytes, text: str, what: bytes, octets: int) -> bytes:
    # `person` keeps the kinds apart. RFC 7693, 2.5 (parameter block).
    return blake2b(text.encode("utf-8", "surrogateescape"), key=key, digest_size=octets, person=what).digest()


def _sample(key: bytes, octets: bytes) -> bytes:
    return blake2b(octets, key=key, digest_size=MARK_OCTETS, person=b"archive sample").digest()
