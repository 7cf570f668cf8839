"""The client side of SMTP over real sockets: what is said, what comes back, and what each fault becomes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from smtpguard.mail.reply import Reply
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.connection import Connection, extensions_of
from smtpguard.upstream.target import Target, Timeouts
from tests.loopback.fake_upstream import FakeUpstream
from tests.ports import free_port
from tests.upstream.sessions import PATIENT, SHORT, session, target, transaction

# ---------------------------------------------------------------- opening


async def test_the_greeting_is_kept_with_all_its_lines() -> None:
    async with FakeUpstream(greeting=b"220-mail.example.test\r\n220 at your service\r\n") as up:
        connection = await Connection.open(target(up))

        assert connection.greeting.wire == b"220-mail.example.test\r\n220 at your service\r\n"
        assert connection.alive
        assert not connection.secure
        await connection.quit()


@pytest.mark.parametrize("greeting", [b"554 5.3.2 go away\r\n", b"421 4.3.2 later\r\n", b"250 hm\r\n"])
async def test_a_greeting_that_is_no_220_is_an_error_with_that_reply(greeting: bytes) -> None:
    async with FakeUpstream(greeting=greeting) as up:
        with pytest.raises(UpstreamError) as caught:
            await Connection.open(target(up))

        assert caught.value.reply is not None
        assert caught.value.reply.wire == greeting
        await up.wait_for_close()


async def test_nobody_listening_is_an_error_that_says_so() -> None:
    with pytest.raises(UpstreamError, match="could not be reached") as caught:
        await Connection.open(Target("127.0.0.1", free_port()))

    assert caught.value.reply is None
    assert not caught.value.after_end


async def test_a_host_name_that_is_none_is_an_error_and_no_crash() -> None:
    with pytest.raises(UpstreamError):
        await Connection.open(Target("a" * 300, 25, timeouts=SHORT))


async def test_a_server_that_never_takes_the_connection_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        try:
            with pytest.raises(UpstreamError):
                await Connection.open(Target(*address, timeouts=Timeouts(connect=0.2, reply=0.2, final=0.2)))
        finally:
            for filler in fillers:
                filler.close()


async def test_ipv6_is_spoken() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        async with FakeUpstream(host="::1") as up, session(up) as connection:
            assert connection.extensions["SIZE"] == "20971520"
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")


def test_tls_without_a_context_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="context"):
        Target("127.0.0.1", 25, tls="starttls")
    with pytest.raises(ValueError, match="implicit"):
        Target("127.0.0.1", 25, tls="ssl")


# ---------------------------------------------------------------- commands


async def test_commands_go_up_as_they_are_and_replies_come_back_as_they_are() -> None:
    async with FakeUpstream() as up:
        up.on(
            "RCPT", reply=b"550-5.1.1 no such list;\r\n550-5.1.1  here\r\n550 5.1.1 \xc3\xa4 \xff\r\n", match=b"nobody"
        )
        async with session(up) as connection:
            await connection.command(b"mail FROM:< @a,@b:anna@example.test >  RET=hdrs ENVID=Ab+2Bc")
            reply = await connection.command(
                'RCPT TO:<"no body"@nobody.test> X=\udcff\u00e4'.encode("utf-8", "surrogateescape")
            )

            assert reply.wire == b"550-5.1.1 no such list;\r\n550-5.1.1  here\r\n550 5.1.1 \xc3\xa4 \xff\r\n"
            assert up.sessions[0].commands[1:] == [
                b"mail FROM:< @a,@b:anna@example.test >  RET=hdrs ENVID=Ab+2Bc",
                b'RCPT TO:<"no body"@nobody.test> X=\xff\xc3\xa4',
            ]


@pytest.mark.parametrize("octet", [b"\r", b"\n", b"\0", b"\r\n"])
async def test_a_command_with_a_line_end_inside_is_never_sent(octet: bytes) -> None:
    async with FakeUpstream() as up, session(up) as connection:
        with pytest.raises(ValueError, match="one line"):
            await connection.command(b"MAIL FROM:<a@b>" + octet + b"RCPT TO:<c@d>")

        assert (await connection.command(b"NOOP")).ok
        assert up.sessions[0].verbs() == [b"EHLO", b"NOOP"]


async def test_the_ehlo_answer_becomes_extensions_with_their_parameters_as_typed() -> None:
    offered = ["size 5", "AUTH=PLAIN", "auth plain LoGiN", "8BITMIME", "X-Odd  A b "]
    async with FakeUpstream(ehlo=offered) as up, session(up) as connection:
        assert connection.extensions == {"SIZE": "5", "AUTH": "PLAIN", "8BITMIME": "", "X-ODD": "A b"}
        assert connection.hello_reply is not None
        assert connection.hello_reply.lines[1] == "size 5"


async def test_helo_clears_the_extensions() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        assert connection.extensions

        await connection.hello(b"member", b"HELO")

        assert connection.extensions == {}
        assert up.sessions[0].commands == [b"EHLO member.example.test", b"HELO member"]


async def test_a_refused_ehlo_is_a_value() -> None:
    async with FakeUpstream() as up:
        up.on("EHLO", reply=b"502 5.5.1 what?\r\n")
        connection = await Connection.open(target(up))

        assert (await connection.hello(b"x")).code == 502
        assert (await connection.hello(b"x", b"HELO")).ok
        connection.abort()


async def test_the_socket_does_not_collect_small_segments() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        sock = connection._wire.transport.get_extra_info("socket")

        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_an_unread_segment_boundary_inside_a_reply_does_not_matter() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.on("NOOP", reply=b"250-a")
        asked = asyncio.create_task(connection.command(b"NOOP"))
        await up.wait_for_command(b"NOOP")
        await asyncio.sleep(0.01)
        for octet in b"\r\n250":
            up.sessions[0].say(bytes([octet]))
            await asyncio.sleep(0.002)
        assert not asked.done()
        up.sessions[0].say(b" b\r\n")

        assert (await asked).lines == ("a", "b")


# ---------------------------------------------------------------- faults, at every stage

FAULTS: dict[str, dict[str, Any]] = {
    "close": {"then": "close"},
    "reset": {"then": "reset"},
    "silence": {"then": "stall"},
    "half a reply, then close": {"reply": b"25", "then": "close"},
    "half a reply, then silence": {"reply": b"250-a\r\n250", "then": "stall"},
    "garbage": {"reply": b"HTTP/1.1 400 Bad Request\r\n\r\n"},
    "binary": {"reply": b"\x15\x03\x01\0\x02\x02\x0a\n"},
    "changed code": {"reply": b"250-a\r\n354 b\r\n"},
    "code out of range": {"reply": b"777 lucky\r\n"},
    "endless lines": {"reply": b"250-x\r\n" * 50_000},
    "an endless line": {"reply": b"250 " + b"x" * 1_000_000},
    "empty line": {"reply": b"\r\n"},
    "bare CR": {"reply": b"250 ok\r550 no\r\n"},
}


async def _open(up: FakeUpstream, timeouts: Timeouts) -> None:
    await Connection.open(target(up, timeouts))


async def _hello(up: FakeUpstream, timeouts: Timeouts) -> None:
    connection = await Connection.open(target(up, timeouts))
    await connection.hello(b"x")


async def _command(up: FakeUpstream, timeouts: Timeouts, line: bytes) -> None:
    async with session(up, timeouts) as connection:
        try:
            await connection.command(line)
        except UpstreamError:
            assert not connection.alive
            with pytest.raises(UpstreamError):  # and stays dead
                await connection.command(b"NOOP")
            assert await connection.reset() is None
            await connection.quit()
            raise


async def _content(up: FakeUpstream, timeouts: Timeouts) -> None:
    async with transaction(up, timeouts) as connection:
        await connection.content([b"Subject: x\r\n\r\nhello\r\n"])


STAGES: dict[str, Callable[[FakeUpstream, Timeouts], Any]] = {
    "greeting": _open,
    "EHLO": _hello,
    "AUTH": partial(_command, line=b"AUTH PLAIN AGEAYg=="),
    "MAIL": partial(_command, line=b"MAIL FROM:<a@b.test>"),
    "RCPT": partial(_command, line=b"RCPT TO:<a@b.test>"),
    "DATA": partial(_command, line=b"DATA"),
    "NOOP": partial(_command, line=b"NOOP"),
    "END": _content,
}


SILENT = [fault for fault, what in FAULTS.items() if what.get("then") == "stall"]


@pytest.mark.parametrize("fault", [each for each in FAULTS if each not in SILENT])
@pytest.mark.parametrize("stage", STAGES)
async def test_a_fault_at_any_stage_is_one_error_in_bounded_time(stage: str, fault: str) -> None:
    await meet(stage, fault)


async def test_silence_at_any_stage_is_one_error_in_bounded_time() -> None:
    """All stages at once: each lasts as long as the timeout."""
    async with asyncio.TaskGroup() as tasks:
        for stage in STAGES:
            for fault in SILENT:
                tasks.create_task(meet(stage, fault))


async def meet(stage: str, fault: str) -> None:
    async with FakeUpstream(users={"a": "b"}) as up:
        up.on(stage, **FAULTS[fault])

        async with asyncio.timeout(60):
            with pytest.raises(UpstreamError) as caught:
                await STAGES[stage](up, SHORT if fault in SILENT else PATIENT)

        assert caught.value.reply is None
        assert caught.value.after_end is (stage == "END")
        up.go_on()
        await up.wait_for_close()


async def test_a_421_as_reply_is_returned_and_remembered_for_the_next_command() -> None:
    async with FakeUpstream() as up:
        up.on("MAIL", reply=b"421 4.3.0 shutting down\r\n")
        async with session(up) as connection:
            assert (await connection.command(b"MAIL FROM:<>")).code == 421

            with pytest.raises(UpstreamError) as caught:
                await connection.command(b"RSET")

            assert caught.value.reply is not None
            assert caught.value.reply.wire == b"421 4.3.0 shutting down\r\n"


async def test_an_unsolicited_421_is_kept_as_farewell() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.sessions[0].say(b"421 4.4.2 mail.example.test Error: timeout exceeded\r\n")
        await up.wait_for_close()

        assert not connection.alive
        assert connection.farewell is not None
        with pytest.raises(UpstreamError) as caught:
            await connection.command(b"NOOP")
        assert caught.value.reply == connection.farewell


@pytest.mark.parametrize("words", [b"250 psst\r\n", b"garbage\r\n", b"550 5.0.0 and another thing\r\n"])
async def test_any_other_unsolicited_word_drops_the_connection(words: bytes) -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.sessions[0].say(words)
        await up.wait_for_close()

        assert not connection.alive
        assert connection.farewell is None
        with pytest.raises(UpstreamError):
            await connection.command(b"NOOP")


@pytest.mark.parametrize("behind", [b"250 two\r\n", b"garbage\r\n"])
async def test_a_reply_with_something_behind_it_counts_but_the_connection_is_dropped(behind: bytes) -> None:
    async with FakeUpstream() as up:
        up.on("NOOP", reply=b"250 one\r\n" + behind)
        async with session(up) as connection:
            assert (await connection.command(b"NOOP")).lines == ("one",)

            assert not connection.alive


async def test_a_cancelled_command_leaves_no_reply_for_the_next_one() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.on("MAIL", then="stall")
        asked = asyncio.create_task(connection.command(b"MAIL FROM:<>"))
        await up.wait_for_command(b"MAIL")

        asked.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asked
        assert not connection.alive
        up.go_on()
        await up.wait_for_close()


async def test_abort_ends_a_command_that_is_under_way() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.on("MAIL", then="stall")
        asked = asyncio.create_task(connection.command(b"MAIL FROM:<>"))
        await up.wait_for_command(b"MAIL")

        connection.abort()

        with pytest.raises(UpstreamError):
            await asked
        up.go_on()


async def test_quit_says_quit_and_does_not_wait_for_a_silent_server() -> None:
    async with FakeUpstream() as up:
        up.on("QUIT", then="stall")
        async with session(up) as connection, asyncio.timeout(3):
            await connection.quit()

            assert not connection.alive
            assert up.sessions[0].commands[-1] == b"QUIT"
        up.go_on()
        await up.wait_for_close()


async def test_two_hundred_connections_reset_in_mid_command_leave_nothing_behind() -> None:
    async with FakeUpstream() as up:
        up.on("MAIL", then="reset")

        async def one() -> None:
            async with session(up) as connection:
                with pytest.raises(UpstreamError):
                    await connection.command(b"MAIL FROM:<>")

        await asyncio.gather(*(one() for _ in range(200)))

        await up.wait_for_close()
        assert up.connections == 200


def test_extensions_of_a_one_line_answer_are_none() -> None:
    assert extensions_of(Reply.of(250, "mail.example.test")) == {}
    assert extensions_of(Reply.of(250, "m", "", "AUTH=LOGIN PLAIN")) == {"AUTH": "LOGIN PLAIN"}
