"""A pure relay hands on a large mail while it comes in; what breaks off on the way never gets its final dot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from smtpguard import replies
from smtpguard.accounts import Directory
from smtpguard.guard import Guard, Statutes
from smtpguard.listener.receipt import LIVE_OCTETS
from smtpguard.policy import Policy
from tests.loopback.door import Client, Door, submission_door
from tests.loopback.fake_upstream import FakeUpstream

# Lines with a stuffed dot among them: what goes up must be what came in.
LARGE = b"Subject: pictures\r\n\r\n" + (b"..dots\r\n" + b"x" * 70 + b"\r\n") * (4 * LIVE_OCTETS // 80)
BEGINNING = LARGE[: 2 * LIVE_OCTETS]
REST = LARGE[2 * LIVE_OCTETS :]


@asynccontextmanager
async def relay(up: FakeUpstream, **options: Any) -> AsyncIterator[tuple[Door, Client]]:
    """A guard without lists, and a client that has sent DATA and got its 354."""
    policy = Policy()
    flow: Any = Guard(lambda: Statutes(policy, Directory(policy)))
    async with submission_door(up, flow, **options) as door, door.client() as client:
        await client.begin(b"one@example.test")
        assert (await client.ask(b"DATA")).startswith(b"354")
        yield door, client


async def test_it_goes_up_while_the_client_still_sends_and_arrives_octet_for_octet() -> None:
    async with FakeUpstream() as up, relay(up) as (_, client):
        await client.send(BEGINNING)
        await up.wait_until(lambda: up.sessions[0].received > LIVE_OCTETS)
        assert not up.arrived
        await client.send(REST + b".\r\n")
        assert (await client.reply()).startswith(b"250")
        assert [each.content for each in up.messages] == [LARGE]


async def test_the_next_mail_and_quit_may_stand_right_behind_its_end() -> None:
    async with FakeUpstream() as up, relay(up) as (_, client):
        await client.send(
            LARGE + b".\r\nMAIL FROM:<anna@example.test>\r\nRCPT TO:<two@example.test>\r\nRSET\r\nQUIT\r\n"
        )
        assert [(await client.reply())[:3] for _ in range(5)] == [b"250", b"250", b"250", b"250", b"221"]
        assert [each.content for each in up.messages] == [LARGE]


async def test_several_in_one_session_all_arrive() -> None:
    async with FakeUpstream() as up, relay(up) as (_, client):
        for number in range(3):
            if number:
                await client.begin(b"one@example.test")
                assert (await client.ask(b"DATA")).startswith(b"354")
            await client.send(LARGE + b".\r\n")
            assert (await client.reply()).startswith(b"250")
        assert [each.content for each in up.messages] == [LARGE] * 3


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_client_that_vanishes_in_the_middle_sends_nothing(end: str) -> None:
    async with FakeUpstream() as up, relay(up) as (door, client):
        await client.send(BEGINNING)
        await up.wait_until(lambda: up.sessions[0].received > LIVE_OCTETS)
        if end == "close":
            await client.close()
        else:
            client.reset()
        await up.wait_for_close()
        assert up.arrived == []
        assert b"QUIT" not in up.commands
        async with door.client() as other:
            assert (await other.ask(b"EHLO me")).startswith(b"250")


async def test_a_client_that_vanishes_behind_its_final_dot_has_sent_it_once() -> None:
    async with FakeUpstream() as up, relay(up) as (_, client):
        up.on("CONTENT", then="stall", after=LIVE_OCTETS)
        await client.send(LARGE + b".\r\n")
        await up.wait_until(lambda: up.sessions[0].received > LIVE_OCTETS)
        await client.close()
        up.go_on()
        await up.wait_for_close()
        assert [each.content for each in up.messages] == [LARGE]


@pytest.mark.parametrize(
    "bad", [b"a bare\nline feed", b"a bare\rreturn", b"a NUL\x00", b"end\r\n.\nMAIL FROM:<x@y>\r\n"]
)
async def test_bad_octets_in_the_middle_are_refused_and_no_dot_goes_up(bad: bytes) -> None:
    async with FakeUpstream() as up, relay(up) as (_, client):
        await client.send(BEGINNING)
        await up.wait_until(lambda: up.sessions[0].received > LIVE_OCTETS)
        await client.send(bad + b"\r\n" + REST + b".\r\nMAIL FROM:<x@example.test>\r\n")
        assert await client.rest() == replies.CONTENT_BAD_OCTETS.wire
        await up.wait_for_close()
        assert up.arrived == []
        assert not any(b"<x@" in line for line in up.commands)


async def test_bad_octets_behind_a_refusal_still_end_the_session() -> None:
    async with FakeUpstream() as up, relay(up) as (_, client):
        up.on("DATA", reply=b"451 4.3.0 not now\r\n")
        await client.send(BEGINNING)
        await up.wait_for_command(b"DATA")
        await client.send(b"bare\nfeed" + REST + b".\r\nRSET\r\n")
        assert await client.rest() == replies.CONTENT_BAD_OCTETS.wire


@pytest.mark.parametrize(
    ("options", "reply"),
    [({"message_size": 3 * LIVE_OCTETS}, replies.CONTENT_TOO_LARGE), ({"received_fields": 2}, replies.MAIL_LOOP)],
)
async def test_what_must_not_pass_is_refused_at_its_end_and_no_dot_goes_up(options: Any, reply: Any) -> None:
    async with FakeUpstream() as up, relay(up, **options) as (_, client):
        received = b"Received: from a by b; Mon, 2 Nov 2026 10:00:00 +0000\r\n"
        # The header alone is live already when its third field comes.
        content = received * 2 + b"X-Long: " + b"x" * 1_000 + b"\r\n" + LARGE.replace(b"\r\n\r\n", b"\r\n", 1)
        if reply is replies.MAIL_LOOP:
            content = received * 2 + b"X-A: b\r\n" * (LIVE_OCTETS // 8) + received + b"\r\nbody\r\n"
        await client.send(content + b".\r\n")
        assert await client.reply() == reply.wire
        await up.wait_until(lambda: not up.open_sessions or not up.sessions[0].in_content)
        assert up.arrived == []


async def test_after_a_mail_that_broke_off_the_client_is_told_to_connect_anew() -> None:
    async with FakeUpstream() as up, relay(up, message_size=3 * LIVE_OCTETS) as (_, client):
        await client.send(LARGE + b".\r\n")
        assert await client.reply() == replies.CONTENT_TOO_LARGE.wire
        assert (await client.ask(b"MAIL FROM:<anna@example.test>")).startswith(b"421")
        assert await client.rest() == b""


async def test_a_refusal_of_data_is_the_reply_to_the_content_and_the_session_goes_on() -> None:
    async with FakeUpstream() as up, relay(up) as (_, client):
        up.on("DATA", reply=b"554 5.7.1 no data today\r\n", times=1)
        await client.send(LARGE + b".\r\n")
        assert await client.reply() == b"554 5.7.1 no data today\r\n"
        await client.begin(b"two@example.test")
        assert (await client.ask(b"DATA")).startswith(b"354")
        await client.send(LARGE + b".\r\n")
        assert (await client.reply()).startswith(b"250")
        assert [each.content for each in up.messages] == [LARGE]


async def test_a_refusal_in_the_middle_reaches_the_client_at_its_end() -> None:
    async with FakeUpstream() as up, relay(up) as (door, client):
        up.on("CONTENT", reply=b"552 5.3.4 too much of it\r\n", after=LIVE_OCTETS)
        await client.send(BEGINNING)
        await up.wait_until(lambda: up.sessions[0].received > LIVE_OCTETS)
        # Once another client has been served, the guard has read the refusal as well.
        async with door.client() as other:
            await other.ask(b"NOOP")
        await client.send(REST + b".\r\n")
        assert await client.reply() == b"552 5.3.4 too much of it\r\n"
        assert up.messages == []


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("stage", ["CONTENT", "END"])
async def test_a_mail_server_that_dies_leaves_the_client_with_a_4xx(stage: str, then: str) -> None:
    async with FakeUpstream() as up, relay(up) as (_, client):
        up.on(stage, then=then, after=LIVE_OCTETS)
        await client.send(BEGINNING)
        if stage == "CONTENT":
            await up.wait_for_close()
        await client.send(REST + b".\r\n")
        reply = await client.reply()
        assert reply == (replies.UPSTREAM_UNSURE if stage == "END" else replies.UPSTREAM_LOST).wire
        assert (await client.ask(b"NOOP")).startswith(b"421")


async def test_a_mail_server_that_reads_nothing_makes_the_client_wait_instead_of_filling_memory() -> None:
    async with FakeUpstream() as up, relay(up, message_size=2**30) as (_, client):
        up.on("CONTENT", then="stall", after=LIVE_OCTETS)
        piece = LARGE[:80] * 4_000
        sent = 0
        # Both socket buffers fill up and then nothing moves: far below what is offered.
        async with asyncio.timeout(20):
            while not client.writer.transport.get_write_buffer_size():
                client.writer.write(piece)
                sent += len(piece)
                await asyncio.sleep(0.01)
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert client.writer.transport.get_write_buffer_size() > 0
        up.go_on()
        client.writer.write(b"\r\n.\r\n")
        assert (await client.reply()).startswith(b"250")
        assert len(up.messages[0].content) == sent + 2


async def test_at_the_end_of_the_program_it_may_come_to_its_end() -> None:
    async with FakeUpstream() as up, relay(up) as (door, client):
        await client.send(BEGINNING)
        await up.wait_until(lambda: up.sessions[0].received > LIVE_OCTETS)
        stopping = asyncio.create_task(door.server.stop())
        await client.send(REST + b".\r\n")
        assert (await client.reply()).startswith(b"250")
        assert (await client.reply()).startswith(b"421")
        assert await stopping
        assert [each.content for each in up.messages] == [LARGE]


async def test_at_the_end_of_the_program_a_sender_without_end_is_cut_short() -> None:
    async with FakeUpstream() as up, relay(up, shutdown=0.2) as (door, client):
        await client.send(BEGINNING)
        await up.wait_until(lambda: up.sessions[0].received > LIVE_OCTETS)
        assert not await door.server.stop()
        await up.wait_for_close()
        assert up.arrived == []


async def test_who_is_too_slow_gets_421_and_has_sent_nothing() -> None:
    async with FakeUpstream() as up, relay(up, data_idle=0.2) as (_, client):
        await client.send(BEGINNING)
        assert await client.rest() == replies.IDLE.wire
        await up.wait_for_close()
        assert up.arrived == []
