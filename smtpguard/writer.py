"""Writing what waits, behind everybody's back: soon, together, and on and on where the store refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from smtpguard import maillog
from smtpguard.key_file import KeyFolderError
from smtpguard.store import StoreError

# What waits is written so often; so much is lost when the process dies. Meanwhile it is at hand in memory.
WRITE_SECONDS = 0.5


class Writer:
    """A task that lives while something waits. `write` writes some of it, or raises StoreError, KeyFolderError or
    OSError and leaves it waiting; `waits` says whether there is any. `what` is what the log calls it."""

    def __init__(
        self,
        write: Callable[[], Awaitable[None]],
        waits: Callable[[], bool],
        what: str,
        *,
        seconds: float = WRITE_SECONDS,
    ) -> None:
        self.seconds = seconds
        self._write = write
        self._waits = waits
        self._what = what
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._settling = False
        self._refused = False
        self._lost = 0

    def begin(self, *, at_once: bool = False) -> None:
        """Something waits now; `at_once` if it is as much as is written together. Never waits."""
        if at_once:
            self._wake.set()
        if self._waits() and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._write_on())

    def lose(self) -> None:
        """Something could not even wait; the log will say how much."""
        self._lost += 1

    async def settle(self) -> None:
        """Write what waits, now; once, if the store refuses."""
        self._settling = True
        self._wake.set()
        self.begin()
        if self._task is not None:
            await self._task
        self._settling = False

    async def _write_on(self) -> None:
        while self._waits():
            await self._pause()
            try:
                await self._write()
            except (StoreError, KeyFolderError, OSError) as error:
                if not self._refused:
                    maillog.warning(f"{self._what} cannot be written; it is tried on", why=str(error))
                self._refused = True
                if self._settling:
                    return
                continue
            self._refused = False
            if self._lost:
                maillog.warning(f"{self._what} were not remembered", count=self._lost)
                self._lost = 0

    async def _pause(self) -> None:
        """Until it is time to write, or there is enough; a store that refuses is not pressed."""
        if self._settling:
            return
        if self._refused:
            self._wake.clear()
        try:
            async with asyncio.timeout(self.seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()
