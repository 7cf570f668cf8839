"""One web server, asked within bounds of time and size: no redirect is followed and no proxy is used.

http.client and not urllib: the latter takes proxies from the environment and carries a password on to wherever a
redirect points.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlencode, urlsplit

from smtpguard.config.places import Endpoint
from smtpguard.tools.importing.described import SourceError

# Mailman counts members for each page of lists; a slow one takes some seconds.
CALL_SECONDS = 30.0
# Five thousand lists at a tenth of a second for each call, and what their posters cost.
WHOLE_SECONDS = 1800.0
# A page of a hundred lists has 40 KB; one list's settings, with all its texts, less.
ANSWER_OCTETS_MAX = 4 * 1024 * 1024

_LOCATION_SHOWN_MAX = 200
_TLS_NEEDED = "the password would cross the network in the open. Write https://, or say --without-tls"


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks (RFC 7617)."""

    user: str
    password: str

    @property
    def header(self) -> str:
        """The value of Authorization."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")


class WebServer:
    """What is asked of one server, below `url`. `ca` is a PEM file of authorities instead of the system's.

    Raises SourceError for an address that is none, and for http:// to another machine unless `without_tls`.
    """

    def __init__(
        self,
        url: str,
        login: Login | None = None,
        *,
        ca: Path | None = None,
        without_tls: bool = False,
        call_seconds: float = CALL_SECONDS,
        whole_seconds: float = WHOLE_SECONDS,
    ) -> None:
        parts = _parts(url)
        self._host, self._is_tls = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._is_tls else 80)
        self.path = parts.path.rstrip("/")
        self._login = login
        self._tls = _context(ca) if self._is_tls else None
        self._call_seconds = call_seconds
        self._end = time.monotonic() + whole_seconds
        place = Endpoint(self._host, self._port)
        self._place = str(place)
        if login is not None and not self._is_tls and not place.is_loopback and not without_tls:
            raise SourceError(f"{self._place}: {_TLS_NEEDED}.")

    def value(self, path: str, **query: str | int) -> object:
        """The JSON value at `path`, which begins with a slash. Raises SourceError, AbsentError if there is none."""
        octets = self.octets(f"{path}?{urlencode(query)}" if query else path)
        try:
            return json.loads(octets)
        except (ValueError, RecursionError):
            raise self._error("does not answer in JSON: is this the address of a REST interface?") from None

    def octets(self, path: str = "", octets_max: int = ANSWER_OCTETS_MAX) -> bytes:
        """What lies at `path`. Raises SourceError, AbsentError if there is nothing."""
        seconds = min(self._call_seconds, self._end - time.monotonic())
        if seconds <= 0:
            raise self._error(f"has been asked for {WHOLE_SECONDS / 60:.0f} minutes without coming to an end.")
        is_late = threading.Event()
        connection = self._connection(seconds)

        def stop() -> None:
            is_late.set()
            if isinstance(connection.sock, socket.socket):
                try:
                    # The socket's own: that of TLS would take itself apart while it is being read.
                    socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
                except OSError:
                    pass  # it has ended by itself

        watch = threading.Timer(seconds, stop)
        watch.daemon = True
        watch.start()
        try:
            connection.connect()
            # Until here nothing but the socket's own patience could stop it.
            if is_late.is_set():
                raise TimeoutError
            found = self._ask(connection, path, octets_max)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._explained(error, seconds, late=is_late.is_set()) from error
        finally:
            watch.cancel()
            connection.close()
        if is_late.is_set():
            raise self._late(seconds)
        return found

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        if self._tls is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=seconds, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port, timeout=seconds)

    def _ask(self, connection: http.client.HTTPConnection, path: str, octets_max: int) -> bytes:
        headers = {"Connection": "close", "Accept-Encoding": "identity", "User-Agent": "smtpguard"}
        if self._login is not None:
            headers["Authorization"] = self._login.header
        connection.request("GET", self.path + path or "/", headers=headers)
        # A connection that the server closes is the response's own from here on: `stop` must still find its socket.
        sock = connection.sock
        with connection.getresponse() as response:
            connection.sock = sock
            self._refuse(response)
            found = response.read(octets_max + 1)
            if len(found) > octets_max:
                raise self._error(f"answers with more than {octets_max // 1024**2} MiB, the most that is read.")
            if response.length:
                raise http.client.IncompleteRead(found, response.length)
        return found

    def _refuse(self, response: http.client.HTTPResponse) -> None:
        """Raise SourceError for everything but a 200."""
        status = response.status
        if status == http.HTTPStatus.OK:
            return
        if status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
            what = "wants a user and a password" if self._login is None else "refuses this user or password"
            raise self._error(f"{what} (HTTP {status}).")
        if 300 <= status < 400:
            to = (response.getheader("Location") or "nowhere")[:_LOCATION_SHOWN_MAX]
            raise self._error(f"points to {to} (HTTP {status}). If that is right, give that address yourself.")
        if status == http.HTTPStatus.NOT_FOUND:
            raise AbsentError(
                f"{self._place}: there is nothing at {self.path or '/'} (HTTP 404): is the address whole?"
            )
        raise self._error(f"answers with HTTP {status}; its own log says why.")

    def _explained(self, error: Exception, seconds: float, *, late: bool) -> SourceError:
        if late or isinstance(error, TimeoutError):
            return self._late(seconds)
        if isinstance(error, ssl.SSLCertVerificationError):
            why = error.verify_message.rstrip(".")
            return self._error(f"its certificate is not trusted: {why}. Name its authority by --ca.")
        if isinstance(error, ssl.SSLError):
            return self._error("does not speak TLS here: is it http:// and not https://?")
        if isinstance(error, socket.gaierror):
            return self._error("there is no host of this name.")
        if isinstance(error, OSError) and not isinstance(error, http.client.HTTPException):
            return self._error(f"cannot be reached: {error.strerror or 'the connection broke'}.")
        return self._error("does not answer as a web server does, or breaks off.")

    def _late(self, seconds: float) -> SourceError:
        return self._error(f"has not answered in full within {seconds:.0f} seconds.")

    def _error(self, text: str) -> SourceError:
        return SourceError(f"{self._place}: {text}")


class AbsentError(SourceError):
    """There is nothing at this path."""


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = None, None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise SourceError("write the address like http://127.0.0.1:8001/3.1.")
    if "@" in parts.netloc:
        raise SourceError("a password in an address is read by everybody who sees the command: use --password-file.")
    if parts.query or parts.fragment:
        raise SourceError("write the address without what begins at the ? or the #.")
    # A blank or a line end would be the end of the request's first line.
    if not url.isascii() or not url.isprintable() or " " in url:
        raise SourceError("write the address in plain letters, others as %XX.")
    return parts


def _context(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError):
        raise SourceError(f"--ca {ca}: this file holds no certificate in PEM form.") from None
