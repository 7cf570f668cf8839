"""How a mail is held, told once, in the order that SEMANTICS c6 fixes:

what could not be carried later is refused > RSET upstream > seal, commit, fsync > notice > mark > 250.

Until the commit nothing has happened; from the commit on the row is `asking`; only when the notice is known to be
taken does the client read 250. Whatever fails gives the mail back to the client with a 4xx, or a 5xx where trying
again cannot help.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from smtpguard import maillog, outcomes
from smtpguard.answers.token import Token
from smtpguard.checks.desk_beside_list import DESK_JOINT, desks_among
from smtpguard.corrections import Corrections
from smtpguard.correspondence import Correspondence
from smtpguard.counting import Counting
from smtpguard.decisions import Decisions
from smtpguard.failpoints import reach
from smtpguard.held import HeldMail, HeldRow, NumberedList, State
from smtpguard.key_file import KeyFolderError
from smtpguard.mail.address import Address
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.envelope import Envelope
from smtpguard.mail.message import Submission
from smtpguard.mail.received import below_front
from smtpguard.mail.reply import Reply
from smtpguard.notices.compose import compose_notice
from smtpguard.notices.site import Site
from smtpguard.outcomes import Reader
from smtpguard.policy import Kind, Policy
from smtpguard.reading import LARGE_OCTETS_MIN
from smtpguard.safe import Safe, Tagged
from smtpguard.store import HoldStore, Quota, StoreError
from smtpguard.upstream import Carrier, Upstream, UpstreamError
from smtpguard.verdict import Verdict

# 12-15: a program whose 250 got lost tries again at once; within this time no second notice is written.
RESEND_SILENT = timedelta(minutes=1)
# What a hold that fails may take to undo what it did, after its own time: its client waits.
UNDO_SECONDS = 10.0
# Large mails that are held at the same time: each takes up to three times its size in memory until then. Those that
# wait lie in their temporary files, and smaller mail does not wait for them.
LARGE_AT_ONCE = 2
# Holds that wait to be undone, 100 octets each. Of more, the rows go at their expiry, and count for two hours.
UNDONE_MAX = 10_000


@dataclass(frozen=True, slots=True)
class HoldBounds:
    """`whole` is timeouts.hold, in seconds; the others are what one account may have waiting, mails and octets, and how
    many notices it may get in a day (90-08)."""

    whole: float = 60.0
    holds: int = 20
    octets: int = 100 * 1024 * 1024
    notices: int = 30


class Holding:
    """Seals, stores and asks. `new_token` gives 32 random octets as a Token."""

    def __init__(
        self,
        store: HoldStore,
        safe: Safe,
        decisions: Decisions,
        correspondence: Correspondence,
        site: Callable[[], Site],
        new_token: Callable[[], Token],
        *,
        checks_outbox: bool = True,
        bounds: Callable[[], HoldBounds] = HoldBounds,
        corrections: Corrections | None = None,
        counting: Counting | None = None,
    ) -> None:
        self._store = store
        self._safe = safe
        self._decisions = decisions
        self._correspondence = correspondence
        self._site = site
        self._new_token = new_token
        self._checks_outbox = checks_outbox
        self._bounds = bounds
        self._corrections = corrections
        self._counting = counting
        self._to_undo: deque[_Done] = deque(maxlen=UNDONE_MAX)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    @property
    def can_require_tls(self) -> bool:
        """True if the outbox is known to offer REQUIRETLS."""
        return self._correspondence.can_require_tls

    def reader(self, arrival: Arrival, submission: Submission) -> Reader:
        """Who reads the reply to this mail; a front in between writes it into its log (T-42)."""
        return Reader.of(self._site(), submission.account, discreet=arrival.behind_front)

    async def waits_for(self, token: Token) -> bool:
        """True if a mail is waiting under this code (90-17). Raises StoreError."""
        row = await self._store.find(self._safe.hold_id(token))
        return row is not None and row.state.waiting

    async def hold(
        self, arrival: Arrival, submission: Submission, verdict: Verdict, policy: Policy, upstream: Upstream
    ) -> Reply:
        """Hold one mail; the reply to the client's content. Never a 2xx without a sealed copy and a taken notice."""
        attempt = _Attempt()
        try:
            async with asyncio.timeout(self._bounds().whole), self._room(arrival.content.size):
                return await self._hold(arrival, submission, verdict, policy, upstream, attempt)
        except (TimeoutError, StoreError, UpstreamError, KeyFolderError, OSError) as error:
            await upstream.reset()
            await self._undo(attempt)
            # Nobody but the outbox raises UpstreamError here, and it is there for the notice.
            of = "notice" if isinstance(error, UpstreamError) else "mail"
            maillog.deferred(arrival.id, type(error).__name__, getattr(error, "reply", None), of=of)
            return outcomes.NOT_NOW.to(self.reader(arrival, submission))
        finally:
            if attempt.carrier is not None:
                self._correspondence.close_later(attempt.carrier)

    def _room(self, octets: int) -> AbstractAsyncContextManager[None]:
        return self._large if octets > LARGE_OCTETS_MIN else nullcontext()

    async def _hold(
        self,
        arrival: Arrival,
        submission: Submission,
        verdict: Verdict,
        policy: Policy,
        upstream: Upstream,
        attempt: _Attempt,
    ) -> Reply:
        held = held_mail(arrival, submission, verdict, policy)
        reader = self.reader(arrival, submission)
        tagged = await self._tags(arrival, submission, held)
        former = await self._store.find_resend(tagged.resends) if tagged.resends else None
        if former is not None and _is_quick_resend(former):
            await upstream.reset()
            maillog.resent(arrival.id)
            return outcomes.HELD.to(reader)
        attempt.carrier = carrier = await self._correspondence.open()
        if not self._can_carry(held, carrier.extensions):
            await upstream.reset()
            refusal = outcomes.NOT_CARRIED.because(verdict, reader)
            maillog.refused(arrival.id, refusal.code)
            return refusal
        await upstream.reset()

        attempt.asker = await self._safe.asker(held.account)
        if await self._store.count_notice(*attempt.asker) >= self._bounds().notices:
            await self._undo(attempt)
            refusal = outcomes.ASKED_TOO_OFTEN_TODAY.because(verdict, reader)
            maillog.refused(arrival.id, refusal.code)
            return refusal
        token = self._new_token()
        mailbox = submission.account.mailbox if submission.account else None
        assert mailbox is not None  # noqa: S101 - c1a, step 9: a verdict of hold has a mailbox
        head = self._correspondence.letterhead(
            mailbox, reply_to=self._reply_to(token), in_reply_to=submission.message.message_id
        )
        language = self._site().texts.of(held.account.language)
        row = await self._safe.seal(held, token, tagged.tags, notice_id=head.message_id, language=language.code)
        reach("hold.sealed")
        attempt.row = row
        if not await self._store.add(row, self._quota(tagged, former)):
            attempt.row = None
            await self._undo(attempt)
            refusal = outcomes.TOO_MUCH_WAITS.because(verdict, reader)
            maillog.refused(arrival.id, refusal.code)
            return refusal
        reach("hold.committed")
        if self._corrections is not None:
            self._corrections.expect(tagged.tags)

        site = _site_for(verdict, policy, self._site())
        notice = compose_notice(head, site, held, token.lines, language=language, again=former is not None)
        outcome = await self._correspondence.send_with(
            carrier, mailbox, notice, attempt.before_end, requires_tls=held.requires_tls
        )
        if not outcome.sent:
            attempt.end_begun = False
            await self._undo(attempt)
            if outcome.final.permanent:
                maillog.refused(arrival.id, outcomes.NO_NOTICE.code, of="notice")
                return outcomes.NO_NOTICE.because(verdict, reader)
            maillog.deferred(arrival.id, "notice refused for now", outcome.final, of="notice")
            return outcomes.NOT_NOW.to(reader)
        reach("hold.noticed")
        if not await self._store.mark_held(row.id) and await self._is_gone(row.id):
            maillog.deferred(arrival.id, "the row went while the notice was on its way")
            return outcomes.NOT_NOW.to(reader)
        if self._counting is not None:
            self._counting.held(verdict, held.expires)
        if former is not None and await self._store.replace(former.id):
            await self._decisions.note(State.REPLACED, former)
            if self._counting is not None:
                self._counting.replaced(held.findings, former)
        reach("hold.marked")
        maillog.held(arrival.id)
        return outcomes.HELD.to(reader)

    async def _is_gone(self, hold_id: bytes) -> bool:
        """True if nobody can answer the notice any more: a replica that had not heard of the row has taken over, or an
        admin dropped it. No 250 may be said for it.
        """
        row = await self._store.find(hold_id)
        return row is None or row.state is State.EXPIRED

    def _quota(self, tagged: Tagged, former: HeldRow | None) -> Quota:
        bounds = self._bounds()
        return Quota(tagged.accounts, bounds.holds, bounds.octets, None if former is None else former.id)

    async def _tags(self, arrival: Arrival, submission: Submission, held: HeldMail) -> Tagged:
        # A front puts a Received field of its own above each copy.
        typed = below_front(held.wire) if arrival.behind_front else None
        corrects = self._corrections is not None and self._corrections.remembers()
        own_text = submission.message.own_text if corrects else None
        return await self._safe.tags(held, submission.message.message_id, typed, own_text)

    def _can_carry(self, held: HeldMail, extensions: frozenset[str]) -> bool:
        """False if the outbox lacks what the mail was submitted with: found out now, not when its sender says SEND.

        Whoever releases: the notice says what the mail is about, so it goes by REQUIRETLS, too.
        """
        if held.requires_tls and "REQUIRETLS" not in extensions:
            return False
        return not self._checks_outbox or _can_be_released(held.envelope, extensions)

    async def _undo(self, attempt: _Attempt) -> None:
        """Drop the row of a hold whose notice is known not to be taken. If the final dot of the notice was sent, the
        row stays: the notice may have arrived, and its code must work.
        """
        if attempt.end_begun:
            return
        done = _Done(None if attempt.row is None else attempt.row.id, attempt.asker)
        try:
            async with asyncio.timeout(UNDO_SECONDS):
                await self._take_back(done)
        except (TimeoutError, StoreError):
            # Until then the row counts as waiting, and the notice as one of the day (90-08).
            maillog.warning("a row without notice could not be dropped yet")
            self._to_undo.append(done)

    async def undo_again(self) -> None:
        """Undo what could not be undone at once. Raises StoreError."""
        while self._to_undo:
            done = self._to_undo.popleft()
            try:
                await self._take_back(done)
            except StoreError:
                self._to_undo.appendleft(done)
                raise

    async def _take_back(self, done: _Done) -> None:
        if done.row is not None:
            await self._store.drop(done.row)
        if done.asker is not None:
            await self._store.take_back_notice(*done.asker)

    def _reply_to(self, token: Token) -> str:
        guard = self._correspondence.guard
        return f"{guard.local_part}+{token.code}@{guard.domain}"


