"""One connection of a browser or a proxy: uvicorn's, with an end to it.

uvicorn waits for ever for a first request and for a slow reader. Here a connection has a time for its first request and
one for all, and a place that it may have to give up.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from smtpguard.web.shares import Places

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
    the page; `places` are those of its door."""

    places: Places
    refusal = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._timers: list[asyncio.TimerHandle] = []
        super().connection_made(transport)
        if not self.places.take(self, None if self.client is None else self.client[0]):
            transport.abort()
            return
        self._timers = [
            self.loop.call_later(HEADER_SECONDS, self._expect_request),
            self.loop.call_later(LIFE_SECONDS, transport.abort),
        ]

    def connection_lost(self, exc: Exception | None) -> None:
        for each in self._timers:
            each.cancel()
        self.places.leave(self)
        super().connection_lost(exc)

    @property
    def is_awaited(self) -> bool:
        """True while its client has not sent a request to the end, or has had its answer."""
        return self.cycle is None or self.cycle.more_body or self.cycle.response_complete

    def let_go(self) -> None:
        """End it at once, whatever is under way."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP, or too long."""
        self.transport.write(self.refusal)
        self.transport.close()

    def _expect_request(self) -> None:
        if self.cycle is None:
            self.transport.abort()
