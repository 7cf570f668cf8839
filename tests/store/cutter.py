"""A line to a database that can be cut or held up, at a moment that a test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Cutter:
    """Hands on what comes in at `port` to 127.0.0.1:`to`. Made by `cutter`."""

    def __init__(self, to: int) -> None:
        self.port = 0
        self.cuts = 0
        self._to = to
        self._lines: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._at: bytes | None = None
        self._heard = False

    def cut(self) -> None:
        """End all lines that are open now, as a firewall does that forgets them."""
        self.cuts += 1
        for each in self._lines:
            each.transport.abort()

    def cut_at(self, octets: bytes, *, heard: bool) -> None:
        """Once `octets` come from the client: cut before the server hears them, or after it has answered, unheard."""
        self._at, self._heard = octets, heard

    def hold_up(self) -> None:
        """Nothing goes through any more, and nobody says so."""
        self._flows.clear()

    def go_on(self) -> None:
        """What was held up goes through."""
        self._flows.set()

    async def line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        try:
            there, to = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        deaf = asyncio.Event()
        self._lines |= {writer, to}
        await asyncio.gather(self._up(reader, to, deaf), self._down(there, writer, deaf))
        self._lines -= {writer, to}

    async def _up(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
        try:
            while octets := await source.read(1 << 20):
                await self._flows.wait()
                if self._at is not None and self._at in octets:
                    self._at = None
                    if not self._heard:
                        self.cut()
                        return
                    deaf.set()
                sink.write(octets)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()

    async def _down(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
        try:
            while octets := await source.read(1 << 20):
                await self._flows.wait()
                if deaf.is_set():
                    self.cut()
                    return
                sink.write(octets)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()


@asynccontextmanager
async def cutter(to: int) -> AsyncIterator[Cutter]:
    """A Cutter for the time of the block."""
    made = Cutter(to)
    tasks: set[asyncio.Task[None]] = set()

    def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(made.line(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(come, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()
        made.go_on()
        made.cut()
        await asyncio.gather(*tasks)
        await listening.wait_closed()
