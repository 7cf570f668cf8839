"""Many at once, many in a row, and those who do not behave: a served guard over real sockets."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from smtpguard import replies
from tests.loopback.door import Client
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import BERLIN, PASSWORDS, XCLIENT, write_config
from tests.loopback.serving import LOOPS, Serving, serving

pytestmark = pytest.mark.slow

ANNA = "anna@example.test"
# A working session takes some milliseconds; "under a second" is meant for a machine with nothing else to do. Who waits
# for those that stand still waits for minutes.
WORKING_SECONDS = 20.0
REST_SECONDS = 60.0
IDLE_SESSIONS = 2_000
IDLE_OCTETS_MAX = 150 * 1024 * 1024


@asynccontextmanager
async def relay(folder: Path, loop: str = "uvloop", files: int | None = None, **limits: int) -> AsyncIterator[Any]:
    """A guard and the mail server behind it. All clients come from one address here."""
    async with (
        FakeUpstream(users=PASSWORDS, require_login=True) as up,
        FakeUpstream(xclient=XCLIENT) as out,
    ):
        bounds = {"connections": 3_000, "connections_per_address": 3_000, **limits}
        async with serving(write_config(folder, up, out, limits=bounds), loop=loop, files=files) as guard:
            yield guard, up
    assert b"Traceback" not in guard.log
    assert b"event=fault" not in guard.log


async def connect(port: int) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", port))


async def work(port: int, content: bytes = b"Subject: work\r\n\r\nwords\r\n") -> float:
    """One whole session with a login and a mail; how many seconds it took."""
    begun = time.monotonic()
    client = await connect(port)
    try:
        assert (await client.reply()).startswith(b"220")
        assert (await client.ask(b"EHLO me.example.test")).startswith(b"250")
        assert (await client.log_in(ANNA, PASSWORDS[ANNA])).startswith(b"235")
        for line in (f"MAIL FROM:<{ANNA}>", f"RCPT TO:<{BERLIN}>"):
            assert (await client.ask(line.encode())).startswith(b"250")
        assert (await client.ask(b"DATA")).startswith(b"354")
        assert (await client.ask(content + b".")).startswith(b"250")
        assert await client.ask(b"QUIT") == replies.BYE.wire
        assert await client.rest() == b""
    finally:
        await client.close()
    return time.monotonic() - begun


async def until(true: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


async def all_gone(up: FakeUpstream) -> None:
    """Wait until no session is open at the mail server; the relay probe's has long ended."""
    await up.wait_until(lambda: not up.open_sessions, 60)


