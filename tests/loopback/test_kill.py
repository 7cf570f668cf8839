"""kill -9 at every named step: nothing that was answered 250 is lost, nothing unconfirmed is sent (RELIABILITY: fail
points).
"""

from __future__ import annotations

import smtplib
from pathlib import Path

import pytest

from smtpguard.failpoints import POINTS
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import (
    ALL,
    BERLIN,
    MEMBERS,
    PASSWORDS,
    XCLIENT,
    _in_client_thread,
    mail,
    parsed,
    write_config,
)
from tests.loopback.serving import serving

pytestmark = pytest.mark.slow

HOLD = ("hold.sealed", "hold.committed", "hold.noticed", "hold.marked")
RELEASE = ("release.claimed", "release.sending", "release.sent", "release.noted", "release.decided")
RELAY = ("relay.before_end", "relay.replied")
EXPIRE = ("expire.decided",)
MEMORY = ("memory.before_write", "memory.written")


def test_every_point_is_tried_here() -> None:
    others = {each for each in POINTS if each.startswith("remember.")}  # tests/tools/test_remember.py
    assert set(POINTS) - others == {*HOLD, *RELEASE, *RELAY, *EXPIRE, *MEMORY}


async def submit(port: int, to: list[str], octets: bytes) -> int:
    """The code of the reply to the content, 0 if the guard died before it."""

    def send() -> int:
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
                client.login(MEMBERS["anna"], PASSWORDS[MEMBERS["anna"]])
                client.mail(MEMBERS["anna"])
                for each in to:
                    client.rcpt(each)
                return client.data(octets)[0]
        except (smtplib.SMTPException, OSError):
            return 0

    return await _in_client_thread(send)


def notices(out: FakeUpstream) -> list[str]:
    """The answer addresses of the notices that were taken, the newest last."""
    letters = [parsed(each) for each in out.messages if each.mail.startswith(b"FROM:<>")]
    return [str(each["Reply-To"]).strip("<>") for each in letters if each["Reply-To"]]


def released(out: FakeUpstream) -> int:
    return sum(not each.mail.startswith(b"FROM:<>") for each in out.messages)


@pytest.mark.parametrize("point", HOLD)
async def test_killed_in_a_hold(tmp_path: Path, point: str) -> None:
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        config = write_config(tmp_path, up, out)
        octets = mail("anna", [BERLIN, ALL])
        async with serving(config, fail_at=point) as guard:
            code = await submit(guard.ports[0], [BERLIN, ALL], octets)
            assert -9 == await guard.ended()
        assert 0 == code  # no 250, so the client tries again
        taken_before = len(notices(out))
        assert taken_before == (1 if point in ("hold.noticed", "hold.marked") else 0)

        async with serving(config) as guard:
            assert 250 == await submit(guard.ports[0], [BERLIN, ALL], octets)
            assert 0 == released(out)
            address = notices(out)[-1]
            assert 250 == await submit(guard.ports[0], [address], mail("anna", [address], body="SEND"))

        assert 1 == released(out)
        assert [] == up.arrived


@pytest.mark.parametrize("point", RELEASE)
async def test_killed_in_a_release(tmp_path: Path, point: str) -> None:
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        config = write_config(tmp_path, up, out)
        async with serving(config, fail_at=point) as guard:
            assert 250 == await submit(guard.ports[0], [BERLIN, ALL], mail("anna", [BERLIN, ALL]))
            address = notices(out)[-1]
            answer = mail("anna", [address], body="SEND")
            assert 0 == await submit(guard.ports[0], [address], answer)
            assert -9 == await guard.ended()
        before = released(out)
        assert before == (1 if point in ("release.sent", "release.noted", "release.decided") else 0)

        async with serving(config) as guard:
            assert 250 == await submit(guard.ports[0], [address], answer)

        # Twice only where the mail server had it and nothing of ours said so.
        assert released(out) == (2 if point == "release.sent" else 1)
        told = b"".join(each.content for each in out.messages if each.mail.startswith(b"FROM:<>"))
        # The row was found in `sending`, so the result says that it may have gone out before.
        assert (b"may have gone out" in told) == (point in ("release.sending", "release.sent"))


@pytest.mark.parametrize("point", RELAY)
async def test_killed_in_a_relay(tmp_path: Path, point: str) -> None:
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        config = write_config(tmp_path, up, out)
        async with serving(config, fail_at=point) as guard:
            code = await submit(guard.ports[0], [BERLIN], mail("anna", [BERLIN]))
            assert -9 == await guard.ended()

        assert 0 == code
        assert len(up.messages) == (1 if point == "relay.replied" else 0)


async def test_killed_in_an_expiry(tmp_path: Path) -> None:
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        config = write_config(tmp_path, up, out, defaults={"expires": "1s"})
        async with serving(config, fail_at="expire.decided") as guard:
            assert 250 == await submit(guard.ports[0], [BERLIN, ALL], mail("anna", [BERLIN, ALL]))
            assert -9 == await guard.ended(60)
        address = notices(out)[-1]
        async with serving(config) as guard:
            await submit(guard.ports[0], [address], mail("anna", [address], body="SEND"))

        assert 0 == released(out)


@pytest.mark.parametrize("point", MEMORY)
async def test_killed_between_the_250_of_the_mail_server_and_the_memory(tmp_path: Path, point: str) -> None:
    text = " ".join(f"word{number}" for number in range(60))
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        config = write_config(tmp_path, up, out)
        async with serving(config, fail_at=point) as guard:
            # The reply does not wait for the memory.
            assert 250 == await submit(guard.ports[0], [BERLIN], mail("anna", [BERLIN], body=text))
            assert -9 == await guard.ended()
        assert 1 == len(up.messages)

        async with serving(config) as guard:
            # The client has its 250 and does not try again; if it did, it is the same list.
            assert 250 == await submit(guard.ports[0], [BERLIN], mail("anna", [BERLIN], body=text))
            assert 2 == len(up.messages)
            assert 250 == await submit(guard.ports[0], [ALL], mail("anna", [ALL], subject="All", body=text))
            assert 2 == len(up.messages)
            assert 1 == len(notices(out))
