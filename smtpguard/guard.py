"""What happens to one submission, told once, from top to bottom.

Order is the whole subject of this file: what is alarmed is never passed, whatever goes wrong on the way (P2).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from smtpguard import maillog, outcomes, replies
from smtpguard.accounts import Directory, is_guard_address
from smtpguard.answering import Answering
from smtpguard.answers.token import LABEL, Token, find_tokens
from smtpguard.examination import examine
from smtpguard.failpoints import reach
from smtpguard.holding import Holding
from smtpguard.judgement import exemption
from smtpguard.mail.address import Address
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.content import unstuffed
from smtpguard.mail.message import Message, Submission
from smtpguard.mail.parsing import parse_message
from smtpguard.mail.reply import Reply
from smtpguard.policy import Policy
from smtpguard.store import StoreError
from smtpguard.upstream import Upstream, UpstreamError
from smtpguard.verdict import Action

# Content above this is parsed in a thread: the email package needs about 1 ms for 100 KB, and no session may wait for
# that.
INLINE_OCTETS_MAX = 64 * 1024
# Large mails read at the same time: threads share one interpreter, and six of 9 MB at once made everybody wait for 3 s.
LARGE_AT_ONCE = 1
# A text of this size (a header field, a link) is searched for a code without a look before.
SHORT_CHARACTERS = 1024
_LABELLED = re.compile(rf"{LABEL}\s{{0,2}}:")


@dataclass(frozen=True, slots=True)
class Statutes:
    """What is in force for one submission: taken once and handed along, so that a reload cannot split a verdict."""

    policy: Policy
    directory: Directory


class Guard:
    """Judges each submission once, before anybody gets it, and passes, holds, refuses or defers it.

    `holding` and `answering` are None where nothing can be held: a pure relay, or a policy without lists.
    """

    def __init__(
        self, statutes: Callable[[], Statutes], holding: Holding | None = None, answering: Answering | None = None
    ) -> None:
        self._statutes = statutes
        self._holding = holding
        self._answering = answering
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

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
        if self._holding is None:
            return await self._pass(arrival, upstream)
        submission, codes = await self._read(arrival, statutes)
        try:
            if await self._carries_code(submission, codes, statutes.policy):
                return await self._refuse(arrival, upstream, outcomes.CARRIES_CODE)
            verdict = examine(submission, statutes.policy)
            match verdict.action:
                case Action.PASS:
                    return await self._pass(arrival, upstream)
                case Action.HOLD:
                    return await self._holding.hold(arrival, submission, verdict, statutes.policy, upstream)
                case _:
                    return await self._refuse(arrival, upstream, outcomes.refused(verdict))
        except StoreError:
            await upstream.reset()
            maillog.deferred(arrival.id, "store")
            return outcomes.NOT_NOW

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

    async def _refuse(self, arrival: Arrival, upstream: Upstream, reply: Reply) -> Reply:
        await upstream.reset()
        maillog.refused(arrival.id, reply.code)
        return reply

    async def _read(self, arrival: Arrival, statutes: Statutes) -> tuple[Submission, tuple[Token, ...]]:
        """The values that judging looks at, and what looks like a code. A large mail is read in a thread."""
        guard = statutes.policy.guard_address
        if arrival.content.size > INLINE_OCTETS_MAX:
            async with self._large:
                message, codes = await asyncio.to_thread(_look_into, arrival, guard)
        else:
            message, codes = _look_into(arrival, guard)
        envelope = arrival.envelope
        account = None
        if arrival.authenticated:
            account = statutes.directory.account(arrival.login or "", envelope.reverse_path.address)
        submission = Submission(
            id=arrival.id,
            account=account,
            recipients=tuple(each.address for each in envelope.recipients if each.address is not None),
            message=message,
            arrived=arrival.arrived,
            size=arrival.content.size,
            null_sender=envelope.reverse_path.is_null,
        )
        return submission, codes

    async def _carries_code(self, submission: Submission, codes: tuple[Token, ...], policy: Policy) -> bool:
        """90-17: True if the mail contains the code of a waiting mail. Mail to a desk is not looked at (P7)."""
        if not codes or self._holding is None or exemption(submission, policy) == "11-25":
            return False
        return any([await self._holding.waits_for(token) for token in codes])


def _look_into(arrival: Arrival, guard: Address | None) -> tuple[Message, tuple[Token, ...]]:
    """The message, and what looks like a code in it. Never raises for a mail's sake."""
    message = parse_message(unstuffed(arrival.content.pieces()))
    texts = [message.subject, *(each.text for each in message.passages)]
    name = f"{guard.local_part}+" if guard is not None else ""
    texts += [each for each in message.hidden_texts if _may_hold_a_notice(each, name)]
    return message, tuple(dict.fromkeys(token for text in texts for token in find_tokens(text)))


def _may_hold_a_notice(text: str, name: str) -> bool:
    """True if a short look finds the label of a code, or the guard's address with one, in `text`.

    Attachments and headers are long and mostly not for reading: searching all of them for the code alone, which may be
    broken anywhere, took ten times as long as reading the mail. `name` is the guard's local part with its plus.
    """
    if len(text) <= SHORT_CHARACTERS:
        return True
    lower = text.lower()
    return _LABELLED.search(lower) is not None or name in lower or name.replace("+", "%2b") in lower


def _upstream_trouble(error: UpstreamError) -> Reply:
    """The upstream's own last word if it is a refusal, else a 4xx of ours: never a 250 that nobody stands behind."""
    if error.reply is not None and (error.reply.transient or error.reply.permanent):
        return error.reply
    return replies.UPSTREAM_UNSURE if error.after_end else replies.UPSTREAM_LOST
