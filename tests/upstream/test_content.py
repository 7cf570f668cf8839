"""The content of a message on its way up: byte for byte, and what each fault becomes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest

from smtpguard.mail.content import stuffed, unstuffed
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.connection import TURN_OCTETS
from tests.loopback.fake_upstream import FakeUpstream
from tests.upstream.sessions import SHORT, transaction

LETTER = b"Subject: x\r\n\r\nhello\r\n"
LARGE = (b"x" * 998 + b"\r\n") * 4000

CONTENTS = {
    "empty": b"",
    "one empty line": b"\r\n",
    "a doubled dot": b"..\r\n",
    "dots": b"..\r\n...\r\na.\r\n..a\r\n.. \r\n\r\n..\r\n",
    "binary": bytes(o for o in range(256) if o not in b"\r\n\0") * 9 + b"\r\n",
    "a line of 100,000": b"x" * 100_000 + b"\r\n",
    "four megabytes": LARGE,
    "random": stuffed(os.urandom(700_000).replace(b"\r", b"").replace(b"\n", b"\r\n")),
}


def in_pieces(content: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("size", [17, 65536, 10_000_000])
async def test_content_arrives_byte_for_byte(name: str, size: int) -> None:
    content = CONTENTS[name]
    if size == 17:
        content = content[-2048:]
        content = content[1:] if content.startswith(b"\n") else content
    async with FakeUpstream() as up, transaction(up) as connection:
        reply = await connection.content(in_pieces(content, size))

        assert reply.wire == b"250 2.0.0 Ok: queued as FAKE1\r\n"
        assert up.messages[0].content == content
        assert connection.alive
        assert (await connection.command(b"NOOP")).ok


async def test_what_was_stuffed_is_received_unstuffed() -> None:
    message = b".\r\n..\r\nSubject: .\r\n\r\n.hidden\r\n. end"
    async with FakeUpstream() as up, transaction(up) as connection:
        await connection.content([stuffed(message)])

        assert unstuffed([up.messages[0].content]) == message + b"\r\n"


async def test_content_that_does_not_end_in_a_line_end_is_never_ended() -> None:
    async with FakeUpstream() as up, transaction(up) as connection:
        with pytest.raises(ValueError, match="CRLF"):
            await connection.content([b"Subject: x\r\n\r\nhello"])

        assert not connection.alive
        await up.wait_for_close()
        assert up.arrived == []


async def test_a_fault_while_reading_the_content_sends_no_final_dot() -> None:
    def pieces() -> Iterator[bytes]:
        yield LETTER
        raise RuntimeError("disk")

    async with FakeUpstream() as up, transaction(up) as connection:
        with pytest.raises(RuntimeError, match="disk"):
            await connection.content(pieces())

        await up.wait_for_close()
        assert up.arrived == []


@pytest.mark.parametrize("code", [b"550 5.7.1 no", b"451 4.3.0 later", b"554-5.7.1 a\r\n554 5.7.1 b"])
async def test_a_refusal_of_the_content_is_the_verdict_and_the_connection_lives(code: bytes) -> None:
    async with FakeUpstream() as up:
        up.on("END", reply=code + b"\r\n")
        async with transaction(up) as connection:
            reply = await connection.content([LETTER])

            assert reply.wire == code + b"\r\n"
            assert connection.alive


async def test_a_421_to_the_content_is_the_verdict() -> None:
    async with FakeUpstream() as up:
        up.on("END", reply=b"421 4.3.0 closing\r\n")
        async with transaction(up) as connection:
            assert (await connection.content([LETTER])).code == 421
            assert not connection.alive


async def test_a_354_to_the_final_dot_is_no_verdict() -> None:
    async with FakeUpstream() as up:
        up.on("END", reply=b"354 more\r\n")
        async with transaction(up) as connection:
            with pytest.raises(UpstreamError) as caught:
                await connection.content([LETTER])

            assert caught.value.after_end


# ---------------------------------------------------------------- in mid-content


@pytest.mark.parametrize("then", [None, "stall"])
async def test_a_refusal_in_mid_content_ends_the_sending_and_is_the_verdict(then: str | None) -> None:
    given = 0

    def pieces() -> Iterator[bytes]:
        nonlocal given
        for piece in in_pieces(LARGE * 10, 65536):
            given += len(piece)
            yield piece

    async with FakeUpstream() as up:
        up.on("CONTENT", reply=b"552 5.3.4 too big\r\n", then=then, after=100_000)
        async with transaction(up) as connection:
            reply = await connection.content(pieces())

            assert reply.wire == b"552 5.3.4 too big\r\n"
            assert not connection.alive
        assert given < len(LARGE) * 5
        up.go_on()
        await up.wait_for_close()
        assert up.arrived == []


@pytest.mark.parametrize("early", [b"250 2.0.0 got it\r\n", b"354 go on\r\n", b"nonsense\r\n"])
async def test_an_early_yes_in_mid_content_is_believed_by_nobody(early: bytes) -> None:
    async with FakeUpstream() as up:
        up.on("CONTENT", reply=early, then="stall", after=1000)
        async with transaction(up) as connection:
            with pytest.raises(UpstreamError) as caught:
                await connection.content(in_pieces(LARGE * 3, 65536))

            assert not caught.value.after_end
            assert not connection.alive
        up.go_on()
        await up.wait_for_close()
        assert up.arrived == []


async def test_a_421_in_mid_content_is_the_verdict() -> None:
    async with FakeUpstream() as up:
        up.on("CONTENT", reply=b"421 4.3.2 shutting down\r\n", then="close", after=1000)
        async with transaction(up) as connection:
            assert (await connection.content(in_pieces(LARGE * 3, 65536))).code == 421


@pytest.mark.parametrize("then", ["close", "reset", "stall"])
async def test_a_server_that_dies_in_mid_content_is_an_error_before_the_end(then: str) -> None:
    async with FakeUpstream() as up:
        up.on("CONTENT", then=then, after=100_000)
        async with transaction(up, SHORT) as connection:
            with pytest.raises(UpstreamError) as caught:
                await connection.content(in_pieces(LARGE * 5, 65536))

            assert not caught.value.after_end
        up.go_on()
        await up.wait_for_close()
        assert up.arrived == []


@pytest.mark.parametrize(
    "fault", [{"then": "close"}, {"then": "reset"}, {"then": "stall"}, {"reply": b"25", "then": "close"}]
)
async def test_a_server_that_dies_after_the_dot_is_an_error_after_the_end(fault: dict[str, Any]) -> None:
    async with FakeUpstream() as up:
        up.on("END", **fault)
        async with transaction(up, SHORT) as connection:
            with pytest.raises(UpstreamError) as caught:
                await connection.content([LETTER])

            assert caught.value.after_end
            assert [each.content for each in up.arrived] == [LETTER]
        up.go_on()


async def test_cancelling_in_mid_content_sends_no_final_dot() -> None:
    async with FakeUpstream() as up:
        up.on("CONTENT", then="stall", after=1000)
        async with transaction(up) as connection:
            sending = asyncio.create_task(connection.content(in_pieces(LARGE * 5, 65536)))
            await up.wait_until(lambda: up.sessions[0].received >= 1000)

            sending.cancel()

            with pytest.raises(asyncio.CancelledError):
                await sending
        up.go_on()
        await up.wait_for_close()
        assert up.arrived == []


async def test_a_long_message_lets_others_have_their_turn() -> None:
    turns = 0
    turns_while_sending = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def pieces() -> Iterator[bytes]:
        nonlocal turns_while_sending
        yield from in_pieces(LARGE, 65536)
        turns_while_sending = turns

    async with FakeUpstream() as up, transaction(up) as connection:
        # As if the peer read as fast as we write: then nothing ever pauses us.
        connection._wire.transport.set_write_buffer_limits(high=10 * len(LARGE))
        beside = asyncio.create_task(other())
        await connection.content(pieces())
        beside.cancel()

        assert turns_while_sending >= len(LARGE) // TURN_OCTETS - 1


# ---------------------------------------------------------------- before the end


async def test_before_end_is_asked_when_all_but_the_dot_has_gone() -> None:
    async with FakeUpstream() as up, transaction(up) as connection:
        seen: list[int] = []

        async def asked() -> bool:
            await up.wait_until(lambda: up.sessions[0].received == len(LETTER))
            seen.append(len(up.arrived))
            return True

        reply = await connection.content([LETTER], asked)

        assert reply.ok
        assert seen == [0]
        assert up.messages[0].content == LETTER


async def test_before_end_saying_no_drops_the_connection_without_the_dot() -> None:
    async def no() -> bool:
        return False

    async with FakeUpstream() as up, transaction(up) as connection:
        with pytest.raises(UpstreamError) as caught:
            await connection.content([LETTER], no)

        assert not caught.value.after_end
        assert not connection.alive
        await up.wait_for_close()
        assert up.arrived == []


async def test_before_end_that_fails_drops_the_connection_without_the_dot() -> None:
    async def broken() -> bool:
        raise RuntimeError("database")

    async with FakeUpstream() as up, transaction(up) as connection:
        with pytest.raises(RuntimeError, match="database"):
            await connection.content([LETTER], broken)

        await up.wait_for_close()
        assert up.arrived == []


async def test_a_server_that_refuses_while_before_end_is_asked_gets_no_dot() -> None:
    async with FakeUpstream() as up, transaction(up) as connection:

        async def slow() -> bool:
            up.sessions[0].say(b"421 4.4.2 timeout\r\n")
            await up.wait_for_close()
            return True

        assert (await connection.content([LETTER], slow)).code == 421
        assert up.arrived == []
