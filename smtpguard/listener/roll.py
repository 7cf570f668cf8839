"""Who is inside: the open sessions, and the tasks that must not die with a client.

A client that vanishes cancels its session; the judging, holding or releasing it began goes on as a task of this roll
and is waited for at the end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from smtpguard import maillog, replies
from smtpguard.listener.options import ListenerOptions, Network
from smtpguard.mail.reply import Reply

Result = TypeVar("Result")


class Visitor(Protocol):
    """A session, as far as the end of the program is concerned."""

    def leave(self) -> None:
        """End when the open transaction has ended, at once if there is none."""

    def abort(self) -> None:
        """End now."""


class Roll:
    """Sessions and tasks of all doors."""

    def __init__(self) -> None:
        self._sessions: set[Visitor] = set()
        # Those let in, each with the client it comes from; who is turned away takes nobody's place.
        self._inside: dict[Visitor, Network | None] = {}
        self._clients: Counter[Network] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.closing = False

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    def enter(self, session: Visitor, client: Network | None, options: ListenerOptions) -> Reply | None:
        """A session has begun; the reply that turns it away, or None. `client` None has no bound of its own."""
        self._sessions.add(session)
        self._quiet.clear()
        if len(self._inside) >= options.connections:
            return replies.TOO_MANY_CONNECTIONS
        if client is not None:
            if self._clients[client] >= options.connections_per_address:
                return replies.TOO_MANY_FROM_ADDRESS
            self._clients[client] += 1
        self._inside[session] = client
        return None

    def leave(self, session: Visitor) -> None:
        """A session is over."""
        self._sessions.discard(session)
        client = self._inside.pop(session, None)
        if client is not None:
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]
        self._look()

    def run(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Run `work` as a task of its own; it is waited for at the end."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        self._quiet.clear()
        task.add_done_callback(self._done)
        return task

    async def close(self, seconds: float) -> bool:
        """Ask all to leave and wait until they have; after `seconds` end the rest. True if nobody had to be ended."""
        self.closing = True
        for session in list(self._sessions):
            session.leave()
        try:
            async with asyncio.timeout(seconds):
                await self._quiet.wait()
        except TimeoutError:
            pass
        else:
            return True
        for session in list(self._sessions):
            session.abort()
        for task in list(self._tasks):
            task.cancel()
        await self._quiet.wait()
        return False

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            maillog.fault("a task of a session failed", error)
        self._look()

    def _look(self) -> None:
        if not self._sessions and not self._tasks:
            self._quiet.set()
