"""The way in where a client cannot be heard at once: a PROXY header or a TLS handshake comes first.

The event loops accept a connection and read from it at once, or hide it until its handshake is done. Here it has a
place in the roll from the first moment, and so counts for the limits, is bounded in time, and ends with the program.
The header is read to its last octet and not one further, because what follows may be the first record of a handshake,
which must still lie in the socket when that begins.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

from smtpguard import maillog
from smtpguard.listener.connection import ClientConnection
from smtpguard.listener.line import HANDSHAKE_SECONDS
from smtpguard.listener.options import ListenerOptions, Tls, is_within
from smtpguard.listener.proxy_header import ProxyHeader, ProxyHeaderError
from smtpguard.listener.roll import Roll
from smtpguard.upstream.origin import Origin, origin_of

# A balancer sends its header with its first segment; proxy-protocol.txt, 3, asks for 3 s at least, if one is lost.
HEADER_SECONDS = 10.0


class Entrance(asyncio.Protocol):
    """One connection until its session begins; `session` makes that. Peers in `proxy_protocol` must send a header."""

    def __init__(
        self,
        options: ListenerOptions,
        roll: Roll,
        loop: asyncio.AbstractEventLoop,
        session: Callable[[], ClientConnection],
    ) -> None:
        self._options = options
        self._roll = roll
        self._loop = loop
        self._session = session()
        self._session.instead_of = self
        self._connection: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket from the event loop, which begins to read as soon as this returns."""
        peer = origin_of(transport.get_extra_info("peername"), transport.get_extra_info("sockname"))
        taken = None if peer is None else _taken(transport)
        # Its own descriptor is closed by this, the connection is not.
        transport.abort()  # type: ignore[attr-defined]
        if peer is None or taken is None:
            self._roll.complaints.note("a client could not be taken in: no more file descriptors, or no TCP")
            return
        balancer = is_within(str(peer.source), self._options.proxy_protocol)
        self._session.client.meet_at(peer)
        if not self._enter(None if balancer else self._session.counted_as()):
            self._roll.leave(self)
            taken.close()
            return
        self._connection = taken
        self._task = self._loop.create_task(self._come_in(taken, peer if balancer else None))
        self._task.add_done_callback(self._gone)
        if self._roll.closing:
            self.leave()

    def leave(self) -> None:
        """SIGTERM: nothing has begun yet."""
        self.abort()

    def abort(self) -> None:
        """End now."""
        if self._task is not None:
            self._task.cancel()

    async def _come_in(self, connection: socket.socket, balancer: Origin | None) -> None:
        if balancer is not None and not await self._read_header(connection, balancer):
            return
        # From here on the event loop closes it.
        self._connection = None
        context = self._options.tls_context if self._options.tls is Tls.IMPLICIT else None
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._session,
                connection,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if context is not None else None,
            )
        except OSError:  # ssl.SSLError is one, and so is the handshake's timeout: strangers knock like this all day
            pass

    async def _read_header(self, connection: socket.socket, balancer: Origin) -> bool:
        """Meet the client; False if there is none."""
        header = ProxyHeader()
        try:
            async with asyncio.timeout(HEADER_SECONDS):
                while not header.ended:
                    octets = await self._loop.sock_recv(connection, header.wanted)
                    if not octets and not header.begun:
                        # Closed without a word: that is how balancers look whether somebody listens.
                        return False
                    if not octets:
                        raise ProxyHeaderError("cut off")
                    header.feed(octets)
        except TimeoutError:
            self._roll.complaints.note("a PROXY header did not come in time")
            return False
        except ProxyHeaderError:
            self._roll.complaints.note("what came from a balancer was no PROXY header")
            return False
        except OSError:
            return False
        self._session.client.meet_through(balancer, header.origin)
        return self._enter(self._session.counted_as())

    def _enter(self, client: str | None) -> bool:
        """Take a place, or the client's instead of the balancer's; False if there is none, not even to be told so."""
        refusal = self._roll.enter(self, client, self._options, instead_of=self)
        if refusal is None or not self._roll.is_crowded:
            return True
        self._roll.complain_of(refusal)
        return False

    def _gone(self, task: asyncio.Task[None]) -> None:
        """It has become a session, or it is over."""
        if self._connection is not None:
            self._connection.close()
        if not self._session.begun:
            self._roll.leave(self)
        if not task.cancelled() and (error := task.exception()) is not None:
            maillog.fault("an entrance failed", error)


def _taken(transport: asyncio.BaseTransport) -> socket.socket | None:
    """A descriptor of our own for the transport's socket; None if there are no more."""
    try:
        connection = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
    except OSError:
        return None
    connection.setblocking(False)
    return connection
