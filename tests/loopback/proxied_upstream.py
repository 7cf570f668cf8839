"""A mail server that begins with a PROXY header, as Postfix does with `smtpd_upstream_proxy_protocol = haproxy`."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from tests.loopback.fake_upstream import FakeUpstream


class _Accepting:
    """What FakeUpstream asks of its server."""

    def __init__(self, listening: socket.socket, task: asyncio.Task[None]) -> None:
        self._listening = listening
        self._task = task

    def close(self) -> None:
        self._task.cancel()
        self._listening.close()


class ProxiedUpstream(FakeUpstream):
    """`headers` are those of all connections, in order; whoever sends none is not spoken with."""

    headers: list[bytes]

    async def __aenter__(self) -> FakeUpstream:
        self.headers = []
        listening = socket.create_server((self.host, 0))
        listening.setblocking(False)
        self.port = listening.getsockname()[1]
        task = asyncio.ensure_future(self._accept(listening))
        self._server: Any = _Accepting(listening, task)
        return self

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listening)
            self._tasks.add(asyncio.ensure_future(self._begin(connection)))

    async def _begin(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        header = b""
        while not header.endswith(b"\r\n"):
            octet = await loop.sock_recv(connection, 1)
            if not octet:
                connection.close()
                return
            header += octet
        self.headers.append(header)
        context = self.context if self.tls == "implicit" else None
        await loop.connect_accepted_socket(self._protocol, connection, ssl=context)
