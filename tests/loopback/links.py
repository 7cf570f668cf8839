"""TCP between clients and servers in tests: a balancer in front of several nodes, and a link that can be cut."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

Spent = Callable[[], bool]


class Link:
    """Passes connections on to `ports`, one after the other in turn (a balancer without sticky sessions). A path among
    them is a socket in the file system.

    `cut` ends all that are open, without a word (RST). With `cut_after` the link is cut when so many pieces have gone
    up from clients; `pieces` is how many have.
    """

    def __init__(self, ports: Sequence[int | Path]) -> None:
        self._next = itertools.cycle(ports)
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.pieces = 0
        self.cut_after: int | None = None
        self.refuses = False

    async def start(self, port: int = 0) -> None:
        """Listen at `port` of 127.0.0.1, or at any that is free."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End everything."""
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """End all connections."""
        for each in list(self._open):
            each.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.refuses:
            writer.transport.abort()
            return
        try:
            above, up = await _connection(next(self._next))
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, up}
        try:
            await asyncio.gather(self._upwards(reader, up), self._downwards(above, writer))
        except OSError:
            pass
        finally:
            for each in (writer, up):
                each.transport.abort()
                self._open.discard(each)

    async def _upwards(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while octets := await reader.read(65536):
            self.pieces += 1
            if self.cut_after is not None and self.pieces > self.cut_after:
                self.cut_after = None
                self.cut()
                return
            writer.write(octets)
            await writer.drain()
        writer.transport.abort()

    async def _downwards(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while octets := await reader.read(65536):
            writer.write(octets)
            await writer.drain()
        writer.transport.abort()


async def _connection(place: int | Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(place, Path):
        return await asyncio.open_unix_connection(place)
    return await asyncio.open_connection("127.0.0.1", place)


@asynccontextmanager
async def link(*ports: int | Path) -> AsyncIterator[Link]:
    """A link to `ports` for the time of the block."""
    made = Link(ports)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
