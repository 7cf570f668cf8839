"""Sockets that were open before the guard came, and stay open when it goes: as systemd passes them."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.certificates import Authority, authority
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, MEMBERS, PASSWORDS, XCLIENT, mail, write_config
from tests.loopback.serving import LOOPS
from tests.ports import free_ports

__all__ = ["authority"]

pytestmark = pytest.mark.slow

ANNA = MEMBERS["anna"]
ACTIVATE = shutil.which("systemd-socket-activate")
REMEDY = "the Debian package systemd (`make e2e-deps`) adds it"
LISTENERS = [
    {"kind": "submission", "listen": "fd:submission"},
    {"kind": "submission", "listen": "fd:submissions", "tls": "implicit"},
    {"kind": "answers", "listen": "fd:smtp"},
]


class Ear:
    """What a guard tells systemd, one datagram after the other."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.setblocking(False)

    async def hears(self, word: str) -> dict[str, str]:
        """The next message that says `word`; what comes before it is dropped."""
        async with asyncio.timeout(60):
            while True:
                said = (await asyncio.get_running_loop().sock_recv(self.socket, 4096)).decode()
                lines = dict(each.split("=", 1) for each in said.splitlines())
                if word in lines:
                    return lines


@pytest.fixture
def ear(tmp_path: Path) -> Any:
    ear = Ear(tmp_path)
    with closing(ear.socket):
        yield ear


