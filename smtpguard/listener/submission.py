"""The door for members' mail programs: everything goes up live but the content, which is judged first.

Between client and mail server stands the flow, which gets each mail when it is whole; where it judges nothing, large
mails go up while they come in.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import closing
from datetime import UTC, datetime
from typing import ClassVar

from smtpguard import maillog, replies
from smtpguard.listener import MailFlow
from smtpguard.listener.auth import Login, authenticate
from smtpguard.listener.complaints import REMINDER_SECONDS
from smtpguard.listener.connection import ClientConnection
from smtpguard.listener.hello import mechanisms, offer, size_limit
from smtpguard.listener.mirror import MirroredConnection
from smtpguard.listener.options import ListenerOptions
from smtpguard.listener.reception import Reception
from smtpguard.listener.roll import Roll
from smtpguard.listener.transaction import MemberTransaction
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.content import Content
from smtpguard.mail.envelope import Envelope, Path, parse_path
from smtpguard.mail.reply import Reply
from smtpguard.upstream import BrokenOffError, UpstreamError

XCLIENT_REMEDY = "name this machine in smtpd_authorized_xclient_hosts (Postfix), or write client_address: none"


class SubmissionConnection(MirroredConnection):
    """One member's session (RFC 6409)."""

    VERBS: ClassVar[frozenset[bytes]] = ClientConnection.VERBS | {b"AUTH"}
    behind_front: ClassVar[bool] = False

    def __init__(self, options: ListenerOptions, flow: MailFlow, roll: Roll, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(options, roll, loop)
        self._flow = flow
        self._login: Login | None = None
        self._mechanisms: tuple[str, ...] = ()
        self._octets_max = options.message_size
        self._greeted = False
        self._extended = False
        self._requiretls = False
        self._transaction: MemberTransaction | None = None

    @property
    def in_transaction(self) -> bool:
        """True between an accepted MAIL and the reply to its content."""
        return self._transaction is not None

    def end_transaction(self) -> None:
        """What was said since MAIL is forgotten."""
        self._transaction = None

    # ------------------------------------------------------------ who sends

    @property
    def from_trusted_network(self) -> bool:
        """True for a client that may send without a login (90-06): a printer, say."""
        networks = self.options.trusted_networks
        return bool(networks) and not self.client.nameless and self.client.comes_from(networks)

    @property
    def asks_for_login(self) -> bool:
        """True if nobody may send before AUTH."""
        return self.options.auth_required and not self.from_trusted_network

    @property
    def may_answer(self) -> bool:
        """True if the guard's own address may be a recipient at all."""
        return self._login is not None

    def sender_of(self, content: Content) -> Login | None:
        """Who sends this mail, None without a login."""
        return self._login

    @property
    def _can_require_tls(self) -> bool:
        """RFC 8689: the client's line has TLS, the mail server offers it in checked TLS, and so does the outbox."""
        return self.secure and "REQUIRETLS" in self.upstream.extensions and self._flow.can_require_tls()

    def more_to_offer(self) -> tuple[str, ...]:
        """Lines of the EHLO answer beside what every door carries."""
        return ()

    # ------------------------------------------------------------ EHLO and AUTH

    def forget(self) -> None:
        """RFC 3207, 4.2: after STARTTLS the client starts with EHLO again."""
        self._greeted = self._extended = self._requiretls = False
        self._mechanisms = ()

    def may_start_tls(self) -> bool:
        """Not after AUTH: the mail server behind us could not forget the login."""
        return self._login is None and not self.in_transaction

    async def smtp_EHLO(self, arg: str) -> None:
        """Up under the client's own name; down comes what the guard can carry of the answer."""
        await self._hello(arg, b"EHLO")

    async def smtp_HELO(self, arg: str) -> None:
        """Likewise, without extensions."""
        await self._hello(arg, b"HELO")

    async def _hello(self, name: str, verb: bytes) -> None:
        if not name:
            self.refuse(replies.BAD_ARGUMENT)
            return
        before = None if self._greeted else self.upstream.hello_reply
        reply = self._in_step(await self.upstream.hello(name.encode("utf-8", "surrogateescape"), verb))
        if reply.code == 503 and before is not None and verb == b"EHLO":
            # OpenSMTPD takes one EHLO a session. Of our STARTTLS it knows nothing, so its answer would be the same.
            await self.member.reset()
            reply = before
        introduction = self.upstream.introduction
        if introduction is not None and introduction.failure is not None:
            self._roll.complaints.note(introduction.failure, pause=REMINDER_SECONDS, remedy=XCLIENT_REMEDY)
        if reply.ok:
            # RFC 5321, 4.1.4: EHLO in mid-session is RSET, too.
            self._transaction = None
            self.member.is_open = False
            self._greeted, self._extended = True, verb == b"EHLO"
            self._octets_max = size_limit(reply, self.options.message_size)
            self._mechanisms = mechanisms(reply) if self._extended and self.may_log_in else ()
            self._requiretls = self._extended and self._can_require_tls
            if self._extended:
                starttls = self.offers_tls and self._login is None
                more = (*self.more_to_offer(), "REQUIRETLS") if self._requiretls else self.more_to_offer()
                reply = offer(reply, size=self._octets_max, auth=self._mechanisms, starttls=starttls, more=more)
        self.say(reply)

    async def smtp_AUTH(self, arg: str) -> None:
        """Up once and verbatim; see `auth`."""
        words = arg.split()
        refusal = self._login_refusal(words)
        if refusal is not None:
            self.refuse(refusal)
            return
        initial = words[1].encode("utf-8", "surrogateescape") if len(words) > 1 else None
        self._login = await authenticate(self, self.line, words[0].upper(), initial)

    def _login_refusal(self, words: list[str]) -> Reply | None:
        if not self._extended:
            return replies.HELLO_FIRST
        if self._login is not None:
            return replies.LOGIN_TWICE
        if self.in_transaction:
            return replies.LOGIN_NOT_NOW
        if not words or len(words) > 2:
            return replies.BAD_ARGUMENT
        if not self.may_log_in:
            return replies.LOGIN_NEEDS_TLS
        return None if words[0].upper() in self._mechanisms else replies.MECHANISM_UNKNOWN

    # ------------------------------------------------------------ MAIL, RCPT, RSET

    async def smtp_MAIL(self, arg: str) -> None:
        """Up as typed, unless the guard itself has a reason against it."""
        path = parse_path(arg) if arg[:4].upper() == "FROM" else None
        declared = path.parameter("SIZE") if path is not None else None
        if not self._greeted:
            self.refuse(replies.HELLO_FIRST)
        elif self.in_transaction:
            self.refuse(replies.NESTED_MAIL)
        elif self._login is None and self.asks_for_login:
            self.refuse(replies.LOGIN_FIRST)
        elif path is None:
            self.refuse(replies.BAD_ARGUMENT)
        elif declared is not None and _exceeds(declared, self.options.message_size):
            self.refuse(replies.CONTENT_TOO_LARGE)
        elif path.parameters and path.parameter("REQUIRETLS") is not None and not self._requiretls:
            # The mail server may well take it, but some other leg could not keep the promise.
            self.refuse(replies.UNKNOWN_PARAMETER)
        elif not self.refuse_more_messages():
            reply = await self._mirror()
            # Even a refused MAIL leaves something behind: Postfix remembers its SIZE until RSET.
            self.member.is_open = True
            if reply.ok:
                self.count_message()
                self._transaction = MemberTransaction(path, lambda: self._not_alone(path))
            self.say(reply)

    async def smtp_RCPT(self, arg: str) -> None:
        """Up as typed; the guard's own addresses are answered here and stand alone (90-16)."""
        transaction = self._transaction
        path = parse_path(arg) if arg[:2].upper() == "TO" else None
        if transaction is None:
            self.refuse(replies.MAIL_FIRST if self._greeted else replies.HELLO_FIRST)
        elif path is None:
            self.refuse(replies.BAD_ARGUMENT)
        elif path.address is not None and self._flow.takes_answers_at(path.address):
            self.say(transaction.add_guard(path, authenticated=self.may_answer))
        elif not self._flow.can_read(path.address):
            self.refuse(replies.RECIPIENT_UNREADABLE)
        elif transaction.guards or transaction.mixed:
            self.say(transaction.mix())
        elif len(transaction.recipients) >= self.options.recipients:
            self.put_off_recipient()
        else:
            reply = await self._mirror()
            if reply.ok:
                transaction.recipients.append(path)
            self.say(reply)

    def _not_alone(self, reverse_path: Path) -> Reply:
        login = None if self._login is None else self._login.identity
        return self._flow.not_alone(login, reverse_path.address)

    async def smtp_RSET(self, arg: str) -> None:
        """Up only when a MAIL went up since the last one: else the mail server counts it as a junk command."""
        if arg:
            self.refuse(replies.BAD_ARGUMENT)
            return
        self._transaction = None
        if self.member.is_open:
            reply = await self._mirror()
            self.member.is_open = not reply.ok
            self.say(reply)
        else:
            self.say(replies.OK)

    # ------------------------------------------------------------ DATA

    async def smtp_DATA(self, arg: str) -> None:
        """Take the content, let the flow decide, and answer with what it says."""
        transaction = self._transaction
        if self.refuse_early_octets():
            return
        if arg:
            self.refuse(replies.BAD_ARGUMENT)
        elif transaction is None:
            self.refuse(replies.MAIL_FIRST if self._greeted else replies.HELLO_FIRST)
        elif transaction.mixed:
            await self._end_transaction(transaction.not_alone())
        elif not transaction.guards and not transaction.recipients:
            self.refuse(replies.NO_RECIPIENTS)
        else:
            await self._take_mail(transaction)

    async def _take_mail(self, transaction: MemberTransaction) -> None:
        to_guard = bool(transaction.guards)
        live = not to_guard and not self._flow.judges()
        reception = await self.receive(self._octets_max, self._keep_awake, live=live)
        if reception is None:
            return
        with closing(reception):
            content = reception.finish() if reception.ended else await self._relay(reception)
        if content is None:
            return
        if isinstance(content, Reply):
            await self._end_transaction(content)
            if content is replies.CONTENT_BAD_OCTETS or content.code == 421:
                self.hang_up(linger=True)
            return
        recipients = transaction.guards if to_guard else transaction.recipients
        sender = self.sender_of(content)
        arrival = Arrival(
            id=_mail_id(),
            login=sender.identity if sender is not None else None,
            authenticated=sender is not None,
            from_trusted_network=self.from_trusted_network,
            behind_front=self.behind_front,
            envelope=Envelope(transaction.reverse_path, tuple(recipients)),
            content=content,
            arrived=datetime.now(UTC),
        )
        # A client that vanishes now must not cut short what has been begun.
        self._committed = True
        reply = await self._decide(arrival, content, to_guard=to_guard)
        self._committed = False
        self.say(reply)
        if reply.code == 421:
            self.hang_up()
        self._transaction = None

    async def _relay(self, content: Reception) -> Reply | None:
        """Hand on what nobody judges while it still comes in; the client's reply, None if the client is gone."""
        # The mail server must get the final dot and say its word, whatever the client does after its own.
        self._committed = True
        try:
            reply = await self._flow.relay(_mail_id(), content, self.member)
            return await content.rest(reply)
        except BrokenOffError as broken:
            return broken.reply
        finally:
            self._committed = False

    async def _decide(self, arrival: Arrival, content: Content, *, to_guard: bool) -> Reply:
        member = self.member
        try:
            if to_guard:
                return await self._flow.answer(arrival, member)
            return await self._flow.submit(arrival, member)
        except Exception as error:  # the flow's own bug: 4xx, and the client still owns the message
            maillog.fault("the flow failed", error, arrival.id)
            return replies.INTERNAL
        finally:
            content.close()
            await member.reset()

    async def _end_transaction(self, reply: Reply) -> None:
        """The message is over for the client, so it must be over at the mail server, too."""
        self._transaction = None
        self.say(reply)
        await self.member.reset()

    async def _keep_awake(self) -> None:
        """RFC 5321, 4.1.1.9: NOOP changes nothing, but the mail server sees that somebody is there."""
        try:
            await self.upstream.command(b"NOOP")
        except UpstreamError:
            # The flow will meet the dead connection at the end of the content, when the client listens.
            pass


def _mail_id() -> str:
    return f"{random.getrandbits(48):012x}"


def _exceeds(declared: str, octets_max: int) -> bool:
    """RFC 1870, 3: at most 20 digits. What is no number goes up and is refused there."""
    return declared.isascii() and declared.isdigit() and len(declared) <= 20 and int(declared) > octets_max
