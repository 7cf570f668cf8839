"""The doors opened and shut: sockets, TLS, and an end that cuts no mail short."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from smtpguard import maillog
from smtpguard.headcount import Row
from smtpguard.listener import CopyFlow, MailFlow
from smtpguard.listener.answers import AnswersConnection, LmtpAnswersConnection
from smtpguard.listener.connection import ClientConnection
from smtpguard.listener.entrance import Entrance
from smtpguard.listener.filter import FilterConnection
from smtpguard.listener.options import Kind, ListenerOptions, Protocol, Tls
from smtpguard.listener.roll import Roll
from smtpguard.listener.submission import SubmissionConnection
from smtpguard.listener.tap import LmtpTapConnection, TapConnection

# `timeouts.shutdown`: how long open transactions may take to finish.
SHUTDOWN_SECONDS = 30.0
# Connections that wait to be accepted; the kernel's own bound (net.core.somaxconn) is usually 4,096.
BACKLOG = 512

_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Server:
    """All doors of one process; `shutdown` in seconds. `ports` are those bound, in the order of `doors`. `copies` is
    asked by taps, and by nobody else. A worker of several has `sockets` for each door, bound already, and `headcount`,
    which knows those inside everywhere; without these `passed` are the sockets that systemd has opened, by the names
    in `doors`."""

    def __init__(
        self,
        flow: MailFlow,
        doors: Sequence[ListenerOptions],
        *,
        shutdown: float = SHUTDOWN_SECONDS,
        copies: CopyFlow | None = None,
        sockets: Sequence[Sequence[socket.socket]] | None = None,
        headcount: Row | None = None,
        passed: Mapping[str, socket.socket] | None = None,
    ) -> None:
        self.ports: list[int] = []
        self._flow = flow
        self._copies = copies
        self._doors = tuple(doors)
        self._passed = passed or {}
        self._shutdown = shutdown
        self._sockets = sockets
        self._roll = Roll(headcount)
        self._servers: list[asyncio.Server] = []

    def change(self, doors: Sequence[ListenerOptions], *, shutdown: float) -> None:
        """From the next session on `doors` count, each in its former place: address, kind and TLS are as before."""
        self._doors = tuple(doors)
        self._shutdown = shutdown

    @property
    def doors(self) -> tuple[ListenerOptions, ...]:
        """What a session that begins now is told."""
        return self._doors

    @property
    def sessions(self) -> int:
        """How many clients are connected."""
        return self._roll.sessions

    @property
    def visits(self) -> int:
        """How many sessions have ever begun."""
        return self._roll.visits

    @property
    def turned_away(self) -> int:
        """How many of them found no room."""
        return self._roll.turned_away

    @property
    def is_open(self) -> bool:
        """True while every door lets clients in."""
        opened = len(self._servers) == len(self._doors) and all(each.is_serving() for each in self._servers)
        return opened and not self._roll.closing

    async def start(self) -> None:
        """Open all doors. Raises OSError if an address cannot be had; none is open then."""
        try:
            for number in range(len(self._doors)):
                self.ports.append(await self._open(number))
        except BaseException:
            for server in self._servers:
                server.close()
            raise

    async def _open(self, number: int) -> int:
        loop, options = asyncio.get_running_loop(), self._doors[number]
        if self._sockets is not None and self._sockets[number]:
            for each in self._sockets[number]:
                visitor = partial(self._visit, number, loop)
                self._servers.append(await loop.create_server(visitor, sock=each, backlog=BACKLOG))
            return int(self._sockets[number][0].getsockname()[1])
        address: dict[str, Any] = {"host": options.host, "port": options.port}
        if options.reuse_port:
            address["reuse_port"] = True
        if options.passed is not None:
            address = {"sock": self._passed[options.passed]}
        elif options.host == "::" and socket.has_dualstack_ipv6():
            # asyncio would take IPv6 alone; who writes [::] means everybody.
            everybody = socket.create_server(
                ("::", options.port), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=options.reuse_port
            )
            address = {"sock": everybody}
        server = await loop.create_server(
            partial(self._visit, number, loop),
            **address,
            backlog=BACKLOG,
        )
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def stop(self) -> bool:
        """Let nobody in any more, let open transactions finish within `shutdown` seconds, say 421 to all others.

        Work of the flow is waited for, also where its client has gone. True if nothing had to be cut short.
        """
        for server in self._servers:
            server.close()
        in_time = await self._roll.close(self._shutdown)
        self._servers.clear()
        return in_time

    def _visit(self, number: int, loop: asyncio.AbstractEventLoop) -> asyncio.BaseProtocol:
        """Whoever comes now; what it is told now holds for all its time."""
        options = self._doors[number]
        if options.proxy_protocol or options.tls is Tls.IMPLICIT:
            return Entrance(options, self._roll, loop, lambda: self._session(options, loop))
        return self._session(options, loop)

    def _session(self, options: ListenerOptions, loop: asyncio.AbstractEventLoop) -> ClientConnection:
        flow, roll = self._flow, self._roll
        if options.kind is Kind.SUBMISSION:
            return SubmissionConnection(options, flow, roll, loop)
        if options.kind is Kind.FILTER:
            return FilterConnection(options, flow, roll, loop)
        if options.kind is Kind.TAP:
            assert self._copies is not None  # noqa: S101 - whoever opens a tap says who is asked
            tap = LmtpTapConnection if options.protocol is Protocol.LMTP else TapConnection
            return tap(options, self._copies, roll, loop)
        if options.protocol is Protocol.LMTP:
            return LmtpAnswersConnection(options, flow, roll, loop)
        return AnswersConnection(options, flow, roll, loop)


def server_context(certificate: Path, key: Path, minimum: str = "1.2") -> ssl.SSLContext:
    """TLS for the doors; `minimum` is 1.2 or 1.3 (RFC 8996). Raises OSError if a file is missing or does not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _MINIMUM[minimum]
    # A key with a passphrase is an error; without this OpenSSL would ask for it on the terminal, and wait.
    context.load_cert_chain(certificate, key, password="")
    return context


def keep_tracebacks_out(loop: asyncio.AbstractEventLoop) -> None:
    """What reaches the event loop's last resort (broken handshakes, mostly) becomes one line without content."""

    def one_line(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        maillog.warning("event loop", why=context.get("message"), error=type(error).__name__ if error else None)

    loop.set_exception_handler(one_line)
