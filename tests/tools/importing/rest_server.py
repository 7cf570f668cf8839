"""A web server that answers as Mailman's REST interface does, and others that answer as no server should."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

USER, PASSWORD = "restadmin", "a long password"
AUTHORIZATION = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

Handle = Callable[[BaseHTTPRequestHandler], None]


def settings(name: str, **more: object) -> dict[str, object]:
    """The settings of a list of discussion, as Mailman gives them (those that are read, and a few more)."""
    return {
        "acceptable_aliases": [], "advertised": True, "allow_list_posts": True, "archive_policy": "public",
        "default_member_action": "defer", "default_nonmember_action": "hold", "description": f"About {name}",
        "display_name": name.title(), "emergency": False, "info": "",
        "posting_address": f"{name}@lists.example.org", "reply_goes_to_list": "no_munging", "reply_to_address": "",
        **more,
    }  # fmt: skip


class Lists:
    """What is kept by the server: settings by address, and memberships (list, mailbox, role, moderation)."""

    def __init__(self) -> None:
        self.settings: dict[str, dict[str, object]] = {}
        self.members: list[tuple[str, str, str, str | None]] = []
        self.asked: list[str] = []

    def add(self, name: str, domain: str = "lists.example.org", **more: object) -> None:
        self.settings[f"{name}@{domain}"] = settings(name, **more)

    def answer(self, path: str) -> object | None:
        """The JSON value at a path; None if there is none."""
        self.asked.append(path)
        parts = urlsplit(path)
        query = dict(parse_qsl(parts.query))
        steps = [unquote(each) for each in parts.path.split("/")[1:]]
        if steps[:2] == ["3.1", "lists"] and len(steps) == 2:
            return self._page([self._entry(each) for each in sorted(self.settings)], query)
        if steps[:2] == ["3.1", "lists"] and steps[3:] == ["config"]:
            return next((said for each, said in self.settings.items() if each.replace("@", ".") == steps[2]), None)
        if steps == ["3.1", "members", "find"]:
            return self._page([each for each in self._memberships() if self._fits(each, query)], query)
        return None

    def _entry(self, address: str) -> dict[str, object]:
        return {"fqdn_listname": address, "list_id": address.replace("@", "."), "mail_host": address.split("@")[1]}

    def _memberships(self) -> Iterator[dict[str, str]]:
        for of, mailbox, role, moderation in self.members:
            found = {"list_id": of.replace("@", "."), "email": mailbox, "role": role}
            yield found if moderation is None else {**found, "moderation_action": moderation}

    def _fits(self, entry: dict[str, str], query: dict[str, str]) -> bool:
        named = {"list_id": "list_id", "role": "role", "moderation_action": "moderation_action", "subscriber": "email"}
        return all(entry.get(name) == query[key] for key, name in named.items() if key in query)

    def _page(self, entries: list[Any], query: dict[str, str]) -> dict[str, object]:
        count, page = int(query["count"]), int(query["page"])
        part = entries[(page - 1) * count : page * count]
        # Mailman leaves the entries out where there are none.
        found: dict[str, object] = {"start": (page - 1) * count, "total_size": len(entries)}
        return {**found, "entries": part} if part else found


def as_mailman(lists: Lists) -> Handle:
    def handle(request: BaseHTTPRequestHandler) -> None:
        if request.headers["Authorization"] != AUTHORIZATION:
            send(request, 401, b'{"title": "401 Unauthorized"}')
            return
        value = lists.answer(request.path)
        send(request, 404 if value is None else 200, json.dumps(value).encode())

    return handle


def send(request: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@contextmanager
def web_server(handle: Handle) -> Iterator[str]:
    """Its address, for the length of a with-block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                handle(self)
            except OSError:
                pass  # the client has gone, as it should

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def raw_server(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server that says what `talk` says, on each connection; the event is set when it is to end."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    try:
                        talk(connection, over)
                    except OSError:
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
