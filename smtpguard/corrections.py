"""12-14, told once: a corrected copy was taken by the mail server > the one that waits is found > thrown away > told.

The member has mended it himself, so nobody need answer the notice any more. Held text is never compared: a tag of the
base Subject and the sketch beside the seal tell whether both are one mail (T-02). All this happens behind the reply to
the corrected copy; if it fails, the held mail waits on for its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from smtpguard import maillog
from smtpguard.claims import Claims
from smtpguard.correspondence import Correspondence
from smtpguard.fingerprints import words_of
from smtpguard.held import HeldRow, State, Tags
from smtpguard.key_file import KeyFolderError
from smtpguard.mail.message import Account, Message
from smtpguard.mail.subjects import base_subject
from smtpguard.notices.compose import compose_corrected
from smtpguard.notices.site import Site
from smtpguard.safe import Safe
from smtpguard.sketch import sketch_of
from smtpguard.store import HoldStore, StoreError
from smtpguard.tags import account_tag, is_corrected_by, subject_tag

# Mails that are looked at behind their replies at one time. Where more come in at once, held ones wait on.
AT_ONCE_MAX = 100


class Corrections:
    """Finds and ends held mail that was sent again corrected. It knows in memory whose mail waits, so that mail of
    everybody else costs nothing. Where `remembers` says no, there shall be no sketch of held mail."""

    def __init__(
        self,
        store: HoldStore,
        safe: Safe,
        claims: Claims,
        correspondence: Correspondence,
        site: Callable[[], Site],
        remembers: Callable[[], bool] = lambda: True,
    ) -> None:
        self.remembers = remembers
        self._store = store
        self._safe = safe
        self._claims = claims
        self._correspondence = correspondence
        self._site = site
        # Week, account tag and subject tag of waiting mail; `_new` has those that came since the store was asked,
        # `_asking` those of which it may not know while it is. The set of a full store is never copied.
        self._waiting: frozenset[tuple[str, bytes, bytes]] = frozenset()
        self._new: set[tuple[str, bytes, bytes]] = set()
        self._asking: set[tuple[str, bytes, bytes]] = set()
        self._keys: dict[str, bytes | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._comparing = asyncio.Lock()

    def expect(self, tags: Tags | None) -> None:
        """A mail with these tags waits from now on."""
        if tags is not None and tags.subject is not None:
            self._new.add((tags.week, tags.account, tags.subject))

    async def refresh(self) -> None:
        """Ask the store whose mail waits. Raises StoreError, KeyFolderError."""
        self._asking |= self._new
        self._new = set()
        waiting = await self._store.waiting_subjects()
        weeks = await asyncio.to_thread(lambda: {week for week, _, _ in waiting}) | {week for week, _, _ in self._new}
        keys = {week: self._keys.get(week) or await self._safe.week_key(week) for week in weeks}
        self._waiting = waiting
        self._asking = set()
        self._keys = keys

    def taken(self, account: Account, message: Message) -> None:
        """The mail server has taken a mail of `account` to a list. Never raises, never waits."""
        if not (self._waiting or self._new or self._asking) or len(self._tasks) >= AT_ONCE_MAX:
            return
        subject = base_subject(message.subject)
        unknown = {week for week, _, _ in self._new | self._asking if week not in self._keys}
        if unknown or any(self._waits(mark) for mark in self._marks(account, subject)):
            task = asyncio.create_task(self._correct(account, subject, message, unknown))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Finish what was begun."""
        if self._tasks:
            await asyncio.gather(*self._tasks)

    def _waits(self, mark: tuple[str, bytes, bytes]) -> bool:
        return mark in self._waiting or mark in self._new or mark in self._asking

    def _marks(self, account: Account, subject: str) -> Iterator[tuple[str, bytes, bytes]]:
        """What a waiting mail of `account` with this base Subject is known by, in each week."""
        for week, key in self._keys.items():
            tag = subject_tag(key, subject) if key is not None else None
            if key is not None and tag is not None:
                yield week, account_tag(key, account), tag

    async def _correct(self, account: Account, subject: str, message: Message, unknown: set[str]) -> None:
        try:
            # One after the other: comparing takes milliseconds, and the next may find nothing left.
            async with self._comparing:
                for week in unknown:
                    self._keys[week] = await self._safe.week_key(week)
                words = words_of(message.own_text)
                for mark in list(self._marks(account, subject)):
                    if self._waits(mark):
                        await self._compare(mark, words)
        except (StoreError, KeyFolderError, OSError) as error:
            maillog.warning("a corrected mail could not be looked at", error=type(error).__name__)

    async def _compare(self, mark: tuple[str, bytes, bytes], words: list[str]) -> None:
        week, account, subject = mark
        key = self._keys.get(week)
        sketch = await asyncio.to_thread(sketch_of, key, words) if key is not None else None
        if sketch is None:
            return
        for row in await self._store.find_of_account(account, subject):
            if row.tags is not None and is_corrected_by(row.tags, sketch):
                await self._discard(row)

    async def _discard(self, row: HeldRow) -> None:
        # The card goes with the row in one transaction, so it is read before.
        card = await self._safe.open_card(row)
        async with self._claims.taken(row) as claimed:
            # A mail whose release was cut off may have gone out: only its sender can say what becomes of it.
            if claimed is None or claimed.interrupted or not await claimed.decide(State.DISCARDED):
                return
        maillog.corrected()
        if card is not None:
            head = self._correspondence.letterhead(card.mailbox, in_reply_to=card.notice_id)
            self._correspondence.send_later(card.mailbox, compose_corrected(head, self._site(), card))
