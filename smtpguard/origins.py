"""Where the texts of a mail come from, told once: asked before a mail is judged > kept after the mail server's 250 >
written, in batches, behind everybody's back.

Kept are private mail, for each of those who wrote or got it, posts of closed lists, and posts of all others as public
texts; never mail of or to a desk (THREAT-MODEL T-15). What waits to be written is written first where its own reader
asks (`retention`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from functools import partial
from typing import TypeVar

from smtpguard import maillog
from smtpguard.checks.audience import reads
from smtpguard.evidence import Evidence
from smtpguard.key_file import KeyFolderError
from smtpguard.key_ring import KeyRing, WeeklyKeys
from smtpguard.keys import first_day, season_of, week_of
from smtpguard.mail.address import Address
from smtpguard.mail.message import UNASKABLE, Account, Message, Submission
from smtpguard.marks import Marks, name_of, name_of_address, name_of_list
from smtpguard.policy import Policy
from smtpguard.private_mail import is_personal, parties
from smtpguard.prose import Prose, ProseReader
from smtpguard.remembered_mail import KnownList, Reader
from smtpguard.retention import MailToRemember, Retention
from smtpguard.stock_phrases import StockPhrases
from smtpguard.store import StoreError, TextStore
from smtpguard.tracing import Tracing
from smtpguard.writer import WRITE_SECONDS

# Longer nobody waits for the memory.
ASK_SECONDS = 5.0
# More than this is compared in a thread: it would take some 2 ms.
COMPARED_INLINE_OCTETS_MAX = 400 * 1024
# How often what is too old is looked for, and what another process has noted of lists (`smtpguard remember`).
FORGET_SECONDS = 600.0
REFRESH_SECONDS = 60.0
# Every week is before this one.
_NEVER = "9999-W01"

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Traced:
    """What is known of a mail's texts, as further `evidence`; `foreign` are shingles that its sender has from others.
    `complete` is false if the memory did not answer, `failed` true if it could not be told for a mistake of the
    program; `prose` are its texts, if they were read for this."""

    evidence: Evidence
    foreign: frozenset[bytes] = field(default=frozenset(), repr=False)
    complete: bool = True
    failed: bool = False
    prose: Prose | None = field(default=None, repr=False)


class Origins:
    """Asks where texts come from, and keeps them, as far as the policy says (`remember`).

    `keys` are those of private mail, kept for `mails_kept`, `public_keys` those of list posts, kept for `posts_kept` at
    most. `is_post` says whether a Message-ID is known as that of a list post.
    """

    def __init__(
        self,
        store: TextStore,
        keys: WeeklyKeys,
        public_keys: WeeklyKeys,
        policy: Callable[[], Policy],
        *,
        is_post: Callable[[str, datetime], Awaitable[bool]],
        mails_kept: Callable[[], timedelta] = lambda: timedelta(days=30),
        posts_kept: Callable[[], timedelta] = lambda: timedelta(days=365),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        write_seconds: float = WRITE_SECONDS,
    ) -> None:
        self._store = store
        self._ring = KeyRing(keys)
        self._public_ring = KeyRing(public_keys)
        self._policy = policy
        self._mails_kept = mails_kept
        self._posts_kept = posts_kept
        self._clock = clock
        self._reader = ProseReader()
        self._stock = StockPhrases(self._reader)
        self.retention = Retention(
            store, self._ring, self._public_ring, self._reader, self._stock,
            is_post=is_post, mails_kept=mails_kept, write_seconds=write_seconds,
        )  # fmt: skip
        self._known_since: Mapping[str, datetime] = {}
        self._known_of: tuple[frozenset[str], date] | None = None
        self._forget_next = self._refresh_next = 0.0
        self._remembered = policy().remember

    async def trace(self, submission: Submission, policy: Policy, evidence: Evidence) -> Traced:
        """`evidence` with what is known of the texts of `submission`, within ASK_SECONDS. Never raises."""
        if not policy.remember.posts or not _is_compared(submission, policy):
            return Traced(evidence)
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return await self._trace(submission, policy, evidence)
        except (StoreError, KeyFolderError, OSError) as error:  # TimeoutError is an OSError
            maillog.warning("the memory of texts did not answer", error=type(error).__name__)
            return Traced(evidence, complete=False)
        except Exception as error:  # a bug of ours: nothing slips to a list by it (`examination`)
            maillog.fault("texts could not be traced", error, submission.id)
            return Traced(evidence, failed=True)

    def keep(self, submission: Submission, policy: Policy, traced: Traced) -> None:
        """The mail server has taken the mail: remember it. Never raises, never waits."""
        kept = _to_keep(submission, policy, traced)
        if kept is not None:
            self.retention.add(kept)

    async def learn_mail(
        self, message: Message, author: Address | None, recipients: Sequence[Address], when: datetime
    ) -> None:
        """A mail that came in from elsewhere for `recipients`; it is kept if it is private. Raises StoreError,
        KeyFolderError."""
        policy = self._policy()
        if not policy.remember.threads or author is None or not is_personal(message):
            return
        if policy.completed(author) in policy.desks:
            return
        name = name_of_address(author)
        involved = parties(message, name, recipients, policy)
        if involved is not None:
            await self.retention.write([MailToRemember(message, "", when, _writers(name, message), policy, involved)])

    async def learn_post(self, list_id: str, message: Message, when: datetime, readers: Sequence[Address] = ()) -> None:
        """A post as its list has distributed it to `readers`: of a closed one it is known from now on that they read it
        (T-13). Raises StoreError, KeyFolderError."""
        policy = self._policy()
        found = policy.by_id.get(list_id)
        if found is None or not policy.remember.posts:
            return
        writers = tuple(map(name_of_address, message.authors))
        closed = (list_id,) if found.is_closed else ()
        if found.is_closed and readers:
            marks = (await self._ring.marks(week_of(when.date())))[week_of(when.date())]
            seen = [Account(login="", mailbox=each) for each in readers]
            await self._store.note_readers(
                [Reader(marks.week, marks.account(each), marks.list(list_id)) for each in seen]
            )
        await self.retention.write([MailToRemember(message, "", when, writers, policy, closed=closed)])

    async def sweep(self) -> None:
        """Erase keys and delete rows whose time is over. Raises StoreError, KeyFolderError."""
        remember, now = self._policy().remember, time.monotonic()
        if now >= self._refresh_next:
            self._look_anew()
            self._refresh_next = now + REFRESH_SECONDS
        if now < self._forget_next and remember is self._remembered:
            return
        await self.forget()
        self._remembered = remember
        self._forget_next = now + FORGET_SECONDS

    def refresh(self) -> None:
        """In place of `sweep` where another worker does that: take over what it has changed."""
        self._look_anew()
        if not self._policy().remember.posts:
            self._drop()

    def _look_anew(self) -> None:
        self._known_of = None
        self._public_ring.refresh()
        self._ring.refresh()

    def _drop(self) -> None:
        self.retention.drop()
        self._known_since, self._known_of = {}, None

    async def forget(self) -> None:
        """What `sweep` does, now."""
        remember, now = self._policy().remember, self._clock()
        mails = now - self._mails_kept() if remember.posts else now
        weeks = week_of(mails.date()) if remember.posts else _NEVER
        # A season's key goes when its first day is too old, and with it all of the season.
        seasons = week_of((now - self._posts_kept()).date()) if remember.posts else _NEVER
        if not remember.posts:
            self._drop()
        await self._ring.erase(weeks)
        await self._public_ring.erase(seasons)
        gone = False
        while await self._store.forget_texts(mails=mails, weeks=weeks, seasons=seasons, remember=remember):
            gone = True
        if gone:
            await self._store.tidy()

    async def settle(self) -> None:
        """Write what waits to be written, now."""
        await self.retention.settle()

    async def _trace(self, submission: Submission, policy: Policy, evidence: Evidence) -> Traced:
        account = submission.account
        assert account is not None  # noqa: S101 - _is_compared
        ring = await self._ring.marks(week_of(submission.arrived.date()))
        if policy.has_closed_lists:
            evidence = replace(evidence, reads=await self._read_by(account, policy, ring))
        closed = [each.id for each in policy.lists if each.is_closed and reads(each, submission, evidence)]
        tracing = Tracing(submission, policy, self._reader, self._stock.of(policy), ring, closed)
        question = tracing.question(submission.arrived - self._mails_kept())
        if question.mailboxes:
            if any(map(self.retention.waits_for, (name_of(account), *map(name_of_list, closed)))):
                await self.retention.write_pending()
            glances = await self._store.glances(question)
            large = sum(len(each.fingerprints) for each in glances) > COMPARED_INLINE_OCTETS_MAX
            await _done(partial(tracing.compare, glances), in_thread=large or tracing.is_large)
            matches = tracing.matches()
            if matches:
                tracing.tell(await self._store.mails(matches))
        await self._settle_public(tracing, submission)
        since = await self._since(policy)
        return await _done(partial(_told, tracing, evidence, since), in_thread=tracing.is_large)

    async def _read_by(self, account: Account, policy: Policy, ring: Mapping[str, Marks]) -> frozenset[str]:
        """The ids of the closed lists whose posts the account was seen to get."""
        found = await self._store.readers([marks.account(account) for marks in ring.values()])
        return frozenset(
            list_id
            for each in found
            if each.week in ring
            for list_id in ring[each.week].ids((each.list,), policy.by_id)
        )

    async def _settle_public(self, tracing: Tracing, submission: Submission) -> None:
        """Ask the seasons, the newest first, for what may be public."""
        asked = await _done(tracing.unsettled, in_thread=tracing.is_large)
        if not asked:
            return
        if self.retention.has_public:
            # Somebody quotes what was posted a moment ago.
            await self.retention.write_pending()
        ring = await self._public_ring.marks(season_of(submission.arrived.date()))
        for season, marks in sorted(ring.items(), reverse=True):
            made = dict(zip(marks.copier.of_shingles(b"".join(asked)), asked, strict=True))
            found = await self._store.public_among(season, made)
            tracing.settle(made[each] for each in found)
            asked = tracing.unsettled()
            if not asked:
                return

    async def _since(self, policy: Policy) -> Mapping[str, datetime]:
        """From when on lists are known; those that are new are known from now on. Each season has it in its own marks,
        so that it outlives the first one's key; what is not kept any more is not known either."""
        now = self._clock()
        ids = frozenset(policy.by_id)
        if (ids, now.date()) != self._known_of:
            season = season_of(now.date())
            ring = await self._public_ring.marks(season)
            known: dict[str, datetime] = {}
            at_hand: set[str] = set()
            for each in await self._store.known_lists():
                for list_id in ring[each.season].ids((each.list,), policy.by_id) if each.season in ring else ():
                    known[list_id] = min(each.since, known.get(list_id, now))
                    if each.season == season:
                        at_hand.add(list_id)
            since = {each: known.get(each, now) for each in ids}
            new = [KnownList(season, ring[season].list(each), since[each]) for each in sorted(ids - at_hand)]
            if new:
                await self._store.note_known(new)
            posts, mails = datetime.combine(first_day(min(ring)), time_of_day.min, UTC), now - self._mails_kept()
            kept = {each: mails if policy.by_id[each].is_closed else posts for each in ids}
            self._known_since = {each: max(since[each], kept[each]) for each in ids}
            self._known_of = ids, now.date()
        return self._known_since


