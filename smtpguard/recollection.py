"""What an account posted where, told once: asked before a mail is judged > kept after the mail server's 250 > written,
in batches, behind everybody's back.

Only mail to a list is asked about and kept, and never mail of or to a desk (T-15). Before it is written a post waits in
memory, where it counts already; if the process dies then, a question is not asked later, and no mail is lost or sent
twice. If the memory does not answer, what the envelope alone says still holds (SEMANTICS 90-09).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from smtpguard import maillog
from smtpguard.checks.crosspost import lists_addressed
from smtpguard.evidence import NOTHING_KNOWN, Evidence
from smtpguard.failpoints import reach
from smtpguard.key_file import KeyFolderError
from smtpguard.key_ring import KeyRing, WeeklyKeys
from smtpguard.keys import week_of
from smtpguard.mail.message import UNASKABLE, Submission
from smtpguard.policy import Policy
from smtpguard.remembered import Question
from smtpguard.remembrance import Remembrance, oldest
from smtpguard.store import MemoryStore, StoreError
from smtpguard.waiting import Waiting
from smtpguard.writer import WRITE_SECONDS, Writer

# Longer nobody waits for the memory; a look takes milliseconds, a sweep in front of it less than this.
ASK_SECONDS = 5.0
# So many are written at once: what a transaction costs beside its rows no longer counts, and it takes some 10 ms.
BATCH_POSTS = 200
# Posts that wait to be written, at 8 KB each at most. A database that refuses longer than they last costs memory of
# posts, not posts.
PENDING_MAX = 1000
# So much of stored text is compared where the mail stands, some 1 ms; more in a thread.
COMPARED_INLINE_OCTETS_MAX = 128 * 1024
# How often what is too old is looked for.
FORGET_SECONDS = 600.0
# Every week is before this one.
_NEVER = "9999-W01"


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is known about a mail, and the mail to keep once it is taken; `complete` is false if the memory did not
    answer."""

    evidence: Evidence = NOTHING_KNOWN
    mail: Remembrance | None = field(default=None, repr=False)
    only: str | None = None
    complete: bool = True


NOTHING_RECALLED = Recalled()


