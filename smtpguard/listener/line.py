"""The line to one client: octets in, replies out, patience, TLS. What is said on it is the business of `connection`.

A subclass of aiosmtpd's SMTP that keeps its names and replaces its machinery, because the stock one reads content line
by line, ends a command at a bare LF, writes each reply by itself and re-arms a timer at every command. Here octets go
to the framing, and replies are collected until no whole command waits.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import cast

from aiosmtpd.smtp import SMTP, Session

from smtpguard import replies
from smtpguard.listener.client import Client
from smtpguard.listener.framing import BadCommand, ContentFraming, Flaw, Framing
from smtpguard.listener.options import AuthWithoutTls, ListenerOptions, Tls
from smtpguard.mail.reply import Reply
from smtpguard.pace import Pace
from smtpguard.patience import Patience

# aiosmtpd logs addresses, commands and content at its own levels. None of that may be written, whatever is configured.
_MAIL_LOG = logging.getLogger("mail.log")
_MAIL_LOG.addHandler(logging.NullHandler())
_MAIL_LOG.propagate = False
_MAIL_LOG.disabled = True

# Octets that may wait for us: many pipelined groups of commands. Above it we stop reading.
BACKLOG_OCTETS = 64 * 1024
# Replies are written at the latest when so many octets have come together.
UNSENT_OCTETS = 16 * 1024
# After so many commands in a row for which nobody was waited for, others get their turn.
COMMANDS_IN_A_ROW = 64
# RFC 8446 needs two round trips; a minute is what asyncio gives, too.
HANDSHAKE_SECONDS = 60.0
# After a last word to a client that is still sending: closing at once would reset the line and lose that word.
LINGER_SECONDS = 2.0
# How long a last word may wait for a client that does not read.
LAST_WORD_SECONDS = 30.0


class Line(SMTP):
    """One client, from connect to close."""

    _wire: asyncio.Transport

    def __init__(self, options: ListenerOptions, pace: Pace, loop: asyncio.AbstractEventLoop) -> None:
        # Not aiosmtpd's own constructor: it inspects itself for 0.1 ms at every connection, and nothing of what it
        # prepares is used here.
        self._reader = asyncio.StreamReader(loop=loop)
        super(SMTP, self).__init__(self._reader, loop=loop)
        self.loop = loop
        self.options = options
        self.hostname = options.hostname
        self.session: Session | None = None
        self.transport: asyncio.BaseTransport | None = None
        self.client = Client()
        self._framing = Framing()
        self._patience = Patience(loop, self._out_of_patience)
        self._handler_coroutine: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._unsent: list[bytes] = []
        self._unsent_octets = 0
        self._queued = 0
        self._pace = pace.share()
        self._resting = False
        self._reading_paused = False
        self._writing_paused = False
        self._switching = False
        self._secure = options.tls is Tls.IMPLICIT
        self._eof = False
        self._committed = False
        self._timed_out = False
        self._leaving = False
        self._hanging_up = False
        self._lingers = False
        self._in_a_row = 0

    # ------------------------------------------------------------ called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; not called again after STARTTLS."""
        super(SMTP, self).connection_made(transport)
        # uvloop's transports are stream transports, but no subclasses of asyncio.Transport.
        self.transport = self._wire = cast(asyncio.Transport, transport)
        self.session = Session(self.loop)
        self.session.peer = transport.get_extra_info("peername")
        self.client.meet(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._handler_coroutine = self.loop.create_task(self._handle_client())
        self._handler_coroutine.add_done_callback(self._gone)

    def data_received(self, data: bytes) -> None:
        """Octets from the client go to the framing and nowhere else."""
        if self._framing.receiving:
            self._patience.seen()
        self._framing.feed(data)
        if not self._framing.receiving:
            self._wake()
            self._hold_back()
        elif rest := self._pace.rest(len(data), self.loop.time()):
            self._resting = True
            self._hold_back()
            self.loop.call_later(rest, self._rested)

    def _rested(self) -> None:
        self._resting = False
        self._hold_back()

    def eof_received(self) -> bool:
        """The client sends no more. Whole commands that came before still get their answers."""
        self._eof = True
        self._wake()
        # True keeps the line open for our answers; TLS knows no half-closed line (and asyncio warns).
        return not self._secure

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writing_paused = False
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """The line is dead. What has been begun for this client is done to its end (`_committed`)."""
        self._eof = True
        super(SMTP, self).connection_lost(error)
        if self._committed:
            self._wake()
        else:
            self.abort()

    def _gone(self, task: asyncio.Task[None]) -> None:
        """The session's task has ended for whatever reason, perhaps before it began."""
        self._patience.stop()
        if task.cancelled():
            self._wire.abort()
            return
        # TLS bounds its own farewell (asyncio's ssl_shutdown_timeout).
        unread = not self._secure and not self._wire.is_closing() and self._wire.get_write_buffer_size() > 0
        self._wire.close()
        if unread:
            self.loop.call_later(LAST_WORD_SECONDS, self._wire.abort)

    # ------------------------------------------------------------ waiting for the client

    @property
    def in_transaction(self) -> bool:
        """True between an accepted MAIL and the reply to its content: such a client may finish at a shutdown."""
        return False

    def leave(self) -> None:
        """SIGTERM: 421 as soon as no transaction is open. In mid-handshake there is nothing to say it with."""
        self._leaving = True
        if self._switching:
            self.abort()
        self._wake()

    def abort(self) -> None:
        """End now, whatever is going on."""
        self._patience.stop()
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()

    async def read_line(self, *, dialogue: bool = False) -> bytes | None:
        """The next line without CRLF. None if there is none any more; the last word has been said then.

        `dialogue` is true where a challenge of AUTH is answered. Raises ConnectionError if the client is gone.
        """
        # Counted from the first wait on: octets that make no whole command do not prolong it.
        latest: float | None = None
        while not self._hanging_up:
            found = None
            if self._leaving and not self.in_transaction:
                self.last_word(replies.SHUTTING_DOWN)
            else:
                found = self._framing.next_command(dialogue=dialogue)
            if isinstance(found, BadCommand):
                bad = replies.COMMAND_TOO_LONG if found.flaw is Flaw.LENGTH else replies.BAD_OCTETS
                self.last_word(bad, linger=True)
            elif found is not None:
                await self._take_turns()
                return found
            elif self._unsent:
                await self.flush()
            elif self._eof or self._wire.is_closing():
                break
            elif self._timed_out:
                self.last_word(replies.IDLE)
            else:
                self._in_a_row = 0
                now = self.loop.time()
                latest = latest or now + self.options.idle
                await self._wait(latest - now)
        return None

    async def _wait(self, seconds: float) -> None:
        """Until something happens on the line, at most `seconds` of silence."""
        self._waiter = self.loop.create_future()
        self._patience.start(seconds)
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._patience.suspend()

    def begin_content(self, take: Callable[[bytes], None]) -> ContentFraming:
        """From now on octets are content, whose pieces go to `take`. Raises ValueError if octets wait already."""
        return self._framing.begin_content(take)

    def queued(self, octets: int) -> None:
        """So many octets of content wait to be taken away; the line stops reading while they are many."""
        self._queued = octets
        self._hold_back()

    def wake(self) -> None:
        """Whatever the session waits for, it shall look."""
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _out_of_patience(self) -> None:
        self._timed_out = True
        self._wake()

    async def _take_turns(self) -> None:
        """A client that sends commands without end must not keep others from their turn."""
        self._hold_back()
        self._in_a_row += 1
        if self._unsent_octets > UNSENT_OCTETS:
            await self.flush()
        if self._in_a_row >= COMMANDS_IN_A_ROW:
            self._in_a_row = 0
            await asyncio.sleep(0)

    def _hold_back(self) -> None:
        """Stop reading while too much waits, go on when it is less."""
        if self._switching:
            return
        waiting = self._framing.waiting + self._queued
        if not self._reading_paused and (self._resting or waiting > BACKLOG_OCTETS):
            self._reading_paused = True
            self._wire.pause_reading()
        elif self._reading_paused and not self._resting and waiting <= BACKLOG_OCTETS // 2:
            self._reading_paused = False
            if not self._wire.is_closing():
                self._wire.resume_reading()

    def refuse_early_octets(self) -> bool:
        """True if octets stand behind a command that must be the last of its group (RFC 2920, 3.1); refused then."""
        if not self._framing.waiting:
            return False
        self.last_word(replies.TOO_EARLY, linger=True)
        return True

    # ------------------------------------------------------------ replies

    def say(self, reply: Reply) -> None:
        """Collect a reply; it is written when no whole command waits."""
        self._unsent.append(reply.wire)
        self._unsent_octets += len(reply.wire)

    async def push(self, status: str | bytes) -> None:
        """aiosmtpd's way to reply, CRLF left out."""
        line = (status.encode("ascii") if isinstance(status, str) else status) + b"\r\n"
        self._unsent.append(line)
        self._unsent_octets += len(line)

    def last_word(self, reply: Reply, *, linger: bool = False) -> None:
        """Say `reply` and hang up."""
        self.say(reply)
        self.hang_up(linger=linger)

    def hang_up(self, *, linger: bool = False) -> None:
        """End the session after the replies so far; nothing that waits is looked at.

        `linger` is for a client that may still be sending.
        """
        self._hanging_up = True
        self._lingers = self._lingers or linger
        self._framing.shut()

    async def flush(self) -> None:
        """Write the collected replies in one piece. Raises ConnectionError if the client is gone or does not read."""
        if self._unsent:
            data = b"".join(self._unsent)
            self._unsent.clear()
            self._unsent_octets = 0
            if self._wire.is_closing():
                raise ConnectionResetError("the client is gone")
            self._wire.write(data)
        latest = self.loop.time() + self.options.idle if self._writing_paused else 0.0
        while self._writing_paused:
            if self._timed_out:
                self._wire.abort()
                raise ConnectionResetError("the client does not read")
            await self._wait(latest - self.loop.time())

    async def linger(self) -> None:
        """Let a client that may still be sending read our last word."""
        if not self._lingers or self._eof or self._secure or self._wire.is_closing():
            return
        self._wire.write_eof()
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while not self._eof and not self._leaving:
                    await self._wait(LINGER_SECONDS)
        except TimeoutError:
            pass

    # ------------------------------------------------------------ TLS

    @property
    def secure(self) -> bool:
        """True if the client speaks TLS."""
        return self._secure

    @property
    def offers_tls(self) -> bool:
        """True if STARTTLS belongs into the EHLO answer."""
        return self.options.tls is Tls.STARTTLS and not self._secure

    @property
    def may_log_in(self) -> bool:
        """True if AUTH may be used on this line as it is now (`auth_without_tls`)."""
        policy = self.options.auth_without_tls
        local = policy is AuthWithoutTls.LOOPBACK and self.client.is_local
        return self._secure or policy is AuthWithoutTls.ALWAYS or local

    @property
    def begun(self) -> bool:
        """True once the client is being spoken with."""
        return self._handler_coroutine is not None

    def forget(self) -> None:
        """Forget all that the client has said (RFC 3207, 4.2)."""

    async def start_tls(self) -> None:
        """Say 220 and shake hands. Raises ConnectionError if that fails.

        The client's first command inside TLS may come before start_tls returns (TLS 1.3 sends it along), so everything
        is made ready before the handshake, and nothing is cleared after it.
        """
        self._switching = True
        self._wire.pause_reading()
        self.forget()
        # CVE-2011-0411: octets that came in plain text behind STARTTLS go with the old framing.
        self._framing = Framing()
        self.say(replies.START_TLS)
        await self.flush()
        try:
            wire = await self.loop.start_tls(
                self._wire, self, self.options.tls_context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError as error:  # ssl.SSLError is one, and so is the handshake's timeout
            raise ConnectionAbortedError("TLS handshake") from error
        if wire is None:
            raise ConnectionAbortedError("TLS handshake")
        self.transport = self._wire = wire
        self._secure = True
        self._switching = self._reading_paused = False
        self._hold_back()
