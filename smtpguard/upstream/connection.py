"""One SMTP connection to the mail server, as its client (RFC 5321, RFC 3207).

It knows how to speak, not what to say: a command and its reply, EHLO with or without STARTTLS, and the content of a
message. Whatever is out of step (garbage, replies nobody asked for, silence) ends the connection and is an
UpstreamError; a refusal by the mail server is a value, the Reply.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from smtpguard.mail.content import END_OF_DATA
from smtpguard.mail.reply import Reply
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.wire import Wire

# How long QUIT may wait for its 221: courtesy only, nothing depends on it.
QUIT_SECONDS = 1.0
# What is handed to the transport at once; asyncio's own high-water mark.
SLICE_OCTETS = 64 * 1024
# A peer that reads fast never pauses us, and then nobody else on the loop is served: step aside after so much.
TURN_OCTETS = 256 * 1024

_FORBIDDEN = (b"\r", b"\n", b"\0")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. RFC 5321, 4.5.3.2 asks for 5 minutes a command and 10 for the final dot; TCP and TLS together: 30 s."""

    connect: float = 30
    reply: float = 300
    final: float = 600


@dataclass(frozen=True, slots=True)
class Target:
    """Where the mail server is and how it is spoken to. `tls` is none, starttls or implicit (RFC 8314); `host` is a
    name or an IP address (IPv6 without brackets) and is also the name that the certificate must bear."""

    host: str
    port: int
    tls: str = "none"
    context: ssl.SSLContext | None = field(default=None, repr=False)
    timeouts: Timeouts = Timeouts()

    def __post_init__(self) -> None:
        if self.tls not in ("none", "starttls", "implicit"):
            raise ValueError(f"tls is none, starttls or implicit, not {self.tls!r}")
        if self.tls != "none" and self.context is None:
            raise ValueError("TLS needs a context")