def status(guard: Serving) -> dict[str, str]:
    lines = Path(f"/proc/{guard.process.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def memory(guard: Serving) -> int:
    """Octets of memory that are in use (VmRSS: no less than PSS, and everybody may read it)."""
    return int(status(guard)["VmRSS"].split()[0]) * 1024


def descriptors(guard: Serving) -> int:
    """Open files. Without root they cannot be counted (T-06): then the size of the table, which never shrinks."""
    try:
        return len(list(Path(f"/proc/{guard.process.pid}/fd").iterdir()))
    except PermissionError:
        return int(status(guard)["FDSize"])


async def settled(guard: Serving) -> int:
    """The open files when nothing is being closed any more."""
    before, now = -1, descriptors(guard)
    async with asyncio.timeout(60):
        while now != before:
            await asyncio.sleep(0.3)
            before, now = now, descriptors(guard)
    return now


def cpu_seconds(guard: Serving) -> float:
    fields = Path(f"/proc/{guard.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def is_at_rest(guard: Serving) -> None:
    """A guard that nobody asks anything uses no processor; one that spins uses a second in each."""
    used, latest = [], time.monotonic() + REST_SECONDS
    while time.monotonic() < latest:
        before, begun = cpu_seconds(guard), time.monotonic()
        await asyncio.sleep(1)
        used.append((cpu_seconds(guard) - before) / (time.monotonic() - begun))
        if used[-1] < 0.3:
            return
    pytest.fail(f"the guard is busy with nothing: {used} s in each second")


@asynccontextmanager
async def open_files(wanted: int) -> AsyncIterator[None]:
    """This process may have so many files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"{wanted} open files are needed, and the hard limit is {hard} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def in_groups(make: Callable[[int], Any], number: int, at_once: int = 100) -> list[Any]:
    """`number` of what `make` makes, so many at once."""
    found: list[Any] = []
    for start in range(0, number, at_once):
        found += await asyncio.gather(*(make(each) for each in range(start, min(start + at_once, number))))
    return found


# ------------------------------------------------------------ beside others


@pytest.mark.parametrize("loop", LOOPS)
async def test_a_working_session_does_not_feel_idle_and_slow_ones_and_a_mail_server_that_stalls(
    tmp_path: Path, loop: str
) -> None:
    async with relay(tmp_path, loop) as (guard, up), AsyncExitStack() as stack:
        port = guard.ports[0]

        async def idle(_: int) -> Client:
            client = await connect(port)
            stack.push_async_callback(client.close)
            assert (await client.reply()).startswith(b"220")
            return client

        async def slow(client: Client) -> None:
            for octet in b"EHLO " + b"x" * 1000:
                client.writer.write(bytes([octet]))
                await asyncio.sleep(1)

        async def stalled(client: Client) -> None:
            await client.ask(b"EHLO me")
            await client.log_in(ANNA, PASSWORDS[ANNA])
            await client.send(b"MAIL FROM:<stalled@example.test>\r\n")

        up.on("MAIL", match=b"stalled@", then="stall")
        await in_groups(idle, 200)
        slowly = [asyncio.create_task(slow(each)) for each in await in_groups(idle, 40)]
        await asyncio.gather(*[stalled(each) for each in await in_groups(idle, 30)])
        await up.wait_until(lambda: sum(any(b"stalled@" in line for line in s.commands) for s in up.sessions) == 30)

        took = [await work(port) for _ in range(20)]
        print(f"{loop}: beside 200 idle, 40 slow and 30 stalled ones: {max(took):.3f} s at most")
        assert max(took) < WORKING_SECONDS
        assert 20 == len(up.messages)
        for each in slowly:
            assert not each.done()
            each.cancel()
        up.go_on()


@pytest.mark.parametrize("loop", LOOPS)
async def test_two_thousand_idle_sessions_fit_into_150_mb_and_one_more_works(tmp_path: Path, loop: str) -> None:
    async with (
        open_files(2 * IDLE_SESSIONS + 500),
        relay(tmp_path, loop) as (guard, up),
        AsyncExitStack() as stack,
    ):
        empty = memory(guard)

        async def idle(_: int) -> None:
            client = await connect(guard.ports[0])
            stack.callback(client.writer.transport.abort)
            assert (await client.reply()).startswith(b"220")
            assert (await client.ask(b"EHLO me.example.test")).startswith(b"250")

        await in_groups(idle, IDLE_SESSIONS)
        assert len(up.open_sessions) >= IDLE_SESSIONS
        full, took = memory(guard), await work(guard.ports[0])
        print(
            f"{loop}: {empty >> 20} MB without, {full >> 20} MB with {IDLE_SESSIONS} sessions; one more: {took:.3f} s"
        )

        assert full < IDLE_OCTETS_MAX
        assert took < WORKING_SECONDS


@pytest.mark.parametrize("loop", LOOPS)
async def test_sessions_in_a_row_and_at_once_leave_neither_files_nor_memory_behind(tmp_path: Path, loop: str) -> None:
    async with relay(tmp_path, loop) as (guard, up):
        port = guard.ports[0]
        await in_groups(lambda _: work(port), 150, 50)
        await all_gone(up)
        files, octets = await settled(guard), memory(guard)

        for _ in range(500):
            await work(port)
        await in_groups(lambda _: work(port), 300)
        await all_gone(up)
        left = await settled(guard)
        print(f"{loop}: files {files} -> {left}, memory {octets >> 20} -> {memory(guard) >> 20} MB")

        assert 950 == len(up.messages)
        assert left <= files + 10
        assert memory(guard) <= octets + 25 * 1024 * 1024


# ------------------------------------------------------------ those who do not behave


async def hello_and_reset(port: int) -> None:
    """What can stop aiosmtpd's own command loop for ever (see `connection`)."""
    client = await connect(port)
    client.writer.write(b"EHLO me.example.test\r\n")
    client.reset()


async def reset_after_hello(port: int) -> None:
    client = await connect(port)
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        await client.reply()
        client.writer.write(b"EHLO me.example.test\r\n")
        await asyncio.sleep(0)
    client.reset()


async def silent_reset(port: int) -> None:
    (await connect(port)).reset()


async def closed_at_once(port: int) -> None:
    (await connect(port)).writer.close()


async def reset_in_content(port: int) -> None:
    client = await connect(port)
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        await client.reply()
        await client.ask(b"EHLO me.example.test")
        await client.log_in(ANNA, PASSWORDS[ANNA])
        await client.send(f"MAIL FROM:<{ANNA}>\r\nRCPT TO:<{BERLIN}>\r\nDATA\r\n".encode())
        for _ in range(3):
            await client.reply()
        await client.send(b"Subject: half\r\n\r\n" + b"words " * 1000)
    client.reset()


RUDE = (
    (hello_and_reset, 500),
    (reset_after_hello, 200),
    (hello_and_reset, 500),
    (silent_reset, 200),
    (closed_at_once, 200),
    (hello_and_reset, 500),
)


@pytest.mark.parametrize("loop", LOOPS)
async def test_five_hundred_clients_that_vanish_at_once_leave_a_guard_that_serves_and_rests(
    tmp_path: Path, loop: str
) -> None:
    async with open_files(2_000), relay(tmp_path, loop) as (guard, up):
        port = guard.ports[0]
        await work(port)
        files = await settled(guard)
        for vanish, number in RUDE:
            await asyncio.gather(*(vanish(port) for _ in range(number)))
            await work(port)
        await in_groups(lambda _: reset_in_content(port), 200)
        await work(port)
        await all_gone(up)

        await is_at_rest(guard)
        assert 8 == len(up.arrived)
        # Where they can be counted; the size of the table stays what it was in the flood.
        if os.access(f"/proc/{guard.process.pid}/fd", os.R_OK):
            assert await settled(guard) <= files + 10


@pytest.mark.parametrize("loop", LOOPS)
async def test_with_too_few_open_files_clients_wait_and_all_are_served_in_the_end(tmp_path: Path, loop: str) -> None:
    async with relay(tmp_path, loop, files=128) as (guard, up), AsyncExitStack() as stack:
        await until(lambda: b"LimitNOFILE=9200" in guard.log)
        assert b"too few open files" in guard.log
        clients = []
        for _ in range(100):
            client = await connect(guard.ports[0])
            stack.push_async_callback(client.close)
            clients.append(client)
        # Two files each: not all come in, and nobody else either; how many do depends on who is quicker, the clients or
        # the connections to the mail server. When they have gone there is room again.
        await until(lambda: up.connections)
        for client in clients:
            client.writer.transport.abort()
        async with asyncio.timeout(60):
            while True:
                try:
                    await work(guard.ports[0])
                except (AssertionError, ConnectionError, asyncio.IncompleteReadError):
                    continue
                break
        await all_gone(up)
        await is_at_rest(guard)


async def test_above_the_bounds_clients_hear_421_and_those_inside_go_on(tmp_path: Path) -> None:
    async with relay(tmp_path, connections=100, connections_per_address=40) as (guard, up), AsyncExitStack() as stack:
        port = guard.ports[0]

        async def first_word(number: int) -> bytes:
            address = f"127.0.0.{2 + number % 5}"
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
            client = Client(reader, writer)
            stack.push_async_callback(client.close)
            return await client.reply()

        said = await in_groups(first_word, 300)
        assert 100 == sum(each.startswith(b"220") for each in said)
        refused = {each for each in said if not each.startswith(b"220")}
        assert refused <= {replies.TOO_MANY_CONNECTIONS.wire, replies.TOO_MANY_FROM_ADDRESS.wire}
        assert len(up.open_sessions) <= 100
        await stack.aclose()
        await all_gone(up)
        await work(port)
