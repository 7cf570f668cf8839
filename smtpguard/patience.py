"""One lazy timer for one connection: how long we wait for the other side's next octets.

Re-arming a timer of the event loop at every command costs more than the command. So one timer runs on, and when it goes
off it looks whether anybody still waits. While the guard itself is busy, nobody does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Patience:
    """Calls `expired` once when `start(seconds)` was neither suspended nor fed by `seen()` for so long."""

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._handle: asyncio.TimerHandle | None = None
        self._seconds: float | None = None
        self._since = 0.0

    def start(self, seconds: float) -> None:
        """From now on we wait."""
        self._since = self._loop.time()
        self._seconds = seconds
        due = self._since + seconds
        if self._handle is not None:
            if self._handle.when() <= due:
                return
            self._handle.cancel()
        self._handle = self._loop.call_at(due, self._look)

    def seen(self) -> None:
        """Something came; the wait begins anew."""
        self._since = self._loop.time()

    def suspend(self) -> None:
        """Nobody waits at present."""
        self._seconds = None

    def stop(self) -> None:
        """The end; the timer is gone."""
        self._seconds = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        self._handle = None
        if self._seconds is None:
            return
        due = self._since + self._seconds
        if due > self._loop.time():
            self._handle = self._loop.call_at(due, self._look)
            return
        self._seconds = None
        self._expired()
