"""The question at start: would the mail server relay for us without a login?"""

from __future__ import annotations

import pytest

from smtpguard.upstream.relay_probe import relays_without_login
from smtpguard.upstream.target import Target, Timeouts
from tests.loopback.fake_upstream import FakeUpstream
from tests.ports import free_port

TIMEOUTS = Timeouts(connect=5, reply=5, final=5)
SHORT = Timeouts(connect=5, reply=0.4, final=0.4)


def target(up: FakeUpstream) -> Target:
    return Target(up.host, up.port, timeouts=TIMEOUTS)


async def test_an_open_server_is_found_out_and_nothing_is_sent() -> None:
    async with FakeUpstream() as up:
        assert await relays_without_login(target(up), "guard.example.test") is True

        await up.wait_for_close()
        assert up.sessions[0].commands == [
            b"EHLO guard.example.test",
            b"MAIL FROM:<>",
            b"RCPT TO:<smtpguard-relay-probe@probe.invalid>",
            b"RSET",
            b"QUIT",
        ]


async def test_a_server_that_wants_a_login_is_closed() -> None:
    async with FakeUpstream(require_login=True) as up:
        assert await relays_without_login(target(up), "guard.example.test") is False

        assert up.sessions[0].commands[-1] == b"QUIT"


async def test_a_server_that_refuses_the_sender_already_is_closed() -> None:
    async with FakeUpstream() as up:
        up.on("MAIL", reply=b"530 5.7.0 Authentication required\r\n")

        assert await relays_without_login(target(up), "guard.example.test") is False


@pytest.mark.parametrize("stage", ["greeting", "EHLO", "MAIL", "RCPT"])
@pytest.mark.parametrize("reply", [b"450 4.0.0 later\r\n", b"421 4.0.0 gone\r\n", b"garbage\r\n", b""])
async def test_a_server_that_cannot_be_asked_is_neither(stage: str, reply: bytes) -> None:
    async with FakeUpstream() as up:
        up.on(stage, reply=reply)

        timeouts = TIMEOUTS if reply else SHORT
        assert await relays_without_login(Target(up.host, up.port, timeouts=timeouts), "guard.example.test") is None

        await up.wait_for_close()


async def test_nobody_there_is_neither() -> None:
    target = Target("127.0.0.1", free_port(), timeouts=TIMEOUTS)

    assert await relays_without_login(target, "guard.example.test") is None
