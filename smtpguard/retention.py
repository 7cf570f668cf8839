"""Mails that wait to be remembered, and how they are written: in batches, behind everybody's back.

What a mail becomes in each mailbox depends on what lies there already (its thread, and words that came before), so it
is read and made into rows only when it is written. If the process dies before, a question is not asked later, and no
mail is lost or sent twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from smtpguard import maillog
from smtpguard.key_file import KeyFolderError
from smtpguard.key_ring import KeyRing
from smtpguard.keys import season_of, week_of
from smtpguard.mail.message import Message
from smtpguard.marks import MailboxMarks, name_of_list
from smtpguard.policy import Policy
from smtpguard.private_mail import MailToKeep, Parties
from smtpguard.prose import CHARACTERS_MAX, Prose, ProseReader
from smtpguard.remembered_mail import MailQuestion, RememberedMail
from smtpguard.stock_phrases import StockPhrases
from smtpguard.store import StoreError, TextStore
from smtpguard.writer import WRITE_SECONDS, Writer

# So many mails are written at once.
BATCH_MAILS = 50
# Mails that wait to be written, and the characters they have together: some 32 MB. A database that refuses longer than
# they last costs memory of mails, not mails.
PENDING_MAX = 1000
PENDING_CHARACTERS_MAX = 4 * 1024 * 1024
# What waits of one mail: of a text no more than CHARACTERS_MAX is read, and what fills several of them is a table or a
# log that is attached. The letter that it comes with is remembered all the same.
KEPT_CHARACTERS_MAX = 4 * CHARACTERS_MAX

# Up to this a mail is read where the others are served: it takes 0.3 ms.
INLINE_CHARACTERS_MAX = 8 * 1024

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, eq=False)
class MailToRemember:
    """A mail that waits to be written: for the mailboxes of `parties`, for closed lists, or as a public text, which is
    `prose` if it has been read already."""

    message: Message
    mail_id: str
    when: datetime
    writers: tuple[str, ...]
    policy: Policy
    parties: Parties | None = None
    closed: tuple[str, ...] = ()
    foreign: frozenset[bytes] = frozenset()
    prose: Prose | None = None

    @property
    def mailboxes(self) -> frozenset[str]:
        if self.parties is not None:
            return self.parties.recipients | {self.parties.author}
        return frozenset(map(name_of_list, self.closed))

    def known_to(self, name: str) -> frozenset[str]:
        """Who knows it, as far as `name` can see; of a list's readers nothing is known."""
        return self.parties.known_to(name) if self.parties is not None else frozenset()

    @property
    def characters(self) -> int:
        return sum(len(each.text) for each in self.message.passages)

    def as_far_as_read(self) -> MailToRemember:
        """This one, with no more of its texts than is read of them."""
        if self.characters <= KEPT_CHARACTERS_MAX:
            return self
        passages, room = [], KEPT_CHARACTERS_MAX
        for each in self.message.passages:
            most = min(room, CHARACTERS_MAX)
            passages.append(each if len(each.text) <= most else replace(each, text=each.text[:most]))
            room -= len(passages[-1].text)
            if room <= 0:
                break
        return replace(self, message=replace(self.message, passages=tuple(passages)))


