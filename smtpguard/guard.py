"""What happens to one submission, told once, from top to bottom.

Order is the whole subject of this file: what is alarmed is never passed, whatever goes wrong on the way (P2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from smtpguard import maillog, outcomes, replies
from smtpguard.accounts import Directory
from smtpguard.answering import Answering
from smtpguard.answers.token import find_tokens
from smtpguard.examination import examine
from smtpguard.failpoints import reach
from smtpguard.holding import Holding
from smtpguard.judgement import exemption
from smtpguard.mail.address import Address
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.content import unstuffed
from smtpguard.mail.message import Submission
from smtpguard.mail.parsing import parse_message
from smtpguard.mail.reply import Reply
from smtpguard.policy import Policy
from smtpguard.store import StoreError
from smtpguard.upstream import Upstream, UpstreamError
from smtpguard.verdict import Action

# Content above this is parsed in a thread: the email package needs about 1 ms for 100 KB, and no session may wait for
# that.
INLINE_OCTETS_MAX = 64 * 1024
# The code of a notice is looked for in the raw octets up to here, and in all passages: a notice is a few KB.
CODE_SEARCH_OCTETS = 256 * 1024


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

    def takes_answers_at(self, address: Address) -> bool:
        """True for `mailcheck@` and `mailcheck+CODE@` the guard domain, if mail can be held at all."""
        guard = self._statutes().policy.guard_address
        if guard is None or self._answering is None or address.domain != guard.domain:
            return False
        return address.key[0].partition("+")[0] == guard.key[0]

    def takes_letters_at(self, address: Address) -> bool:
        """True for postmaster@ and abuse@ the guard domain (RFC 5321, 4.5.1; RFC 2142, 4)."""
        guard = self._statutes().policy.guard_address
        return guard is not None and address.domain == guard.domain and address.key[0] in ("postmaster", "abuse")

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
        submission = await self._read(arrival, statutes)
        try:
            if await self._carries_code(submission, arrival, statutes.policy):
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

    async def _read(self, arrival: Arrival, statutes: Statutes) -> Submission:
        """The values that judging looks at. Reading a message never raises; a large one is read in a thread."""
        content, envelope = arrival.content, arrival.envelope
        if content.size > INLINE_OCTETS_MAX:
            message = await asyncio.to_thread(lambda: parse_message(unstuffed(content.pieces())))
        else:
            message = parse_message(unstuffed(content.pieces()))
        account = None
        if arrival.authenticated:
            account = statutes.directory.account(arrival.login or "", envelope.reverse_path.address)
        return Submission(
            id=arrival.id,
            account=account,
            recipients=tuple(each.address for each in envelope.recipients if each.address is not None),
            message=message,
            arrived=arrival.arrived,
            size=content.size,
            null_sender=envelope.reverse_path.is_null,
        )

    async def _carries_code(self, submission: Submission, arrival: Arrival, policy: Policy) -> bool:
        """90-17: True if the mail contains the code of a waiting mail. Mail to a desk is not looked at (P7)."""
        if exemption(submission, policy) == "11-25":
            return False
        assert self._holding is not None  # noqa: S101 - submit() has passed on already where nothing is held
        texts = [each.text for each in submission.message.passages]
        texts.append(_head(arrival, CODE_SEARCH_OCTETS).decode("latin-1"))
        tokens = dict.fromkeys(token for text in texts for token in find_tokens(text))
        return any([await self._holding.waits_for(token) for token in tokens])


def _head(arrival: Arrival, octets: int) -> bytes:
    """The first `octets` of the content, without reading a large one to its end."""
    head = b""
    for piece in arrival.content.pieces():
        head += piece[: octets - len(head)]
        if len(head) >= octets:
            break
    return head


def _upstream_trouble(error: UpstreamError) -> Reply:
    """The upstream's own last word if it is a refusal, else a 4xx of ours: never a 250 that nobody stands behind."""
    if error.reply is not None and (error.reply.transient or error.reply.permanent):
        return error.reply
    return replies.UPSTREAM_UNSURE if error.after_end else replies.UPSTREAM_LOST
