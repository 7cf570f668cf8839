"""Balancers in front of the door: whose PROXY header is believed, and what the client's address then decides."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import ModuleType
from typing import Any

import pytest

from smtpguard import replies
from smtpguard.listener import entrance, roll
from smtpguard.listener.options import AuthWithoutTls, Tls
from tests.listener.test_proxy_header import BAD, FOUR, NAMED, NAMELESS, SIGNATURE, SIX
from tests.logs import caught
from tests.loopback.certificates import Authority, authority
from tests.loopback.door import Client, Door, submission_door
from tests.loopback.fake_upstream import FakeUpstream

__all__ = ["authority"]

USERS = {"anna": "secret"}
BALANCER = (ipaddress.ip_network("127.0.0.1/32"),)
STRANGER = "127.0.0.2"
LOCAL = NAMELESS["v2 local"]


def header(address: str = "192.0.2.7") -> bytes:
    family, destination = ("TCP6", "::1") if ":" in address else ("TCP4", "198.51.100.1")
    return f"PROXY {family} {address} {destination} 40000 587\r\n".encode()


def balanced_door(up: FakeUpstream, **options: Any) -> Any:
    return submission_door(up, proxy_protocol=BALANCER, **options)


@asynccontextmanager
async def come(door: Door, first: bytes) -> AsyncIterator[Client]:
    """A client whose connection begins with `first`."""
    async with door.client(greeted=False) as client:
        await client.send(first)
        yield client


@asynccontextmanager
async def changed(module: ModuleType, name: str, value: float) -> AsyncIterator[None]:
    """A bound of ours, made small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, value)
        yield


async def until_inside(door: Door, number: int) -> None:
    async with asyncio.timeout(60):
        while door.server.sessions != number:
            await asyncio.sleep(0.005)


# ------------------------------------------------------------ headers


@pytest.mark.parametrize("first", [*(octets for octets, _ in NAMED.values()), *NAMELESS.values()])
async def test_behind_a_header_mail_goes_through_as_ever(first: bytes) -> None:
    async with FakeUpstream() as up, balanced_door(up) as door:
        # All in one segment: what stands behind the header is the client's.
        async with come(
            door, first + b"EHLO me\r\nMAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n"
        ) as client:
            assert (await client.reply()).startswith(b"220")
            for _ in range(3):
                assert (await client.reply()).startswith(b"250")
            assert await client.ask(b"DATA") == replies.GO_AHEAD.wire
            assert (await client.ask(b"words\r\n.")).startswith(b"250")
        assert [each.content for each in up.messages] == [b"words\r\n"]
        assert not any(b"PROXY" in each for each in up.commands)


async def test_a_header_may_come_octet_by_octet() -> None:
    async with FakeUpstream() as up, balanced_door(up) as door, door.client(greeted=False) as client:
        for octet in NAMED["v2 with TLVs"][0] + b"QUIT\r\n":
            await client.send(bytes([octet]))
            await asyncio.sleep(0)
        assert (await client.rest()).endswith(replies.BYE.wire)


@pytest.mark.parametrize("octets", BAD.values(), ids=list(BAD))
async def test_a_balancer_that_sends_no_header_is_left_without_a_word(octets: bytes) -> None:
    with caught("info") as log:
        async with FakeUpstream() as up, balanced_door(up) as door:
            async with come(door, octets) as client:
                assert await client.rest() == b""
            await until_inside(door, 0)
            assert up.connections == 0
    lines = log.getvalue().splitlines()
    assert len(lines) == 1
    assert 'what="what came from a balancer was no PROXY header"' in lines[0]
    assert not any(word in lines[0] for word in ("192.0.2", "EHLO", "xxx"))


async def test_a_balancer_that_looks_whether_somebody_listens_leaves_no_line() -> None:
    with caught("info") as log:
        async with FakeUpstream() as up, balanced_door(up) as door:
            for _ in range(3):
                async with door.client(greeted=False) as client:
                    await client.close()
            async with come(door, LOCAL) as client:
                assert (await client.reply()).startswith(b"220")
            await until_inside(door, 0)
    assert log.getvalue() == ""


