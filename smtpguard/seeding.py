"""Posts from a list's archive become known, as if the guard had passed them when they were written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from smtpguard.keys import KeyFolder, season_of, week_of
from smtpguard.lists import MailingList
from smtpguard.mail.message import Account, Message
from smtpguard.marks import Marks, name_of_address, name_of_list
from smtpguard.policy import Policy
from smtpguard.private_mail import MailToKeep
from smtpguard.prose import ProseReader
from smtpguard.remembered import Question, RememberedPost
from smtpguard.remembered_mail import Glance, KnownList, MailQuestion, RememberedMail
from smtpguard.stock_phrases import StockPhrases
from smtpguard.store import MemoryStore, TextStore

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SeededPost:
    """A post of an archive, and when it was written."""

    message: Message = field(repr=False)
    when: datetime


class Seeding:
    """Writes posts into the memory, in the same form and under the same keys as `serve` does, which may run meanwhile.

    `keys` are those of threads, `private_keys` those of mailboxes and closed lists, `public_keys` those of public
    texts; private texts and threads are kept for `mails_kept`, public ones for `posts_kept`.
    """

    def __init__(
        self,
        posts: MemoryStore,
        texts: TextStore,
        keys: KeyFolder,
        private_keys: KeyFolder,
        public_keys: KeyFolder,
        policy: Policy,
        *,
        mails_kept: timedelta = timedelta(days=30),
        posts_kept: timedelta = timedelta(days=365),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._posts = posts
        self._texts = texts
        self._keys = _Keys(keys)
        self._private_keys = _Keys(private_keys)
        self._public_keys = _Keys(public_keys)
        self._policy = policy
        self._mails_kept = mails_kept
        self._posts_kept = posts_kept
        self._clock = clock
        self._reader = ProseReader()
        self._stock = StockPhrases(self._reader)

    def oldest(self, of: MailingList) -> datetime:
        """Older posts of this list are not kept. A season of public texts goes as a whole, with its first day, so of an
        open list the oldest that are kept are of the first season that stays."""
        now = self._clock()
        if of.is_closed:
            return now - self._mails_kept
        last = now - self._posts_kept
        day, week = last.date(), week_of(last.date())
        while season_of(day) < week:
            day += timedelta(days=1)
        return datetime.combine(day, time(), UTC)

    def is_wanted(self, of: MailingList, post: SeededPost) -> bool:
        """False for what is too old to be kept, and for posts of or to a desk (T-15)."""
        named = (*post.message.authors, *post.message.destinations)
        return post.when >= self.oldest(of) and self._policy.desks.isdisjoint(map(self._policy.completed, named))

    async def add(self, of: MailingList, posts: Sequence[SeededPost]) -> int:
        """Write `posts` of one list, all or none of their texts, and return how many are to be kept (`is_wanted`).
        What is there already stays as it is.

        Raises StoreError, KeyFolderError.
        """
        wanted = [each for each in posts if self.is_wanted(of, each)]
        if not wanted:
            return 0
        mails = await self._closed(of, wanted) if of.is_closed else []
        public = {} if of.is_closed else await asyncio.to_thread(self._public, wanted)
        threads = await self._threads(of, wanted)
        await self._texts.remember_texts(mails, public)
        if threads:
            await self._posts.remember(threads, [])
        return len(wanted)

    async def note_known(self, of: MailingList, since: datetime) -> None:
        """All posts of this list from `since` on are known. Raises StoreError, KeyFolderError."""
        season = season_of(self._clock().date())
        marks = await asyncio.to_thread(self._public_keys.marks, season)
        await self._texts.note_known([KnownList(season, marks.list(of.id), since)])

    async def known(self, of: MailingList) -> datetime | None:
        """Since when all posts of this list are known. Raises StoreError, KeyFolderError."""
        seasons = await asyncio.to_thread(self._public_keys.living)
        rows = await self._texts.known_lists()
        since = [
            each.since for each in rows if each.season in seasons and each.list == seasons[each.season].list(of.id)
        ]
        return min(since, default=None)

    def _public(self, posts: Sequence[SeededPost]) -> dict[str, set[int]]:
        public: dict[str, set[int]] = {}
        for post in posts:
            season = season_of(post.when.date())
            prose = self._reader.read_together([each.text for each in post.message.passages])
            public.setdefault(season, set()).update(self._public_keys.marks(season).copier.of_prose(prose))
        return public

    async def _closed(self, of: MailingList, posts: Sequence[SeededPost]) -> list[RememberedMail]:
        """Rows for those that are not there yet: a post that is there twice would be one of two threads, and its words
        nobody's."""
        name = name_of_list(of.id)
        ring = await asyncio.to_thread(self._private_keys.living, {week_of(each.when.date()) for each in posts})
        boxes = [ring[week].mailbox(name) for week in sorted(ring, reverse=True)]
        ids = [each.message.message_id for each in posts]
        marks = {one: {box.message(one) for box in boxes} for one in ids if one is not None}
        mailboxes = tuple(each.itself for each in boxes)
        since = self.oldest(of)
        asked = MailQuestion(mailboxes, since - _DAY, False, tuple(set[bytes]().union(*marks.values())))
        there = {each.message for each in await self._texts.glances(asked)}
        earlier = [*await self._texts.glances(MailQuestion(mailboxes, since))]
        rows: list[RememberedMail] = []
        for post, message_id in zip(posts, ids, strict=True):
            if message_id is None or there.isdisjoint(marks[message_id]):
                row = await asyncio.to_thread(self._closed_row, post, name, ring, earlier)
                there |= {row.message} - {b""}
                earlier.append(row.glance)
                rows.append(row)
        return rows

    def _closed_row(
        self, post: SeededPost, name: str, ring: Mapping[str, Marks], earlier: Sequence[Glance]
    ) -> RememberedMail:
        writers = tuple(map(name_of_address, post.message.authors))
        kept = MailToKeep(
            post.message, post.message.message_id or post.when.isoformat(), post.when, writers, self._policy,
            self._reader, known=self._stock.of(self._policy),
        )  # fmt: skip
        return kept.for_mailbox(name, (), week_of(post.when.date()), ring, earlier, of_list=True)

    async def _threads(self, of: MailingList, posts: Sequence[SeededPost]) -> list[RememberedPost]:
        since = self._clock() - self._policy.thread_memory
        # What has no Message-ID, nobody can answer.
        recent = {each.message.message_id: each for each in posts if each.when >= since and each.message.message_id}
        return [self._thread(of, each) for each in recent.values() if not await self._is_there(of, each)]

    async def _is_there(self, of: MailingList, post: SeededPost) -> bool:
        """True if the guard has passed it, or an archive was read twice: then its author would have written two."""
        message, day = post.message, post.when.date()
        if message.message_id is None or not message.authors:
            return False
        ring = [self._keys.marks(each) for each in {week_of(day - _DAY), week_of(day), week_of(day + _DAY)}]
        author = Account(login="", mailbox=message.authors[0])
        accounts = tuple(each.account(author) for each in ring)
        links = tuple(link for each in ring for link in each.links((message.message_id,)))
        asked = Question(accounts=accounts, links=links, thread_since=post.when - _DAY, recent_since=post.when - _DAY)
        lists = {each.list(of.id) for each in ring}
        thread = (await self._posts.ask(asked)).thread
        return any(each.account in accounts and not lists.isdisjoint(each.lists) for each in thread)

    def _thread(self, of: MailingList, post: SeededPost) -> RememberedPost:
        """What answers to it will ask for; its words are nobody's whose next post might be alike (12-12)."""
        message = post.message
        marks = self._keys.marks(week_of(post.when.date()))
        author = message.authors[0] if message.authors else None
        ids = ((message.message_id,) if message.message_id else ()) + message.references
        return RememberedPost(
            week=marks.week,
            when=post.when,
            account=marks.account(Account(login="", mailbox=author)),
            lists=marks.lists((of.id,)),
            home=None if message.references else marks.list(of.id),
            links=marks.links(ids),
        )


class _Keys:
    """The marks of any week, made where there are none."""

    def __init__(self, folder: KeyFolder) -> None:
        self._folder = folder
        self._marks: dict[str, Marks] = {}

    def marks(self, week: str) -> Marks:
        """Raises KeyFolderError."""
        if week not in self._marks:
            self._marks[week] = Marks(week, self._folder.week_key(week, create=True))
        return self._marks[week]

    def living(self, weeks: Collection[str] = ()) -> dict[str, Marks]:
        """Those of all weeks that have a key, and of `weeks`. Raises KeyFolderError."""
        return {each: self.marks(each) for each in sorted({*self._folder.weeks(), *weeks})}
