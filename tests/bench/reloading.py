"""What a reload costs with a thousand lists: `python -m tests.bench.reloading`. It asserts no speed, it measures.

A served guard, a session that sends mail after mail and notes how long each command takes, and settings that change
meanwhile: all list files at once, one of them, none. Printed are the time from SIGHUP to the line that says what is
read, and to the end (copies on the disk, too); how much CPU the guard used; and the longest command of the session,
while nothing is read again and while it is. A machine that is busy with other things shows in the former.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from tests.bench import bodies
from tests.bench.load import LOGIN, Order
from tests.bench.processes import System, python, start
from tests.bench.systems import SETTINGS
from tests.e2e.stack.keeper import Keeper
from tests.ports import HOST, free_ports

WINDOW_SECONDS = 3.0  # what is compared: as long without a reload as with one
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.001  # between two mails of the session that is watched
# Whoever notices a changed file waits this long until nothing changes any more (watch.py) and looks again.
AT_REST_SECONDS = 1.5
TO = "berlin@lists.example.test"  # as in the mails' own To
LOOK_SECONDS = 0.002  # between two looks at the guard's log

LIST_FILE = """\
# The list of group {number}.
list: {name}@lists.example.test
manager: mailman3
about: "Group {number}: minutes and meetings, version {version}"
contact: {name}-owner@lists.example.test
aliases:
  - {name}@old.example.test
crosspost_with: [{partner}]
topics: [minutes, agenda, meeting, garden, water]
on_alarm: hold
expires: 48h
wrong_if:
  - subject_has: [receipt, refund]
    use: {partner}
    say: "Money matters go to the other list."
"""


class Watched:
    """One session that sends mail after mail, in a process of its own: nothing here shall make it wait."""

    def __init__(self, port: int, to: str) -> None:
        self._process = subprocess.Popen(
            python("-m", "tests.bench.reloading", "--watched", str(port), to),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def end(self) -> Waits:
        """Close it. Raises RuntimeError if it had failed."""
        said, _ = self._process.communicate(timeout=PATIENCE_SECONDS)
        if self._process.returncode:
            raise RuntimeError("the watched session has failed")
        return Waits(array("d", said))


class Waits:
    """When each command was sent, and how long its reply took; seconds of the monotonic clock."""

    def __init__(self, said: array[float]) -> None:
        self._said = list(zip(said[::2], said[1::2], strict=True))

    def within(self, since: float, until: float) -> tuple[float, float]:
        """The longest wait and the median of commands that were sent or answered then."""
        then = [seconds for at, seconds in self._said if at < until and at + seconds > since]
        return max(then), statistics.median(then)


def watched(port: int, to: str) -> None:
    """The session: log in, send until standard input ends, then write what was measured."""
    said = array("d")
    line = socket.create_connection((HOST, port), timeout=PATIENCE_SECONDS)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _reply(line)
    for command in ("EHLO client.example.test", "AUTH PLAIN " + base64.b64encode(LOGIN).decode()):
        _ask(line, f"{command}\r\n".encode())
    mail = [each.encode() for each in ("MAIL FROM:<robin@example.test>\r\n", f"RCPT TO:<{to}>\r\n", "DATA\r\n")]
    content = bodies._prose_mail().replace("\n", "\r\n").encode() + b".\r\n"
    number = 0
    while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
        number += 1
        for octets in (*mail, b"Message-ID: <%d@client.example.test>\r\n" % number + content):
            at = time.monotonic()
            _ask(line, octets)
            said += array("d", (at, time.monotonic() - at))
    sys.stdout.buffer.write(said.tobytes())


def _ask(line: socket.socket, octets: bytes) -> None:
    line.sendall(octets)
    _reply(line)


def _reply(line: socket.socket) -> None:
    read = b""
    while not read.endswith(b"\n") or read.rstrip(b"\r\n").rpartition(b"\n")[2][3:4] == b"-":
        octets = line.recv(65536)
        if not octets:
            raise ConnectionError(f"the guard has hung up: {read!r}")
        read += octets
    if read[:1] not in b"23":
        raise ConnectionError(read.decode())


@dataclass
class Guard:
    """A served guard and its settings."""

    folder: Path
    lists: int
    system: System
    log: BinaryIO
    _read: bytes = b""

    def write(self, numbers: range, version: int) -> None:
        """List files of a new version, each replaced as an editor would."""
        write_lists(self.folder, numbers, version, self.lists)

    def hang_up(self) -> None:
        """SIGHUP."""
        os.kill(self.system.group, signal.SIGHUP)

    def lines(self, words: bytes) -> int:
        """How often the log says that."""
        # Lines of mails are thrown away: there are thousands of them.
        lines = (self._read + self.log.read()).split(b"\n")
        if any(b"event=held" in each for each in lines):
            raise RuntimeError("mails are held: what is measured is not a mail that passes")
        self._read = b"\n".join([each for each in lines[:-1] if b"event=passed" not in each] + lines[-1:])
        return self._read.count(words)

    def when(self, words: bytes, times: int) -> float:
        """The moment at which the log says `words` so often."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.lines(words) < times:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{words!r}: not within {PATIENCE_SECONDS:g} s")
            time.sleep(LOOK_SECONDS)
        return time.monotonic()


def write_lists(folder: Path, numbers: range, version: int, lists: int) -> None:
    """The list files of `numbers`."""
    for number in numbers:
        path = folder / "lists" / f"{_name(number)}.yaml"
        new = path.with_name(f".{path.name}.swp")
        partner = _name((number ^ 1) % lists)
        new.write_text(LIST_FILE.format(number=number, name=_name(number), partner=partner, version=version))
        new.replace(path)