async def test_a_header_cut_off_ends_the_connection() -> None:
    with caught("info") as log:
        async with FakeUpstream() as up, balanced_door(up) as door:
            async with come(door, header()[:20]) as client:
                client.writer.write_eof()
                assert await client.rest() == b""
            await until_inside(door, 0)
            assert up.connections == 0
    assert len(log.getvalue().splitlines()) == 1


@pytest.mark.parametrize("first", [b"", header()[:20], SIGNATURE, LOCAL[:-1]])
async def test_a_header_is_not_waited_for_without_end(first: bytes) -> None:
    with caught("info") as log:
        async with changed(entrance, "HEADER_SECONDS", 0.05), FakeUpstream() as up, balanced_door(up) as door:
            async with come(door, first) as client:
                assert await client.rest() == b""
            await until_inside(door, 0)
    assert "did not come in time" in log.getvalue()


async def test_nobody_elses_header_is_believed() -> None:
    async with FakeUpstream() as up, balanced_door(up) as door:
        for first in (header(), SIGNATURE + b"\x21\x11\0\x0c" + b"x" * 12):
            async with door.client(local_addr=(STRANGER, 0)) as client:
                await client.send(first + b"EHLO evil\r\n")
                assert (await client.rest()).startswith(b"5")
        async with door.client(local_addr=(STRANGER, 0)) as client:
            assert (await client.ask(b"EHLO me")).startswith(b"250")
        assert not any(b"evil" in each for each in up.commands)


async def test_without_proxy_protocol_a_header_is_no_command() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.send(header() + b"EHLO evil\r\n")
        assert (await client.rest()).startswith(b"5")
        assert up.commands in ([], [b"QUIT"])


# ------------------------------------------------------------ what the address decides


async def test_connections_are_counted_for_the_address_in_the_header() -> None:
    async with FakeUpstream() as up, balanced_door(up, connections_per_address=1) as door, AsyncExitStack() as stack:
        for address in ("192.0.2.7", "192.0.2.8", "2001:db8::7", "2001:db8:0:1::7"):
            client = await stack.enter_async_context(come(door, header(address)))
            assert (await client.reply()).startswith(b"220")
        for address in ("192.0.2.7", "2001:db8::8"):
            client = await stack.enter_async_context(come(door, header(address)))
            assert await client.rest() == replies.TOO_MANY_FROM_ADDRESS.wire


async def test_health_checks_have_no_bound_of_their_own() -> None:
    async with FakeUpstream() as up, balanced_door(up, connections_per_address=1) as door, AsyncExitStack() as stack:
        for first in [LOCAL] * 3 + [NAMELESS["v1"]] * 3:
            client = await stack.enter_async_context(come(door, first))
            assert (await client.reply()).startswith(b"220")


async def test_who_waits_for_a_header_has_a_place_and_its_client_the_same() -> None:
    async with FakeUpstream() as up, balanced_door(up, connections=2) as door:
        async with door.client(greeted=False) as waiting, door.client(greeted=False):
            await until_inside(door, 2)
            async with come(door, header("192.0.2.9")) as third:
                assert await third.rest() == replies.TOO_MANY_CONNECTIONS.wire
            await waiting.send(header())
            assert (await waiting.reply()).startswith(b"220")
        await until_inside(door, 0)


@pytest.mark.parametrize(
    ("first", "may"),
    [
        (header(), False),
        (header("2001:db8::7"), False),
        (LOCAL, False),
        (NAMELESS["v1"], False),
        (header("127.0.0.1"), True),
        (header("::1"), True),
    ],
)
async def test_a_client_is_local_only_if_it_is_the_one_that_the_header_names(first: bytes, *, may: bool) -> None:
    async with (
        FakeUpstream(users=USERS) as up,
        balanced_door(up, auth_without_tls=AuthWithoutTls.LOOPBACK) as door,
        come(door, first) as client,
    ):
        await client.reply()
        assert (b"AUTH" in await client.ask(b"EHLO me")) is may
        assert (await client.log_in()).startswith(b"235" if may else b"538")


