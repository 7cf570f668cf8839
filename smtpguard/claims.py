"""Claims on held mail: taken, kept alive, and ended whatever the store does meanwhile.

A claim that nobody ends would keep the sender's next answer away until it lapses. So it is given back at the end of
its block unless the mail was decided; if the store fails just then, that is tried again in the background. The same
holds for `sent` after the mail server's 250: the mail has gone, and that must be written down before the next answer
sends it once more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from smtpguard import maillog
from smtpguard.decided_file import Decision
from smtpguard.decisions import Decisions
from smtpguard.failpoints import reach
from smtpguard.held import HeldRow, State
from smtpguard.seal import ANSWER_TAG_OCTETS
from smtpguard.store import Claim, HoldStore, StoreError

# Seconds between two tries to write down what could not be written: a locked or full database is mended in minutes.
RETRY_SECONDS = 2.0
# Answers to one notice whose releases were cut off. Each has cost a process its life, or a mail server its line.
ANSWERS_MAX = 8


def steady() -> float:
    """Seconds that also pass while this process is stopped or the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _tags(answers: bytes) -> list[bytes]:
    return [answers[at : at + ANSWER_TAG_OCTETS] for at in range(0, len(answers), ANSWER_TAG_OCTETS)]


class ClaimedMail:
    """The right to decide one held mail. `interrupted`: an earlier release died between dot and reply. `until`, by
    `clock`: before that nobody else can have it.
    """

    def __init__(
        self,
        store: HoldStore,
        decisions: Decisions,
        row: HeldRow,
        claim: Claim,
        until: float,
        clock: Callable[[], float] = steady,
    ) -> None:
        self._store = store
        self._decisions = decisions
        self._clock = clock
        self.row = row
        self.claim = claim
        self.until = until
        self.settled = False
        self._marked = False

    @property
    def interrupted(self) -> bool:
        """True if the mail may have gone out already."""
        return self.claim.interrupted

    def was_sent_for(self, answer: bytes) -> bool:
        """True if a release that was cut off was for the answer with this tag, which a mail server has brought again:
        that is no second word of its sender's.
        """
        return self.interrupted and answer in _tags(self.claim.answers)

    async def mark_sending(self, answer: bytes = b"") -> bool:
        """Before the final dot, for the answer with this tag, if it may come again; False if the claim was lost, and
        then nothing may be sent.
        """
        self._marked = True
        known = _tags(self.claim.answers)
        answers = b"".join(([answer] if answer else []) + known[: ANSWERS_MAX - 1])
        return await self._store.mark_sending(self.claim, answers)

    @property
    def lasts(self) -> bool:
        """False if somebody else may have the claim by now. Asked without waiting right before the dot: what the store
        said may be long ago, because this process was stopped in between.
        """
        return self._clock() < self.until

    async def unmark_sending(self) -> None:
        """This release has not gone out: the mail is only held again, unless an earlier one may have."""
        if not self._marked:
            return
        self._marked = False
        if self.interrupted:
            await self._store.mark_sending(self.claim, self.claim.answers)
        else:
            await self._store.unmark_sending(self.claim)

    async def decide(self, state: State) -> bool:
        """Write the decision down, and keep it beside the day key; False if the claim was lost. Raises StoreError."""
        decided = await self._store.decide(self.claim, state)
        self.settled = True
        if decided:
            await self._decisions.note(state, self.row)
        return decided


class Claims:
    """Takes claims that last as long as `lasts` says at that time, and are renewed while they are used."""

    def __init__(
        self,
        store: HoldStore,
        decisions: Decisions,
        lasts: Callable[[], timedelta],
        retry_seconds: float = RETRY_SECONDS,
        clock: Callable[[], float] = steady,
    ) -> None:
        self._store = store
        self._decisions = decisions
        self._lasts = lasts
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    async def decided_before(self, row: HeldRow) -> Decision | None:
        """What was decided on a row that waits in a database which does not know. Raises StoreError, KeyFolderError."""
        return await self._decisions.settled(row)

    @asynccontextmanager
    async def taken(self, row: HeldRow) -> AsyncIterator[ClaimedMail | None]:
        """The claim for the time of the block, None if the mail is not waiting, somebody else has it, or it was decided
        before (T-05).

        Raises StoreError, KeyFolderError if that cannot be asked.
        """
        lasts = self._lasts()
        until = self._clock() + lasts.total_seconds()
        claim = await self._store.claim(row.id, lasts)
        # Asked with the claim in hand: whoever had it before has written down what he decided.
        if claim is None or await self._decided(row, claim):
            yield None
            return
        mail = ClaimedMail(self._store, self._decisions, row, claim, until, self._clock)
        renewal = asyncio.create_task(self._renew(mail, lasts))
        try:
            yield mail
        finally:
            renewal.cancel()
            if not mail.settled:
                await self._give_back(claim)

    async def write_sent(self, mail: ClaimedMail) -> bool:
        """The mail server has it: keep that beside the day key, then write `sent`. False if the store fails; it is then
        tried on in the background.
        """
        now = datetime.now(UTC)
        await self._decisions.note(State.SENT, mail.row)
        reach("release.noted")
        mail.settled = True

        async def write() -> None:
            # Whoever has the claim by now must not send it again: before his dot he finds that he lost it.
            if not await self._store.decide(mail.claim, State.SENT):
                await self._store.settle(mail.row.id, State.SENT, now)

        try:
            await write()
        except StoreError:
            maillog.warning("a mail has been released, but that could not be written down yet")
            self._insist(write)
            return False
        return True

    async def close(self) -> None:
        """At the end: what could not be written by now is found in `sending` by the next start."""
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _decided(self, row: HeldRow, claim: Claim) -> bool:
        try:
            return await self._decisions.settled(row) is not None
        except BaseException:
            await self._give_back(claim)
            raise

    async def _give_back(self, claim: Claim) -> None:
        try:
            await self._store.give_back(claim)
        except StoreError:
            self._insist(lambda: self._store.give_back(claim))

    def _insist(self, write: Callable[[], Awaitable[object]]) -> None:
        task = asyncio.create_task(self._until_written(write))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until_written(self, write: Callable[[], Awaitable[object]]) -> None:
        while True:
            await asyncio.sleep(self._retry_seconds)
            try:
                await write()
            except StoreError:
                continue
            return

    async def _renew(self, mail: ClaimedMail, lasts: timedelta) -> None:
        while True:
            await asyncio.sleep(lasts.total_seconds() / 3)
            until = self._clock() + lasts.total_seconds()
            try:
                if not await self._store.renew(mail.claim, lasts):
                    return
                mail.until = until
            except StoreError:
                # The claim may lapse now; mark_sending tells before the dot.
                maillog.warning("a claim could not be renewed")
