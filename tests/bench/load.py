"""The sending side: several sessions at once, with a login if wanted; smtp-source cannot log in.

A program of its own, `python -m tests.bench.load '{...}'` (the fields of `Order`); prints one line of JSON (`Outcome`).
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

from tests.bench.sink import run

GRACE_SECONDS = 25.0  # for what is under way when the time is up
MESSAGES_PER_SESSION = 500  # then the client connects again: servers allow no more than a thousand or so
LOGIN = b"\0robin\0bench"


@dataclass(frozen=True)
class Order:
    """What to send: for `seconds`, or `messages` in all if that is not 0. One RCPT for each of `recipients`."""

    port: int
    body: str
    sessions: int = 10
    seconds: float = 1.2
    messages: int = 0
    reuse: bool = True
    login: bool = False
    recipients: tuple[str, ...] = ("berlin@lists.example.test",)


@dataclass
class Outcome:
    """What came of it. Latencies are from MAIL to the reply to the content, in milliseconds."""

    messages: int = 0
    seconds: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    last_reply: str = ""
    failures: list[str] = field(default_factory=list)


class Work:
    """What the sessions share."""

    def __init__(self, order: Order) -> None:
        self.order = order
        text = Path(order.body).read_bytes()
        lines = (b"." + line if line.startswith(b".") else line for line in text.split(b"\n"))
        self.content = b"\r\n".join(lines) + b".\r\n"
        self.latencies: list[float] = []
        self.failures: list[str] = []
        self.last_reply = ""
        self.numbers = itertools.count(time.time_ns())
        self.begun = 0
        self.deadline = time.perf_counter() + order.seconds

    def goes_on(self) -> bool:
        """True if one more message should be sent."""
        if self.failures:
            return False
        if self.order.messages:
            return self.begun < self.order.messages
        return time.perf_counter() < self.deadline

    def stop(self) -> None:
        """Begin no more messages."""
        self.deadline = 0.0


class Session(asyncio.Protocol):
    """One session, until the work is done or, without `reuse`, one message is sent."""

    def __init__(self, work: Work, ended: Callable[[], None]) -> None:
        self._work = work
        self._ended = ended
        self._buffer = b""
        self._next: Callable[[], None] = self._hello
        self._expected = b"220"
        self._since = 0.0
        self._left: list[str] = []
        self._to_come = MESSAGES_PER_SESSION if work.order.reuse else 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the greeting."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Take a reply, do the next step."""
        self._buffer += data
        if not self._buffer.endswith(b"\n"):
            return
        last = self._buffer.rstrip(b"\r\n").rpartition(b"\n")[2]
        if last[3:4] == b"-":
            return
        self._buffer = b""
        if not last.startswith(self._expected):
            self._work.failures.append(last.decode("latin-1"))
            self._transport.close()
            return
        self._reply = last
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        """The end; a failure if it was not ours."""
        if self._next != self._gone:
            self._work.failures.append(f"connection lost: {error}")
        self._ended()

    def _say(self, line: bytes, expected: bytes, then: Callable[[], None]) -> None:
        self._expected = expected
        self._next = then
        self._transport.write(line)

    def _hello(self) -> None:
        then = self._login if self._work.order.login else self._mail
        self._say(b"EHLO client.example.test\r\n", b"250", then)

    def _login(self) -> None:
        self._say(b"AUTH PLAIN " + base64.b64encode(LOGIN) + b"\r\n", b"235", self._mail)

    def _mail(self) -> None:
        if not self._to_come or not self._work.goes_on():
            self._say(b"QUIT\r\n", b"221", self._gone)
            return
        self._to_come -= 1
        self._work.begun += 1
        self._left = list(self._work.order.recipients)
        self._since = time.perf_counter()
        self._say(b"MAIL FROM:<robin@example.test>\r\n", b"250", self._recipient)

    def _recipient(self) -> None:
        recipient = self._left.pop(0).encode()
        self._say(b"RCPT TO:<" + recipient + b">\r\n", b"250", self._recipient if self._left else self._data)

    def _data(self) -> None:
        self._say(b"DATA\r\n", b"354", self._content)

    def _content(self) -> None:
        number = b"Message-ID: <%d@client.example.test>\r\n" % next(self._work.numbers)
        self._expected = b"250"
        self._next = self._taken
        self._transport.writelines([number, self._work.content])

    def _taken(self) -> None:
        self._work.latencies.append(time.perf_counter() - self._since)
        self._work.last_reply = self._reply.decode("latin-1")
        self._mail()

    def _gone(self) -> None:
        self._transport.close()


async def _slot(work: Work) -> None:
    """One session after the other."""
    loop = asyncio.get_running_loop()
    while work.goes_on():
        over = asyncio.Event()
        await loop.create_connection(partial(Session, work, over.set), "127.0.0.1", work.order.port)
        await over.wait()


async def _send(order: Order) -> None:
    work = Work(order)
    # Whoever sends beside others is told when they are done; what is under way is sent to its end.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.stop)
    start = time.perf_counter()
    outcome = Outcome()
    try:
        async with asyncio.timeout(order.seconds + GRACE_SECONDS):
            await asyncio.gather(*(_slot(work) for _ in range(order.sessions)))
    except (TimeoutError, OSError) as error:
        work.failures.append(f"{type(error).__name__}: {error}")
    latencies = sorted(work.latencies)
    outcome.messages = len(latencies)
    outcome.seconds = time.perf_counter() - start
    if latencies:
        outcome.p50 = latencies[len(latencies) // 2] * 1000
        outcome.p99 = latencies[int(len(latencies) * 0.99)] * 1000
    outcome.last_reply = work.last_reply
    outcome.failures = work.failures[:3]
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    run(_send(Order(**json.loads(sys.argv[1]))))
