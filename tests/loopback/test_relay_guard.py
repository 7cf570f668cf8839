"""Mail to the guard's own address: answered here, never mirrored, and alone (T-26, row 90-16)."""

from __future__ import annotations

import itertools

import pytest

from smtpguard import replies
from smtpguard.mail.reply import Reply
from tests.loopback.door import ANSWER_TAKEN, NOT_ALONE, Client, PassingFlow, submission_door
from tests.loopback.fake_upstream import FakeUpstream

GUARD = b"RCPT TO:<mailcheck+CODE@Check.example.test>"
OTHER = b"RCPT TO:<b@example.test>"
USERS = {"anna": "secret"}


async def begin(client: Client, *, login: bool = True) -> None:
    await client.ask(b"EHLO me")
    if login:
        assert (await client.log_in()).startswith(b"235")
    assert (await client.ask(b"MAIL FROM:<anna@example.test>")).startswith(b"250")


async def test_an_answer_goes_to_the_flow_and_never_up() -> None:
    async with FakeUpstream(users=USERS) as up, submission_door(up) as door, door.client() as client:
        await begin(client)
        assert await client.ask(GUARD) == replies.RECIPIENT_OK.wire
        assert await client.ask(GUARD) == replies.RECIPIENT_OK.wire
        assert (await client.ask(b"DATA")).startswith(b"354")
        assert await client.ask(b"\r\nSEND\r\n.") == ANSWER_TAKEN.wire

        ((how, arrival, content),) = door.flow.arrivals
        assert (how, content, arrival.login) == ("answer", b"\r\nSEND\r\n", "anna")
        assert [each.typed for each in arrival.envelope.recipients] == ["<mailcheck+CODE@Check.example.test>"]
        assert not any(b"CODE" in each for each in up.commands)
        assert up.arrived == []
        # The mail server's transaction is given up, so that the next mail can go.
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")
        assert (await client.ask(b"words\r\n.")).startswith(b"250 2.0.0 Ok: queued")


@pytest.mark.parametrize("order", sorted(set(itertools.permutations([GUARD, OTHER, OTHER]))))
async def test_t26_mail_to_the_guard_and_anybody_else_goes_to_nobody(order: tuple[bytes, ...]) -> None:
    async with FakeUpstream(users=USERS) as up, submission_door(up) as door, door.client() as client:
        await begin(client)
        said = [await client.ask(line) for line in order]
        mixed_at = max(order.index(GUARD), order.index(OTHER))

        assert all(each == NOT_ALONE.wire for each in said[mixed_at : mixed_at + 1])
        assert await client.ask(b"DATA") == NOT_ALONE.wire
        assert door.flow.arrivals == []
        assert up.arrived == []
        # The next mail starts anew.
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")
        assert (await client.ask(b"words\r\n.")).startswith(b"250")


async def test_t26_two_codes_in_one_mail_are_refused() -> None:
    async with FakeUpstream(users=USERS) as up, submission_door(up) as door, door.client() as client:
        await begin(client)
        await client.ask(GUARD)

        assert await client.ask(b"RCPT TO:<mailcheck+OTHER@check.example.test>") == NOT_ALONE.wire
        assert await client.ask(b"DATA") == NOT_ALONE.wire


async def test_t26_pipelined_mail_to_both_goes_to_nobody() -> None:
    async with FakeUpstream(users=USERS) as up, submission_door(up) as door, door.client() as client:
        await begin(client)
        await client.send(OTHER + b"\r\n" + GUARD + b"\r\nDATA\r\n")

        assert [await client.reply() for _ in range(3)] == [
            b"250 2.1.5 Ok\r\n",
            NOT_ALONE.wire,
            NOT_ALONE.wire,
        ]


async def test_without_a_login_the_guard_takes_no_answer_and_nobody_else_gets_it() -> None:
    async with FakeUpstream(users=USERS) as up, submission_door(up) as door, door.client() as client:
        await begin(client, login=False)
        assert await client.ask(GUARD) == replies.LOGIN_FIRST.wire
        assert await client.ask(OTHER) == NOT_ALONE.wire
        assert await client.ask(b"DATA") == NOT_ALONE.wire
        assert (door.flow.arrivals, up.arrived) == ([], [])


async def test_a_recipient_that_the_mail_server_refused_is_nobody_beside_the_guard() -> None:
    async with FakeUpstream(users=USERS) as up, submission_door(up) as door, door.client() as client:
        up.on("RCPT", reply=b"550 5.1.1 no\r\n")
        await begin(client)
        assert await client.ask(OTHER) == b"550 5.1.1 no\r\n"
        assert await client.ask(GUARD) == replies.RECIPIENT_OK.wire
        await client.ask(b"DATA")
        assert await client.ask(b"\r\nSEND\r\n.") == ANSWER_TAKEN.wire


async def test_everything_else_at_the_guard_domain_is_mirrored() -> None:
    async with FakeUpstream(users=USERS) as up, submission_door(up) as door, door.client() as client:
        await begin(client)
        await client.ask(b"RCPT TO:<postmaster@check.example.test>")

        assert up.commands[-1] == b"RCPT TO:<postmaster@check.example.test>"


async def test_a_release_may_use_the_members_own_session() -> None:
    """`release: session`: the carrier sends another mail over it, and the session stays open for its member."""
    from smtpguard.upstream import Transmission, Upstream

    async def release(_: object, upstream: Upstream) -> Reply:
        carrier = upstream.carrier()
        mail = Transmission("FROM:<anna@example.test>", ("TO:<list@example.test>",), lambda: [b"held words\r\n"])
        outcome = await carrier.transmit(mail)
        await carrier.close()
        return outcome.final

    async with (
        FakeUpstream(users=USERS) as up,
        submission_door(up, PassingFlow(hook=release)) as door,
        door.client() as client,
    ):
        await begin(client)
        await client.ask(GUARD)
        await client.ask(b"DATA")
        assert (await client.ask(b"\r\nSEND\r\n.")).startswith(b"250 2.0.0 Ok: queued")
        assert [(each.rcpts, each.content, each.login) for each in up.messages] == [
            ((b"TO:<list@example.test>",), b"held words\r\n", "anna")
        ]
        assert (await client.ask(b"MAIL FROM:<anna@example.test>")).startswith(b"250")
