"""One connection of a browser or a proxy: uvicorn's, with an end to it.

uvicorn waits for ever for a first request and for a slow reader. Here a connection has a time for its first request and
one for all, and there are only so many at once.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

# Connections at one time. A site's members open a page now and then; without a bound strangers would take the open
# files that mail needs.
CONNECTIONS_MAX = 256
# From the connection to the end of its first request's header.
HEADER_SECONDS = 10.0
# Request line and header together, octets: browsers send 2 KiB, proxies add some hundred.
HEADER_OCTETS_MAX = 16 * 1024
# Between two requests.
IDLE_SECONDS = 5.0
# A connection's whole life: a form (15 s), a place (some seconds), a release (40 s), and a slow reader.
LIFE_SECONDS = 120.0


class PageConnection(H11Protocol):
    """A connection that ends. `refusal` is what is written to whoever does not speak HTTP, with the header fields of
    the page."""

    refusal = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._timers: list[asyncio.TimerHandle] = []
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()
            return
        self._timers = [
            self.loop.call_later(HEADER_SECONDS, self._expect_request),
            self.loop.call_later(LIFE_SECONDS, transport.abort),
        ]

    def connection_lost(self, exc: Exception | None) -> None:
        for each in self._timers:
            each.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP, or too long."""
        self.transport.write(self.refusal)
        self.transport.close()

    def _expect_request(self) -> None:
        if self.cycle is None:
            self.transport.abort()
