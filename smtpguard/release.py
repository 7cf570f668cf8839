"""How a confirmed mail goes out, told once: claim > open > MAIL, RCPT, DATA, content > `sending` > dot > `sent`.

However many answers come at once, one of them has the claim. `sending` is written before the final dot, so that a
crash between the dot and our mark is known afterwards: the next answer sends again (perhaps twice is better than
never) and says so. The same answer, brought again by a mail server, is not the next one: its sender is told, and
nothing is sent. If the mail server refuses a list, nothing is sent at all: never half a cross-post (90-13).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from smtpguard import maillog
from smtpguard.answers.choice import Choice, Word
from smtpguard.claims import ClaimedMail, Claims
from smtpguard.failpoints import reach
from smtpguard.held import HeldMail, HeldRow
from smtpguard.mail.envelope import Path
from smtpguard.notices.site import Refusal
from smtpguard.upstream import Carrier, Outcome, Transmission, UpstreamError
from smtpguard.upstream.release_arguments import mail_argument, rcpt_argument

Opener = Callable[[], Awaitable[Carrier]]


class Ending(Enum):
    """How a release ended."""

    SENT = "sent"
    REFUSED = "refused"  # for good; the mail is still waiting
    LATER = "later"  # for now, or the line broke, or somebody else is at it
    UNSURE = "unsure"  # the final dot was sent, and there is no word or no mark of what became of it


@dataclass(frozen=True, slots=True)
class ReleaseResult:
    """`sent` are the indexes of the recipients that were taken; `refused` the others, with the mail server's words;
    `interrupted` is true if an earlier attempt was cut off between dot and reply."""

    ending: Ending
    sent: tuple[int, ...] = ()
    refused: tuple[Refusal, ...] = ()
    interrupted: bool = False


class Release:
    """Sends held mail, each once."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    async def send(
        self, row: HeldRow, held: HeldMail, choice: Choice, open_carrier: Opener, answer: bytes = b""
    ) -> ReleaseResult:
        """Release `held`, opened from `row`, as `choice` says. `answer` is the tag of an answer that may come again
        by itself: where its release was cut off, nothing is sent for it any more.

        Raises StoreError, KeyFolderError if store or key folder failed before anything was sent.
        """
        async with self._claims.taken(row) as claimed:
            if claimed is None:
                return ReleaseResult(Ending.LATER)
            if claimed.was_sent_for(answer):
                return ReleaseResult(Ending.UNSURE)
            reach("release.claimed")
            try:
                return await self._send(claimed, held, choice, open_carrier, answer)
            except UpstreamError as error:
                # Behind the dot the mail may have gone: the row stays in `sending`. Before it nothing has.
                maillog.deferred(held.submission_id, "release", error.reply, of="release")
                if not error.after_end:
                    await claimed.unmark_sending()
                return ReleaseResult(Ending.UNSURE if error.after_end else Ending.LATER)

    async def _send(
        self, claimed: ClaimedMail, held: HeldMail, choice: Choice, open_carrier: Opener, answer: bytes
    ) -> ReleaseResult:
        indexes = chosen_recipients(held, choice)
        carrier = await open_carrier()
        try:
            if held.requires_tls and "REQUIRETLS" not in carrier.extensions:
                # RFC 8689, 4.2.1: by checked TLS or not at all. It waits on; the admin may mend that in time.
                maillog.deferred(held.submission_id, "release: REQUIRETLS is not offered", of="release")
                return ReleaseResult(Ending.LATER)
            mail = _transmission(held, indexes, carrier.extensions)

            async def before_end() -> bool:
                mine = await claimed.mark_sending(answer)
                reach("release.sending")
                if mine and not claimed.lasts:
                    await claimed.unmark_sending()
                    return False
                return mine

            outcome = await carrier.transmit(mail, before_end)
            if outcome.sent:
                return await self._sent(claimed, held, indexes, outcome)
            return await self._refused(claimed, held, indexes, outcome)
        finally:
            await carrier.close()

    async def _sent(
        self, claimed: ClaimedMail, held: HeldMail, indexes: tuple[int, ...], outcome: Outcome
    ) -> ReleaseResult:
        reach("release.sent")
        maillog.released(held.submission_id, outcome.final)
        if not await self._claims.write_sent(claimed):
            return ReleaseResult(Ending.UNSURE)
        reach("release.decided")
        taken = tuple(index for index, reply in zip(indexes, outcome.rcpts, strict=True) if reply.ok)
        return ReleaseResult(Ending.SENT, taken, _refusals(held, indexes, outcome), claimed.interrupted)

    async def _refused(
        self, claimed: ClaimedMail, held: HeldMail, indexes: tuple[int, ...], outcome: Outcome
    ) -> ReleaseResult:
        await claimed.unmark_sending()
        maillog.release_refused(held.submission_id, outcome.final)
        if outcome.final.transient or any(each.transient for each in outcome.rcpts):
            return ReleaseResult(Ending.LATER, interrupted=claimed.interrupted)
        refused = _refusals(held, indexes, outcome) or (Refusal(_everybody(held, indexes), outcome.final.text),)
        return ReleaseResult(Ending.REFUSED, (), refused, claimed.interrupted)


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
