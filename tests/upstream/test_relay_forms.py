"""The doctor's question: which spellings of a foreign recipient does the mail server take without a login?"""

from __future__ import annotations

import pytest

from smtpguard.upstream import UpstreamError
from smtpguard.upstream.relay_forms import try_forms
from smtpguard.upstream.target import Target, Timeouts
from tests.loopback.fake_upstream import FakeUpstream


def target(up: FakeUpstream) -> Target:
    return Target(up.host, up.port, timeouts=Timeouts(connect=5, reply=5, final=5))


@pytest.mark.parametrize("reply", [b"421 4.5.0 Too many errors, bye\r\n", b""], ids=["421", "silent"])
async def test_a_server_that_hangs_up_after_some_errors_is_asked_on_in_a_new_session(reply: bytes) -> None:
    async with FakeUpstream(require_login=True) as up:
        up.on("RCPT", reply=reply, then="close", match=rb"probe%probe\.invalid@example", times=1)

        found = await try_forms(target(up), "guard.example.test", "example.test")

        assert (found.tried, found.taken, found.doubtful, found.put_off) == (22, (), (), 0)
        asked = [each for each in up.commands if each == b"RCPT TO:<smtpguard-relay-probe%probe.invalid@example.test>"]
        assert len(asked) == 2, "once before the server hung up, and once more"


async def test_a_server_that_hangs_up_at_once_cannot_be_asked() -> None:
    async with FakeUpstream() as up:
        up.on("RCPT", reply=b"421 4.5.0 Go away\r\n", then="close")

        with pytest.raises(UpstreamError) as caught:
            await try_forms(target(up), "guard.example.test", "example.test")

        assert caught.value.reply is not None
        assert caught.value.reply.code == 421
        assert up.connections == 1
