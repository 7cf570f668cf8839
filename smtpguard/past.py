"""What is known of the past, in one place: posts and threads (`recollection`), and where texts come from (`origins`).

Asked before a mail is judged, told after the mail server's 250. If the memory does not answer, what the envelope alone
says still holds, and daily mail between persons goes on (SEMANTICS 90-09).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from smtpguard import maillog
from smtpguard.evidence import NOTHING_KNOWN, Evidence
from smtpguard.held import HeldMail
from smtpguard.key_file import KeyFolderError
from smtpguard.mail.content import unstuffed
from smtpguard.mail.message import UNASKABLE, Submission
from smtpguard.mail.parsing import parse_message
from smtpguard.origins import Origins, Traced
from smtpguard.policy import Policy
from smtpguard.recollection import NOTHING_RECALLED, Recalled, Recollection
from smtpguard.store import StoreError

# Released mails that are read again for the memory at one time: each may have 25 MB.
RELEASES_MAX = 20


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about a mail: `evidence`, and what both memories want back once it is taken. `complete` is false
    if one of them did not answer and the mail must not go without it, `failed` true if it cannot be examined."""

    evidence: Evidence = NOTHING_KNOWN
    recalled: Recalled = field(default=NOTHING_RECALLED, repr=False)
    traced: Traced = field(default_factory=lambda: Traced(NOTHING_KNOWN), repr=False)
    complete: bool = True

    @property
    def failed(self) -> bool:
        return self.traced.failed


class Past:
    """Asks both memories and fills them."""

    def __init__(
        self,
        recollection: Recollection,
        origins: Origins,
        policy: Callable[[], Policy],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._recollection = recollection
        self._origins = origins
        self._policy = policy
        self._clock = clock
        self._releases: set[asyncio.Task[None]] = set()
        self._reading = asyncio.Semaphore(1)

    async def recall(self, submission: Submission, policy: Policy) -> Known:
        """What is known about `submission`. Never raises."""
        recalled = await self._recollection.recall(submission, policy)
        evidence = recalled.evidence
        to_list = bool(policy.lists_of(submission.recipients))
        if policy.has_closed_lists and evidence.posted_to is None:
            evidence = replace(evidence, posted_to=await self._posted_to(submission, policy))
        traced = await self._origins.trace(submission, policy, evidence)
        # 90-09: to a list, or of a forward, it might alarm; plain mail between persons must not stop.
        suspicious = to_list or submission.message.says_forward
        return Known(traced.evidence, recalled, traced, recalled.complete and (traced.complete or not suspicious))

    def keep(self, submission: Submission, policy: Policy, known: Known) -> None:
        """The mail server has taken the mail: remember it. Never raises, never waits."""
        self._recollection.keep(known.recalled)
        self._origins.keep(submission, policy, known.traced)

    def released(self, held: HeldMail, sent: Sequence[int], only: str | None) -> None:
        """An answer has released `held` to the recipients `sent` (indexes); `only` is the list that an ONLY chose."""
        if not self._policy().remember.posts:
            return
        if len(self._releases) >= RELEASES_MAX:
            maillog.warning("a released mail was not remembered")
            return
        task = asyncio.create_task(self._keep_released(held, sent, only))
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)

    async def sweep(self) -> None:
        """Erase keys and delete rows whose time is over. Raises StoreError, KeyFolderError."""
        await self._recollection.sweep()
        await self._origins.sweep()

    async def refresh(self) -> None:
        """In place of `sweep` where another worker does that."""
        self._recollection.refresh()
        self._origins.refresh()

    async def settle(self) -> None:
        """Write what waits to be written, now."""
        if self._releases:
            await asyncio.gather(*self._releases)
        await self._origins.settle()
        await self._recollection.settle()

    async def close(self) -> None:
        """Write what waits, once, and close."""
        await self.settle()
        await self._recollection.close()

    async def _posted_to(self, submission: Submission, policy: Policy) -> frozenset[str] | None:
        try:
            return await self._recollection.posted_to(submission, policy)
        except (StoreError, KeyFolderError):
            return None

    async def _keep_released(self, held: HeldMail, sent: Sequence[int], only: str | None) -> None:
        policy = self._policy()
        async with self._reading:
            message = await asyncio.to_thread(lambda: parse_message(unstuffed((held.wire,)), policy.bounds))
        addresses = [held.envelope.recipients[index].address for index in sent]
        submission = Submission(
            id=held.submission_id,
            account=held.account,
            recipients=tuple(each for each in addresses if each is not None),
            message=message,
            arrived=self._clock(),
            size=len(held.wire),
        )
        await self._recollection.keep_released(submission, policy, only)
        if submission.account not in (None, UNASKABLE):
            traced = await self._origins.trace(submission, policy, NOTHING_KNOWN)
            self._origins.keep(submission, policy, traced)
