"""The list manager's web server, and what else may stand at its address: each mistake is told, none takes long."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from smtpguard.tools.importing.described import SourceError
from smtpguard.tools.importing.web_server import AbsentError, Login, WebServer
from tests.ports import free_port
from tests.tools.importing.rest_server import AUTHORIZATION, PASSWORD, USER, raw_server, send, web_server

LOGIN = Login(USER, PASSWORD)


def said_of(url: str, *, octets_max: int = 1000, seconds: float = 30.0) -> str:
    with pytest.raises(SourceError) as caught:
        WebServer(url, LOGIN, call_seconds=seconds).octets("/lists", octets_max)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def test_the_password_goes_to_the_server_and_its_answer_comes_back() -> None:
    seen = []

    def handle(request: BaseHTTPRequestHandler) -> None:
        seen.append((request.path, request.headers["Authorization"]))
        send(request, 200, b'{"a": 1}')

    with web_server(handle) as url:
        assert {"a": 1} == WebServer(f"{url}/3.1/", LOGIN).value("/lists", count=2, page=1)
    assert [("/3.1/lists?count=2&page=1", AUTHORIZATION)] == seen


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "refuses this user or password"), (403, "refuses this"), (500, "HTTP 500"), (204, "HTTP 204")],
)
def test_what_the_server_refuses_is_told(status: int, said: str) -> None:
    with web_server(lambda request: send(request, status, b"")) as url:
        assert said in said_of(url)


def test_what_is_not_there_is_an_error_of_its_own() -> None:
    with web_server(lambda request: send(request, 404, b"")) as url, pytest.raises(AbsentError, match="HTTP 404"):
        WebServer(url).octets()


def test_a_redirect_is_told_and_not_followed() -> None:
    asked: list[str] = []
    with (
        web_server(lambda request: (asked.append(request.path), send(request, 200, b"{}"))[1]) as elsewhere,
        web_server(lambda request: send(request, 302, b"", Location=f"{elsewhere}/lists")) as url,
    ):
        assert f"points to {elsewhere}/lists (HTTP 302)" in said_of(url)
    assert [] == asked


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    with (
        web_server(lambda request: asked.append(request.path)) as proxy,
        web_server(lambda request: send(request, 200, b"[]")) as url,
    ):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        assert [] == WebServer(url, LOGIN).value("/lists")
    assert [] == asked


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"[" * 100_000], ids=["html", "latin", "deep"])
def test_an_answer_that_is_not_json_is_told(body: bytes) -> None:
    with (
        web_server(lambda request: send(request, 200, body)) as url,
        pytest.raises(SourceError, match="does not answer in JSON"),
    ):
        WebServer(url).value("/lists")


def test_of_an_endless_answer_no_more_is_read_than_may_be() -> None:
    sent = 0

    def endless(connection: socket.socket, over: threading.Event) -> None:
        nonlocal sent
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.is_set():
            sent += connection.send(b"[" * 4096)

    with raw_server(endless) as url:
        assert "answers with more than 1 MiB" in said_of(url, octets_max=1024 * 1024)
    assert sent < 64 * 1024 * 1024  # what the sockets' buffers took besides


def drip_body(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not over.wait(0.02):
        connection.sendall(b"[")


def drip_header(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not over.wait(0.02):
        connection.sendall(b"x")


def hang(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(4096)
    over.wait()


def hang_in_mid_body(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[")
    over.wait()


@pytest.mark.parametrize("talk", [drip_body, drip_header, hang, hang_in_mid_body])
def test_a_server_that_hangs_or_drips_is_left_in_time(talk: object) -> None:
    with raw_server(talk) as url:  # type: ignore[arg-type]
        assert "has not answered in full within 0 seconds" in said_of(url, seconds=0.3)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"220 mail.example.org ESMTP\r\n", "does not answer as a web server"),
        (b"", "does not answer as a web server"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", "breaks off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "breaks off"),
    ],
)
def test_what_is_no_web_server_is_told(answer: bytes, said: str) -> None:
    def talk(connection: socket.socket, _: threading.Event) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    with raw_server(talk) as url:
        assert said in said_of(url)


def test_a_port_where_nobody_listens_is_told() -> None:
    assert "cannot be reached: Connection refused" in said_of(f"http://127.0.0.1:{free_port()}")


def test_https_where_there_is_none_is_told() -> None:
    with web_server(lambda request: send(request, 200, b"{}")) as url:
        assert "does not speak TLS here" in said_of(url.replace("http:", "https:"))


@pytest.mark.parametrize(
    "url",
    [
        "", "lists.example.org", "ftp://lists.example.org", "http://", "http://[::1", "http://host:99999",
        "http://127.0.0.1:8001/3.1?x=1", "http://127.0.0.1:8001/#x", "http://127.0.0.1:8001/a b",
        "http://127.0.0.1:8001/\r\nX: y",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SourceError, match="write the address"):
        WebServer(url)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(SourceError, match="use --password-file") as caught:
        WebServer("http://restadmin:geheim@127.0.0.1:8001/3.1")
    assert "geheim" not in str(caught.value)


def test_a_password_crosses_no_network_in_the_open_unasked() -> None:
    with pytest.raises(SourceError, match="in the open"):
        WebServer("http://lists.example.org:8001/3.1", LOGIN)
    WebServer("http://lists.example.org:8001/3.1", LOGIN, without_tls=True)
    WebServer("http://[::1]:8001/3.1", LOGIN)
    WebServer("http://lists.example.org/export.tar.gz")


def test_a_file_that_holds_no_certificate_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("nothing")
    with pytest.raises(SourceError, match="holds no certificate"):
        WebServer("https://lists.example.org", ca=path)