@asynccontextmanager
async def running(*command: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that is ended by SIGTERM at the latest when the block is left."""
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            said = await process.communicate()
        print(*(each.decode() for each in said))  # beside a failed test


def by_hand(
    sockets: dict[str, socket.socket], config: Path, loop: str = "uvloop"
) -> tuple[list[str], dict[str, str], list[int]]:
    """What starts a guard with these sockets, as systemd would: command, environment, numbers to pass."""
    numbers = [each.fileno() for each in sockets.values()]
    high = [f"exec {100 + place}<&{number}; " for place, number in enumerate(numbers)]
    low = [f"exec {3 + place}<&{100 + place} {100 + place}<&-; " for place in range(len(numbers))]
    command = "".join((*high, *low)) + 'export LISTEN_PID=$$; exec "$0" "$@"'
    environment = {"LISTEN_FDS": str(len(numbers)), "LISTEN_FDNAMES": ":".join(sockets)}
    return ["/bin/bash", "-c", command, sys.executable, *LOOPS[loop], *served(config)], environment, numbers


def served(config: Path) -> list[str]:
    return ["serve", "--config", str(config)]


def opened() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=64)


def send(port: int, authority: Authority, subject: str, *to: str, implicit: bool = False) -> None:
    """One mail of Anna's over a real session with TLS. Raises smtplib's errors."""
    context = ssl.create_default_context(cafile=authority.pem)
    if implicit:
        client: smtplib.SMTP = smtplib.SMTP_SSL("localhost", port, timeout=60, context=context)
    else:
        client = smtplib.SMTP("localhost", port, timeout=60)
        client.starttls(context=context)
    with client:
        client.login(ANNA, PASSWORDS[ANNA])
        client.sendmail(ANNA, to, mail("anna", to, subject=subject))


def settings(folder: Path, up: FakeUpstream, out: FakeUpstream, authority: Authority, **changes: Any) -> Path:
    certificate, key = authority.issue("localhost", "127.0.0.1")
    tls = {"certificate": str(certificate), "key_file": str(key)}
    return write_config(folder, up, out, **{"listeners": LISTENERS, "tls": tls, **changes})


@asynccontextmanager
async def servers() -> AsyncIterator[tuple[FakeUpstream, FakeUpstream]]:
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        yield up, out


@pytest.mark.skipif(
    ACTIVATE is None and os.environ.get("SMTPGUARD_E2E") != "required",
    reason=f"systemd-socket-activate is missing; {REMEDY}",
)
async def test_the_first_client_wakes_the_guard_and_a_reload_keeps_the_sockets(
    tmp_path: Path, authority: Authority, ear: Ear
) -> None:
    ports = free_ports(3)
    async with servers() as (up, out):
        config = settings(tmp_path, up, out, authority)
        command = [str(ACTIVATE), *(f"--listen=127.0.0.1:{port}" for port in ports)]
        command += ["--fdname=submission:submissions:smtp", f"--setenv=NOTIFY_SOCKET={ear.path}"]
        command += ["--setenv=WATCHDOG_USEC=400000"]
        command += [f"--setenv=PYTHONPATH={os.environ.get('PYTHONPATH', '')}", sys.executable, "-m", "smtpguard"]
        async with running(*command, *served(config)) as guard:
            await _until_open(ports[0])
            await asyncio.to_thread(send, ports[0], authority, "first", BERLIN)
            assert "3 listeners" in (await ear.hears("READY"))["STATUS"]
            await asyncio.to_thread(send, ports[1], authority, "second", BERLIN, ALL, implicit=True)

            assert "3 listeners" in (await ear.hears("WATCHDOG"))["STATUS"]

            # A letter of the settings changes, and the sockets go on as they are.
            config.write_text(config.read_text().replace("030 123 45 67", "030 765 43 21"))
            guard.send_signal(signal.SIGHUP)
            assert (await ear.hears("RELOADING"))["MONOTONIC_USEC"].isdecimal()
            assert "0 sessions" in (await ear.hears("READY"))["STATUS"]
            await asyncio.to_thread(send, ports[0], authority, "third", BERLIN, ALL)
            await out.wait_for_messages(2)

            guard.send_signal(signal.SIGTERM)
            await ear.hears("STOPPING")
            assert await guard.wait() == 0
        assert len(up.messages) == 1
        notices = [each.content for each in out.messages]
        assert b"030 123 45 67" in notices[0]
        assert b"030 765 43 21" in notices[1]


async def _until_open(port: int) -> None:
    """Wait until somebody listens, without connecting: that would wake the guard. (/proc/net/tcp: 0A is LISTEN.)"""
    async with asyncio.timeout(60):
        while not re.search(rf":{port:04X} \S+ 0A ", Path("/proc/net/tcp").read_text("ascii")):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("loop", LOOPS)
async def test_who_connects_while_the_guard_is_started_again_is_served_by_the_next(
    tmp_path: Path, authority: Authority, ear: Ear, loop: str
) -> None:
    sockets = {name: opened() for name in ("submission", "submissions", "smtp")}
    port = sockets["submission"].getsockname()[1]
    async with servers() as (up, out):
        command, environment, numbers = by_hand(sockets, settings(tmp_path, up, out, authority), loop)
        environment["NOTIFY_SOCKET"] = str(ear.path)

        async def start() -> asyncio.subprocess.Process:
            process = await asyncio.create_subprocess_exec(
                *command, env={**os.environ, **environment}, pass_fds=numbers,
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            await ear.hears("READY")
            return process

        first = await start()
        await asyncio.to_thread(send, port, authority, "before", BERLIN)
        first.send_signal(signal.SIGTERM)
        assert await first.wait() == 0

        # Nobody is there now, and nobody is turned away.
        waiting = asyncio.create_task(asyncio.to_thread(send, port, authority, "between", BERLIN))
        second = await start()
        await waiting
        second.send_signal(signal.SIGTERM)
        assert await second.wait() == 0
        assert len(up.messages) == 2
    for each in sockets.values():
        each.close()


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        ({}, '"fd:submission": systemd passes no socket of this name (passed: none)'),
        ({"submission": 1, "smtps": 1}, '"fd:submissions": systemd passes no socket of this name (passed: smtps, sub'),
    ],
)
async def test_a_socket_that_is_missing_ends_the_start_with_the_code_of_broken_settings(
    tmp_path: Path, authority: Authority, passed: dict[str, int], said: str
) -> None:
    sockets = {name: opened() for name in passed}
    async with servers() as (up, out):
        command, environment, numbers = by_hand(sockets, settings(tmp_path, up, out, authority))
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **environment}, pass_fds=numbers, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            log = (await process.communicate())[1].decode()
    for each in sockets.values():
        each.close()
    assert process.returncode == 78
    assert f"smtpguard: {said}" in log


async def test_a_socket_that_no_listener_takes_is_named_in_the_log(
    tmp_path: Path, authority: Authority, ear: Ear
) -> None:
    sockets = {name: opened() for name in ("submission", "submissions", "smtp", "smpt")}
    async with servers() as (up, out):
        command, environment, numbers = by_hand(sockets, settings(tmp_path, up, out, authority))
        environment["NOTIFY_SOCKET"] = str(ear.path)
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **environment}, pass_fds=numbers, stderr=asyncio.subprocess.PIPE
        )
        await ear.hears("READY")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            log = (await process.communicate())[1].decode()
    for each in sockets.values():
        each.close()
    assert "nobody is answered there" in log
    assert "socket=smpt" in log


async def test_page_and_metrics_are_served_at_sockets_that_are_passed(
    tmp_path: Path, authority: Authority, ear: Ear
) -> None:
    place = tmp_path / "page.sock"
    sockets = {name: opened() for name in ("submission", "submissions", "smtp")}
    sockets["page"] = socket.socket(socket.AF_UNIX)
    sockets["page"].bind(str(place))
    sockets["page"].listen()
    sockets["metrics"] = opened()
    at = f"metrics=127.0.0.1:{sockets['metrics'].getsockname()[1]}"
    async with servers() as (up, out):
        page: dict[str, Any] = {"web": {"listen": "fd:page"}, "public_url": "https://mailcheck.example.test"}
        page["metrics"] = {"listen": "fd:metrics"}
        command, environment, numbers = by_hand(sockets, settings(tmp_path, up, out, authority, **page))
        environment["NOTIFY_SOCKET"] = str(ear.path)
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **environment}, pass_fds=numbers,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        await ear.hears("READY")
        answers = []
        for to, path in (("page", b"/rules"), ("metrics", b"/readyz")):
            address = sockets[to].getsockname()
            if to == "page":
                reader, writer = await asyncio.open_unix_connection(address)
            else:
                reader, writer = await asyncio.open_connection(*address)
            writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: mailcheck.example.test\r\nConnection: close\r\n\r\n")
            answers.append(await reader.read())
            writer.close()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            log = (await process.communicate())[1].decode()
    for each in sockets.values():
        each.close()
    assert [each[:13] for each in answers] == [b"HTTP/1.1 200 "] * 2, (answers, log)
    assert process.returncode == 0
    assert at in log
    assert place.exists()  # it is systemd's


async def test_several_workers_share_the_sockets_and_one_that_stands_still_is_ended(
    tmp_path: Path, authority: Authority, ear: Ear
) -> None:
    sockets = {name: opened() for name in ("submission", "submissions", "smtp", "page")}
    port = sockets["submission"].getsockname()[1]
    page = sockets["page"].getsockname()
    async with servers() as (up, out):
        more: dict[str, Any] = {"web": {"listen": "fd:page"}, "public_url": "https://mailcheck.example.test"}
        config = settings(tmp_path, up, out, authority, workers=2, **more)
        command, environment, numbers = by_hand(sockets, config)
        environment |= {"NOTIFY_SOCKET": str(ear.path), "WATCHDOG_USEC": "2000000"}
        guard = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **environment}, pass_fds=numbers,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        for each in sockets.values():
            each.close()  # a socket that nobody has open any more would refuse
        assert (await ear.hears("READY"))["STATUS"] == "taking mail: 2 of 2 workers"
        await asyncio.to_thread(send, port, authority, "first", BERLIN)

        guard.send_signal(signal.SIGHUP)
        await ear.hears("RELOADING")
        await ear.hears("READY")

        # The first serves the page. It stands still, and another takes its place at the same sockets.
        first = workers_of(guard.pid)[0]
        os.kill(first, signal.SIGSTOP)
        async with asyncio.timeout(60):
            while first in workers_of(guard.pid) or len(workers_of(guard.pid)) < 2:
                assert (await ear.hears("WATCHDOG"))["STATUS"].startswith("taking mail")
            while (await ear.hears("WATCHDOG"))["STATUS"] != "taking mail: 2 of 2 workers":
                pass
        reader, writer = await asyncio.open_connection(*page)
        writer.write(b"GET /rules HTTP/1.1\r\nHost: mailcheck.example.test\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        await asyncio.to_thread(send, port, authority, "second", BERLIN)

        guard.send_signal(signal.SIGTERM)
        await ear.hears("STOPPING")
        async with asyncio.timeout(60):
            log = (await guard.communicate())[1].decode()
        assert guard.returncode == 0, log
        assert len(up.messages) == 2
    assert "a worker stands still and is ended" in log


def workers_of(supervisor: int) -> list[int]:
    """The processes that it has forked, the oldest first."""
    return [int(each) for each in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()]
