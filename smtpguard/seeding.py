"""Posts from a list's archive become known, as if the guard had passed them when they were written."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from smtpguard.keys import KeyFolder, season_of, week_of
from smtpguard.lists import MailingList
from smtpguard.mail.message import Account, Message
from smtpguard.marks import Marks, name_of_address, name_of_list
from smtpguard.policy import Policy
from smtpguard.private_mail import MailToKeep
from smtpguard.prose import ProseReader
from smtpguard.remembered import RememberedPost
from smtpguard.remembered_mail import KnownList, RememberedMail
from smtpguard.stock_phrases import StockPhrases
from smtpguard.store import MemoryStore, TextStore


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
        """Older posts of this list are not kept. Of an open one all are that are in a season whose first day is not too
        old: the season goes as a whole."""
        now = self._clock()
        return now - (self._mails_kept if of.is_closed else self._posts_kept)

    async def add(self, of: MailingList, posts: Sequence[SeededPost]) -> int:
        """Write `posts` of one list, all or none of their texts, and return how many are not too old to be kept.

        Raises StoreError, KeyFolderError.
        """
        wanted = [each for each in posts if self._is_wanted(of, each)]
        if not wanted:
            return 0
        mails, public, threads = await asyncio.to_thread(self._read, of, wanted)
        await self._texts.remember_texts(mails, public)
        if threads:
            await self._posts.remember(threads, [])
        return len(wanted)

    async def note_known(self, of: MailingList, since: datetime) -> None:
        """All posts of this list from `since` on are known. Raises StoreError, KeyFolderError."""
        season = season_of(self._clock().date())
        marks = await asyncio.to_thread(self._public_keys.marks, season)
        await self._texts.note_known([KnownList(season, marks.list(of.id), since)])

    def _is_wanted(self, of: MailingList, post: SeededPost) -> bool:
        if of.is_closed:
            return post.when >= self.oldest(of)
        return season_of(post.when.date()) >= week_of(self.oldest(of).date())

    def _read(
        self, of: MailingList, posts: Sequence[SeededPost]
    ) -> tuple[list[RememberedMail], dict[str, array[int]], list[RememberedPost]]:
        mails: list[RememberedMail] = []
        public: dict[str, array[int]] = {}
        threads: list[RememberedPost] = []
        for post in posts:
            if of.is_closed:
                mails.append(self._closed(of, post))
            else:
                season = season_of(post.when.date())
                prose = self._reader.read_together([each.text for each in post.message.passages])
                shingles = b"".join(shingle for _, shingle in prose.shingles())
                made = self._public_keys.marks(season).copier.of_shingles(shingles)
                public.setdefault(season, array("q")).extend(made)
            if post.when >= self._clock() - self._policy.thread_memory:
                threads.append(self._thread(of, post))
        return mails, public, threads

    def _closed(self, of: MailingList, post: SeededPost) -> RememberedMail:
        week = week_of(post.when.date())
        writers = tuple(map(name_of_address, post.message.authors))
        kept = MailToKeep(
            post.message, post.message.message_id or post.when.isoformat(), post.when, writers, self._policy,
            self._reader, known=self._stock.of(self._policy),
        )  # fmt: skip
        ring = {week: self._private_keys.marks(week)}
        return kept.for_mailbox(name_of_list(of.id), (), week, ring, of_list=True)

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
