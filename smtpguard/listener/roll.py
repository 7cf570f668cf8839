"""Who is inside: the open sessions, and the tasks that must not die with a client.

A client that vanishes cancels its session; the judging, holding or releasing it began goes on as a task of this roll
and is waited for at the end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from smtpguard import maillog, replies
from smtpguard.headcount import Row
from smtpguard.listener.complaints import Complaints
from smtpguard.listener.options import ListenerOptions
from smtpguard.mail.reply import Reply
from smtpguard.pace import Pace

# Telling a client that it is turned away may cost a TLS handshake, and its end of that may take a minute.
TURNED_AWAY_MAX = 100

Result = TypeVar("Result")


class Visitor(Protocol):
    """A session, as far as the end of the program is concerned."""

    def leave(self) -> None:
        """End when the open transaction has ended, at once if there is none."""

    def abort(self) -> None:
        """End now."""


class Roll:
    """Sessions and tasks of all doors. `headcount` counts them over all workers of a guard."""

    def __init__(self, headcount: Row | None = None) -> None:
        self._headcount = headcount
        self._sessions: set[Visitor] = set()
        # Those let in, each with the client it comes from; who is turned away takes nobody's place.
        self._inside: dict[Visitor, str | None] = {}
        self._clients: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._farewells = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.closing = False
        self.visits = 0
        """Sessions that have ever begun, and of them those that were turned away."""
        self.turned_away = 0
        self.pace = Pace()
        self.complaints = Complaints()

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    @property
    def is_crowded(self) -> bool:
        """True if so many are being turned away that one more is not even told why."""
        return len(self._sessions) - len(self._inside) > TURNED_AWAY_MAX

    def enter(
        self, session: Visitor, client: str | None, options: ListenerOptions, instead_of: Visitor | None = None
    ) -> Reply | None:
        """A session has begun; the reply that turns it away, or None. `client` None has no bound of its own.

        `instead_of` leaves at the same moment, and its place is free.
        """
        if instead_of is not None:
            self._strike_out(instead_of)
        else:
            self.visits += 1
        self._sessions.add(session)
        self._quiet.clear()
        refusal = self._place(session, client, options)
        if refusal is not None:
            self.turned_away += 1
        return refusal

    def _place(self, session: Visitor, client: str | None, options: ListenerOptions) -> Reply | None:
        if self._headcount is not None:
            refusal = _refusal_among_all(self._headcount, client, options)
            if refusal is not None:
                return refusal
        elif len(self._inside) >= options.connections:
            return replies.TOO_MANY_CONNECTIONS
        elif client is not None:
            if self._clients[client] >= options.connections_per_address:
                return replies.TOO_MANY_FROM_ADDRESS
            self._clients[client] += 1
        self._inside[session] = client
        return None

    def leave(self, session: Visitor) -> None:
        """A session is over."""
        self._strike_out(session)
        self._look()

    def complain_of(self, refusal: Reply) -> None:
        """Log that clients are turned away; whose they are is not said."""
        bound = "connections" if refusal is replies.TOO_MANY_CONNECTIONS else "connections_per_address"
        self.complaints.note(f"clients are turned away: limits.{bound} is reached")

    def _strike_out(self, session: Visitor) -> None:
        self._sessions.discard(session)
        if session not in self._inside:
            return
        client = self._inside.pop(session)
        if self._headcount is not None:
            self._headcount.leave(client)
        elif client is not None:
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]

    def run(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Run `work` as a task of its own; it is waited for at the end."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        self._quiet.clear()
        task.add_done_callback(self._done)
        return task

    def farewell(self) -> Callable[[], None]:
        """Something leaves by itself, within a bound of its own; to be called when it has. The end waits for it."""
        self._farewells += 1
        self._quiet.clear()
        return self._farewell_said

    def _farewell_said(self) -> None:
        self._farewells -= 1
        self._look()

    async def close(self, seconds: float) -> bool:
        """Ask all to leave and wait until they have; after `seconds` end the rest. True if nobody had to be ended."""
        self.closing = True
        self.complaints.close()
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
        if not self._sessions and not self._tasks and not self._farewells:
            self._quiet.set()


def _refusal_among_all(headcount: Row, client: str | None, options: ListenerOptions) -> Reply | None:
    """What turns a client away, if those of all workers are too many with it; else it is counted."""
    # Counted first: of two that come at the same moment, none overlooks the other.
    headcount.enter(client)
    if headcount.inside > options.connections:
        refusal = replies.TOO_MANY_CONNECTIONS
    elif client is not None and headcount.inside_from(client) > options.connections_per_address:
        refusal = replies.TOO_MANY_FROM_ADDRESS
    else:
        return None
    headcount.leave(client)
    return refusal