# ------------------------------------------------------------ before TLS


@pytest.mark.parametrize("first", [header(), NAMED["v2 with TLVs"][0], LOCAL], ids=["v1", "v2", "local"])
async def test_implicit_tls_begins_behind_the_header(authority: Authority, first: bytes) -> None:
    options = {"tls": Tls.IMPLICIT, "context": authority.server_context(), "auth_without_tls": AuthWithoutTls.NEVER}
    async with FakeUpstream(users=USERS) as up, balanced_door(up, **options) as door:
        for _ in range(20):
            async with secured(door, first, authority) as client:
                assert (await client()).startswith(b"220")
        await until_inside(door, 0)
        # And a client that comes by itself needs no header.
        context = authority.client_context()
        async with door.client(ssl=context, server_hostname="localhost", local_addr=(STRANGER, 0)) as direct:
            await direct.ask(b"EHLO me")
            assert (await direct.log_in()).startswith(b"235")


async def test_between_header_and_handshake_the_client_counts_for_its_address(authority: Authority) -> None:
    options = {"tls": Tls.IMPLICIT, "context": authority.server_context(), "connections_per_address": 1}
    async with FakeUpstream() as up, balanced_door(up, **options) as door, AsyncExitStack() as stack:
        await stack.enter_async_context(come(door, header()))
        await until_inside(door, 1)
        async with secured(door, header("192.0.2.8"), authority) as other:
            assert (await other()).startswith(b"220")
        async with secured(door, header(), authority) as second:
            assert await second() == replies.TOO_MANY_FROM_ADDRESS.wire


async def test_behind_a_header_too_nobody_is_told_why_where_too_many_are_turned_away(authority: Authority) -> None:
    options = {"tls": Tls.IMPLICIT, "context": authority.server_context(), "connections_per_address": 1}
    async with (
        changed(roll, "TURNED_AWAY_MAX", 1),
        FakeUpstream() as up,
        balanced_door(up, **options) as door,
        AsyncExitStack() as stack,
    ):
        for _ in range(5):
            last = await stack.enter_async_context(come(door, header()))
        assert await last.rest() == b""
        await until_inside(door, 2)


@asynccontextmanager
async def secured(door: Door, first: bytes, authority: Authority) -> AsyncIterator[Any]:
    """A TLS client whose header and first record are one segment; gives a function that reads the greeting."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = authority.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    async with door.client(greeted=False) as client:

        async def step(work: Any, before: bytes = b"") -> Any:
            while True:
                try:
                    done = work()
                except ssl.SSLWantReadError:
                    done = None
                await client.send(before + outgoing.read())
                before = b""
                if done is not None:
                    return done
                incoming.write(await client.reader.read(65536))

        async def greeting() -> bytes:
            async with asyncio.timeout(60):
                await step(lambda: tls.do_handshake() or True, first)
                return bytes(await step(lambda: tls.read(65536)))

        yield greeting


async def test_starttls_works_behind_a_header(authority: Authority) -> None:
    options = {"tls": Tls.STARTTLS, "context": authority.server_context()}
    async with FakeUpstream(users=USERS) as up, balanced_door(up, **options) as door, come(door, header()) as client:
        await client.reply()
        assert b"AUTH" not in await client.ask(b"EHLO me")
        assert await client.ask(b"STARTTLS") == replies.START_TLS.wire
        await client.start_tls(authority.client_context())
        assert b"AUTH" in await client.ask(b"EHLO me")
        assert (await client.log_in()).startswith(b"235")


async def test_the_end_of_the_program_does_not_wait_for_headers() -> None:
    async with FakeUpstream() as up, balanced_door(up, shutdown=30) as door, door.client(greeted=False) as client:
        await client.send(header()[:10])
        await until_inside(door, 1)
        async with asyncio.timeout(20):
            assert await door.server.stop()
            assert await client.rest() == b""


def test_the_addresses_of_the_examples_differ() -> None:
    assert FOUR.source != SIX.source
