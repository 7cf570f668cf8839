"""How a confirmed mail goes out, told once: claim > open > MAIL, RCPT, DATA, content > `sending` > dot > `sent`.

However many answers come at once, one of them has the claim. `sending` is written before the final dot, so that a
crash between the dot and our mark is known afterwards: the next answer sends again (perhaps twice is better than
never) and says so. If the mail server refuses a list, nothing is sent at all: never half a cross-post (90-13).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from smtpguard import maillog
from smtpguard.answers.choice import Choice, Word
from smtpguard.failpoints import reach
from smtpguard.held import HeldMail, State
from smtpguard.mail.envelope import Path
from smtpguard.notices.compose import Refusal
from smtpguard.store import Claim, HoldStore, StoreError
from smtpguard.upstream import Carrier, Outcome, Transmission, UpstreamError
from smtpguard.upstream.release_arguments import mail_argument, rcpt_argument

# How often `sent` is written after the mail server's 250 before we give up: the mail is gone, only our mark is missing.
MARK_TRIES = 3

Opener = Callable[[], Awaitable[Carrier]]


class Ending(Enum):
    """How a release ended."""

    SENT = "sent"
    REFUSED = "refused"  # for good; the mail is still waiting
    LATER = "later"  # for now, or the line broke, or somebody else is at it


@dataclass(frozen=True, slots=True)
class ReleaseResult:
    """`sent` are the indexes of the recipients that were taken; `refused` the others, with the mail server's words;
    `interrupted` is true if an earlier attempt was cut off between dot and reply."""

    ending: Ending
    sent: tuple[int, ...] = ()
    refused: tuple[Refusal, ...] = ()
    interrupted: bool = False


class Release:
    """Sends held mail. `claim_lasts` is longer than all timeouts of one release together."""

    def __init__(self, store: HoldStore, claim_lasts: timedelta) -> None:
        self._store = store
        self._claim_lasts = claim_lasts

    async def send(self, hold_id: bytes, held: HeldMail, choice: Choice, open_carrier: Opener) -> ReleaseResult:
        """Release `held` as `choice` says, once. Raises StoreError if the store failed before anything was sent."""
        claim = await self._store.claim(hold_id, self._claim_lasts)
        if claim is None:
            return ReleaseResult(Ending.LATER)
        reach("release.claimed")
        renewal = asyncio.create_task(self._renew(claim))
        try:
            return await self._send(claim, held, choice, open_carrier)
        except UpstreamError as error:
            # Behind the dot the mail may have gone: the row stays in `sending`. Before it nothing has.
            maillog.deferred(held.submission_id, "release", error.reply)
            await self._store.give_back(claim)
            return ReleaseResult(Ending.LATER)
        finally:
            renewal.cancel()

    async def _send(self, claim: Claim, held: HeldMail, choice: Choice, open_carrier: Opener) -> ReleaseResult:
        indexes = chosen_recipients(held, choice)
        carrier = await open_carrier()
        try:
            mail = _transmission(held, indexes, carrier.extensions)

            async def before_end() -> bool:
                mine = await self._store.mark_sending(claim)
                reach("release.sending")
                return mine

            outcome = await carrier.transmit(mail, before_end)
        finally:
            await carrier.close()
        if outcome.sent:
            return await self._sent(claim, held, indexes, outcome)
        return await self._refused(claim, held, indexes, outcome)

    async def _sent(self, claim: Claim, held: HeldMail, indexes: tuple[int, ...], outcome: Outcome) -> ReleaseResult:
        reach("release.sent")
        maillog.released(held.submission_id, outcome.final)
        for attempt in range(MARK_TRIES):
            try:
                await self._store.decide(claim, State.SENT)
                break
            except StoreError:
                if attempt == MARK_TRIES - 1:
                    raise
        reach("release.decided")
        taken = tuple(index for index, reply in zip(indexes, outcome.rcpts, strict=True) if reply.ok)
        return ReleaseResult(Ending.SENT, taken, _refusals(held, indexes, outcome), claim.interrupted)

    async def _refused(self, claim: Claim, held: HeldMail, indexes: tuple[int, ...], outcome: Outcome) -> ReleaseResult:
        await self._store.unmark_sending(claim)
        await self._store.give_back(claim)
        maillog.release_refused(held.submission_id, outcome.final)
        if outcome.final.transient or any(each.transient for each in outcome.rcpts):
            return ReleaseResult(Ending.LATER, interrupted=claim.interrupted)
        refused = _refusals(held, indexes, outcome) or (Refusal(_everybody(held, indexes), outcome.final.text),)
        return ReleaseResult(Ending.REFUSED, (), refused, claim.interrupted)

    async def _renew(self, claim: Claim) -> None:
        while True:
            await asyncio.sleep(self._claim_lasts.total_seconds() / 3)
            try:
                if not await self._store.renew(claim, self._claim_lasts):
                    return
            except StoreError:
                # The claim may lapse now; mark_sending tells before the dot.
                maillog.warning("a claim could not be renewed")


def chosen_recipients(held: HeldMail, choice: Choice) -> tuple[int, ...]:
    """Indexes of the recipients that `choice` keeps: ONLY n keeps list n and every recipient that is not a list."""
    everyone = range(len(held.envelope.recipients))
    if choice.word is not Word.ONLY:
        return tuple(everyone)
    return tuple(index for index in everyone if held.recipient_lists[index] in (None, choice.number))


def _transmission(held: HeldMail, indexes: tuple[int, ...], extensions: frozenset[str]) -> Transmission:
    lists = frozenset(n for n, index in enumerate(indexes) if held.recipient_lists[index] is not None)
    return Transmission(
        mail=mail_argument(held.envelope.reverse_path, extensions, len(held.wire)),
        rcpts=tuple(rcpt_argument(held.envelope.recipients[index], extensions) for index in indexes),
        pieces=lambda: (held.wire,),
        required=lists,
    )


def _refusals(held: HeldMail, indexes: tuple[int, ...], outcome: Outcome) -> tuple[Refusal, ...]:
    return tuple(
        Refusal(_name(held.envelope.recipients[index]), reply.text)
        for index, reply in zip(indexes, outcome.rcpts, strict=False)
        if not reply.ok
    )


def _everybody(held: HeldMail, indexes: tuple[int, ...]) -> str:
    return ", ".join(_name(held.envelope.recipients[index]) for index in indexes[:4])


def _name(path: Path) -> str:
    return str(path.address or path.typed)
