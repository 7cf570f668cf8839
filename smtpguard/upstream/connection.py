"""One SMTP connection to the mail server, as its client (RFC 5321, RFC 3207).

It knows how to speak, not what to say: a command and its reply, EHLO with or without STARTTLS, and the content of a
message. Whatever is out of step (garbage, replies nobody asked for, silence) ends the connection and is an
UpstreamError; a refusal by the mail server is a value, the Reply.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial

from smtpguard.mail.content import END_OF_DATA
from smtpguard.mail.reply import Reply
from smtpguard.pace import Pace
from smtpguard.tls_context import in_force
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.introduction import Introduction, send_header, to_be_named
from smtpguard.upstream.origin import Origin
from smtpguard.upstream.target import Target
from smtpguard.upstream.wire import Wire

# How long QUIT may wait for its 221: courtesy only, nothing depends on it.
QUIT_SECONDS = 1.0
# What is handed to the transport at once; asyncio's own high-water mark.
SLICE_OCTETS = 64 * 1024
# A peer that reads fast never pauses us, and then nobody else on the loop is served: step aside after so much.
TURN_OCTETS = 256 * 1024

_FORBIDDEN = re.compile(rb"[\r\n\0]")


class Connection:
    """Made by `open`. Not to be used by two tasks at once."""

    def __init__(self, target: Target, wire: Wire, greeting: Reply, origin: Origin | None = None) -> None:
        self.target = target
        self.greeting = greeting
        named = to_be_named(wire, origin) if origin is not None and target.client_address == "xclient" else None
        self.introduction = None if named is None else Introduction(named)
        self.hello_reply: Reply | None = None
        """The last EHLO or HELO that the mail server took."""
        self.extensions: Mapping[str, str] = {}
        self.secure = target.tls == "implicit"
        self._wire = wire
        self.pace = Pace().share()
        """Shared with others by whoever sends large content beside them."""

    @classmethod
    async def open(cls, target: Target, *, seconds: float | None = None, origin: Origin | None = None) -> Connection:
        """Connect, with TLS at once if it is implicit, and read the greeting.

        Addresses of the host are tried one after the other within `seconds`, by default `timeouts.connect`. Raises
        UpstreamError if that fails or the greeting is no 220; its `reply` is then the greeting. `origin` is where the
        member's connection comes from, None for a connection of the guard's own.
        """
        if target.locator is not None:
            return await target.locator.connect(target, partial(cls.open, origin=origin))
        try:
            return await cls._open(target, seconds, origin)
        except UpstreamError:
            if target.meter is not None:
                target.meter.unreachable()
            raise

    @classmethod
    async def _open(cls, target: Target, seconds: float | None, origin: Origin | None) -> Connection:
        loop = asyncio.get_running_loop()
        with_header = target.client_address == "proxy"
        implicit = target.tls == "implicit" and not with_header
        wire = Wire()
        wire.expect()
        try:
            async with asyncio.timeout(target.timeouts.connect if seconds is None else seconds):
                await loop.create_connection(
                    lambda: wire,
                    target.address or target.host,
                    target.port,
                    ssl=in_force(target.context) if implicit else None,
                    server_hostname=target.host if implicit else None,
                )
                if with_header:
                    context = in_force(target.context) if target.tls == "implicit" else None
                    await send_header(wire, origin, target.host, context)
        except TimeoutError:
            wire.end("no connection")
            raise UpstreamError("the mail server could not be reached in time") from None
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that is none
            wire.end("no connection")
            raise UpstreamError(f"the mail server could not be reached: {_reason(error)}") from error
        if target.tls == "implicit":
            _prove(target, wire)
        greeting = await wire.reply(target.timeouts.reply)
        if greeting.code != 220:
            wire.end("refused at the greeting")
            raise UpstreamError("the mail server refused the connection", reply=greeting)
        return cls(target, wire, greeting, origin)

    @property
    def alive(self) -> bool:
        """False once the connection has ended for whatever reason."""
        return self._wire.ended is None

    @property
    def farewell(self) -> Reply | None:
        """The 421 the mail server ended the connection with: the reason to give for the next command."""
        return self._wire.farewell

    @property
    def certificate(self) -> bytes | None:
        """The mail server's own certificate (DER), None without TLS."""
        if not self.secure:
            return None
        secured = self._wire.transport.get_extra_info("ssl_object")
        octets: bytes | None = None if secured is None else secured.getpeercert(binary_form=True)
        return octets

    async def command(self, line: bytes, timeout: float | None = None) -> Reply:  # noqa: ASYNC109 - seconds, with a default
        """Send `line` (without CRLF) and return the reply. `timeout` in seconds; default `timeouts.reply`.

        Raises ValueError for CR, LF or NUL inside `line`; UpstreamError if the connection ends, the mail server talks
        garbage or does not answer in time, or TLS is wanted and not there yet.
        """
        if self.target.tls != "none" and not self.secure:
            raise UpstreamError("TLS is not there yet")
        return await self._exchange(line, timeout)

    async def _exchange(self, line: bytes, seconds: float | None = None) -> Reply:
        if _FORBIDDEN.search(line) is not None:
            raise ValueError("a command is one line")
        self._wire.expect()
        self._wire.transport.write(line + b"\r\n")
        return await self._reply(self.target.timeouts.reply if seconds is None else seconds, content=False)

    async def _reply(self, seconds: float, *, content: bool) -> Reply:
        meter = self.target.meter
        if meter is None:
            return await self._wire.reply(seconds)
        begun = time.monotonic()
        try:
            reply = await self._wire.reply(seconds)
        except UpstreamError:
            meter.lost()
            raise
        meter.replied(time.monotonic() - begun, reply.code, content=content)
        return reply

    async def hello(self, name: bytes, verb: bytes = b"EHLO") -> Reply:
        """Say EHLO (or HELO) under `name`; with `tls` starttls, do that first and say it again (RFC 3207, 4.2).

        The reply is the last one, or that of an EHLO refused before STARTTLS. Raises UpstreamError if STARTTLS is not
        offered, refused, or fails; never goes on in plain text.
        """
        if self.target.tls == "starttls" and not self.secure:
            reply = await self._greet(name, b"EHLO")
            if not reply.ok:
                return reply
            try:
                await self._start_tls()
            except UpstreamError:
                if self.target.meter is not None:
                    self.target.meter.unreachable()
                raise
        if self.introduction is not None and self.introduction.is_due:
            last = await self._introduce(self.introduction, name, verb.upper())
            if last is not None:
                return last
        return await self._greet(name, verb)

    async def _introduce(self, introduction: Introduction, name: bytes, verb: bytes) -> Reply | None:
        """The reply that stands for EHLO or HELO, None if it is still to be said. Only EHLO shows what is offered."""
        reply = await self._greet(name, b"EHLO")
        if not reply.ok:
            return reply if verb == b"EHLO" or reply.code == 421 else None
        command = introduction.command(self.extensions)
        if command is None:
            return reply if verb == b"EHLO" else None
        answer = await self._exchange(command)
        if answer.ok:
            self._forget_greeting()
        return introduction.refusal(answer)

    async def _greet(self, name: bytes, verb: bytes) -> Reply:
        reply = await self._exchange(b"%s %s" % (verb, name) if name else verb)
        # RFC 5321, 4.1.4: after a refused EHLO or HELO the mail server is in the same state as before.
        if reply.ok:
            self.hello_reply = reply
            self.extensions = extensions_of(reply, secure=self.secure) if verb.upper() == b"EHLO" else {}
        return reply

    def _forget_greeting(self) -> None:
        """The mail server begins anew."""
        self.hello_reply, self.extensions = None, {}

    async def _start_tls(self) -> None:
        wire = self._wire
        if "STARTTLS" not in self.extensions:
            wire.end("no STARTTLS")
            raise UpstreamError("the mail server does not offer STARTTLS")
        reply = await self._exchange(b"STARTTLS")
        if reply.code != 220:
            wire.end("STARTTLS refused")
            raise UpstreamError(f"the mail server refused STARTTLS: {reply.text}", reply=self.farewell)
        # CVE-2011-0411: what came in plain text behind the 220 must not count as said inside TLS.
        if wire.ended is not None or wire.leftovers:
            wire.end("plain text behind STARTTLS")
            raise UpstreamError("the mail server sent plain text behind its reply to STARTTLS")
        plain = wire.transport
        loop = asyncio.get_running_loop()
        context = in_force(self.target.context)
        try:
            async with asyncio.timeout(self.target.timeouts.connect):
                secured = await loop.start_tls(plain, wire, context, server_hostname=self.target.host)
        except TimeoutError:
            wire.end("TLS handshake")
            raise UpstreamError("the TLS handshake with the mail server took too long") from None
        except OSError as error:
            wire.end("TLS handshake")
            raise UpstreamError(f"the TLS handshake with the mail server failed: {_reason(error)}") from error
        except BaseException:
            wire.end("TLS handshake")
            raise
        if secured is None:
            wire.end("TLS handshake")
            raise UpstreamError("the TLS handshake with the mail server failed")
        wire.secured(secured)
        _prove(self.target, wire)
        self.secure = True
        self._forget_greeting()

    async def content(self, pieces: Iterable[bytes], before_end: Callable[[], Awaitable[bool]] | None = None) -> Reply:
        """After a 354: send `pieces` (wire form, empty or ending in CRLF) and the final dot; return the verdict.

        `before_end` is awaited when all but the dot is with the transport; if it says False, or raises, the connection
        is dropped without the dot. A refusal that comes before the dot ends the sending, is returned, and the
        connection is dropped. Raises UpstreamError if there is no verdict; its `after_end` tells whether the dot had
        been written.
        """
        return await self._content(lambda: self._send(pieces, hold_back=before_end is None), before_end)

    async def arriving_content(self, pieces: AsyncIterator[bytes]) -> Reply:
        """Like `content`, for pieces that are still on their way; an exception of theirs drops the connection, too."""
        return await self._content(lambda: self._send_arriving(pieces), None)

    async def _content(
        self, send: Callable[[], Awaitable[bytes]], before_end: Callable[[], Awaitable[bool]] | None
    ) -> Reply:
        wire = self._wire
        wire.expect()
        ended = False
        wire.carrying = True
        try:
            rest = await send()
            if before_end is not None and not wire.answered and not await before_end():
                raise UpstreamError("stopped before the end of the content")
            if wire.answered:
                return await self._early_verdict()
            wire.transport.write(rest + END_OF_DATA)
            ended = True
            reply = await self._reply(self.target.timeouts.final, content=True)
            if reply.code < 400 and not reply.ok:
                raise UpstreamError("the mail server answered out of order")
        except UpstreamError as error:
            wire.end("no verdict")
            error.after_end = ended
            raise
        except BaseException:
            wire.end("content broken off")
            raise
        finally:
            wire.carrying = False
        return reply

    async def _send(self, pieces: Iterable[bytes], *, hold_back: bool) -> bytes:
        """Write `pieces`; with `hold_back` all but the last slice, which then leaves in one segment with the dot."""
        wire = self._wire
        seconds = self.target.timeouts.reply
        last, turn, rest = b"\r\n", 0, b""
        for part in _slices(pieces):
            if rest:
                wire.transport.write(rest)
                turn += len(rest)
                await wire.drained(seconds)
            if turn >= TURN_OCTETS:
                await asyncio.sleep(self.pace.rest(turn, asyncio.get_running_loop().time()))
                turn = 0
            if wire.answered:
                return b""
            rest, last = part, (last + part)[-2:]
        if last != b"\r\n":
            raise ValueError("content must end in CRLF")
        if rest and not hold_back:
            wire.transport.write(rest)
            await wire.drained(seconds)
            rest = b""
        return rest

    async def _send_arriving(self, pieces: AsyncIterator[bytes]) -> bytes:
        """Write `pieces` as they come, no faster than the mail server takes them."""
        wire = self._wire
        seconds = self.target.timeouts.reply
        last = b"\r\n"
        async for piece in pieces:
            if wire.answered:
                return b""
            wire.transport.write(piece)
            await wire.drained(seconds)
            last = (last + piece[-2:])[-2:]
        if last != b"\r\n":
            raise ValueError("content must end in CRLF")
        return b""

    async def _early_verdict(self) -> Reply:
        """The reply that came in mid-content: a refusal counts; nobody stands behind an early 2xx."""
        reply = await self._wire.reply(0)
        self._wire.end("a reply in mid-content")
        if reply.code < 400:
            raise UpstreamError("the mail server answered before the end of the content")
        return reply

    async def reset(self) -> Reply | None:
        """RSET, to give up the open transaction; None if the connection is or goes dead. Never raises UpstreamError."""
        try:
            reply = await self._exchange(b"RSET")
        except UpstreamError:
            return None
        if not reply.ok:  # RFC 5321, 4.1.1.5 knows no refusal: what is still open there, nobody can say
            self._wire.end("RSET refused")
        return reply

    async def quit(self) -> None:
        """Say QUIT, give the mail server a moment to answer, and close. Never raises UpstreamError."""
        try:
            self._wire.expect()
            self._wire.transport.write(b"QUIT\r\n")
            await self._wire.reply(QUIT_SECONDS)  # not metered: whether a goodbye comes says nothing
        except UpstreamError:
            pass
        self._wire.close("QUIT")

    def leave(self, gone: Callable[[], None]) -> None:
        """The same without waiting; `gone` is called when the connection is no more."""
        self._wire.leave(b"QUIT\r\n", QUIT_SECONDS, gone)

    def abort(self) -> None:
        """Close at once. In mid-content the mail server then has no message."""
        self._wire.end("closed by us")


