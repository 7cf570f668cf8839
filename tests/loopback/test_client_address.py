"""`client_address`: the mail server learns where a member comes from, and the member notices nothing of it."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from smtpguard import replies
from smtpguard.listener.options import AuthWithoutTls, ListenerOptions, Tls
from smtpguard.listener.roll import Roll
from smtpguard.listener.submission import SubmissionConnection
from smtpguard.mail.reply import Reply
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.connection import Connection
from smtpguard.upstream.introduction import to_be_named
from smtpguard.upstream.origin import Origin, origin_of
from smtpguard.upstream.relay_probe import relays_without_login
from smtpguard.upstream.target import Target, Timeouts
from smtpguard.upstream.wire import Wire
from tests.logs import caught
from tests.loopback.certificates import Authority, authority
from tests.loopback.door import Client, PassingFlow, submission_door
from tests.loopback.fake_upstream import FakeUpstream, Session
from tests.loopback.proxied_upstream import ProxiedUpstream

__all__ = ["authority"]

USERS = {"anna": "secret"}
BALANCERS = (ipaddress.ip_network("127.0.0.0/8"),)
OFFERED = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT")
FOUR = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 587\r\n"
SIX = b"PROXY TCP6 2001:db8::7 2001:db8:1::1 40000 587\r\n"
NAME_FOUR = b"XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.7 PORT=40000"
NAME_SIX = b"XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7 PORT=40000"
EHLO, HELO = b"EHLO me.example.test", b"HELO me.example.test"


def target(up: FakeUpstream, how: str, **options: Any) -> Target:
    timeouts = Timeouts(connect=5, reply=10, final=10)
    return Target("localhost", up.port, timeouts=timeouts, client_address=how, **options)


@asynccontextmanager
async def member(up: FakeUpstream, how: str, first: bytes = FOUR, **options: Any) -> AsyncIterator[Client]:
    """A member at the address in `first`, greeted."""
    options.setdefault("target", target(up, how))
    options.setdefault("auth_without_tls", AuthWithoutTls.ALWAYS)
    async with (
        submission_door(up, proxy_protocol=BALANCERS, **options) as door,
        door.client(greeted=False) as client,
    ):
        await client.send(first)
        assert (await client.reply()).startswith(b"220")
        yield client


async def send_mail(client: Client) -> bytes:
    for line in (b"MAIL FROM:<a@example.test>", b"RCPT TO:<b@example.test>"):
        assert (await client.ask(line)).startswith(b"250")
    assert await client.ask(b"DATA") == replies.GO_AHEAD.wire
    return await client.ask(b"words\r\n.")


def only(up: FakeUpstream) -> Session:
    assert len(up.sessions) == 1
    return up.sessions[0]


# ------------------------------------------------------------ XCLIENT


@pytest.mark.parametrize(("first", "line"), [(FOUR, NAME_FOUR), (SIX, NAME_SIX)])
async def test_xclient_is_said_once_and_the_member_hears_one_answer(first: bytes, line: bytes) -> None:
    async with FakeUpstream(users=USERS, xclient=OFFERED) as up, member(up, "xclient", first) as client:
        answer = await client.ask(EHLO)
        assert answer.startswith(b"250-mail.example.test\r\n")
        assert b"AUTH PLAIN" in answer
        assert b"XCLIENT" not in answer
        assert only(up).commands == [EHLO, line, EHLO]
        assert (await client.log_in()).startswith(b"235")
        assert (await client.ask(EHLO)).startswith(b"250")
        assert (await send_mail(client)).startswith(b"250")
        assert only(up).verbs() == [b"EHLO", b"XCLIENT", b"EHLO", b"AUTH", b"EHLO", b"MAIL", b"RCPT", b"DATA"]
        assert up.messages[0].login == "anna"


async def test_pipelined_commands_behind_ehlo_keep_their_order() -> None:
    async with FakeUpstream(xclient=OFFERED) as up, member(up, "xclient") as client:
        await client.send(EHLO + b"\r\nMAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nNOOP\r\n")
        assert [(await client.reply())[:3] for _ in range(4)] == [b"250"] * 4
        assert only(up).commands[:4] == [EHLO, NAME_FOUR, EHLO, b"MAIL FROM:<a@example.test>"]


@pytest.mark.parametrize(
    ("offered", "line"),
    [
        (("ADDR",), b"XCLIENT ADDR=192.0.2.7"),
        (("PORT", "ADDR"), b"XCLIENT ADDR=192.0.2.7 PORT=40000"),
        (("addr", "Login"), b"XCLIENT ADDR=192.0.2.7"),
        (("REVERSE_NAME", "ADDR"), b"XCLIENT REVERSE_NAME=[UNAVAILABLE] ADDR=192.0.2.7"),
    ],
)
async def test_only_attributes_that_are_offered_are_named(offered: tuple[str, ...], line: bytes) -> None:
    async with FakeUpstream(xclient=offered) as up, member(up, "xclient") as client:
        await client.ask(EHLO)
        assert only(up).commands == [EHLO, line, EHLO]


@pytest.mark.parametrize("offered", [(), ("NAME", "LOGIN")])
async def test_where_xclient_is_not_offered_mail_goes_on_and_the_log_says_so_once(offered: tuple[str, ...]) -> None:
    with caught("info") as log:
        async with FakeUpstream(xclient=offered) as up:
            for _ in range(3):
                async with member(up, "xclient") as client:
                    assert (await client.ask(EHLO)).startswith(b"250")
                    assert (await client.ask(EHLO)).startswith(b"250")
                    assert (await send_mail(client)).startswith(b"250")
            assert b"XCLIENT" not in [each.split()[0] for each in up.commands]
    said = [line for line in log.getvalue().splitlines() if "does not offer XCLIENT" in line]
    assert [line.count("smtpd_authorized_xclient_hosts") for line in said] == [1, 0] * 3
    assert "192.0.2.7" not in log.getvalue()


@pytest.mark.parametrize(
    "refusal", [b"550 5.7.1 no\r\n", b"501 5.5.4 what\r\n", b"502 5.5.1 no\r\n", b"503 5.5.1 no\r\n"]
)
@pytest.mark.parametrize("hello", [EHLO, HELO])
async def test_a_refused_xclient_breaks_nothing(refusal: bytes, hello: bytes) -> None:
    with caught("info") as log:
        async with FakeUpstream(xclient=OFFERED) as up, member(up, "xclient") as client:
            up.on("XCLIENT", reply=refusal)
            assert (await client.ask(hello)).startswith(b"250")
            assert only(up).commands == [EHLO, NAME_FOUR, hello]
            assert (await send_mail(client)).startswith(b"250")
    assert "the mail server refused XCLIENT" in log.getvalue()


@pytest.mark.parametrize(
    "greeting",
    [
        b"554 5.7.1 <unknown[192.0.2.7]>: go away\r\n",
        b"450 4.7.25 not now\r\n",
        b"554-5.7.1 two\r\n554 5.7.1 lines\r\n",
    ],
)
@pytest.mark.parametrize("hello", [EHLO, HELO])
async def test_a_greeting_that_refuses_the_member_reaches_him_unchanged(greeting: bytes, hello: bytes) -> None:
    async with FakeUpstream(xclient=OFFERED) as up, member(up, "xclient") as client:
        up.on("XCLIENT", reply=greeting)
        assert await client.ask(hello) == greeting
        assert await client.ask(b"MAIL FROM:<a@example.test>") == replies.HELLO_FIRST.wire
        assert await client.ask(b"QUIT") == replies.BYE.wire


@pytest.mark.parametrize("stage", ["XCLIENT", "EHLO"])
async def test_a_421_after_xclient_reaches_the_member_and_ends_his_session(stage: str) -> None:
    gone = b"421 4.7.0 mail.example.test Error: too many connections from 192.0.2.7\r\n"
    async with FakeUpstream(xclient=OFFERED) as up, member(up, "xclient") as client:
        if stage == "EHLO":
            up.on("EHLO", reply=gone)
            up.on("EHLO", times=1, reply=b"250-mail.example.test\r\n250 XCLIENT ADDR\r\n")
        else:
            up.on("XCLIENT", reply=gone)
        await client.send(EHLO + b"\r\nNOOP\r\n")
        assert await client.rest() == gone


async def test_an_ehlo_refused_after_xclient_reaches_the_member() -> None:
    refusal = b"550 5.7.1 I do not like that name\r\n"
    async with FakeUpstream(xclient=OFFERED) as up, member(up, "xclient") as client:
        up.on("EHLO", reply=refusal)
        up.on("EHLO", times=1, reply=b"250-mail.example.test\r\n250 XCLIENT ADDR\r\n")
        assert await client.ask(EHLO) == refusal
        up.behave()
        assert (await client.ask(EHLO)).startswith(b"250")
        assert only(up).verbs() == [b"EHLO", b"XCLIENT", b"EHLO", b"EHLO"]


async def test_an_ehlo_refused_before_xclient_reaches_the_member_and_the_next_one_names_him() -> None:
    async with FakeUpstream(xclient=OFFERED) as up, member(up, "xclient") as client:
        up.on("EHLO", reply=b"501 5.5.4 no such name\r\n", times=1)
        assert await client.ask(EHLO) == b"501 5.5.4 no such name\r\n"
        assert (await client.ask(EHLO)).startswith(b"250")
        assert only(up).commands == [EHLO, EHLO, NAME_FOUR, EHLO]


async def test_a_program_that_knows_only_helo_is_named_too() -> None:
    async with FakeUpstream(xclient=OFFERED) as up, member(up, "xclient") as client:
        assert await client.ask(HELO) == b"250 mail.example.test\r\n"
        assert only(up).commands == [EHLO, NAME_FOUR, HELO]
        assert (await client.ask(HELO)).startswith(b"250")
        assert (await send_mail(client)).startswith(b"250")
        assert only(up).verbs().count(b"XCLIENT") == 1


async def test_a_mail_server_that_knows_only_helo_gets_it() -> None:
    async with FakeUpstream() as up, member(up, "xclient") as client:
        up.on("EHLO", reply=b"502 5.5.2 what\r\n")
        assert await client.ask(HELO) == b"250 mail.example.test\r\n"
        assert (await send_mail(client)).startswith(b"250")


@pytest.mark.parametrize(
    "line", [b"XCLIENT ADDR=127.0.0.1 LOGIN=ben", b"xclient addr=127.0.0.1", b"XFORWARD ADDR=127.0.0.1"]
)
async def test_a_members_own_xclient_never_goes_up(line: bytes) -> None:
    async with FakeUpstream(xclient=OFFERED) as up, member(up, "xclient") as client:
        assert await client.ask(line) == replies.NOT_IMPLEMENTED.wire
        await client.ask(EHLO)
        assert await client.ask(line) == replies.NOT_IMPLEMENTED.wire
        assert only(up).commands == [EHLO, NAME_FOUR, EHLO]


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_a_mail_server_that_dies_at_xclient_is_lost_as_ever(then: str) -> None:
    async with FakeUpstream(xclient=OFFERED) as up, member(up, "xclient") as client:
        up.on("XCLIENT", then=then)
        assert await client.ask(EHLO) == replies.UPSTREAM_LOST.wire
        assert await client.ask(b"NOOP") == replies.UPSTREAM_GONE.wire


async def test_xclient_is_said_inside_tls_and_not_again_after_the_members_own(authority: Authority) -> None:
    context = authority.server_context()
    async with FakeUpstream(users=USERS, xclient=OFFERED, tls="starttls", context=context) as up:
        upward = target(up, "xclient", tls="starttls", context=authority.client_context())
        async with member(up, "xclient", target=upward, tls=Tls.STARTTLS, context=context) as client:
            await client.ask(EHLO)
            assert await client.ask(b"STARTTLS") == replies.START_TLS.wire
            await client.start_tls(authority.client_context())
            await client.ask(EHLO)
            assert (await client.log_in()).startswith(b"235")
        assert only(up).secure
        assert only(up).verbs()[:6] == [b"EHLO", b"STARTTLS", b"EHLO", b"XCLIENT", b"EHLO", b"EHLO"]


async def test_without_client_address_nothing_is_said() -> None:
    async with FakeUpstream(xclient=OFFERED) as up, member(up, "none") as client:
        assert (await client.ask(EHLO)).startswith(b"250")
        assert only(up).commands == [EHLO]


async def test_without_a_balancer_the_member_is_at_the_other_end_of_the_line() -> None:
    async with (
        FakeUpstream(xclient=OFFERED) as up,
        submission_door(up, target=target(up, "xclient")) as door,
        door.client(local_addr=("127.0.0.3", 0)) as client,
    ):
        await client.ask(EHLO)
        port = client.writer.get_extra_info("sockname")[1]
        assert up.commands[1] == b"XCLIENT NAME=[UNAVAILABLE] ADDR=127.0.0.3 PORT=%d" % port


# ------------------------------------------------------------ PROXY


@pytest.mark.parametrize("first", [FOUR, SIX], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
async def test_the_header_comes_before_all_else(authority: Authority, tls: str, first: bytes) -> None:
    context = None if tls == "none" else authority.server_context()
    async with ProxiedUpstream(users=USERS, tls=tls, context=context) as up:
        upward = target(up, "proxy", tls=tls, context=authority.client_context() if context else None)
        async with member(up, "proxy", first, target=upward) as client:
            assert (await client.ask(EHLO)).startswith(b"250")
            assert (await client.log_in()).startswith(b"235")
            assert (await send_mail(client)).startswith(b"250")
        assert up.headers == [first]
        assert only(up).secure is (tls != "none")
        assert only(up).verbs()[0] == b"EHLO"


async def test_the_header_names_both_ends_of_a_members_own_connection() -> None:
    async with (
        ProxiedUpstream() as up,
        submission_door(up, target=target(up, "proxy")) as door,
        door.client(local_addr=("127.0.0.3", 0)) as client,
    ):
        port = client.writer.get_extra_info("sockname")[1]
        assert up.headers == [b"PROXY TCP4 127.0.0.3 127.0.0.1 %d %d\r\n" % (port, door.port)]


@pytest.mark.parametrize(
    ("first", "sent"),
    [
        (b"PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 1 2\r\n", b"PROXY TCP4 192.0.2.7 0.0.0.0 1 2\r\n"),
        (b"PROXY TCP6 2001:db8::7 ::ffff:192.0.2.1 1 2\r\n", b"PROXY TCP6 2001:db8::7 :: 1 2\r\n"),
    ],
)
async def test_a_header_is_of_the_members_family(first: bytes, sent: bytes) -> None:
    async with ProxiedUpstream() as up, member(up, "proxy", first):
        assert up.headers == [sent]


@pytest.mark.parametrize("greeting", [b"421 4.7.0 too many from 192.0.2.7\r\n", b"554 5.7.1 blocked\r\n"])
async def test_a_greeting_that_refuses_reaches_the_member(greeting: bytes) -> None:
    async with (
        ProxiedUpstream(greeting=greeting) as up,
        submission_door(up, target=target(up, "proxy"), proxy_protocol=BALANCERS) as door,
        door.client(greeted=False) as client,
    ):
        await client.send(FOUR)
        assert await client.rest() == greeting


@pytest.mark.parametrize("said", [b"", b"220 plain text\r\n"], ids=["closed", "plain text"])
async def test_a_port_without_tls_gets_a_header_and_nothing_else(authority: Authority, said: bytes) -> None:
    heard = bytearray()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        if not said:
            writer.close()
        heard.extend(await reader.read(65536))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        upward = Target(
            "localhost", port, "implicit", authority.client_context(), Timeouts(connect=2), client_address="proxy"
        )
        with pytest.raises(UpstreamError):
            await Connection.open(upward, origin=origin_of(("192.0.2.7", 1), ("198.51.100.1", 2)))
        assert b"EHLO" not in heard


@pytest.mark.parametrize("how", ["xclient", "proxy"])
async def test_the_probe_for_an_open_relay_comes_from_the_guard_itself(how: str) -> None:
    async with FakeUpstream(xclient=OFFERED) if how == "xclient" else ProxiedUpstream() as up:
        assert await relays_without_login(target(up, how), "check.example.test")
        if isinstance(up, ProxiedUpstream):
            assert [each[:31] for each in up.headers] == [b"PROXY TCP4 127.0.0.1 127.0.0.1 "]
        assert b"XCLIENT" not in only(up).verbs()


# ------------------------------------------------------------ whose address


def line_to(server: str, own: str) -> Wire:
    """A connection to a mail server at an address that no test machine has."""
    wire = Wire()
    wire.connection_made(asyncio.Transport({"sockname": (own, 1024), "peername": (server, 587)}))
    return wire


async def test_a_member_on_this_machine_is_not_on_the_mail_servers_own() -> None:
    here = Origin(ipaddress.ip_address("127.0.0.1"), 40000, ipaddress.ip_address("127.0.0.1"), 587)
    there = Origin(ipaddress.ip_address("192.0.2.7"), 40000, ipaddress.ip_address("198.51.100.1"), 587)

    far, near = line_to("203.0.113.2", "203.0.113.1"), line_to("127.0.0.1", "127.0.0.1")

    named = to_be_named(far, here)
    assert named is not None
    assert str(named.source) == "203.0.113.1"
    assert to_be_named(far, there) == there
    assert to_be_named(near, here) == here
    assert to_be_named(near, there) == there


async def test_a_loopback_address_that_another_machine_names_is_that_machine() -> None:
    options = ListenerOptions("127.0.0.1", 0, target=Target("localhost", 25))
    session = SubmissionConnection(options, PassingFlow(), Roll(), asyncio.get_running_loop())
    balancer = origin_of(("198.51.100.9", 1), ("198.51.100.1", 587))
    assert balancer is not None

    session.client.meet_through(balancer, origin_of(("127.0.0.1", 40000), ("127.0.0.1", 587)))

    assert session.client.origin == balancer
    assert not session.may_log_in


def test_the_words_of_xclient_hold_no_blank() -> None:
    origin = origin_of(("fe80::1%eth0", 1), ("::1", 2))
    assert origin is not None
    assert origin.xclient({"ADDR"}) == b"XCLIENT ADDR=IPV6:fe80::1"
    assert origin_of("/a/unix/socket", None) is None
    assert origin_of(("nonsense", 1), ("::1", 2)) is None
    assert Reply.of(220, "x").ok
