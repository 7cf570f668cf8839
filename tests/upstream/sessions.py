"""Connections to a fake upstream, at the stage a test begins with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from smtpguard.upstream.connection import Connection
from smtpguard.upstream.target import Target, Timeouts
from tests.loopback.fake_upstream import FakeUpstream

SHORT = Timeouts(connect=5, reply=0.6, final=0.6)
PATIENT = Timeouts(connect=5, reply=5, final=5)


def target(up: FakeUpstream, timeouts: Timeouts = PATIENT) -> Target:
    return Target(up.host, up.port, timeouts=timeouts)


@asynccontextmanager
async def session(up: FakeUpstream, timeouts: Timeouts = PATIENT) -> AsyncIterator[Connection]:
    """Connected and past EHLO."""
    connection = await Connection.open(target(up, timeouts))
    await connection.hello(b"member.example.test")
    try:
        yield connection
    finally:
        connection.abort()


@asynccontextmanager
async def transaction(up: FakeUpstream, timeouts: Timeouts = PATIENT) -> AsyncIterator[Connection]:
    """Past the 354."""
    async with session(up, timeouts) as connection:
        await connection.command(b"MAIL FROM:<anna@example.test>")
        await connection.command(b"RCPT TO:<board@lists.example.test>")
        assert (await connection.command(b"DATA")).code == 354
        yield connection
