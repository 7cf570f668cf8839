"""No client has more than its share of the page: of connections, and of requests that are being worked on.

Slow forms cost whoever sends them nothing, so a place is not kept by having been first: who is waited for gives way to
who comes, first within one client, then within the client that has most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from smtpguard.web.asking import Network, client_of, told_client

# Connections at one time. A site's members open a page now and then; without a bound strangers would take the open
# files that mail needs.
CONNECTIONS_MAX = 256
# Connections of one client. A browser opens six to one host and leaves them open for some seconds: an office of thirty
# members behind one address does not have so many under way, and eight such clients must come to fill all places.
CONNECTIONS_PER_CLIENT_MAX = 32
# Requests of one client that are being worked on: through a proxy many clients share its connections.
REQUESTS_PER_CLIENT_MAX = 32


class Connection(Protocol):
    """A connection that can be let go; `is_awaited` while its client is waited for, and nothing is lost but time."""

    @property
    def is_awaited(self) -> bool: ...
    def let_go(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Place:
    connection: Connection
    client: str | None  # None: a proxy that asks for many


class Places:
    """Who is connected, in the order in which they came. `proxies` may ask for others."""

    def __init__(self, proxies: Sequence[Network]) -> None:
        self._proxies = proxies
        self._taken: dict[int, _Place] = {}
        self._of: Counter[str | None] = Counter()

    def take(self, connection: Connection, host: str | None) -> bool:
        """A place for the client at `host` (None: a socket of the file system), if need be another's; False if there is
        none."""
        client = told_client(host, (), self._proxies)
        if client is not None and self._of[client] >= CONNECTIONS_PER_CLIENT_MAX:
            if not self._make_room(each for each in self._taken.values() if each.client == client):
                return False
        elif len(self._taken) >= CONNECTIONS_MAX and not self._make_room(self._taken.values()):
            return False
        self._taken[id(connection)] = _Place(connection, client)
        self._of[client] += 1
        return True

    def leave(self, connection: Connection) -> None:
        """Give the place of `connection` back, if it has one."""
        place = self._taken.pop(id(connection), None)
        if place is not None:
            _one_less(self._of, place.client)

    def _make_room(self, among: Iterable[_Place]) -> bool:
        """Let one go that is waited for: of the client that has most, the oldest. Proxies are last, for theirs are many
        clients'."""
        awaited = [each for each in among if each.connection.is_awaited]
        if not awaited:
            return False
        place = min(awaited, key=lambda each: (each.client is None, -self._of[each.client]))
        self.leave(place.connection)
        place.connection.let_go()
        return True


class Shares:
    """Counts the requests of `app` that are being worked on, by client; `refused` answers those beyond the share."""

    def __init__(
        self,
        app: ASGIApp,
        proxies: Sequence[Network],
        refused: Callable[[Request], Awaitable[Response]],
    ) -> None:
        self._app = app
        self._proxies = proxies
        self._refused = refused
        self._working: Counter[str | None] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        client = client_of(request, self._proxies)
        if client is not None and self._working[client] >= REQUESTS_PER_CLIENT_MAX:
            response = await self._refused(request)
            response.headers["Connection"] = "close"  # what is still under way is not waited for
            await response(scope, receive, send)
            return
        self._working[client] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            _one_less(self._working, client)


def _one_less(counts: Counter[str | None], client: str | None) -> None:
    counts[client] -= 1
    if not counts[client]:
        del counts[client]