@dataclass(frozen=True, slots=True)
class _Done:
    """What a hold has left in the store: the id of its row, and whose notice of which day it counted."""

    row: bytes | None
    asker: tuple[bytes, date] | None


class _Attempt:
    """How far one hold has come."""

    def __init__(self) -> None:
        self.row: HeldRow | None = None
        self.asker: tuple[bytes, date] | None = None
        self.end_begun = False
        self.carrier: Carrier | None = None

    async def before_end(self) -> bool:
        self.end_begun = True
        return True


def held_mail(arrival: Arrival, submission: Submission, verdict: Verdict, policy: Policy) -> HeldMail:
    """The plain text of the box: everything that is needed to tell the sender, and to send it as it came."""
    suggested = {each.suggested for each in verdict.findings if each.suggested}
    desks = _desks_to_choose(submission, verdict, policy)
    numbers: dict[tuple[str, str], int] = {}
    recipient_lists: list[int | None] = []
    for path in arrival.envelope.recipients:
        found = _numbered(path.address, policy, desks) if path.address is not None else None
        recipient_lists.append(None if found is None else numbers.setdefault(found, len(numbers) + 1))
    lists = tuple(NumberedList(number, id_, about, id_ in suggested) for (id_, about), number in numbers.items())
    message = submission.message
    account = submission.account
    assert account is not None  # noqa: S101 - 90-03: without an account nothing is judged
    own_name = message.author_name if account.mailbox in message.authors else None
    return HeldMail(
        submission_id=submission.id,
        account=account,
        envelope=arrival.envelope,
        subject=message.subject,
        greeting=own_name,
        findings=verdict.findings,
        lists=lists,
        recipient_lists=tuple(recipient_lists),
        arrived=arrival.arrived,
        expires=arrival.arrived + policy.expires_of(policy.lists_of(submission.recipients)),
        wire=b"".join(arrival.content.pieces()),
    )


