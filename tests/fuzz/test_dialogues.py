"""Whole sessions over real sockets: the replies are those of the model, in its order, and so is what the sink gets."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.dialogues import Dialogue, Writer, misbehaving, of_octets
from tests.fuzz.model import Mail, Model
from tests.fuzz.running import SECONDS, SEED, each_of, over
from tests.logs import caught
from tests.loopback.door import submission_door
from tests.loopback.fake_upstream import FakeUpstream, Message
from tests.loopback.guarded import PASSWORDS, write_config
from tests.loopback.serving import serving

AT_ONCE = 8
PATIENCE_SECONDS = 30.0
# So few a second are no run: something has become slow. Measured: 220 with a door, 110 with a process.
DIALOGUES_A_SECOND_MIN = 5


class Ear(asyncio.Protocol):
    """The client's side of one connection."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.octets = b""
        self.replies: list[bytes] = []
        self.ended = asyncio.Event()
        self._rest = b""
        self._open: list[bytes] = []
        self._news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self.octets += data
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in lines:
            self._open.append(line + b"\r\n")
            if line[3:4] != b"-":
                self.replies.append(b"".join(self._open))
                self._open = []
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()
        self._news.set()

    async def heard(self, number: int) -> None:
        """Wait for so many replies, or the end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.replies) < number and not self.ended.is_set():
                self._news.clear()
                await self._news.wait()

    def reset(self) -> None:
        if self.transport.is_closing():
            return
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class Sink:
    """What the mail server has got, by the reverse-path, which is another one for each mail."""

    def __init__(self, up: FakeUpstream) -> None:
        self._up = up
        self._seen = 0
        self._mails: dict[bytes, list[Message]] = defaultdict(list)
        self.expected: set[bytes] = set()

    def of(self, mail: Mail) -> list[Message]:
        for message in self._up.arrived[self._seen :]:
            self._mails[message.mail].append(message)
        self._seen = len(self._up.arrived)
        return self._mails[mail.reverse_path]

    def check(self, mail: Mail) -> Message:
        """It has come, once, and nothing of it was touched."""
        found = self.of(mail)
        assert len(found) == 1, f"{len(found)} times"
        assert found[0].content == mail.wire
        assert found[0].rcpts == mail.recipients
        assert mail.reply is None or found[0].reply == mail.reply
        return found[0]


async def send(ear: Ear, octets: bytes, chance: random.Random) -> None:
    """In segments of any size, with a pause here and there."""
    longest = chance.choice([1, 7, 100, 4096, 10**6])
    at = 0
    if len(octets) > 400 * longest:
        longest = len(octets) // 20
    while at < len(octets) and not ear.transport.is_closing():
        size = chance.randint(1, longest)
        ear.transport.write(octets[at : at + size])
        at += size
        if chance.random() < 0.5:
            await asyncio.sleep(0.001 if chance.random() < 0.02 else 0)


async def play(port: int, dialogue: Dialogue, sink: Sink, chance: random.Random) -> None:
    """Have it, and compare."""
    loop = asyncio.get_running_loop()
    transport, ear = await loop.create_connection(Ear, "127.0.0.1", port)
    assert isinstance(ear, Ear)
    sink.expected |= {each.reverse_path for each in dialogue.model.mails}
    steps = dialogue.steps
    cut_short = None
    if dialogue.ending == "reset":
        number = chance.randrange(len(steps))
        cut_short = chance.randint(0, len(steps[number].octets))
        steps = steps[: number + 1]
    try:
        for step in steps:
            await ear.heard(step.after)
            last = cut_short is not None and step is steps[-1]
            await send(ear, step.octets[:cut_short] if last else step.octets, chance)
        if cut_short is not None:
            ear.reset()
        elif dialogue.ending == "half-close" and not transport.is_closing():
            transport.write_eof()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await ear.ended.wait()
    finally:
        transport.abort()
    if cut_short is None:
        check_whole(ear, dialogue, sink)
    else:
        check_cut_short(ear, dialogue, sink, steps, cut_short)


def check_whole(ear: Ear, dialogue: Dialogue, sink: Sink) -> None:
    said = [sink.check(each).reply if isinstance(each, Mail) else each for each in dialogue.model.said]
    assert ear.replies[:1] == [b"220 mail.example.test ESMTP\r\n"]
    assert ear.replies[1:] == said
    assert ear.octets == b"".join(ear.replies), "half a reply"
    for mail in dialogue.model.mails:
        sink.check(mail)


def check_cut_short(ear: Ear, dialogue: Dialogue, sink: Sink, steps: list[Any], cut_short: int) -> None:
    """What was said until then was right; a mail whose end was not sent has not come, and none has come twice."""
    sent = {id(mail) for step in steps for at, mail in step.ends if step is not steps[-1] or at <= cut_short}
    for found, expected in zip(ear.replies[1:], dialogue.model.said, strict=False):
        assert found == (sink.check(expected).reply if isinstance(expected, Mail) else expected)
    for mail in dialogue.model.mails:
        if id(mail) not in sent:
            assert sink.of(mail) == []
        elif sink.of(mail):
            sink.check(mail)


async def greeting(port: int) -> bytes:
    """The answer to EHLO."""
    _, ear = await asyncio.get_running_loop().create_connection(Ear, "127.0.0.1", port)
    assert isinstance(ear, Ear)
    ear.transport.write(b"EHLO x\r\nQUIT\r\n")
    await ear.heard(3)
    ear.transport.close()
    return ear.replies[1]


async def many(port: int, up: FakeUpstream, model: Callable[[bytes, random.Random], Model], *, plain: bool) -> int:
    """Dialogues, some at a time, until the time is over; how many there were."""
    hello = await greeting(port)
    sink, ended, numbers = Sink(up), over(), count(SEED * 1_000_000)
    typed: set[bytes] = {b"EHLO x"}

    async def one_after_the_other() -> None:
        while not ended():
            number = next(numbers)
            chance = random.Random(number)
            dialogue = Writer(chance, f"d{number}", model(hello, chance), plain=plain).dialogue()
            typed.update(dialogue.typed)
            try:
                await play(port, dialogue, sink, chance)
            except BaseException as error:
                sent = b"\n".join(b"after %d: %r" % (each.after, each.octets[:600]) for each in dialogue.steps)
                error.add_note(f"dialogue {number}, {dialogue.ending}\n{sent.decode()}\n{dialogue.model.said!r:.3000}")
                error.add_note(f"SMTPGUARD_FUZZ_SEED={number // 1_000_000} shows this again.")
                raise

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one_after_the_other())
    await up.wait_for_close()
    assert {each.mail for each in up.arrived} <= sink.expected
    # The guard's own session asks whether the mail server is an open relay.
    members = [each for each in up.sessions if each.hello != b"EHLO check.example.test"]
    commands = {line for each in members for line in each.commands}
    assert {each for each in commands if not each.upper().startswith(b"AUTH")} <= typed
    assert await greeting(port) == hello
    return next(numbers) - SEED * 1_000_000


@each_of("dialogues")
async def test_corpus(octets: bytes) -> None:
    """Each file is what one client sends; it is sent in segments of several sizes."""
    async with misbehaving({"anna": "secret"}) as up, submission_door(up, message_size=64 * 1024) as door:
        hello = await greeting(door.port)
        for number in range(4):
            up.arrived.clear()
            model = Model(hello, b"anna", b"secret", message_size=64 * 1024)
            await play(door.port, of_octets(octets, model), Sink(up), random.Random(number))
            assert len(up.arrived) == len(model.mails)
            assert not any(b"evil@" in line for session in up.sessions for line in session.commands)
        assert await greeting(door.port) == hello


@pytest.mark.slow
async def test_fuzz_dialogues_with_a_door() -> None:
    users = {"anna": "secret"}
    with caught() as log:
        async with misbehaving(users) as up, submission_door(up, message_size=64 * 1024) as door:

            def model(hello: bytes, chance: random.Random) -> Model:
                return Model(hello, b"anna", b"secret", message_size=64 * 1024)

            number = await many(door.port, up, model, plain=False)
            assert door.server._roll.sessions == 0
    assert number >= DIALOGUES_A_SECOND_MIN * SECONDS
    assert "fault" not in log.getvalue()
    assert "Traceback" not in log.getvalue()


@pytest.mark.slow
async def test_fuzz_dialogues_with_a_served_guard(tmp_path: Path) -> None:
    """Checks are on, logins are asked for; all mail goes to persons and passes."""
    async with misbehaving(PASSWORDS) as up, FakeUpstream() as out:
        config = write_config(tmp_path, up, out)
        async with serving(config) as guard:

            def model(hello: bytes, chance: random.Random) -> Model:
                return Model(hello, b"anna@example.test", b"anna-password", auth_required=True)

            number = await many(guard.ports[0], up, model, plain=True)
    assert number >= DIALOGUES_A_SECOND_MIN * SECONDS
    assert out.messages == []
    assert b"Traceback" not in guard.log
    assert b"event=fault" not in guard.log
