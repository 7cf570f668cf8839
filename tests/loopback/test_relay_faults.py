"""A mail server that is away, refuses or dies, and clients that vanish: never a 250 that means nothing."""

from __future__ import annotations

import asyncio

import pytest

from smtpguard import replies
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.reply import Reply
from smtpguard.upstream import Upstream
from smtpguard.upstream.target import Target, Timeouts
from tests.loopback.door import submission_door
from tests.loopback.fake_upstream import FakeUpstream

MESSAGE = b"Subject: hello\r\n\r\nwords\r\n"
SHORT = Timeouts(connect=5, reply=0.6, final=0.6)


async def test_no_mail_server_is_421_and_close() -> None:
    async with FakeUpstream() as up:
        nowhere = Target(up.host, up.port)
    async with submission_door(None, target=nowhere) as door, door.client(greeted=False) as client:
        assert await client.rest() == replies.UPSTREAM_AWAY.wire


@pytest.mark.parametrize("greeting", [b"554-5.7.1 Not you\r\n554 5.7.1 nor ever\r\n", b"421 4.3.2 Busy\r\n"])
async def test_a_refused_greeting_is_passed_on(greeting: bytes) -> None:
    async with (
        FakeUpstream(greeting=greeting) as up,
        submission_door(up) as door,
        door.client(greeted=False) as client,
    ):
        assert await client.rest() == greeting


@pytest.mark.parametrize("greeting", [b"garbage\r\n", b"250 hello?\r\n", b"334 what\r\n", b""])
async def test_a_greeting_that_is_none_is_421(greeting: bytes) -> None:
    async with FakeUpstream() as up:
        up.on("greeting", reply=greeting, then="close")
        async with submission_door(up) as door, door.client(greeted=False) as client:
            assert await client.rest() == replies.UPSTREAM_AWAY.wire


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("stage", ["EHLO", "MAIL", "RCPT", "DATA", "END"])
async def test_a_mail_server_that_dies_gives_451_now_and_421_next(stage: str, then: str) -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        up.on(stage, then=then)
        said = []
        for line in (b"EHLO me", b"MAIL FROM:<a@example.test>", b"RCPT TO:<b@example.test>", b"DATA", MESSAGE + b"."):
            said.append(await client.ask(line))
            if said[-1][:1] == b"4":
                break

        lost = replies.UPSTREAM_UNSURE if stage == "END" else replies.UPSTREAM_LOST
        assert said[-1] == lost.wire
        assert await client.ask(b"NOOP") == replies.UPSTREAM_GONE.wire
        assert await client.rest() == b""
        assert up.messages == []


async def test_a_mail_server_that_dies_while_a_large_content_goes_up() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        up.on("CONTENT", then="reset", after=1000)
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")

        assert (await client.ask(b"x" * 8_000_000 + b"\r\n.")).startswith(b"451 4.4.2")
        assert up.arrived == []


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "END"])
async def test_its_own_421_is_passed_on_and_the_client_let_go(stage: str) -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        up.on(stage, reply=b"421 4.3.2 Going home\r\n")
        await client.send(b"EHLO me\r\nMAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n")
        said = b""
        while not said.startswith((b"354", b"421")):
            said = await client.reply()
        if said.startswith(b"354"):
            await client.send(MESSAGE + b".\r\n")
            said = await client.rest()

        assert said == b"421 4.3.2 Going home\r\n"
        assert await client.rest() == b""


async def test_a_farewell_that_nobody_asked_for_answers_the_next_command() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")
        up.sessions[0].say(b"421 4.4.2 Idle too long\r\n")
        up.sessions[0].close()
        await up.wait_for_close()

        assert await client.ask(b"MAIL FROM:<a@example.test>") == b"421 4.4.2 Idle too long\r\n"
        assert await client.rest() == b""