def _desks_to_choose(submission: Submission, verdict: Verdict, policy: Policy) -> str | None:
    """What the desks of the envelope are called together where a choice can keep them alone: in 12-28 only."""
    if not any(each.id == "12-28" for each in verdict.findings):
        return None
    return DESK_JOINT.join(desks_among(submission.recipients, policy)) or None


def _numbered(address: Address, policy: Policy, desks: str | None) -> tuple[str, str] | None:
    """Name and description of what a choice can keep or leave out: a list, a group that reaches lists, or all desks."""
    if desks is not None and policy.kind(address) is Kind.DESK:
        return desks, ""
    found = policy.list_of(address)
    if found is not None:
        return found.id, found.about
    inside = policy.lists_of((address,))
    return (address.normal, ", ".join(each.id for each in inside)) if inside else None


def _site_for(verdict: Verdict, policy: Policy, site: Site) -> Site:
    """`site`, with the telephone number of the list that is suggested first, if its file names one."""
    suggested = next((each.suggested for each in verdict.findings if each.suggested), None)
    found = policy.by_id.get(suggested) if suggested is not None else None
    return site if found is None or found.call is None else replace(site, call=found.call)


def _is_quick_resend(former: HeldRow) -> bool:
    return (
        former.state is State.HELD
        and former.created is not None
        and timedelta(0) <= datetime.now(UTC) - former.created < RESEND_SILENT
    )


def _can_be_released(envelope: Envelope, extensions: frozenset[str]) -> bool:
    mail = envelope.reverse_path
    if mail.parameter("SMTPUTF8") is not None and "SMTPUTF8" not in extensions:
        return False
    return (mail.parameter("BODY") or "7BIT").upper() != "8BITMIME" or "8BITMIME" in extensions
