"""A guard's door over real sockets, with a flow that passes everything on, and a client that says what it is told."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from smtpguard import replies
from smtpguard.listener.options import Kind, ListenerOptions
from smtpguard.listener.server import Server
from smtpguard.mail.address import Address
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.reply import Reply
from smtpguard.upstream import Arriving, Upstream, UpstreamError
from smtpguard.upstream.target import Target, Timeouts
from tests.loopback.fake_upstream import FakeUpstream

PATIENCE_SECONDS = 60.0
ANSWER_TAKEN = Reply.of(250, "2.0.0 Answer taken")
NOT_ALONE = Reply.of(550, "5.7.1 Not alone")
LETTER_TAKEN = Reply.of(250, "2.0.0 Letter taken")


@dataclass
class PassingFlow:
    """A pure relay: what comes in goes up. The guard domain is check.example.test."""

    arrivals: list[tuple[str, Arrival, bytes]] = field(default_factory=list)
    hook: Callable[[Arrival, Upstream], Awaitable[Reply]] | None = None
    answer_reply: Reply = ANSWER_TAKEN
    letter_reply: Reply = LETTER_TAKEN

    def takes_answers_at(self, address: Address) -> bool:
        return address.domain == "check.example.test" and address.key[0].partition("+")[0] == "mailcheck"

    def takes_letters_at(self, address: Address) -> bool:
        return address.domain == "check.example.test" and address.key[0] in ("postmaster", "abuse")

    def can_read(self, address: Address | None) -> bool:
        return True

    def can_require_tls(self) -> bool:
        return True

    def not_alone(self, login: str | None, reverse_path: Address | None) -> Reply:
        return NOT_ALONE

    def judges(self) -> bool:
        return True

    async def relay(self, mail_id: str, content: Arriving, upstream: Upstream) -> Reply:
        raise AssertionError("content is wanted as a whole")

    async def submit(self, arrival: Arrival, upstream: Upstream) -> Reply:
        self._note("submit", arrival)
        if self.hook is not None:
            return await self.hook(arrival, upstream)
        try:
            return await upstream.deliver(arrival.content.pieces)
        except UpstreamError as error:
            if error.reply is not None and error.reply.code >= 400:
                return error.reply
            return replies.UPSTREAM_UNSURE if error.after_end else replies.UPSTREAM_LOST

    async def answer(self, arrival: Arrival, upstream: Upstream) -> Reply:
        self._note("answer", arrival)
        await upstream.reset()
        if self.hook is not None:
            return await self.hook(arrival, upstream)
        return self.answer_reply

    async def deliver_answer(self, arrival: Arrival) -> Reply:
        addresses = [each.address for each in arrival.envelope.recipients]
        letter = all(each is not None and self.takes_letters_at(each) for each in addresses)
        self._note("letter" if letter else "handed on", arrival)
        return self.letter_reply if letter else self.answer_reply

    def _note(self, how: str, arrival: Arrival) -> None:
        self.arrivals.append((how, arrival, b"".join(arrival.content.pieces())))


class Client:
    """A raw SMTP client: octets out, replies in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self) -> bytes:
        """The next reply, all its lines."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            whole = b""
            while True:
                line = await self.reader.readuntil(b"\r\n")
                whole += line
                if line[3:4] != b"-":
                    return whole

    async def ask(self, line: bytes) -> bytes:
        await self.send(line + b"\r\n")
        return await self.reply()

    async def rest(self) -> bytes:
        """Everything until the guard closes."""
        said = b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                while piece := await self.reader.read(65536):
                    said += piece
            except ConnectionResetError:
                # It closed while we were still sending; what it said before has come all the same.
                said += bytes(self.reader._buffer)  # type: ignore[attr-defined]
        return said

    async def log_in(self, login: str = "anna", password: str = "secret") -> bytes:
        return await self.ask(b"AUTH PLAIN " + base64.b64encode(f"\0{login}\0{password}".encode()))

    async def begin(self, *recipients: bytes) -> None:
        """EHLO to the last RCPT, all accepted."""
        for line in (
            b"EHLO me.example.test",
            b"MAIL FROM:<anna@example.test>",
            *(b"RCPT TO:<%b>" % r for r in recipients),
        ):
            assert (await self.ask(line)).startswith(b"250")

    async def start_tls(self, context: ssl.SSLContext) -> None:
        # StreamWriter.start_tls of Python 3.11 leaves the reader with the plain transport.
        loop = asyncio.get_running_loop()
        plain = self.writer.transport
        protocol: Any = plain.get_protocol()
        async with asyncio.timeout(PATIENCE_SECONDS):
            secured = await loop.start_tls(plain, protocol, context, server_hostname="localhost")
        assert secured is not None
        protocol._over_ssl = True
        self.reader._transport = secured  # type: ignore[attr-defined]
        # From Python 3.11.4 on a forgotten writer closes its transport, which here lies under TLS.
        self._plain_writer = self.writer
        self.writer = asyncio.StreamWriter(secured, protocol, self.reader, loop)

    def reset(self) -> None:
        """RST instead of FIN."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.writer.wait_closed()
        except (OSError, TimeoutError):
            pass


@dataclass
class Door:
    """A running guard with one door."""

    server: Server
    flow: PassingFlow
    upstream: FakeUpstream | None

    @property
    def port(self) -> int:
        return self.server.ports[0]

    @asynccontextmanager
    async def client(self, *, greeted: bool = True, **tls: Any) -> AsyncIterator[Client]:
        """Connect; with `greeted` the 220 has been read."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, limit=2**20, **tls))
        try:
            if greeted:
                assert (await client.reply()).startswith(b"220")
            yield client
        finally:
            await client.close()


@asynccontextmanager
async def submission_door(
    upstream: FakeUpstream | None,
    flow: PassingFlow | None = None,
    *,
    target: Target | None = None,
    shutdown: float = 5.0,
    **options: Any,
) -> AsyncIterator[Door]:
    """A door for members before `upstream`; no login is asked for unless `auth_required` says so."""
    if target is None:
        assert upstream is not None
        target = Target(upstream.host, upstream.port, timeouts=Timeouts(connect=5, reply=10, final=10))
    options.setdefault("auth_required", False)
    doors = [ListenerOptions("127.0.0.1", 0, target=target, **options)]
    async with _running(Door(Server(flow := flow or PassingFlow(), doors, shutdown=shutdown), flow, upstream)) as door:
        yield door


@asynccontextmanager
async def answers_door(flow: PassingFlow | None = None, **options: Any) -> AsyncIterator[Door]:
    """A door for the mail server."""
    doors = [ListenerOptions("127.0.0.1", 0, kind=Kind.ANSWERS, hostname="check.example.test", **options)]
    async with _running(Door(Server(flow := flow or PassingFlow(), doors, shutdown=5.0), flow, None)) as door:
        yield door


@asynccontextmanager
async def _running(door: Door) -> AsyncIterator[Door]:
    await door.server.start()
    try:
        yield door
    finally:
        await door.server.stop()