async def _done(work: Callable[[], Value], *, in_thread: bool) -> Value:
    return await asyncio.to_thread(work) if in_thread else work()


def _told(tracing: Tracing, evidence: Evidence, since: Mapping[str, datetime]) -> Traced:
    found = replace(
        evidence,
        known=tracing.known(),
        answered=tracing.answered(),
        public=tracing.public(),
        unmarked=tracing.unmarked(),
        known_since=since,
    )
    return Traced(found, tracing.foreign(), prose=tracing.prose)


def _is_compared(submission: Submission, policy: Policy) -> bool:
    """True for mail of a member who is no desk, to lists or to others; a desk without a list is not looked at (P7)."""
    account = submission.account
    if account is None or account is UNASKABLE or account.mailbox in policy.desks:
        return False
    if policy.lists_of(submission.recipients):
        return True
    completed = [policy.completed(each) for each in submission.recipients]
    if not policy.desks.isdisjoint(completed):
        return False
    return any(policy.kind(each).human and each != account.mailbox for each in submission.recipients)


def _to_keep(submission: Submission, policy: Policy, traced: Traced) -> MailToRemember | None:
    """What there is to keep of a mail that was taken, or None."""
    account, message = submission.account, submission.message
    if account is None or account is UNASKABLE or account.mailbox in policy.desks or not policy.remember.posts:
        return None
    # The desk may get it in another transaction (T-15).
    named = (*submission.recipients, *message.destinations)
    if not policy.desks.isdisjoint(map(policy.completed, named)):
        return None
    name = name_of(account)
    kept = MailToRemember(
        message, submission.id, submission.arrived, _writers(name, message), policy, foreign=traced.foreign
    )
    lists = policy.lists_of(submission.recipients)
    if lists and all(each.is_closed for each in lists):
        return replace(kept, closed=tuple(each.id for each in lists))
    if lists:
        # What goes to an open list as well is no secret any more.
        return replace(kept, prose=traced.prose)
    if not policy.remember.threads or not _is_personal(submission, account):
        return None
    involved = parties(message, name, submission.recipients, policy)
    return None if involved is None else replace(kept, parties=involved)


def _is_personal(submission: Submission, account: Account) -> bool:
    return not account.automatic and is_personal(submission.message, null_sender=submission.null_sender)


def _writers(name: str, message: Message) -> tuple[str, ...]:
    return tuple(dict.fromkeys((name, *map(name_of_address, message.authors))))
