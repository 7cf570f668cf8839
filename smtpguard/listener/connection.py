"""A client's conversation: commands in their order, content, and the commands that are alike on every door.

The loop is our own. aiosmtpd's can spin for ever when a client resets the line at the wrong moment (in Python 3.11
wait_for swallows a cancellation that comes in the turn in which its task ends); this one ends at the end of the stream
and on a closing line, and nothing here uses wait_for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

from smtpguard import maillog, replies
from smtpguard.listener.line import Line
from smtpguard.listener.options import ListenerOptions, Network, client_network
from smtpguard.listener.receipt import Receipt
from smtpguard.listener.roll import Roll
from smtpguard.mail.content import Content
from smtpguard.mail.reply import Reply

# 25 MiB over a line of 32 kbit/s take less than two hours; who is slower than that does not want to be done.
CONTENT_SECONDS_MAX = 2 * 3600.0
# Postfix gives up after 300 s of silence and calls the 110th NOOP junk: every 100 s is early enough and seldom enough.
KEEP_AWAKE_SECONDS = 100.0

# Browsers made to speak to a mail port begin with these, and their body would be read as commands. What follows BDAT
# (RFC 3030) is content; it is not offered, so whoever sends it is out of step.
_OUT_OF_STEP = frozenset(b"GET POST PUT HEAD OPTIONS CONNECT DELETE PATCH BDAT".split())
_NOT_CARRIED = frozenset(b"BURL ETRN ATRN TURN SEND SOML SAML XCLIENT XFORWARD EXPN AUTH".split())


class ClientConnection(Line):
    """One client, from the greeting to the last word. Subclasses are the doors."""

    VERBS: ClassVar[frozenset[bytes]] = frozenset(b"EHLO HELO STARTTLS MAIL RCPT DATA RSET NOOP QUIT VRFY HELP".split())

    def __init__(self, options: ListenerOptions, roll: Roll, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(options, loop)
        self.line = b""
        """The command being obeyed, as typed."""
        self._roll = roll
        self._turned_away: Reply | None = None
        self._errors = 0
        self._messages = 0

    # ------------------------------------------------------------ what a door says

    async def greet(self) -> bool:
        """Say the first word; False if it was a refusal."""
        raise NotImplementedError

    def counted_as(self) -> Network | None:
        """The client that this session counts for (`connections_per_address`); None if it has no such bound."""
        return client_network(self._peer)

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
        self._turned_away = self._roll.enter(self, self.counted_as(), self.options)
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
        self.line = line
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

    # ------------------------------------------------------------ content

    async def receive_content(
        self, octets_max: int, keep_awake: Callable[[], Awaitable[None]] | None = None
    ) -> Content | Reply | None:
        """Say 354 and take the content up to its end. Nothing may wait behind DATA.

        Gives the content, or the reply that refuses it; None if the client is gone or was too slow (it has its 421
        then). `keep_awake` is awaited now and then while the content comes in.
        """
        receipt = Receipt(self.options.spool, octets_max, self.options.received_fields)
        framing = self._framing.begin_content(receipt.take)
        latest = self.loop.time() + CONTENT_SECONDS_MAX
        try:
            self.say(replies.GO_AHEAD)
            await self.flush()
            while not framing.ended:
                if self._eof:
                    return None
                if self._timed_out or self.loop.time() > latest:
                    self.last_word(replies.IDLE)
                    return None
                try:
                    async with asyncio.timeout(KEEP_AWAKE_SECONDS):
                        await self._wait(self.options.data_idle)
                except TimeoutError:
                    if keep_awake is not None:
                        await keep_awake()
            return receipt.finish(bad=framing.bad)
        finally:
            receipt.close()

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
