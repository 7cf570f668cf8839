"""A tap on the line between a mail program and a door: every octet goes on as it came, and is written down.

What a program writes itself (mutt, s-nail) is known from here alone. The tap stands in the middle of TLS with the
site's own certificate, and goes up with the same kind of TLS that came in: STARTTLS, or TLS from the first octet.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.e2e.mail_programs import Place
from tests.e2e.stack import Stack

GOODBYE = 2.0  # seconds for the end of TLS
END = 60.0  # seconds for the end of the tap

# From DATA to the line with a dot. All that is looked for begins after a line end (RFC 5321, 4.1.1.4).
_CONTENT = re.compile(rb"(?is)(?:^|\n)DATA\r\n(?P<wire>(?:.*?\r\n)?)\.\r\n")


@dataclass
class Recording:
    """What went through the tap at `place`, TLS taken off; `groups` are what the program sent without waiting."""

    place: Place
    sent: bytearray = field(default_factory=bytearray)
    came: bytearray = field(default_factory=bytearray)
    groups: list[bytes] = field(default_factory=list)

    def content(self) -> bytes:
        """The one mail that was sent, dots taken off."""
        [wire] = [found["wire"] for found in _CONTENT.finditer(self.sent)]
        return (b"\r\n" + wire).replace(b"\r\n.", b"\r\n")[2:]


@contextmanager
def tapped(stack: Stack, place: Place, *, implicit: bool) -> Iterator[Recording]:
    """A tap in front of the door at `place`, for the length of a with-block."""
    loop = asyncio.new_event_loop()
    recording = Recording(("127.0.0.1", 0))
    tap = _Tap(stack, place, recording, implicit=implicit)
    server = loop.run_until_complete(tap.listen())
    recording.place = server.sockets[0].getsockname()[:2]
    thread = threading.Thread(target=loop.run_forever, name="tap")
    thread.start()
    try:
        yield recording
    finally:
        asyncio.run_coroutine_threadsafe(tap.end(server), loop).result(timeout=END)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=END)
        loop.close()


class _Tap:
    def __init__(self, stack: Stack, place: Place, recording: Recording, *, implicit: bool) -> None:
        self._place = place
        self._recording = recording
        self._implicit = implicit
        self._down = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._down.load_cert_chain(stack.certificate, stack.key)
        self._up = ssl.create_default_context(cafile=str(stack.ca_file))
        self._running: set[asyncio.Task[None]] = set()

    async def listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._down if self._implicit else None)

    async def end(self, server: asyncio.Server) -> None:
        server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        # A program that resets the connection, and one that goes without a word, are both as they are.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            server, to_server = await asyncio.open_connection(*self._place, ssl=self._up if self._implicit else None)
            try:
                if not self._implicit:
                    await self._until_tls(client, to_client, server, to_server)
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pump(client, to_server, self._recording.sent, self._recording.groups))
                    both.create_task(_pump(server, to_client, self._recording.came))
            except* OSError:
                pass
            finally:
                await _closed(to_server)
        await _closed(to_client)
        self._running.discard(task)

    async def _until_tls(
        self,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        """Line by line, until both sides speak TLS."""
        to_client.write(await _reply(server))
        while True:
            line = await client.readuntil(b"\n")
            self._recording.sent += line
            to_server.write(line)
            reply = await _reply(server)
            self._recording.came += reply
            if line.upper() != b"STARTTLS\r\n" or not reply.startswith(b"220"):
                to_client.write(reply)
                continue
            await to_server.start_tls(self._up, server_hostname=self._place[0])
            # The program's first octets of TLS may follow at once, and are not for the reader of lines.
            to_client.transport.pause_reading()  # type: ignore[attr-defined]
            to_client.write(reply)
            await to_client.start_tls(self._down)
            return


async def _pump(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, record: bytearray, groups: list[bytes] | None = None
) -> None:
    while octets := await source.read(65536):
        record += octets
        if groups is not None:
            groups.append(octets)
        sink.write(octets)
        await sink.drain()
    sink.close()


async def _closed(stream: asyncio.StreamWriter) -> None:
    """Let what is written go out; a peer that does not say goodbye is not waited for."""
    stream.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(GOODBYE):
            await stream.wait_closed()
    stream.transport.abort()


async def _reply(server: asyncio.StreamReader) -> bytes:
    reply = b""
    while True:
        line = await server.readuntil(b"\n")
        reply += line
        if line[3:4] != b"-":
            return reply
