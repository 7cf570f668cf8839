"""The octets of one connection to the mail server: replies in, writes out, and the reason why it ended.

A plain asyncio protocol rather than streams, because the mail server may speak at any moment and each such word means
something: a reply that was asked for, a farewell (421), or a peer that is no longer in step and must be dropped.
Nothing here raises into the event loop, and no future ever carries an exception that nobody retrieves.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import cast

from smtpguard.mail.reply import Reply, ReplyError, ReplyParser
from smtpguard.patience import Patience
from smtpguard.upstream import UpstreamError


class Wire(asyncio.Protocol):
    """One reply is expected at a time; everything else the mail server says is unsolicited."""

    def __init__(self) -> None:
        self.farewell: Reply | None = None
        self.ended: str | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self._expecting = False
        self._reply: Reply | None = None
        self.carrying = False
        """True while content is on its way: an end then takes back what the mail server has not got yet."""
        self._paused = False
        self._waker: asyncio.Future[None] | None = None
        self._leaving = False
        self._gone: Callable[[], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._patience = Patience(self._loop, self._out_of_patience)

    @property
    def transport(self) -> asyncio.Transport:
        """What octets are written to; another one after STARTTLS."""
        if self._transport is None:
            raise UpstreamError("not connected")
        return self._transport

    @property
    def answered(self) -> bool:
        """True if the expected reply is there already, or will never come."""
        return self._reply is not None or self.ended is not None

    @property
    def leftovers(self) -> bool:
        """True if octets stand behind the last reply."""
        return self._parser.pending

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio.Transport, so there is nothing to check here.
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            # The last short segment of a command must not wait for the acknowledgement of the one before it.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self._leaving:
            self.end("QUIT")
        if self.ended is not None:
            return
        try:
            replies, trouble = self._parser.feed(data), None
        except ReplyError as error:
            replies, trouble = list(error.replies), str(error)
        for reply in replies:
            self._take(reply)
        if trouble is not None:
            self.end(trouble)

    def _take(self, reply: Reply) -> None:
        if self.ended is not None:
            return
        asked = self._expecting and self._reply is None
        if asked:
            self._reply = reply
            self._wake()
        # RFC 5321, 3.8 and 4.2.2: 421 may come at any time and means that the server closes.
        if reply.code == 421:
            self.farewell = reply
            self.end("the mail server said 421")
        elif not asked:
            self.end("the mail server spoke without being asked")

    def eof_received(self) -> None:
        self.end("the mail server closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        self.end("the connection to the mail server broke" if exc else "the mail server closed the connection")
        if self._gone is not None:
            self._gone()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    # Called by the connection

    def end(self, why: str) -> None:
        """Drop the connection; only the first reason is kept."""
        if self.ended is None:
            self.ended = why
            if self.carrying:
                self._take_back()
        self._patience.stop()
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def _take_back(self) -> None:
        """Close with RST instead of FIN, so that nothing goes out any more.

        Content in the system's buffers would be delivered for minutes after we have given up, its final dot with it,
        and the client's next try would be a second copy.
        """
        connection = self.transport.get_extra_info("socket")
        # A transport of uvloop that closes has given back its descriptor: it may be another connection's by now.
        if connection is not None and not self.transport.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self, why: str) -> None:
        """End in an orderly way: what was written still goes out, and TLS says goodbye."""
        if self.ended is None:
            self.ended = why
            self.transport.close()
            self._wake()

    def leave(self, line: bytes, seconds: float, gone: Callable[[], None]) -> None:
        """Write `line`, the last one, and close when the mail server has said something or `seconds` are over.

        Nobody has to wait for that: `gone` is called when the connection is no more, at once if it is none already.
        """
        if self.ended is not None or self._expecting:
            self.end("the session is over")
            gone()
            return
        self._leaving, self._gone = True, gone
        self._patience.start(seconds)
        self.transport.write(line)

    def expect(self) -> None:
        """From now on the next reply is one that was asked for. Raises UpstreamError if the connection has ended."""
        if self.ended is not None:
            raise UpstreamError(self.ended, reply=self.farewell)
        if self._expecting:
            raise RuntimeError("one command at a time")
        self._expecting = True
        self._reply = None

    async def reply(self, seconds: float) -> Reply:
        """The reply that is expected. Raises UpstreamError if the connection ends or `seconds` pass before."""
        try:
            if not self.answered:
                await self._wait(seconds)
            if self._reply is not None:
                return self._reply
            raise UpstreamError(self.ended or "no reply", reply=self.farewell)
        except BaseException:
            # Also when cancelled: the reply still to come would be taken for the answer to the next command.
            self.end("a reply was not waited for")
            raise
        finally:
            self._expecting = False
            self._reply = None

    async def drained(self, seconds: float) -> None:
        """Wait until more may be written, or a reply has come, or the connection has ended.

        A mail server that takes nothing for `seconds` is dropped; that is an end, too.
        """
        if self._paused and not self.answered:
            await self._wait(seconds, writing=True)

    async def _wait(self, seconds: float, *, writing: bool = False) -> None:
        # One timer for the whole connection: to arm one at each command costs more than the command.
        self._patience.start(seconds)
        try:
            while not self.answered and (self._paused or not writing):
                self._waker = self._loop.create_future()
                await self._waker
        finally:
            self._waker = None
            self._patience.suspend()

    def _out_of_patience(self) -> None:
        self.end("the mail server did not answer in time")

    def _wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)

    def secured(self, transport: asyncio.Transport) -> None:
        """Go on over `transport`, which is the TLS layer over the former one; nothing of the plain text is kept."""
        self._transport = transport
        self._parser = ReplyParser()