def _prove(target: Target, wire: Wire) -> None:
    """Nothing is said inside TLS before the target's `proof` is content. Raises UpstreamError."""
    if target.proof is None:
        return
    try:
        target.proof(wire.transport.get_extra_info("ssl_object"))
    except BaseException:
        wire.end("certificate")
        raise


def extensions_of(reply: Reply, *, secure: bool = True) -> dict[str, str]:
    """The extensions of an EHLO answer: keyword in upper case -> parameters as typed (RFC 5321, 4.1.1.1).

    `AUTH=LOGIN`, which servers send for very old clients, counts as AUTH. Unless the connection is `secure`, which is
    TLS with a checked certificate, REQUIRETLS counts as not offered (RFC 8689, 2).
    """
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, _, parameters = line.strip().partition(" ")
        keyword = keyword.upper()
        if keyword.startswith("AUTH="):
            keyword, parameters = "AUTH", f"{keyword[5:]} {parameters}"
        if keyword:
            found.setdefault(keyword, parameters.strip())
    if not secure:
        found.pop("REQUIRETLS", None)
    return found


def _slices(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if len(piece) <= SLICE_OCTETS:
            if piece:
                yield piece
            continue
        for start in range(0, len(piece), SLICE_OCTETS):
            yield piece[start : start + SLICE_OCTETS]


def _reason(error: BaseException) -> str:
    """Words for a log line: what the certificate check or the system says."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return type(error).__name__
