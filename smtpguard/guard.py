"""What happens to one submission, told once, from top to bottom.

Order is the whole subject of this file: what is alarmed is never passed, whatever goes wrong on the way (P2).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from smtpguard import maillog, outcomes, replies
from smtpguard.accounts import Directory, is_guard_address
from smtpguard.alarms import Alarms, tells_who_is_a_member
from smtpguard.answering import Answering
from smtpguard.answers.token import Token
from smtpguard.concurrent_posts import WAIT_SECONDS, ConcurrentPost, ConcurrentPosts, has_ended
from smtpguard.corrections import Corrections
from smtpguard.counting import Counting
from smtpguard.examination import examine, unexamined
from smtpguard.failpoints import reach
from smtpguard.holding import Holding
from smtpguard.judgement import exemption
from smtpguard.mail.address import Address
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.message import Submission
from smtpguard.mail.reply import Reply
from smtpguard.past import Known, Past
from smtpguard.policy import Policy
from smtpguard.reading import Reading
from smtpguard.store import StoreError
from smtpguard.upstream import Arriving, Upstream, UpstreamError
from smtpguard.verdict import Action, Verdict

# Passages that are judged where the mail stands, some 2 ms: a long thread has a hundred, a hostile text 65,000.
PASSAGES_INLINE_MAX = 1000


@dataclass(frozen=True, slots=True)
class Statutes:
    """What is in force for one submission: taken once and handed along, so that a reload cannot split a verdict."""

    policy: Policy
    directory: Directory


class Guard:
    """Judges each submission once, before anybody gets it, and passes, holds, refuses or defers it.

    `holding` and `answering` are None where nothing can be held: a pure relay, or a policy without lists; without
    `past` and `corrections` nothing is known of the past, without `counting` nothing is counted.
    """

    def __init__(
        self,
        statutes: Callable[[], Statutes],
        holding: Holding | None = None,
        answering: Answering | None = None,
        past: Past | None = None,
        corrections: Corrections | None = None,
        counting: Counting | None = None,
        alarms: Alarms | None = None,
    ) -> None:
        self._statutes = statutes
        self._holding = holding
        self._answering = answering
        self._past = past
        self._corrections = corrections
        self._counting = counting
        self._reading = Reading()
        self._alarms = alarms or Alarms()
        self._concurrent = ConcurrentPosts()

    def takes_answers_at(self, address: Address) -> bool:
        """True for `mailcheck@` and `mailcheck+CODE@` the guard domain, if mail can be held at all."""
        guard = self._statutes().policy.guard_address
        return guard is not None and self._answering is not None and is_guard_address(address, guard)

    def takes_letters_at(self, address: Address) -> bool:
        """True for postmaster@ and abuse@ the guard domain (RFC 5321, 4.5.1; RFC 2142, 4)."""
        guard = self._statutes().policy.guard_address
        if guard is None or self._answering is None or address.domain != guard.domain:
            return False
        return address.key[0] in ("postmaster", "abuse")

    def can_read(self, address: Address | None) -> bool:
        """What the guard cannot read as the mail server will, it does not pass up while it judges."""
        return self._holding is None or self._statutes().policy.can_read(address)

    def can_require_tls(self) -> bool:
        """True if held mail can be released with REQUIRETLS, as far as is known; a pure relay sends nothing itself."""
        return self._holding is None or self._holding.can_require_tls

    def not_alone(self, login: str | None, reverse_path: Address | None) -> Reply:
        """The reply to a mail that a member sends to the guard's own address and to others, too (90-16, T-26)."""
        assert self._answering is not None  # noqa: S101 - takes_answers_at was true
        return self._answering.not_alone(login, reverse_path, self._statutes().directory)

    async def answer(self, arrival: Arrival, upstream: Upstream) -> Reply:
        """A mail that a member has submitted to the guard's own address."""
        assert self._answering is not None  # noqa: S101 - takes_answers_at was true
        await upstream.reset()
        return await self._answering.by_member(arrival, upstream, self._statutes().directory)

    async def deliver_answer(self, arrival: Arrival) -> Reply:
        """A mail for the guard domain that the mail server handed on."""
        assert self._answering is not None  # noqa: S101 - answers listeners exist only where mail can be held
        if all(self.takes_letters_at(each.address) for each in arrival.envelope.recipients if each.address):
            return await self._answering.letter_to_contact(arrival)
        return await self._answering.by_mail_server(arrival)

    async def submit(self, arrival: Arrival, upstream: Upstream) -> Reply:
        """Judge and act; the reply is the client's reply to its content."""
        statutes = self._statutes()
        if self._holding is None or self._is_for_guard(arrival):
            return await self._pass(arrival, upstream)
        submission, codes = await self._reading.read(arrival, statutes.policy, statutes.directory)
        reader = self._holding.reader(arrival, submission)
        try:
            if await self._carries_code(submission, codes, statutes.policy):
                return await self._refuse(arrival, upstream, outcomes.CARRIES_CODE.to(reader))
            known, verdict, post = await self._judge(submission, statutes.policy)
            match verdict.action:
                case Action.PASS if not known.complete:
                    # 90-09: the envelope says nothing against it, but what was posted before might.
                    await upstream.reset()
                    maillog.deferred(arrival.id, "memory")
                    return outcomes.NOT_NOW.to(reader)
                case Action.PASS:
                    with self._concurrent.entered(post):
                        reply = await self._pass(arrival, upstream)
                        if reply.ok:
                            self._remember(submission, statutes.policy, known)
                            self._count(verdict)
                    return reply
                case Action.HOLD:
                    reply = await self._hold(self._holding, arrival, submission, verdict, statutes.policy, upstream)
                    if reply.permanent:
                        self._count(verdict)
                    return reply
                case _:
                    reply = await self._refuse(arrival, upstream, outcomes.refused(verdict, reader))
                    self._count(verdict)
                    return reply
        except StoreError:
            await upstream.reset()
            maillog.deferred(arrival.id, "store")
            return outcomes.NOT_NOW.to(reader)

    async def _judge(self, submission: Submission, policy: Policy) -> tuple[Known, Verdict, ConcurrentPost | None]:
        """What is known about a mail, what is to become of it, and, if it would be remembered, the post that it is.

        A post to one list waits for the like of it that is on its way to another, and is judged once more then.
        """
        latest = asyncio.get_running_loop().time() + WAIT_SECONDS
        post = None
        while True:
            known = await self._recall(submission, policy)
            verdict = await _examined(submission, policy, known)
            if verdict.action is not Action.PASS or known.recalled.mail is None:
                return known, verdict, None
            post = post or ConcurrentPost(submission, policy)
            other = self._concurrent.before(post)
            if other is None:
                return known, verdict, post
            if not await has_ended(other, latest):
                return replace(known, complete=False), verdict, None

    async def _hold(
        self,
        holding: Holding,
        arrival: Arrival,
        submission: Submission,
        verdict: Verdict,
        policy: Policy,
        upstream: Upstream,
    ) -> Reply:
        """Hold, unless the sender was told too often within an hour who is no member (11-24, T-14)."""
        account = submission.account
        if account is None or not tells_who_is_a_member(verdict.findings):
            return await holding.hold(arrival, submission, verdict, policy, upstream)
        if not self._alarms.take(account, policy.alarms_per_account_and_hour):
            refusal = outcomes.ASKED_TOO_OFTEN.because(verdict, holding.reader(arrival, submission))
            return await self._refuse(arrival, upstream, refusal)
        told = False
        try:
            reply = await holding.hold(arrival, submission, verdict, policy, upstream)
            told = reply.ok
        finally:
            if not told:
                self._alarms.give_back(account)
        return reply

    def _is_for_guard(self, arrival: Arrival) -> bool:
        """True for an answer without a login that came in behind a front: the mail server hands it to an answers door.

        It quotes its notice, so it holds a code that is meant to be there.
        """
        addresses = [each.address for each in arrival.envelope.recipients]
        return arrival.behind_front and all(each is not None and self.takes_answers_at(each) for each in addresses)

    async def _recall(self, submission: Submission, policy: Policy) -> Known:
        return Known() if self._past is None else await self._past.recall(submission, policy)

    def _remember(self, submission: Submission, policy: Policy, known: Known) -> None:
        """After the mail server's 250: it is known from now on, and what it corrects need not wait (12-14)."""
        if self._past is None:
            return
        self._past.keep(submission, policy, known)
        if self._corrections is not None and known.recalled.mail is not None and submission.account is not None:
            self._corrections.taken(submission.account, submission.message)

    def _count(self, verdict: Verdict) -> None:
        """What was passed has been taken, whatever else was alarmed has been refused; holds count themselves."""
        if self._counting is None:
            return
        if verdict.action is Action.PASS:
            self._counting.passed(verdict)
        else:
            self._counting.refused(verdict)

    async def _pass(self, arrival: Arrival, upstream: Upstream) -> Reply:
        reach("relay.before_end")
        try:
            reply = await upstream.deliver(arrival.content.pieces)
        except UpstreamError as error:
            maillog.deferred(arrival.id, "upstream", error.reply)
            return _upstream_trouble(error)
        reach("relay.replied")
        maillog.passed(arrival.id, reply, arrival.content.size)
        return reply

    def judges(self) -> bool:
        """False for a pure relay."""
        return self._holding is not None

    async def relay(self, mail_id: str, content: Arriving, upstream: Upstream) -> Reply:
        """Hand on what nobody judges while it still comes in. Raises BrokenOffError."""
        try:
            reply = await upstream.deliver_arriving(_with_its_end(content))
        except UpstreamError as error:
            maillog.deferred(mail_id, "upstream", error.reply)
            return _upstream_trouble(error)
        reach("relay.replied")
        maillog.passed(mail_id, reply, content.size)
        return reply

    async def _refuse(self, arrival: Arrival, upstream: Upstream, reply: Reply) -> Reply:
        await upstream.reset()
        maillog.refused(arrival.id, reply.code)
        return reply

    async def _carries_code(self, submission: Submission, codes: tuple[Token, ...], policy: Policy) -> bool:
        """90-17: True if the mail contains the code of a waiting mail. Mail to a desk is not looked at (P7)."""
        if not codes or self._holding is None or exemption(submission, policy) == "11-25":
            return False
        return any([await self._holding.waits_for(token) for token in codes])


async def _examined(submission: Submission, policy: Policy, known: Known) -> Verdict:
    """The verdict; of a mail with very many passages in a thread, so that no session waits for it."""
    if known.failed:
        return unexamined(submission, policy)
    evidence = known.evidence
    if len(submission.message.passages) <= PASSAGES_INLINE_MAX:
        return examine(submission, policy, evidence)
    return await asyncio.to_thread(examine, submission, policy, evidence)


async def _with_its_end(content: Arriving) -> AsyncIterator[bytes]:
    async for piece in content.pieces():
        yield piece
    reach("relay.before_end")


def _upstream_trouble(error: UpstreamError) -> Reply:
    """The upstream's own last word if it is a refusal, else a 4xx of ours: never a 250 that nobody stands behind."""
    if error.reply is not None and (error.reply.transient or error.reply.permanent):
        return error.reply
    return replies.UPSTREAM_UNSURE if error.after_end else replies.UPSTREAM_LOST
