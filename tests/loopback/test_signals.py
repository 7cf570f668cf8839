"""SIGTERM and SIGHUP in the middle of it all: nothing lost, nothing twice, nothing that was not confirmed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.loopback.certificates import Authority, authority
from tests.loopback.door import Client
from tests.loopback.fake_upstream import FakeUpstream, Message
from tests.loopback.guarded import ALL, BERLIN, PASSWORDS, XCLIENT, parsed, write_config
from tests.loopback.serving import LOOPS, Serving, serving

__all__ = ["authority"]

pytestmark = pytest.mark.slow

SESSIONS = 50
ANNA = "anna@example.test"
GONE = (ConnectionError, asyncio.IncompleteReadError)


@dataclass
class Ledger:
    """What the clients were told: subjects of mails that were passed, and of mails that were held, by a 250."""

    passed: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    endings: Counter[bytes] = field(default_factory=Counter)
    """The first four octets of what ended a session, b"" if it was closed without a word."""

    def __len__(self) -> int:
        return len(self.passed) + len(self.held)


async def connect(port: int, login: bool = True) -> Client:
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    assert (await client.reply()).startswith(b"220")
    assert (await client.ask(b"EHLO me.example.test")).startswith(b"250")
    if login:
        assert (await client.log_in(ANNA, PASSWORDS[ANNA])).startswith(b"235")
    return client


async def offer(client: Client, subject: str, *recipients: str) -> bytes:
    """Everything but the content's end; the last reply, a 354 if all went well."""
    for line in (f"MAIL FROM:<{ANNA}>", *(f"RCPT TO:<{each}>" for each in recipients)):
        said = await client.ask(line.encode())
        if not said.startswith(b"250"):
            return said
    said = await client.ask(b"DATA")
    if said.startswith(b"354"):
        header = f"From: {ANNA}\r\nTo: {', '.join(recipients)}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n"
        await client.send(f"{header}\r\nWords of {subject}.\r\n".encode())
    return said


async def member(port: int, name: str, ledger: Ledger, stop: asyncio.Event, *, holds: bool) -> None:
    """Sends one mail after the other until the guard ends the session, or `stop`; every tenth is for two lists."""
    said = b""
    try:
        client = await connect(port)
    except (OSError, AssertionError, *GONE):
        return
    try:
        for number in range(1_000_000):
            if stop.is_set():
                said = await client.ask(b"QUIT")
                break
            held = holds and number % 10 == 1
            subject = f"{name}.{number}"
            said = await offer(client, subject, BERLIN, *([ALL] if held else []))
            if not said.startswith(b"354"):
                break
            said = await client.ask(b".")
            if not said.startswith(b"250"):
                break
            (ledger.held if held else ledger.passed).append(subject)
    except GONE:
        said = b""
    ledger.endings[said[:4]] += 1
    with suppress(*GONE):
        await client.close()


def subjects(messages: list[Message]) -> Counter[str]:
    return Counter(str(parsed(each)["Subject"]) for each in messages)


def noticed(out: FakeUpstream) -> Counter[str]:
    """The subjects that notices speak of."""
    letters = [str(parsed(each)["Subject"]) for each in out.messages if each.mail.startswith(b"FROM:<>")]
    return Counter(re.findall(r'"([^"]+)"', " ".join(letters)))


def states(folder: Path) -> list[str]:
    connection = sqlite3.connect(f"file:{folder}/state/holds.sqlite3?mode=ro", uri=True)
    try:
        return [row[0] for row in connection.execute("SELECT state FROM held")]
    finally:
        connection.close()


@asynccontextmanager
async def servers() -> AsyncIterator[tuple[FakeUpstream, FakeUpstream]]:
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        yield up, out