class Retention:
    """Writes mails into `store`, under the keys of `ring` (mailboxes) and `public_ring` (list posts).

    `is_post` says whether a Message-ID is known as that of a list post at that time, `mails_kept` how long mailboxes
    keep their mail.
    """

    def __init__(
        self,
        store: TextStore,
        ring: KeyRing,
        public_ring: KeyRing,
        reader: ProseReader,
        stock: StockPhrases,
        *,
        is_post: Callable[[str, datetime], Awaitable[bool]],
        mails_kept: Callable[[], timedelta],
        write_seconds: float = WRITE_SECONDS,
    ) -> None:
        self._store = store
        self._ring = ring
        self._public_ring = public_ring
        self._reader = reader
        self._stock = stock
        self._is_post = is_post
        self._mails_kept = mails_kept
        self._pending: list[MailToRemember] = []
        self._pending_characters = 0
        self._pending_for: Counter[str] = Counter()
        self._writing = asyncio.Lock()
        self._writer = Writer(self.write_pending, lambda: bool(self._pending), "mails", seconds=write_seconds)

    def waits_for(self, mailbox: str) -> bool:
        """True if mail for this mailbox (by name) is not written yet."""
        return self._pending_for[mailbox] > 0

    @property
    def has_public(self) -> bool:
        """True if posts that everybody may read are not written yet."""
        return any(not each.mailboxes for each in self._pending)

    async def settle(self) -> None:
        """Write what waits to be written, now."""
        await self._writer.settle()

    def add(self, kept: MailToRemember) -> None:
        """Remember this one. Never raises, never waits."""
        kept = kept.as_far_as_read()
        characters = kept.characters
        if len(self._pending) >= PENDING_MAX or self._pending_characters + characters > PENDING_CHARACTERS_MAX:
            self._writer.lose()
            return
        self._pending.append(kept)
        self._pending_characters += characters
        self._pending_for.update(kept.mailboxes)
        much = self._pending_characters >= PENDING_CHARACTERS_MAX // 2
        self._writer.begin(at_once=much or len(self._pending) >= BATCH_MAILS)

    def drop(self) -> None:
        """What waits is not to be remembered any more."""
        self._pending.clear()
        self._pending_for.clear()
        self._pending_characters = 0

    async def write_pending(self) -> None:
        """Write all that waits now. Raises StoreError, KeyFolderError; then it waits on."""
        async with self._writing:
            batch = self._pending[:BATCH_MAILS]
            while batch:
                await self.write(batch)
                if self._pending[: len(batch)] == batch:  # else all was dropped meanwhile
                    del self._pending[: len(batch)]
                    for each in batch:
                        self._pending_characters -= each.characters
                        self._pending_for.subtract(each.mailboxes)
                    self._pending_for += Counter()  # forgets what is zero
                batch = self._pending[:BATCH_MAILS]

    async def write(self, batch: Sequence[MailToRemember]) -> None:
        """Write these, all or none. Raises StoreError, KeyFolderError."""
        rows: list[RememberedMail] = []
        public: dict[str, set[int]] = {}
        for kept in batch:
            try:
                if kept.mailboxes:
                    rows += await self._rows(kept, rows)
                else:
                    season = season_of(kept.when.date())
                    public.setdefault(season, set()).update(await self._public(kept, season))
            except (StoreError, KeyFolderError):
                raise
            except Exception as error:  # a bug of ours; the others shall not wait behind this one for ever
                maillog.fault("a mail could not be remembered", error, kept.mail_id)
        await self._store.remember_texts(rows, public)

    async def _public(self, kept: MailToRemember, season: str) -> set[int]:
        """The fingerprints of all that a list post has: what it quotes is public from now on as well."""
        marks = (await self._public_ring.marks(season))[season]

        def read() -> set[int]:
            prose = kept.prose or self._reader.read_together([each.text for each in kept.message.passages])
            return marks.copier.of_prose(prose)

        return await _done(kept, read)

    async def _rows(self, kept: MailToRemember, beside: Sequence[RememberedMail]) -> list[RememberedMail]:
        """One row for each mailbox; `beside` are those of the same batch, which are not written yet."""
        week = week_of(kept.when.date())
        ring = await self._ring.marks(week)
        mail = await _done(kept, partial(self._mail, kept))
        message_id = kept.message.message_id
        is_link = message_id is None or bool(kept.closed) or not await self._is_post(message_id, kept.when)
        rows = []
        for name in sorted(kept.mailboxes):
            boxes = [ring[each].mailbox(name) for each in sorted(ring, reverse=True)]
            mine = frozenset(each.itself for each in boxes)
            earlier = [*await self._store.glances(self._question(kept, boxes, texts=mail.brings))]
            earlier += [each.glance for each in beside if each.mailbox in mine]
            row = partial(mail.for_mailbox, is_link=is_link, of_list=bool(kept.closed))
            rows.append(await _done(kept, partial(row, name, kept.known_to(name), week, ring, earlier)))
        return rows

    def _mail(self, kept: MailToRemember) -> MailToKeep:
        return MailToKeep(
            kept.message, kept.mail_id, kept.when, kept.writers, kept.policy, self._reader,
            known=self._stock.of(kept.policy), foreign=kept.foreign,
            texts=bool(kept.closed) or kept.policy.remember.texts,
        )  # fmt: skip

    def _question(self, kept: MailToRemember, boxes: Sequence[MailboxMarks], *, texts: bool) -> MailQuestion:
        """What a mailbox has of this thread; all that it has, where words that came with it may be there already."""
        since = kept.when - self._mails_kept()
        mailboxes = tuple(each.itself for each in boxes)
        if texts:
            return MailQuestion(mailboxes, since)
        ids = kept.message.references + ((kept.message.message_id,) if kept.message.message_id else ())
        return MailQuestion(mailboxes, since, False, tuple(box.message(each) for box in boxes for each in ids))


async def _done(kept: MailToRemember, work: Callable[[], Value]) -> Value:
    """What `work` gives, of a large mail in a thread: handing over costs more than reading a letter."""
    if kept.characters > INLINE_CHARACTERS_MAX:
        return await asyncio.to_thread(work)
    await asyncio.sleep(0)
    return work()