def _name(number: int) -> str:
    """The first is the list that the mails are for."""
    return f"group-{number}" if number else "berlin"


@contextmanager
def guard(keeper: Keeper, folder: Path, lists: int) -> Iterator[Guard]:
    """A guard with so many lists before a sink."""
    port, answers_port, sink = free_ports(3)
    start(keeper, "sink", python("-m", "tests.bench.sink", str(sink)), sink, folder)
    home = folder / "home"
    (home / "lists").mkdir(parents=True)
    write_lists(home, range(lists), 0, lists)
    server = f"{HOST}:{sink}"
    settings = {
        **SETTINGS,
        "list_domains": ["lists.example.test", "old.example.test"],
        "listeners": [
            {"kind": "submission", "listen": f"{HOST}:{port}", "tls": "none"},
            {"kind": "answers", "listen": f"{HOST}:{answers_port}"},
        ],
        "upstream": {"server": server, "tls": "none"},
        "outbox": {"server": server, "tls": "none", "login": "xclient", "user": "mailcheck"},
        "limits": {"messages_per_session": 1_000_000},
        # One account that posts the same thousands of times is looked up at length; that is not measured here.
        "remember": "none",
        "state_dir": str(home / "state"),
    }
    (home / "smtpguard.yaml").write_text(json.dumps(settings))
    pid = start(
        keeper, "guard", python("-m", "smtpguard", "serve", "--config", str(home / "smtpguard.yaml")), port, folder
    )
    with (folder / f"guard-{port}.log").open("rb") as log:
        yield Guard(home, lists, System("guard", port, pid), log)


@contextmanager
def others(port: int, folder: Path, sessions: int) -> Iterator[None]:
    """So many sessions that send as fast as they can beside the one that is watched."""
    if not sessions:
        yield
        return
    files = bodies.write_bodies(folder)
    order = Order(
        port,
        str(files["4 KB"]),
        sessions=sessions,
        seconds=3600,
        login=True,
        recipients=(TO,),
    )
    process = subprocess.Popen(python("-m", "tests.bench.load", json.dumps(asdict(order))), stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@dataclass(frozen=True)
class Measured:
    """One reload, in seconds: until it counts, until all is done, CPU; and the time in which it was. It is quiet before
    `since`."""

    in_force: float
    ended: float
    cpu: float
    since: float
    until: float


def measure(served: Guard, change: Callable[[], None]) -> Measured:
    """Change something, send SIGHUP, and look on."""
    usual_cpu = served.system.cpu_seconds()
    time.sleep(WINDOW_SECONDS)
    usual_cpu = served.system.cpu_seconds() - usual_cpu
    read, ended = served.lines(b"event=settings-read"), served.lines(b"event=reloaded")
    cpu, since = served.system.cpu_seconds(), time.monotonic()
    change()
    asked = time.monotonic()
    served.hang_up()
    in_force = served.when(b"event=settings-read", read + 1)
    end = served.when(b"event=reloaded", ended + 1)
    # Whoever watches the files has noticed as well, and looks once more.
    until = max(end + AT_REST_SECONDS, since + WINDOW_SECONDS)
    time.sleep(max(until - time.monotonic(), 0))
    cpu = served.system.cpu_seconds() - cpu - usual_cpu * (time.monotonic() - since) / WINDOW_SECONDS
    return Measured(in_force - asked, end - asked, cpu, since, until)


def report(name: str, found: list[Measured], waits: Waits) -> None:
    """One line in milliseconds: the median, and the worst in brackets."""
    columns = [[each.in_force for each in found], [each.ended for each in found], [each.cpu for each in found]]
    columns.append([waits.within(each.since, each.until)[0] for each in found])
    columns += zip(*(waits.within(each.since - WINDOW_SECONDS, each.since) for each in found), strict=True)
    said = ""
    for values in columns:
        digits = 2 if values is columns[-1] else 0
        said += f"{1000 * statistics.median(values):.{digits}f} ({1000 * max(values):.{digits}f})".rjust(18)
    print(f"{name:14}{said}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--others", type=int, default=0, help="sessions that send as fast as they can meanwhile")
    parser.add_argument("--watched", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watched:
        watched(int(options.watched[0]), options.watched[1])
        return
    keeper = Keeper()
    folder = Path(tempfile.mkdtemp(prefix="smtpguard-reloading-"))
    keeper.folder(folder)
    try:
        with guard(keeper, folder, options.lists) as served:
            session = Watched(served.system.port, TO)
            with others(served.system.port, folder, options.others):
                found = _measure_all(served, options.rounds)
            waits = session.end()
    finally:
        keeper.end()
    print(f"{options.lists} lists; milliseconds, median of {options.rounds} (and the worst)")
    heads = ("in force", "all done", "CPU", "longest command", "without reload", "median")
    print(" " * 14 + "".join(each.rjust(18) for each in heads))
    for name, each in found.items():
        report(name, each, waits)


def _measure_all(served: Guard, rounds: int) -> dict[str, list[Measured]]:
    versions = iter(range(1, 1_000_000))
    cases: dict[str, Callable[[], None]] = {
        "all changed": lambda: served.write(range(served.lists), next(versions)),
        "one changed": lambda: served.write(range(1), next(versions)),
        "none changed": lambda: None,
    }
    time.sleep(WINDOW_SECONDS)
    return {name: [measure(served, change) for _ in range(rounds)] for name, change in cases.items()}


if __name__ == "__main__":
    main()
