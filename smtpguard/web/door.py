"""The page's door: a port, or a socket of the file system for a web server on the same machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp

from smtpguard.config.places import Endpoint, PassedSocket, SocketFile
from smtpguard.web.asking import Network
from smtpguard.web.connection import HEADER_OCTETS_MAX, IDLE_SECONDS, PageConnection
from smtpguard.web.headers import header_fields
from smtpguard.web.shares import Places

# Connections that wait to be accepted.
BACKLOG = 128
# Whoever may use the socket file: its owner, and the group that the admin puts the web server into.
SOCKET_MODE = 0o660


# Host and port, the path of a socket, or one that is open already.
Place = tuple[str, int] | Path | socket.socket


class Served(Protocol):
    """What a door serves (web/pages, metrics/pages)."""

    @property
    def app(self) -> ASGIApp: ...
    @property
    def proxies(self) -> Sequence[Network]: ...
    def prepare(self) -> None:
        """Make in a thread what the first request would wait for."""

    async def settle(self, seconds: float) -> None:
        """Give what goes on behind an answer `seconds` to end."""


class WebDoor:
    """Serves `pages` at `listen`: host and port, the path of a socket, or one that is open already. `origin` is
    what it is reached by."""

    def __init__(self, pages: Served, listen: Place, origin: str) -> None:
        self.port = 0
        self._listen = listen
        self._origin = origin
        self._pages = pages
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Where it is, for people."""
        if isinstance(self._listen, Path):
            return str(self._listen)
        if isinstance(self._listen, socket.socket):
            return _name_of(self._listen)
        host = self._listen[0]
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    async def start(self) -> None:
        """Open the door. Raises OSError if the address cannot be had."""
        await asyncio.to_thread(self._pages.prepare)
        opened = self._opened()
        if opened.family != socket.AF_UNIX:
            self.port = int(opened.getsockname()[1])
        _silence()
        self._server = server = _Server(
            uvicorn.Config(
                self._pages.app,
                http=_connection_class(self._origin, Places(self._pages.proxies)),
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=int(IDLE_SECONDS),
                timeout_graceful_shutdown=0,
                h11_max_incomplete_event_size=HEADER_OCTETS_MAX,
                backlog=BACKLOG,
            )
        )
        self._serving = asyncio.create_task(server.serve(sockets=[opened]))
        await server.opened.wait()
        if not server.started:
            await self._serving  # it says why

    def _opened(self) -> socket.socket:
        if isinstance(self._listen, socket.socket):
            self._listen.setblocking(False)
            return self._listen
        return _socket_file(self._listen) if isinstance(self._listen, Path) else _port(*self._listen)

    async def stop(self, seconds: float) -> None:
        """Let nobody in any more, and give requests under way `seconds`."""
        server, serving = self._server, self._serving
        if server is None or serving is None:
            return
        latest = asyncio.get_running_loop().time() + seconds
        server.config.timeout_graceful_shutdown = max(int(seconds), 0)  # whole seconds; None would be without end
        server.should_exit = True
        await serving
        await self._pages.settle(max(latest - asyncio.get_running_loop().time(), 0))
        if isinstance(self._listen, Path):
            self._listen.unlink(missing_ok=True)


def place_of(listen: Endpoint | SocketFile | PassedSocket, take: Callable[[str], socket.socket]) -> Place:
    """What the settings call `listen`; `take` gives the socket that systemd passes by a name, and its SettingsError."""
    if isinstance(listen, PassedSocket):
        return take(listen.name)
    return listen.path if isinstance(listen, SocketFile) else (listen.host, listen.port)


class _Server(uvicorn.Server):
    """Without uvicorn's own signals: the guard ends its doors itself."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.opened = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.opened.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _connection_class(origin: str, of_door: Places) -> type[PageConnection]:
    """Connections that refuse with the header fields of the page, and share the places of one door."""
    fields = b"".join(name + b": " + value + b"\r\n" for name, value in header_fields(origin))

    class Connection(PageConnection):
        places = of_door
        refusal = b"HTTP/1.1 400 Bad Request\r\n" + fields + b"connection: close\r\ncontent-length: 0\r\n\r\n"

    return Connection


def _name_of(opened: socket.socket) -> str:
    name = opened.getsockname()
    if opened.family == socket.AF_UNIX:
        return str(name)
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def _port(host: str, port: int) -> socket.socket:
    if host == "::" and socket.has_dualstack_ipv6():
        # Who writes [::] means everybody.
        opened = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
    else:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
        except OSError:
            opened.close()
            raise
    opened.setblocking(False)
    return opened


def _socket_file(path: Path) -> socket.socket:
    """A socket at `path`; one that a former process left there is taken away.

    Raises OSError if somebody listens there, or if it is another kind of file.
    """
    if path.exists():
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise FileExistsError(f"{path} is there, and is no socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise FileExistsError(f"somebody listens at {path} already")
        path.unlink()
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.bind(str(path))
        path.chmod(SOCKET_MODE)
    except OSError:
        opened.close()
        raise
    opened.setblocking(False)
    return opened


def _silence() -> None:
    """uvicorn logs addresses of clients and faults with all their values; what of that counts, the page says itself."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logging.getLogger(name).disabled = True
