"""Doors with TLS from the first octet: who shakes hands has a place, a bound in time, and an end."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from smtpguard import replies
from smtpguard.listener import entrance, roll
from smtpguard.listener.options import Tls
from tests.logs import caught
from tests.loopback.certificates import Authority, authority
from tests.loopback.door import Client, Door, answers_door, submission_door
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.test_proxy_protocol import changed, until_inside

__all__ = ["authority"]

OTHER_ADDRESS = "127.0.0.2"


def secure_door(up: FakeUpstream, authority: Authority, **options: Any) -> Any:
    return submission_door(up, tls=Tls.IMPLICIT, context=authority.server_context(), **options)


@asynccontextmanager
async def secure_client(door: Door, authority: Authority, **options: Any) -> AsyncIterator[Client]:
    context = authority.client_context()
    async with door.client(ssl=context, server_hostname="localhost", greeted=False, **options) as client:
        yield client


def complaints(log: str, bound: str) -> list[str]:
    return [line for line in log.splitlines() if f"limits.{bound} is reached" in line]


@pytest.mark.parametrize("bound", ["connections", "connections_per_address"])
async def test_who_says_nothing_before_the_handshake_has_a_place_all_the_same(authority: Authority, bound: str) -> None:
    refusal = {"connections": replies.TOO_MANY_CONNECTIONS, "connections_per_address": replies.TOO_MANY_FROM_ADDRESS}
    with caught("info") as log:
        async with FakeUpstream() as up, secure_door(up, authority, **{bound: 2}) as door:
            async with door.client(greeted=False) as silent, door.client(greeted=False):
                await until_inside(door, 2)
                for _ in range(3):
                    async with secure_client(door, authority) as third:
                        assert await third.rest() == refusal[bound].wire
                    await until_inside(door, 2)
                assert up.connections == 0
                await silent.close()
                await until_inside(door, 1)
                async with secure_client(door, authority) as fits:
                    assert (await fits.reply()).startswith(b"220")
                    assert (await fits.ask(b"EHLO me")).startswith(b"250")
            await until_inside(door, 0)
    said = complaints(log.getvalue(), bound)
    assert len(said) == 2
    assert said[1].endswith("more=2")
    assert "127.0.0" not in log.getvalue()


async def test_nobody_is_told_why_where_too_many_are_turned_away(authority: Authority) -> None:
    async with (
        changed(roll, "TURNED_AWAY_MAX", 2),
        FakeUpstream() as up,
        secure_door(up, authority, connections_per_address=1) as door,
        AsyncExitStack() as stack,
    ):
        for _ in range(10):
            await stack.enter_async_context(door.client(greeted=False))
        last = await stack.enter_async_context(door.client(greeted=False))
        assert await last.rest() == b""
        await until_inside(door, 3)
        async with secure_client(door, authority, local_addr=(OTHER_ADDRESS, 0)) as elsewhere:
            assert (await elsewhere.reply()).startswith(b"220")


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x01\x02\0", b"EHLO me\r\n", b"\x80" * 5000])
async def test_a_handshake_that_is_none_ends_soon(authority: Authority, first: bytes) -> None:
    with caught("info") as log:
        async with (
            changed(entrance, "HANDSHAKE_SECONDS", 0.2),
            FakeUpstream() as up,
            secure_door(up, authority, connections=1) as door,
        ):
            for _ in range(2):
                async with door.client(greeted=False) as client:
                    await client.send(first)
                    assert b"220" not in await client.rest()
                await until_inside(door, 0)
            assert up.connections == 0
    assert log.getvalue() == ""


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_goes_in_mid_handshake_leaves_its_place(authority: Authority, how: str) -> None:
    async with FakeUpstream() as up, secure_door(up, authority, connections=1) as door:
        for _ in range(3):
            async with door.client(greeted=False) as client:
                await client.send(b"\x16\x03\x01")
                await until_inside(door, 1)
                if how == "reset":
                    client.reset()
            await until_inside(door, 0)


async def test_the_end_of_the_program_does_not_wait_for_handshakes(authority: Authority) -> None:
    async with (
        FakeUpstream() as up,
        secure_door(up, authority, shutdown=30) as door,
        door.client(greeted=False) as silent,
        door.client(greeted=False) as slow,
        secure_client(door, authority) as inside,
    ):
        await slow.send(b"\x16\x03\x01\x02\0")
        await inside.reply()
        async with asyncio.timeout(20):
            assert await door.server.stop()
        assert await inside.rest() == replies.SHUTTING_DOWN.wire
        assert await silent.rest() == b""
        assert b"220" not in await slow.rest()


async def test_a_starttls_handshake_ends_with_the_program_too(authority: Authority) -> None:
    options = {"tls": Tls.STARTTLS, "context": authority.server_context()}
    async with FakeUpstream() as up, submission_door(up, shutdown=30, **options) as door, door.client() as client:
        await client.ask(b"EHLO me")
        assert await client.ask(b"STARTTLS") == replies.START_TLS.wire
        async with asyncio.timeout(20):
            assert await door.server.stop()


async def test_the_answers_door_may_have_tls_too(authority: Authority) -> None:
    options = {"tls": Tls.IMPLICIT, "context": authority.server_context(), "connections_per_address": 1}
    async with answers_door(**options) as door, secure_client(door, authority) as one:
        assert (await one.reply()).startswith(b"220")
        async with secure_client(door, authority) as two:
            assert (await two.reply()).startswith(b"220")


async def test_programs_of_all_kinds_come_in(authority: Authority) -> None:
    async with FakeUpstream() as up, secure_door(up, authority) as door:

        def python() -> None:
            with smtplib.SMTP_SSL("localhost", door.port, context=authority.client_context()) as client:
                client.sendmail("a@example.test", ["b@example.test"], b"x" * 500_000)

        def openssl(*options: str) -> Callable[[], None]:
            def run() -> None:
                command = ["openssl", "s_client", "-quiet", "-connect", f"localhost:{door.port}", *options]
                said = subprocess.run(
                    [*command, "-CAfile", str(authority.pem), "-verify_return_error"],
                    input=b"EHLO me\r\nQUIT\r\n", capture_output=True, timeout=30, check=False,
                ).stdout  # fmt: skip
                assert said.startswith(b"220")
                assert b"221" in said

            return run

        for program in (python, openssl("-tls1_2"), openssl("-tls1_3"), openssl("-tls1_3", "-groups", "P-384")):
            await asyncio.to_thread(program)
        await until_inside(door, 0)
        assert len(up.messages) == 1


async def test_a_hundred_come_at_once(authority: Authority) -> None:
    async def one(door: Door) -> None:
        async with secure_client(door, authority) as client:
            assert (await client.reply()).startswith(b"220")
            assert (await client.ask(b"EHLO me")).startswith(b"250")
            assert await client.ask(b"QUIT") == replies.BYE.wire

    async with FakeUpstream() as up, secure_door(up, authority, connections_per_address=100) as door:
        await asyncio.gather(*(one(door) for _ in range(100)))
        await until_inside(door, 0)


async def test_the_certificate_is_taken_at_each_handshake(authority: Authority) -> None:
    context = authority.server_context()
    async with FakeUpstream() as up, submission_door(up, tls=Tls.IMPLICIT, context=context) as door:
        async with secure_client(door, authority) as client:
            assert (await client.reply()).startswith(b"220")
        context.load_cert_chain(*authority.issue("elsewhere.example.test"))
        with pytest.raises(ssl.SSLCertVerificationError):
            async with secure_client(door, authority):
                pass


async def test_nothing_is_left_of_those_who_came_and_went(authority: Authority) -> None:
    descriptors = Path("/proc/self/fd")

    async def visit(door: Door, number: int) -> None:
        if number % 3:
            async with door.client(greeted=False) as client:
                await client.send((b"", b"\x16\x03\x01", b"x" * 1000)[number % 3])
                if number % 2:
                    client.reset()
        else:
            async with secure_client(door, authority) as client:
                await client.reply()
                assert await client.ask(b"QUIT") == replies.BYE.wire

    async with FakeUpstream() as up, secure_door(up, authority) as door:
        for number in range(30):
            await visit(door, number)
        await until_inside(door, 0)
        await up.wait_for_close()
        before = len(list(descriptors.iterdir()))
        for number in range(150):
            await visit(door, number)
        await until_inside(door, 0)
        await up.wait_for_close()
        # The last ones are closed a little behind the roll.
        async with asyncio.timeout(60):
            while len(list(descriptors.iterdir())) > before + 3:
                await asyncio.sleep(0.01)
