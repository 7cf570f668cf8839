"""Floods, resets and the end of the program: the guard goes on, and what was begun is finished."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from smtpguard import replies
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.reply import Reply
from smtpguard.upstream import Upstream
from tests.loopback.door import submission_door
from tests.loopback.fake_upstream import FakeUpstream

RESETS = 300
MESSAGE = b"Subject: hello\r\n\r\nwords\r\n"


def on_asyncio(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner() as runner:
        runner.run(work)


def on_uvloop(work: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        work.close()
        pytest.skip("uvloop is not installed")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


@pytest.mark.slow
@pytest.mark.parametrize("run", [on_asyncio, on_uvloop])
@pytest.mark.parametrize("stage", ["at once", "after EHLO", "in mid-content"])
def test_clients_that_reset_stop_nobody(run: Callable[[Coroutine[Any, Any, None]], None], stage: str) -> None:
    async def flood() -> None:
        async with FakeUpstream() as up, submission_door(up, connections_per_address=RESETS) as door:

            async def one() -> None:
                async with door.client(greeted=stage != "at once") as client:
                    if stage == "in mid-content":
                        await client.begin(b"b@example.test")
                        await client.ask(b"DATA")
                        await client.send(b"half")
                    else:
                        await client.send(b"EHLO me\r\n")
                    client.reset()

            for _ in range(3):
                await asyncio.gather(*[one() for _ in range(RESETS // 3)])
            await up.wait_for_close()
            async with door.client() as client:
                await client.begin(b"b@example.test")
                await client.ask(b"DATA")
                assert (await client.ask(MESSAGE + b".")).startswith(b"250")
            await up.wait_for_close()
            assert door.server.sessions == 0
            assert len(up.arrived) == 1

    run(flood())


async def test_at_the_end_idle_clients_hear_421_and_open_transactions_finish() -> None:
    async with (
        FakeUpstream() as up,
        submission_door(up, shutdown=10) as door,
        door.client() as idle,
        door.client() as busy,
        door.client() as next_mail,
    ):
        await idle.ask(b"EHLO me")
        await busy.begin(b"b@example.test")
        await busy.ask(b"DATA")
        await next_mail.begin(b"b@example.test")
        stopping = asyncio.create_task(door.server.stop())

        assert await idle.rest() == replies.SHUTTING_DOWN.wire
        assert not stopping.done()
        assert (await busy.ask(MESSAGE + b".")).startswith(b"250")
        assert await busy.rest() == replies.SHUTTING_DOWN.wire
        assert (await next_mail.ask(b"DATA")).startswith(b"354")
        await next_mail.send(MESSAGE + b".\r\nMAIL FROM:<a@example.test>\r\n")
        assert (await next_mail.reply()).startswith(b"250")
        assert await next_mail.rest() == replies.SHUTTING_DOWN.wire
        assert await stopping is True
        assert len(up.messages) == 2
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", door.port)


async def test_the_end_waits_for_what_was_begun_for_a_client_that_has_gone() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(arrival: Arrival, upstream: Upstream) -> Reply:
        begun.set()
        await go_on.wait()
        return await upstream.deliver(arrival.content.pieces)

    async with FakeUpstream() as up, submission_door(up, shutdown=10) as door:
        door.flow.hook = slowly
        async with door.client() as client:
            await client.begin(b"b@example.test")
            await client.ask(b"DATA")
            await client.send(MESSAGE + b".\r\n")
            await begun.wait()
            client.reset()
        stopping = asyncio.create_task(door.server.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        go_on.set()

        assert await stopping is True
        assert len(up.messages) == 1


async def test_the_end_does_not_wait_for_ever() -> None:
    async with FakeUpstream() as up, submission_door(up, shutdown=0.05) as door, door.client() as client:
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")

        assert await door.server.stop() is False
        assert await client.rest() == b""
        await up.wait_for_close()
        assert up.arrived == []


async def test_t53_no_log_line_holds_an_address_a_login_a_password_or_a_word(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("mail", "mail.log", "asyncio", "smtpguard"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    secrets = ("zanna", "zsecret", "zboard", "zsubject", "zwords", "zcode", "zclient")
    async with FakeUpstream(users={"zanna": "zsecret"}) as up, submission_door(up) as door:

        async def broken(*_: object) -> Reply:
            raise RuntimeError("zwords zcode")

        for hook in (None, broken):
            door.flow.hook = hook
            async with door.client() as client:
                await client.ask(b"EHLO zclient.example.test")
                await client.log_in("zanna", "zsecret")
                await client.ask(b"MAIL FROM:<zanna@example.test>")
                await client.ask(b"RCPT TO:<zboard@example.test>")
                await client.ask(b"DATA")
                await client.ask(b"Subject: zsubject\r\n\r\nzwords\r\n.")
                await client.ask(b"RCPT TO:<mailcheck+zcode@check.example.test>")
                await client.ask(b"ZCODE zcode")
                up.on("MAIL", reply=b"250 what\r\n999 zanna\r\n")
                await client.ask(b"MAIL FROM:<zanna@example.test>")
                up.behave()
        async with door.client() as client:
            await client.log_in("zanna", "wrong-zsecret")
            await client.send(b"zwords\nzcode\r\n")
            client.reset()

    logging.getLogger("mail.log").critical("aiosmtpd would write zanna here")
    assert caplog.records
    for record in caplog.records:
        everything = f"{record.getMessage()} {record.__dict__} {record.exc_text}".lower()
        assert not [each for each in secrets if each in everything]