class Connection:
    """Made by `open`. Not to be used by two tasks at once."""

    def __init__(self, target: Target, wire: Wire, greeting: Reply) -> None:
        self.target = target
        self.greeting = greeting
        self.hello_reply: Reply | None = None
        self.extensions: Mapping[str, str] = {}
        self.secure = target.tls == "implicit"
        self._wire = wire

    @classmethod
    async def open(cls, target: Target) -> Connection:
        """Connect, with TLS at once if it is implicit, and read the greeting.

        Addresses of the host are tried one after the other within `timeouts.connect`. Raises UpstreamError if that
        fails or the greeting is no 220; its `reply` is then the greeting.
        """
        loop = asyncio.get_running_loop()
        implicit = target.tls == "implicit"
        wire = Wire()
        wire.expect()
        try:
            async with asyncio.timeout(target.timeouts.connect):
                await loop.create_connection(
                    lambda: wire,
                    target.host,
                    target.port,
                    ssl=target.context if implicit else None,
                    server_hostname=target.host if implicit else None,
                )
        except TimeoutError:
            wire.end("no connection")
            raise UpstreamError("the mail server could not be reached in time") from None
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that is none
            wire.end("no connection")
            raise UpstreamError(f"the mail server could not be reached: {_reason(error)}") from error
        greeting = await wire.reply(target.timeouts.reply)
        if greeting.code != 220:
            wire.end("refused at the greeting")
            raise UpstreamError("the mail server refused the connection", reply=greeting)
        return cls(target, wire, greeting)

    @property
    def alive(self) -> bool:
        """False once the connection has ended for whatever reason."""
        return self._wire.ended is None

    @property
    def farewell(self) -> Reply | None:
        """The 421 the mail server ended the connection with: the reason to give for the next command."""
        return self._wire.farewell

    async def command(self, line: bytes, timeout: float | None = None) -> Reply:  # noqa: ASYNC109 - seconds, with a default
        """Send `line` (without CRLF) and return the reply. `timeout` in seconds; default `timeouts.reply`.

        Raises ValueError for CR, LF or NUL inside `line`; UpstreamError if the connection ends, the mail server talks
        garbage or does not answer in time, or TLS is wanted and not there yet.
        """
        if self.target.tls != "none" and not self.secure:
            raise UpstreamError("TLS is not there yet")
        return await self._exchange(line, timeout)

    async def _exchange(self, line: bytes, seconds: float | None = None) -> Reply:
        if any(octet in line for octet in _FORBIDDEN):
            raise ValueError("a command is one line")
        self._wire.expect()
        self._wire.transport.write(line + b"\r\n")
        return await self._wire.reply(self.target.timeouts.reply if seconds is None else seconds)

    async def hello(self, name: bytes, verb: bytes = b"EHLO") -> Reply:
        """Say EHLO (or HELO) under `name`; with `tls` starttls, do that first and say it again (RFC 3207, 4.2).

        The reply is the last one, or that of an EHLO refused before STARTTLS. Raises UpstreamError if STARTTLS is not
        offered, refused, or fails; never goes on in plain text.
        """
        if self.target.tls == "starttls" and not self.secure:
            reply = await self._greet(name, b"EHLO")
            if not reply.ok:
                return reply
            await self._start_tls()
        return await self._greet(name, verb)

    async def _greet(self, name: bytes, verb: bytes) -> Reply:
        reply = await self._exchange(b"%s %s" % (verb, name) if name else verb)
        self.hello_reply = reply
        self.extensions = extensions_of(reply) if reply.ok and verb.upper() == b"EHLO" else {}
        return reply

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
        context = self.target.context
        if context is None:
            raise ValueError("TLS needs a context")
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
        self.secure = True

    async def content(self, pieces: Iterable[bytes], before_end: Callable[[], Awaitable[bool]] | None = None) -> Reply:
        """After a 354: send `pieces` (wire form, empty or ending in CRLF) and the final dot; return the verdict.

        `before_end` is awaited when all but the dot is with the transport; if it says False, or raises, the connection
        is dropped without the dot. A refusal that comes before the dot ends the sending, is returned, and the
        connection is dropped. Raises UpstreamError if there is no verdict; its `after_end` tells whether the dot had
        been written.
        """
        wire = self._wire
        wire.expect()
        ended = False
        try:
            rest = await self._send(pieces, hold_back=before_end is None)
            if before_end is not None and not wire.answered and not await before_end():
                raise UpstreamError("stopped before the end of the content")
            if wire.answered:
                return await self._early_verdict()
            wire.transport.write(rest + END_OF_DATA)
            ended = True
            reply = await wire.reply(self.target.timeouts.final)
            if reply.code < 400 and not reply.ok:
                raise UpstreamError("the mail server answered out of order")
        except UpstreamError as error:
            wire.end("no verdict")
            error.after_end = ended
            raise
        except BaseException:
            wire.end("content broken off")
            raise
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
                turn = 0
                await asyncio.sleep(0)
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
            return await self._exchange(b"RSET")
        except UpstreamError:
            return None

    async def quit(self) -> None:
        """Say QUIT, give the mail server a moment to answer, and close. Never raises UpstreamError."""
        try:
            await self._exchange(b"QUIT", QUIT_SECONDS)
        except UpstreamError:
            pass
        self._wire.close("QUIT")

    def abort(self) -> None:
        """Close at once. In mid-content the mail server then has no message."""
        self._wire.end("closed by us")


def extensions_of(reply: Reply) -> dict[str, str]:
    """The extensions of an EHLO answer: keyword in upper case -> parameters as typed (RFC 5321, 4.1.1.1).

    `AUTH=LOGIN`, which servers send for very old clients, counts as AUTH.
    """
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, _, parameters = line.strip().partition(" ")
        keyword = keyword.upper()
        if keyword.startswith("AUTH="):
            keyword, parameters = "AUTH", f"{keyword[5:]} {parameters}"
        if keyword:
            found.setdefault(keyword, parameters.strip())
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