@pytest.mark.parametrize(
    "garbage", [b"what?\r\n", b"250-ok\r\n550 no\r\n", b"250 one\r\n250 two\r\n", b"250 " + b"x" * 9000]
)
async def test_garbage_is_never_passed_on(garbage: bytes) -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        up.on("RCPT", reply=garbage)
        await client.ask(b"EHLO me")
        await client.ask(b"MAIL FROM:<a@example.test>")
        reply = await client.ask(b"RCPT TO:<b@example.test>")

        if not reply.startswith(b"250"):
            assert reply == replies.UPSTREAM_LOST.wire
        assert (await client.ask(b"NOOP")).startswith(b"421")
        assert up.arrived == []


@pytest.mark.parametrize("stage", ["EHLO", "MAIL", "RCPT", "RSET", "AUTH"])
async def test_a_354_that_nobody_asked_for_does_not_make_the_client_send(stage: str) -> None:
    async with FakeUpstream(users={"anna": "secret"}) as up, submission_door(up) as door, door.client() as client:
        up.on(stage, reply=b"354 go ahead\r\n")
        said = [await client.ask(b"EHLO me")]
        if stage != "EHLO":
            said.append(await client.log_in())
        if stage not in ("EHLO", "AUTH"):
            for line in (b"MAIL FROM:<a@example.test>", b"RCPT TO:<b@example.test>", b"RSET"):
                said.append(await client.ask(line))
                if said[-1][:1] != b"2":
                    break

        assert said[-1] == replies.UPSTREAM_LOST.wire
        assert await client.ask(b"NOOP") == replies.UPSTREAM_GONE.wire


async def test_half_a_reply_and_the_end_is_no_success() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        up.on("END", reply=b"250 2.0", then="close")
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")

        assert await client.ask(MESSAGE + b".") == replies.UPSTREAM_UNSURE.wire


@pytest.mark.parametrize("stage", ["MAIL", "DATA", "END"])
async def test_a_mail_server_that_falls_silent_is_451(stage: str) -> None:
    async with FakeUpstream() as up:
        target = Target(up.host, up.port, timeouts=SHORT)
        async with submission_door(up, target=target) as door, door.client() as client:
            up.on(stage, then="stall")
            said = b""
            for line in (
                b"EHLO me",
                b"MAIL FROM:<a@example.test>",
                b"RCPT TO:<b@example.test>",
                b"DATA",
                MESSAGE + b".",
            ):
                said = await client.ask(line)
                if said[:1] == b"4":
                    break

            assert said.startswith(b"451 4.4.2")


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
async def test_a_client_that_vanishes_in_mid_content_sends_nothing(how: str) -> None:
    async with FakeUpstream() as up, submission_door(up) as door:
        async with door.client() as client:
            await client.begin(b"b@example.test")
            await client.ask(b"DATA")
            await client.send(b"half a mail\r\n.\r")
            if how == "reset":
                client.reset()
            elif how == "half-close":
                client.writer.write_eof()
                assert await client.rest() == b""
            else:
                await client.close()
            await up.wait_for_close()

            assert up.arrived == []
            assert door.flow.arrivals == []
            assert b"DATA" not in up.sessions[0].verbs()
        assert door.server.sessions == 0


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_what_was_begun_for_a_client_that_vanishes_is_brought_to_its_end(how: str) -> None:
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slowly(arrival: Arrival, upstream: Upstream) -> Reply:
        begun.set()
        await go_on.wait()
        reply = await upstream.deliver(arrival.content.pieces)
        ended.set()
        return reply

    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        door.flow.hook = slowly
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")
        await client.send(MESSAGE + b".\r\n")
        await begun.wait()
        client.reset() if how == "reset" else await client.close()
        go_on.set()
        async with asyncio.timeout(60):
            await ended.wait()
        await up.wait_for_close()

        assert [each.content for each in up.messages] == [MESSAGE]
        assert up.commands[-1] == b"QUIT"


async def test_a_client_that_vanishes_while_the_mail_server_thinks_frees_its_connection() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        up.on("MAIL", then="stall")
        await client.ask(b"EHLO me")
        await client.send(b"MAIL FROM:<a@example.test>\r\n")
        await up.wait_for_command(b"MAIL")
        client.reset()

        await up.wait_until(lambda: door.server.sessions == 0 or up.go_on() or False)
        await up.wait_for_close()
