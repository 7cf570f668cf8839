"""`smtpguard serve` with several workers: who they are, and sessions of which one knows whose they are."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.loopback.door import Client
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import MEMBERS, PASSWORDS, XCLIENT, write_config
from tests.loopback.serving import Serving, serving
from tests.processes import is_there, state_of

# The chance that none of them comes to one of two workers is one in 2 to the 39th.
CONNECTIONS = 40
PATIENCE_SECONDS = 60.0


class Workers:
    """A guard with workers between two fake mail servers."""

    def __init__(self, guard: Serving, up: FakeUpstream, out: FakeUpstream, config: Path) -> None:
        self.guard = guard
        self.up = up
        self.out = out
        self.config = config
        self.page_port = self.metrics_port = 0
        self._clients: list[Client] = []

    @property
    def supervisor(self) -> int:
        return self.guard.process.pid

    @property
    def pids(self) -> list[int]:
        """The workers, in the order in which they were begun: at first the one that leads comes first."""
        return [
            int(each) for each in Path(f"/proc/{self.supervisor}/task/{self.supervisor}/children").read_text().split()
        ]

    def kill(self, pid: int) -> None:
        """kill -9."""
        os.kill(pid, signal.SIGKILL)

    async def until_logged(self, what: bytes, times: int = 1) -> None:
        """Wait until `what` stands in the log so often."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.guard.log.count(what) < times:
                await asyncio.sleep(0.02)

    @contextmanager
    def only(self, pid: int) -> Iterator[None]:
        """The other workers stand still."""
        others = [each for each in self.pids if each != pid and state_of(each) != "T"]
        for each in others:
            os.kill(each, signal.SIGSTOP)
        try:
            yield
        finally:
            for each in others:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGCONT)

    async def connect(self, port: int) -> Client:
        """A session that has not been greeted yet."""
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        self._clients.append(client)
        return client

    async def let_go(self) -> None:
        """All sessions end without a word, and who stands still goes on."""
        for each in self.pids if self.guard.process.returncode is None else ():
            os.kill(each, signal.SIGCONT)
        for each in self._clients:
            each.writer.transport.abort()
        await asyncio.gather(*(each.writer.wait_closed() for each in self._clients), return_exceptions=True)

    async def session(self, pid: int, name: str | None = "anna", door: int = 0) -> Client:
        """A session with the worker `pid`, greeted and logged in."""
        with self.only(pid):
            clients = [await self.connect(self.guard.ports[door]) for _ in range(CONNECTIONS)]
            greeted = {asyncio.create_task(each.reply()): each for each in clients}
            done, _ = await asyncio.wait(greeted, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_SECONDS)
            assert done, "nobody greets"
            chosen = greeted[done.pop()]
            for task, client in greeted.items():
                if client is not chosen:
                    task.cancel()
                    client.writer.transport.abort()
            await asyncio.gather(*greeted, return_exceptions=True)
        assert (await chosen.ask(b"EHLO me.example.test")).startswith(b"250")
        if name is not None:
            address = MEMBERS[name]
            assert (await chosen.log_in(address, PASSWORDS[address])).startswith(b"235")
        return chosen


async def send(client: Client, name: str, to: list[str], octets: bytes) -> bytes:
    """The reply to the content, or the first refusal before it."""
    for line in (f"MAIL FROM:<{MEMBERS[name]}>", *(f"RCPT TO:<{each}>" for each in to), "DATA"):
        said = await client.ask(line.encode())
        if said[:1] not in b"23":
            return said
    await client.send(octets + b".\r\n")
    return await client.reply()


@asynccontextmanager
async def working(
    folder: Path, workers: int = 2, *, stop_at: str | None = None, **changes: Any
) -> AsyncIterator[Workers]:
    """A guard with so many workers; `changes` replace keys of smtpguard.yaml. They stand still at `stop_at`."""
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        config = write_config(folder, up, out, workers=workers, **changes)
        async with serving(config, stop_at=stop_at) as guard:
            place = Workers(guard, up, out, config)
            assert guard.process.stdout is not None
            if "web" in changes:
                place.page_port = int((await guard.process.stdout.readline()).split(b":")[-1])
            if "metrics" in changes:
                place.metrics_port = int((await guard.process.stdout.readline()).split(b":")[-1])
            try:
                yield place
            finally:
                await place.let_go()


async def until_stopped(pid: int) -> None:
    """Wait until this process stands still."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while state_of(pid) != "T":
            await asyncio.sleep(0.02)


async def until_gone(pids: list[int]) -> None:
    """Wait until none of these processes is left."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while any(map(is_there, pids)):
            await asyncio.sleep(0.02)
