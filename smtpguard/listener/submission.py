"""The door for members' mail programs: everything goes up live but the content, which is judged first.

One connection to the mail server for each client, opened when it connects. What the mail server says reaches the client
unchanged; what the client says goes up as typed. Between them stands the flow, which gets each mail when it is whole.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from typing import ClassVar

from smtpguard import maillog, replies
from smtpguard.listener import MailFlow
from smtpguard.listener.auth import Login, authenticate
from smtpguard.listener.connection import ClientConnection
from smtpguard.listener.hello import mechanisms, offer, size_limit
from smtpguard.listener.member import MemberUpstream
from smtpguard.listener.options import ListenerOptions
from smtpguard.listener.roll import Roll
from smtpguard.listener.transaction import MemberTransaction
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.content import Content
from smtpguard.mail.envelope import Envelope, parse_path
from smtpguard.mail.reply import Reply
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.connection import Connection


class SubmissionConnection(ClientConnection):
    """One member's session (RFC 6409)."""

    VERBS: ClassVar[frozenset[bytes]] = ClientConnection.VERBS | {b"AUTH"}

    def __init__(self, options: ListenerOptions, flow: MailFlow, roll: Roll, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(options, roll, loop)
        self._flow = flow
        self._upstream: Connection | None = None
        self._member: MemberUpstream | None = None
        self._deciding: asyncio.Task[Reply] | None = None
        self._login: Login | None = None
        self._mechanisms: tuple[str, ...] = ()
        self._octets_max = options.message_size
        self._greeted = False
        self._extended = False
        self._transaction: MemberTransaction | None = None

    @property
    def in_transaction(self) -> bool:
        """True between an accepted MAIL and the reply to its content."""
        return self._transaction is not None

    # ------------------------------------------------------------ the mail server behind

    @property
    def upstream(self) -> Connection:
        """The connection to the mail server. Raises UpstreamError if there is none."""
        if self._upstream is None:
            raise UpstreamError("not connected")
        return self._upstream

    @property
    def member(self) -> MemberUpstream:
        """The same, as the flow sees it. Raises UpstreamError if there is none."""
        if self._member is None:
            raise UpstreamError("not connected")
        return self._member

    async def greet(self) -> bool:
        """The mail server's greeting is ours; without one the client goes at once."""
        if self.options.target is None:
            raise ValueError("a submission door needs a mail server")
        try:
            self._upstream = await Connection.open(self.options.target)
        except UpstreamError as error:
            maillog.warning("no session with the mail server", why=str(error))
            refused = error.reply
            self.say(refused if refused is not None and refused.code >= 400 else replies.UPSTREAM_AWAY)
            return False
        self._member = MemberUpstream(self._upstream)
        self.say(self._upstream.greeting)
        return True

    async def ask(self, line: bytes) -> Reply:
        """Send a line up; the mail server's reply. After a 421 the client is let go, too. Raises UpstreamError."""
        return self._in_step(await self.upstream.command(line), challenge=True)

    def _in_step(self, reply: Reply, *, challenge: bool = False) -> Reply:
        """`reply`, unless it asks the client for something nobody has announced. Raises UpstreamError."""
        if 300 <= reply.code < 400 and not (challenge and reply.code == 334):
            raise UpstreamError("the mail server answered out of order")
        if reply.code == 421:
            self.hang_up()
        return reply

    async def _mirror(self) -> Reply:
        """Send the client's command up as typed; the mail server's reply. Raises UpstreamError."""
        return self._in_step(await self.upstream.command(self.line))

    async def admit(self, verb: bytes) -> bool:
        """A mail server that has said goodbye in the meantime: its last word answers the next command."""
        if self.upstream.alive:
            return True
        self.last_word(self.upstream.farewell or replies.UPSTREAM_GONE)
        return False

    def trouble(self, error: Exception) -> None:
        """The mail server died under a command: 451, or its own last word; the next command gets 421.

        A new connection would not help, for no password is kept to log in with.
        """
        self._transaction = None
        if self._upstream is not None:
            self._upstream.abort()
        if not isinstance(error, UpstreamError):
            super().trouble(error)
        elif error.reply is not None and error.reply.code == 421:
            self.last_word(error.reply)
        else:
            maillog.warning("a session with the mail server was lost", why=str(error))
            self.say(replies.UPSTREAM_LOST)

    def let_go(self) -> None:
        """QUIT goes up when nothing runs there any more; nobody waits for it."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None and upstream.alive:
            self._roll.run(self._farewell(upstream))

    async def _farewell(self, upstream: Connection) -> None:
        if self._deciding is not None:
            await asyncio.wait({self._deciding})
        await upstream.quit()

    def forget(self) -> None:
        """RFC 3207, 4.2: after STARTTLS the client starts with EHLO again."""
        self._greeted = self._extended = False
        self._mechanisms = ()

    def may_start_tls(self) -> bool:
        """Not after AUTH: the mail server behind us could not forget the login."""
        return self._login is None and not self.in_transaction

    # ------------------------------------------------------------ EHLO and AUTH

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
        reply = self._in_step(await self.upstream.hello(name.encode("utf-8", "surrogateescape"), verb))
        if reply.ok:
            # RFC 5321, 4.1.4: EHLO in mid-session is RSET, too.
            self._transaction = None
            self.member.is_open = False
            self._greeted, self._extended = True, verb == b"EHLO"
            self._octets_max = size_limit(reply, self.options.message_size)
            self._mechanisms = mechanisms(reply) if self._extended and self.may_log_in else ()
            if self._extended:
                starttls = self.offers_tls and self._login is None
                reply = offer(reply, size=self._octets_max, auth=self._mechanisms, starttls=starttls)
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
        elif self.options.auth_required and self._login is None:
            self.refuse(replies.LOGIN_FIRST)
        elif path is None:
            self.refuse(replies.BAD_ARGUMENT)
        elif declared is not None and _exceeds(declared, self.options.message_size):
            self.refuse(replies.CONTENT_TOO_LARGE)
        elif not self.refuse_more_messages():
            reply = await self._mirror()
            if reply.ok:
                self.count_message()
                self._transaction = MemberTransaction(path)
                self.member.is_open = True
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
            self.say(transaction.add_guard(path, authenticated=self._login is not None))
        elif not self._flow.can_read(path.address):
            self.refuse(replies.RECIPIENT_UNREADABLE)
        elif transaction.guards or transaction.mixed:
            self.say(transaction.mix())
        elif len(transaction.recipients) >= self.options.recipients:
            self.say(replies.TOO_MANY_RECIPIENTS)
        else:
            reply = await self._mirror()
            if reply.ok:
                transaction.recipients.append(path)
            self.say(reply)

    async def smtp_RSET(self, arg: str) -> None:
        """Up only when a transaction is open there: else the mail server counts it as a junk command."""
        if arg:
            self.refuse(replies.BAD_ARGUMENT)
            return
        self._transaction = None
        if self.member.is_open:
            self.member.is_open = False
            self.say(await self._mirror())
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
            await self._end_transaction(replies.GUARD_NOT_ALONE)
        elif not transaction.guards and not transaction.recipients:
            self.refuse(replies.NO_RECIPIENTS)
        else:
            await self._take_mail(transaction)

    async def _take_mail(self, transaction: MemberTransaction) -> None:
        content = await self.receive_content(self._octets_max, self._keep_awake)
        if content is None:
            return
        if isinstance(content, Reply):
            await self._end_transaction(content)
            if content is replies.CONTENT_BAD_OCTETS:
                self.hang_up(linger=True)
            return
        to_guard = bool(transaction.guards)
        recipients = transaction.guards if to_guard else transaction.recipients
        arrival = Arrival(
            id=secrets.token_hex(6),
            login=self._login.identity if self._login is not None else None,
            authenticated=self._login is not None,
            envelope=Envelope(transaction.reverse_path, tuple(recipients)),
            content=content,
            arrived=datetime.now(UTC),
        )
        # A task of its own: a client that vanishes now must not cut short what has been begun.
        self._deciding = self._roll.run(self._decide(arrival, content, to_guard=to_guard))
        reply = await asyncio.shield(self._deciding)
        self._deciding = None
        self.say(reply)
        if reply.code == 421:
            self.hang_up()
        self._transaction = None

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


def _exceeds(declared: str, octets_max: int) -> bool:
    """RFC 1870, 3: at most 20 digits. What is no number goes up and is refused there."""
    return declared.isascii() and declared.isdigit() and len(declared) <= 20 and int(declared) > octets_max