async def until(true: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


async def refuses_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.transport.abort()
    return False


async def until_closed(port: int) -> None:
    """Wait until nobody listens there."""
    async with asyncio.timeout(30):
        while not await refuses_connections(port):
            await asyncio.sleep(0.01)


def assert_kept(folder: Path, ledger: Ledger, up: FakeUpstream, out: FakeUpstream, guard: Serving) -> None:
    """Every 250 is exactly that mail at the mail server, or held with its notice taken; nothing else is anywhere."""
    assert subjects(up.messages) == Counter(ledger.passed)
    assert noticed(out) == Counter(ledger.held)
    assert states(folder) == ["held"] * len(ledger.held)
    assert b"Traceback" not in guard.log
    assert b"event=fault" not in guard.log


@pytest.mark.parametrize("loop", LOOPS)
async def test_sigterm_among_fifty_senders_loses_nothing(tmp_path: Path, loop: str) -> None:
    ledger = Ledger()
    async with servers() as (up, out):
        config = write_config(tmp_path, up, out)
        async with serving(config, loop=loop) as guard, asyncio.TaskGroup() as tasks:
            for number in range(SESSIONS):
                tasks.create_task(member(guard.ports[0], f"m{number}", ledger, asyncio.Event(), holds=True))
            await until(lambda: len(ledger) >= 4 * SESSIONS and len(ledger.held) >= 10)
            guard.process.send_signal(signal.SIGTERM)
            assert 0 == await guard.ended()

        assert_kept(tmp_path, ledger, up, out, guard)
        # Whoever had no mail on its way was told, unless it was just saying something: then a reset may be quicker.
        assert {b"421 ", b""} >= set(ledger.endings), ledger.endings
        assert ledger.endings[b"421 "] > SESSIONS // 2
        assert b"event=stopped" in guard.log


@pytest.mark.parametrize("loop", LOOPS)
async def test_sighup_all_the_time_disturbs_nobody(tmp_path: Path, authority: Authority, loop: str) -> None:
    certificate, key = authority.issue("localhost")
    key.chmod(0o600)
    ledger, stop = Ledger(), asyncio.Event()
    async with servers() as (up, out):
        listeners = [
            {"kind": "submission", "listen": "127.0.0.1:0", "tls": "starttls", "auth_without_tls": "always"},
            {"kind": "submission", "listen": "127.0.0.1:0", "tls": "implicit"},
        ]
        tls = {"certificate": str(certificate), "key_file": str(key)}
        config = write_config(tmp_path, up, out, listeners=listeners, tls=tls)
        async with serving(config, loop=loop) as guard, asyncio.TaskGroup() as tasks:
            sending = [
                tasks.create_task(member(guard.ports[0], f"m{number}", ledger, stop, holds=True))
                for number in range(SESSIONS)
            ]
            greeted = 0
            for _ in range(20):
                guard.process.send_signal(signal.SIGHUP)
                # Handshakes go on, too.
                secured = await asyncio.open_connection(
                    "127.0.0.1", guard.ports[1], ssl=authority.client_context(), server_hostname="localhost"
                )
                client = Client(*secured)
                greeted += (await client.reply()).startswith(b"220")
                await client.close()
                await asyncio.sleep(0.1)
            await until(lambda: len(ledger) >= 2 * SESSIONS)
            stop.set()
            await asyncio.wait(sending)
            # The last ones come in the middle of the end.
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
                guard.process.send_signal(number)
            for _ in range(200):
                if guard.process.returncode is not None:
                    break
                with suppress(ProcessLookupError):
                    # Not send_signal, which fetches the exit code of a process that has just ended, and loses it.
                    os.kill(guard.process.pid, signal.SIGHUP)
                await asyncio.sleep(0.01)
            assert 0 == await guard.ended()

        assert 20 == greeted
        assert_kept(tmp_path, ledger, up, out, guard)
        assert Counter({b"221 ": SESSIONS}) == ledger.endings
        assert guard.log.count(b"event=reloaded") >= 5
        assert b"level=error" not in guard.log


@pytest.mark.parametrize("loop", LOOPS)
async def test_sigterm_waits_for_a_slow_mail_server_and_for_open_transactions(tmp_path: Path, loop: str) -> None:
    async with servers() as (up, out):
        async with serving(write_config(tmp_path, up, out), loop=loop) as guard, AsyncExitStack() as stack:

            async def client() -> Client:
                made = await connect(guard.ports[0])
                stack.push_async_callback(made.close)
                return made

            waiting, sending, addressed, idle = [await client() for _ in range(4)]
            up.on("END", then="stall")
            assert (await offer(waiting, "waiting", BERLIN)).startswith(b"354")
            await waiting.send(b".\r\n")
            await up.wait_until(lambda: any(each.commands[-1:] == [b"DATA"] for each in up.sessions))
            assert (await offer(sending, "sending", BERLIN)).startswith(b"354")
            await addressed.ask(f"MAIL FROM:<{ANNA}>".encode())
            await addressed.ask(f"RCPT TO:<{BERLIN}>".encode())

            guard.process.send_signal(signal.SIGTERM)
            # Who has nothing on its way hears so at once, and nobody comes in any more.
            assert (await idle.rest()).startswith(b"421 ")
            await until_closed(guard.ports[0])
            # Who has, may go on: a second passes like nothing while the mail server thinks.
            assert (await addressed.ask(b"DATA")).startswith(b"354")
            finishing = [
                asyncio.create_task(waiting.rest()),
                asyncio.create_task(ended(sending, b".\r\n")),
                asyncio.create_task(ended(addressed, b"Subject: addressed\r\n\r\nwords\r\n.\r\n")),
            ]
            await asyncio.sleep(1)
            assert guard.process.returncode is None
            assert not any(each.done() for each in finishing)
            up.go_on()

            for said in await asyncio.gather(*finishing):
                assert re.fullmatch(rb"250 [^\r]*\r\n421 [^\r]*\r\n", said), said
            assert 0 == await guard.ended()
        assert Counter({"waiting": 1, "sending": 1, "addressed": 1}) == subjects(up.messages)


async def ended(client: Client, rest: bytes) -> bytes:
    """Send the rest of a mail; all that is said afterwards."""
    await client.send(rest)
    return await client.rest()


async def test_sigterm_ends_clients_that_never_finish_after_timeouts_shutdown(tmp_path: Path) -> None:
    async with servers() as (up, out):
        config = write_config(tmp_path, up, out, timeouts={"shutdown": "2s"})
        async with serving(config) as guard, AsyncExitStack() as stack:
            stuck = []
            for number in range(SESSIONS):
                client = await connect(guard.ports[0])
                stack.push_async_callback(client.close)
                assert (await offer(client, f"stuck.{number}", BERLIN)).startswith(b"354")
                stuck.append(client)
            guard.process.send_signal(signal.SIGTERM)

            # `shutdown` bounds it; the rest is a loaded machine's.
            assert 0 == await guard.ended(20)
            for client in stuck:
                assert b"250" not in await client.rest()
        assert [] == up.arrived
        assert b"Traceback" not in guard.log