class Recollection:
    """Asks the memory and fills it, as long as `remembers` says so. `keys` are those of posts and threads, which are
    kept as the policy says; `poster_keys` those of who posted where, which is kept for `posters_kept`."""

    def __init__(
        self,
        store: MemoryStore,
        keys: WeeklyKeys,
        poster_keys: WeeklyKeys,
        policy: Callable[[], Policy],
        *,
        remembers: Callable[[], bool] = lambda: True,
        posters_kept: Callable[[], timedelta] = lambda: timedelta(days=365),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        write_seconds: float = WRITE_SECONDS,
    ) -> None:
        self._store = store
        self._ring = KeyRing(keys)
        self._poster_ring = KeyRing(poster_keys)
        self._policy = policy
        self._remembers = remembers
        self._posters_kept = posters_kept
        self._clock = clock
        self._waiting = Waiting()
        self._writer = Writer(self._write, lambda: bool(self._waiting), "list posts", seconds=write_seconds)
        self._forget_next = 0.0
        self._remembered = True

    async def recall(self, submission: Submission, policy: Policy) -> Recalled:
        """What is known about `submission`, within ASK_SECONDS. Never raises."""
        if not self._remembers() or not _concerns_memory(submission, policy):
            return NOTHING_RECALLED
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return await self._recall(submission, policy)
        except (StoreError, KeyFolderError, OSError) as error:  # TimeoutError is an OSError
            maillog.warning("the memory of list posts did not answer", error=type(error).__name__)
            return Recalled(complete=False)

    def keep(self, recalled: Recalled) -> None:
        """The mail server has taken the mail: remember it. Never raises, never waits."""
        if recalled.mail is None:
            return
        if len(self._waiting) >= PENDING_MAX:
            self._writer.lose()
            return
        self._waiting.add(recalled.mail.to_keep(recalled.evidence.thread, recalled.only))
        self._writer.begin(at_once=len(self._waiting) >= BATCH_POSTS)

    async def keep_released(self, submission: Submission, policy: Policy, only: str | None) -> None:
        """An answer has released this mail to these recipients; `only` is the id of the list that an ONLY chose. Never
        raises."""
        if not self._remembers() or not _concerns_memory(submission, policy):
            return
        try:
            async with asyncio.timeout(ASK_SECONDS):
                self.keep(await self._recall(submission, policy, only if only in policy.by_id else None))
        except (StoreError, KeyFolderError, OSError):
            self._writer.lose()

    async def posted_to(self, submission: Submission, policy: Policy) -> frozenset[str]:
        """The ids of lists that the account of `submission` has posted to. Raises StoreError, KeyFolderError."""
        account = submission.account
        if account is None or not self._remembers():
            return frozenset()
        ring = await self._poster_ring.marks(week_of(submission.arrived.date()))
        found = await self._store.ask(Question(posters=tuple(each.account(account) for each in ring.values())))
        return frozenset(
            list_id for each in found.posted_to if each.week in ring
            for list_id in ring[each.week].ids(each.lists, policy.by_id)
        )  # fmt: skip

    async def is_post(self, message_id: str, when: datetime) -> bool:
        """True if `message_id` is known as that of a list post, or of one that a list post answers. Raises StoreError,
        KeyFolderError."""
        if not self._remembers():
            return False
        ring = await self._ring.marks(week_of(when.date()))
        links = tuple(link for each in ring.values() for link in each.links((message_id,)))
        asked = Question(links=links, thread_since=oldest(self._policy(), when), recent_since=when)
        return bool(self._waiting.joined(asked, await self._store.ask(asked)).thread)

    async def sweep(self) -> None:
        """Erase keys and delete rows whose time is over. Raises StoreError, KeyFolderError."""
        remembers = self._remembers()
        if time.monotonic() < self._forget_next and remembers == self._remembered:
            return
        await self.forget()
        self._remembered = remembers
        self._forget_next = time.monotonic() + FORGET_SECONDS

    def refresh(self) -> None:
        """In place of `sweep` where another worker does that: take over what it has changed."""
        self._ring.refresh()
        self._poster_ring.refresh()
        if not self._remembers():
            self._waiting = Waiting()

    async def forget(self) -> None:
        """What `sweep` does, now. Where nothing shall be remembered any more, everything goes."""
        if not self._remembers():
            await self._forget_all()
            return
        now, policy = self._clock(), self._policy()
        posts = oldest(policy, now)
        weeks, poster_weeks = week_of(posts.date()), week_of((now - self._posters_kept()).date())
        self._ring.refresh()
        await self._ring.erase(weeks)
        await self._poster_ring.erase(poster_weeks)
        if await self._store.forget(texts=now - policy.window, posts=posts, weeks=weeks, poster_weeks=poster_weeks):
            await self._store.tidy()

    async def _forget_all(self) -> None:
        self._waiting = Waiting()
        await self._ring.erase(_NEVER)
        await self._poster_ring.erase(_NEVER)
        now = self._clock()
        while await self._store.forget(texts=now, posts=now, weeks=_NEVER, poster_weeks=_NEVER):
            pass
        await self._store.tidy()

    async def settle(self) -> None:
        """Write what waits to be written, now."""
        await self._writer.settle()

    async def close(self) -> None:
        """Write what waits, once, and close."""
        await self.settle()
        await self._store.close()

    async def _recall(self, submission: Submission, policy: Policy, only: str | None = None) -> Recalled:
        account = submission.account
        assert account is not None  # noqa: S101 - _concerns_memory
        week = week_of(submission.arrived.date())
        ids = [each.id for each in lists_addressed(submission, policy)]
        mail = Remembrance(
            submission,
            account,
            policy,
            ids,
            week=week,
            ring=await self._ring.marks(week),
            poster_ring=await self._poster_ring.marks(week),
        )
        question = mail.question()
        found = self._waiting.joined(question, await self._store.ask(question))
        if sum(len(each.fingerprints) for each in found.earlier) > COMPARED_INLINE_OCTETS_MAX:
            alike = await asyncio.to_thread(mail.earlier, found.earlier)
        else:
            alike = mail.earlier(found.earlier)
        thread = mail.thread(found.thread)
        posted_to = mail.posted_to(found.posted_to) if question.posters else None
        return Recalled(Evidence(alike, thread, posted_to), mail, only)

    async def _write(self) -> None:
        waiting = self._waiting
        batch = waiting.first(BATCH_POSTS)
        reach("memory.before_write")
        await self._store.remember([post for post, _ in batch], [poster for _, poster in batch])
        reach("memory.written")
        waiting.drop(len(batch))


def _concerns_memory(submission: Submission, policy: Policy) -> bool:
    """True for mail of an account to a list; desks, their mail and mail to them never enter the memory (T-15)."""
    account = submission.account
    if account is None or account is UNASKABLE or account.mailbox in policy.desks:
        return False
    if not policy.lists_of(submission.recipients):
        return False
    # The desk may get it in another transaction.
    named = (*submission.recipients, *submission.message.destinations)
    return policy.desks.isdisjoint(map(policy.completed, named))
