"""A client's conversation: commands in their order, content, and the commands that are alike on every door.

The loop is our own. aiosmtpd's can spin for ever when a client resets the line at the wrong moment (in Python 3.11
wait_for swallows a cancellation that comes in the turn in which its task ends); this one ends at the end of the stream
and on a closing line, and nothing here uses wait_for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import ClassVar

from smtpguard import maillog, replies
from smtpguard.listener.allowance import Allowance
from smtpguard.listener.line import Line
from smtpguard.listener.options import ListenerOptions
from smtpguard.listener.receipt import Receipt
from smtpguard.listener.reception import Reception
from smtpguard.listener.roll import Roll, Visitor
from smtpguard.mail.content import Content
from smtpguard.mail.reply import Reply

# RFC 5321, 4.5.3.1.10: whoever is put off is no error of the client's. Who does not stop asking is one (Postfix:
# smtpd_recipient_overshoot_limit).
RECIPIENTS_PUT_OFF_MAX = 1_000

# Browsers made to speak to a mail port begin with these, and their body would be read as commands. What follows BDAT
# (RFC 3030) is content; it is not offered, so whoever sends it is out of step.
_OUT_OF_STEP = frozenset(b"GET POST PUT HEAD OPTIONS CONNECT DELETE PATCH BDAT PROXY".split())
# What brings no mail on. Refused commands count as errors, MAIL as a message; the rest cannot be said without end.
_TALK = frozenset(b"NOOP RSET VRFY HELP EHLO HELO LHLO".split())
_NOT_CARRIED = frozenset(b"BURL ETRN ATRN TURN SEND SOML SAML XCLIENT XFORWARD EXPN AUTH".split())


class ClientConnection(Line):
    """One client, from the greeting to the last word. Subclasses are the doors."""

    VERBS: ClassVar[frozenset[bytes]] = frozenset(b"EHLO HELO STARTTLS MAIL RCPT DATA RSET NOOP QUIT VRFY HELP".split())

    def __init__(self, options: ListenerOptions, roll: Roll, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(options, roll.pace, loop)
        self.line = b""
        """The command being obeyed, as typed."""
        self._roll = roll
        self._turned_away: Reply | None = None
        self.instead_of: Visitor | None = None
        """The entrance, which has held this client's place so far."""
        self._errors = 0
        self._messages = 0
        self._allowance = Allowance()
        self._put_off = 0

    # ------------------------------------------------------------ what a door says

    async def greet(self) -> bool:
        """Say the first word; False if it was a refusal."""
        raise NotImplementedError

    def counted_as(self) -> str | None:
        """The client that this session counts for (`connections_per_address`); None if it has no such bound."""
        return self.client.counts_as

    async def admit(self, verb: bytes) -> bool:
        """Called before every command but QUIT; False if it has been answered already."""
        return True

    def may_start_tls(self) -> bool:
        """False where the client has gone too far to start anew."""
        return not self.in_transaction

    def trouble(self, error: Exception) -> None:
        """A command ended with `error`: answer it."""
        maillog.fault("a command failed", error)
        self.last_word(replies.INTERNAL)

    def let_go(self) -> None:
        """The session is over: release what belongs to it. Must not wait; may be called again."""

    # ------------------------------------------------------------ the conversation

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        self._turned_away = self._roll.enter(self, self.counted_as(), self.options, self.instead_of)
        self.instead_of = None
        if self._turned_away is not None:
            self._roll.complain_of(self._turned_away)
        if self._roll.closing:
            self.leave()

    async def _handle_client(self) -> None:
        try:
            if self._turned_away is not None:
                self.last_word(self._turned_away)
            elif not self._leaving and not await self.greet():
                self.hang_up()
            while (line := await self.read_line()) is not None:
                await self._obey(line)
                line = b""  # there may have been a password in it, and the next one may be long in coming (T-06)
            await self.flush()
            self.let_go()
            await self.linger()
        except ConnectionError:
            # The client is gone: the ordinary end of many sessions.
            pass

    async def _obey(self, line: bytes) -> None:
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        if verb in _OUT_OF_STEP:
            self.last_word(replies.NOT_IMPLEMENTED, linger=True)
            return
        if verb in _TALK and not self._allowance.spend(self.loop.time()):
            self.last_word(replies.TOO_MUCH_TALK, linger=True)
            return
        self.line = line
        self._pace.command(self.loop.time())
        try:
            if verb != b"QUIT" and not await self.admit(verb):
                return
            if verb in self.VERBS:
                method = getattr(self, f"smtp_{verb.decode('ascii')}")
                await method(argument.strip().decode("utf-8", "surrogateescape"))
            else:
                self.refuse(replies.NOT_IMPLEMENTED if verb in _NOT_CARRIED else replies.BAD_COMMAND)
        except ConnectionError:
            raise
        except Exception as error:  # whatever it is, the client gets a 4xx and nobody a traceback
            self.trouble(error)
        finally:
            self.line = b""

    def _gone(self, task: asyncio.Task[None]) -> None:
        self.let_go()
        self._roll.leave(self)
        if not task.cancelled() and (error := task.exception()) is not None:
            maillog.fault("a session failed", error)
        super()._gone(task)

    def refuse(self, reply: Reply) -> None:
        """A reply of our own to something the client does wrong; too many of them end the session."""
        self.say(reply)
        self._errors += 1
        if self._errors > self.options.errors_per_session:
            self.last_word(replies.TOO_MANY_ERRORS)

    def refuse_more_messages(self) -> bool:
        """True if the session has had all its messages; it ends then. A MAIL that was accepted is a message."""
        if self._messages < self.options.messages_per_session:
            return False
        self.last_word(replies.TOO_MANY_MESSAGES)
        return True

    def count_message(self) -> None:
        """MAIL was accepted."""
        self._messages += 1
        self._allowance.renew()
        self._put_off = 0

    def put_off_recipient(self) -> None:
        """A recipient beyond the bound: 452, so that the client sends to him later."""
        self._put_off += 1
        if self._put_off > RECIPIENTS_PUT_OFF_MAX:
            self.refuse(replies.TOO_MANY_RECIPIENTS)
        else:
            self.say(replies.TOO_MANY_RECIPIENTS)

    # ------------------------------------------------------------ content

    async def receive(
        self, octets_max: int, keep_awake: Callable[[], Awaitable[None]] | None = None, *, live: bool = False
    ) -> Reception | None:
        """Say 354 and take the content up to its end. Nothing may wait behind DATA.

        None if the client is gone or was too slow (it has its 421 then). `keep_awake` is awaited now and then while the
        content comes in. With `live` large content is given while it still comes in. What is given has to be closed.
        """

        def receipt(arrived: Callable[[], None] | None) -> Receipt:
            return Receipt(self.options.spool, octets_max, self.options.received_fields, arrived)

        reception = Reception(self, receipt, keep_awake, live=live)
        collected = False
        try:
            self.say(replies.GO_AHEAD)
            await self.flush()
            collected = await reception.collect()
        finally:
            if not collected:
                reception.close()
        return reception if collected else None

    async def receive_content(self, octets_max: int) -> Content | Reply | None:
        """The same for content that is wanted as a whole: the content, or the reply that refuses it."""
        reception = await self.receive(octets_max)
        if reception is None:
            return None
        with closing(reception):
            return reception.finish()

    async def wait_for_content(self) -> bool:
        """Until something happens on the line; False if no more content will come. Who is too slow gets a 421."""
        if not self._eof and not self._timed_out:
            await self._wait(self.options.data_idle)
        if self._timed_out:
            self.last_word(replies.IDLE)
        return not self._eof and not self._timed_out

    # ------------------------------------------------------------ commands

    async def smtp_STARTTLS(self, arg: str) -> None:
        """RFC 3207. What was said before is forgotten; what stands behind it in plain text is thrown away unread."""
        if not self.offers_tls:
            self.refuse(replies.TLS_TWICE if self.secure else replies.NO_TLS_HERE)
        elif arg:
            self.refuse(replies.BAD_ARGUMENT)
        elif not self.may_start_tls():
            self.refuse(replies.TLS_TOO_LATE)
        else:
            await self.start_tls()

    async def smtp_NOOP(self, arg: str) -> None:
        """Local: upstream it would count as a junk command."""
        self.say(replies.OK)

    async def smtp_HELP(self, arg: str) -> None:
        """Local."""
        self.say(replies.HELP)

    async def smtp_VRFY(self, arg: str) -> None:
        """Local: says neither yes nor no (RFC 5321, 7.3)."""
        self.say(replies.CANNOT_VERIFY)

    async def smtp_QUIT(self, arg: str) -> None:
        """Answered at once; the mail server is told without waiting."""
        self.last_word(replies.BYE)
