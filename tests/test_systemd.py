"""What systemd hands over and hears: sockets by name, the state of the service, signs of life."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from smtpguard.config.settings import SettingsError
from smtpguard.systemd import FIRST_PASSED, PASSED_MAX, ServiceManager
from tests.logs import caught


@pytest.fixture
def told(tmp_path: Path) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(10)
        yield ear


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with caught() as stream:
        yield stream


def listening(family: int = socket.AF_INET) -> socket.socket:
    opened = socket.socket(family)
    opened.bind("" if family == socket.AF_UNIX else ("127.0.0.1", 0))
    opened.listen()
    return opened


def passing(*named: tuple[str, socket.socket]) -> ServiceManager:
    return ServiceManager(tuple((name, each.detach()) for name, each in named))


def test_systemd_is_told_by_a_socket_of_the_file_system(told: socket.socket) -> None:
    manager = ServiceManager.of({"NOTIFY_SOCKET": told.getsockname()}, 1)

    manager.tell("READY=1", "STATUS=taking mail")

    assert told.recv(4096) == b"READY=1\nSTATUS=taking mail"


def test_systemd_is_told_by_an_abstract_socket() -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as ear:
        ear.bind("")  # the kernel takes a free abstract name
        ear.settimeout(10)
        manager = ServiceManager.of({"NOTIFY_SOCKET": "@" + ear.getsockname()[1:].decode()}, 1)

        manager.tell("STOPPING=1")

        assert ear.recv(4096) == b"STOPPING=1"


def test_a_reload_is_told_with_the_time_that_systemd_compares(told: socket.socket) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    ServiceManager(notify_socket=told.getsockname()).tell_reloading()

    lines = dict(each.split("=", 1) for each in told.recv(4096).decode().splitlines())
    assert lines["RELOADING"] == "1"
    assert before <= int(lines["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


@pytest.mark.parametrize("address", ["/nowhere/at/all", "vsock:2:1234", "@" + "x" * 200])
def test_a_systemd_that_cannot_be_told_is_logged_once(address: str, log: io.StringIO) -> None:
    manager = ServiceManager(notify_socket=address)

    for _ in range(3):
        manager.tell("WATCHDOG=1")

    assert log.getvalue().count("systemd cannot be told") == 1


def test_a_systemd_that_reads_nothing_keeps_nobody_waiting(told: socket.socket, log: io.StringIO) -> None:
    manager = ServiceManager(notify_socket=told.getsockname())
    queue = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())

    for _ in range(queue + 3):
        manager.tell("WATCHDOG=1")

    assert log.getvalue().count("systemd cannot be told") == 1


def test_without_systemd_nothing_is_told(log: io.StringIO) -> None:
    ServiceManager.of({}, 1).tell("READY=1")

    assert not log.getvalue()


async def test_signs_of_life_come_twice_in_the_watchdog_s_time_and_say_how_it_is(told: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": told.getsockname(), "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "77"}
    manager = ServiceManager.of(environment, 77)
    alive = asyncio.create_task(manager.show_life(lambda: manager.tell("WATCHDOG=1", "STATUS=taking mail")))
    signs = [await asyncio.to_thread(told.recv, 4096) for _ in range(3)]
    alive.cancel()

    assert set(signs) == {b"WATCHDOG=1\nSTATUS=taking mail"}


async def test_a_loop_that_stands_still_gives_no_sign_of_life(told: socket.socket) -> None:
    manager = ServiceManager(notify_socket=told.getsockname(), watchdog_seconds=0.02)
    alive = asyncio.create_task(manager.show_life(lambda: manager.tell("WATCHDOG=1", "STATUS=taking mail")))
    assert (await asyncio.to_thread(told.recv, 4096)).startswith(b"WATCHDOG=1")
    told.setblocking(False)

    # Nobody gets a turn from here on: what came before is taken out, and in ten times the time nothing comes.
    while True:
        try:
            told.recv(4096)
        except BlockingIOError:
            break
    time.sleep(0.2)
    with pytest.raises(BlockingIOError):
        told.recv(4096)
    alive.cancel()


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "8"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}],
)
async def test_who_asked_for_no_signs_of_life_gets_none(environment: dict[str, str], told: socket.socket) -> None:
    manager = ServiceManager.of({**environment, "NOTIFY_SOCKET": told.getsockname()}, 7)

    await manager.show_life(lambda: manager.tell("WATCHDOG=1", "STATUS=taking mail"))  # ends at once

    told.setblocking(False)
    with pytest.raises(BlockingIOError):
        told.recv(4096)


def test_what_systemd_says_is_taken_out_of_the_environment(told: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": told.getsockname(), "WATCHDOG_USEC": "1000000", "LISTEN_PID": "9", "HOME": "/x"}

    ServiceManager.of(environment, 1)

    assert environment == {"HOME": "/x"}


def test_a_socket_is_taken_by_its_name_once() -> None:
    one, two = listening(), listening()
    ports = [one.getsockname()[1], two.getsockname()[1]]
    manager = passing(("submission", one), ("submissions", two))
    with closing(manager.take("submissions")) as taken:
        assert ports[1] == taken.getsockname()[1]
        assert manager.left == ["submission"]
    with closing(manager.take("submission")) as taken:
        assert ports[0] == taken.getsockname()[1]
        assert manager.left == []


def test_a_socket_that_is_not_passed_is_told_with_what_is_to_be_done() -> None:
    with pytest.raises(SettingsError, match=r'"fd:submission": .*passed: none.*FileDescriptorName=submission'):
        ServiceManager().take("submission")
    manager = ServiceManager((("smtp", 900), ("page", 901)))
    with pytest.raises(SettingsError, match="passed: page, smtp"):
        manager.take("submission")


def test_a_name_of_two_sockets_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"2 sockets of this name. Write one ListenStream="):
        ServiceManager((("submission", 900), ("submission", 901))).take("submission")


def test_only_what_can_be_connected_to_is_a_listener(tmp_path: Path) -> None:
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    for each in (datagrams, silent, listening(socket.AF_UNIX)):
        manager = passing(("submission", each))
        with pytest.raises(SettingsError, match="nobody can connect to this socket"):
            manager.take("submission")
    with closing(passing(("page", listening(socket.AF_UNIX))).take("page", of_files=True)) as taken:
        assert taken.family == socket.AF_UNIX
    with (tmp_path / "file").open("wb") as file, pytest.raises(SettingsError, match="is no socket"):
        ServiceManager((("submission", file.fileno()),)).take("submission")


def test_sockets_for_another_process_are_left_alone() -> None:
    environment = {"LISTEN_PID": "8", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "submission"}

    with pytest.raises(SettingsError, match="passed: none"):
        ServiceManager.of(environment, 7).take("submission")


@pytest.mark.parametrize(
    ("count", "names", "said"),
    [
        ("many", "", "LISTEN_FDS is no number"),
        ("-1", "", "LISTEN_FDS is no number"),
        (str(PASSED_MAX + 1), "", "LISTEN_FDS is no number"),
        ("2", "submission", "1 names for 2 sockets"),
        ("1", "a:b", "2 names for 1 sockets"),
    ],
)
def test_what_cannot_be_understood_of_sockets_is_an_error(count: str, names: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        ServiceManager.of({"LISTEN_PID": "7", "LISTEN_FDS": count, "LISTEN_FDNAMES": names}, 7)


CHILD = """
import os, sys
from smtpguard.systemd import ServiceManager
os.environ["LISTEN_PID"] = str(os.getpid())
manager = ServiceManager.of(os.environ, os.getpid())
taken = manager.take(sys.argv[1])
print(taken.getsockname()[1], taken.get_inheritable(), sorted(each for each in os.environ if "LISTEN" in each))
"""


@pytest.mark.parametrize(("names", "name"), [("submission", "submission"), (None, "unknown")])
def test_the_first_socket_is_number_three_and_goes_to_no_program_of_ours(names: str | None, name: str) -> None:
    with closing(listening()) as opened:
        environment = {**os.environ, "LISTEN_FDS": "1", **({} if names is None else {"LISTEN_FDNAMES": names})}
        number = opened.fileno()
        command = f'exec {FIRST_PASSED}<&{number}; exec "$0" "$@"'
        said = subprocess.run(
            ["/bin/bash", "-c", command, sys.executable, "-c", CHILD, name],
            env=environment, pass_fds=[number], capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert said.stdout.split(maxsplit=1) == [str(opened.getsockname()[1]), "False []\n"]


def test_a_number_that_is_not_open_is_an_error() -> None:
    program = CHILD.replace("manager = ", "os.closerange(3, 50); manager = ")
    said = subprocess.run(
        [sys.executable, "-c", program, "submission"],
        env={**os.environ, "LISTEN_FDS": "1"}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "LISTEN_FDS says 1, but number 3 is not open" in said.stderr
