"""The bounds of `limits`: at the bound all goes well, one more is refused, and others do not feel it."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from smtpguard import replies
from smtpguard.listener.client import client_key
from smtpguard.listener.options import Kind, ListenerOptions, Protocol
from smtpguard.listener.server import Server
from smtpguard.upstream.target import Target
from tests.loopback.door import ANSWER_TAKEN, Client, Door, PassingFlow, answers_door, submission_door
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, PRESS, guarded

FIELD = b"Received: from a.example.test by b.example.test; Sun, 1 Jan 2023 00:00:00 +0000\r\n"
FOLDED = b"Received: from a.example.test\r\n by b.example.test\r\n\t; Sun, 1 Jan 2023 00:00:00 +0000\r\n"
MESSAGE = b"Subject: hello\r\n\r\nwords\r\n"
FROM = b"MAIL FROM:<anna@example.test>"
TO = b"RCPT TO:<b@example.test>"
ANSWER = b"RCPT TO:<mailcheck+CODE@check.example.test>"
OTHER_ADDRESS = "127.0.0.2"


async def send_mail(client: Client, content: bytes = MESSAGE) -> bytes:
    """The reply to the content of one mail in a session that has said EHLO."""
    for line in (FROM, TO):
        assert (await client.ask(line)).startswith(b"250")
    assert await client.ask(b"DATA") == replies.GO_AHEAD.wire
    return await client.ask(content + b".")


async def until_inside(server: Server, number: int) -> None:
    """Wait until so many clients are connected."""
    async with asyncio.timeout(60):
        while server.sessions != number:
            await asyncio.sleep(0.005)


async def fits_again(door: Door) -> None:
    """A client comes in and sends a mail."""
    async with door.client() as client:
        await client.ask(b"EHLO me")
        assert (await send_mail(client)).startswith(b"250")


# ------------------------------------------------------------ connections


async def test_one_connection_too_many_hears_421_and_the_others_go_on() -> None:
    async with FakeUpstream() as up, submission_door(up, connections=2) as door:
        async with door.client() as first, door.client():
            async with door.client(greeted=False) as third:
                assert await third.rest() == replies.TOO_MANY_CONNECTIONS.wire
            assert up.connections == 2
            await first.ask(b"EHLO me")
            assert (await send_mail(first)).startswith(b"250")
        await until_inside(door.server, 0)
        await fits_again(door)


async def test_one_connection_too_many_from_an_address_hears_421_and_other_addresses_do_not() -> None:
    async with FakeUpstream() as up, submission_door(up, connections_per_address=2) as door:
        async with door.client() as first, door.client():
            async with door.client(greeted=False) as third:
                assert await third.rest() == replies.TOO_MANY_FROM_ADDRESS.wire
            assert up.connections == 2
            async with door.client(local_addr=(OTHER_ADDRESS, 0)) as elsewhere:
                await elsewhere.ask(b"EHLO me")
                assert (await send_mail(elsewhere)).startswith(b"250")
            await first.ask(b"EHLO me")
            assert (await send_mail(first)).startswith(b"250")
        await until_inside(door.server, 0)
        await fits_again(door)


@pytest.mark.parametrize("how", ["QUIT", "closed", "reset", "in mid-content"])
async def test_a_place_is_free_again_however_a_client_went(how: str) -> None:
    async with FakeUpstream() as up, submission_door(up, connections_per_address=1, connections=1) as door:
        for _ in range(3):
            async with door.client() as client:
                if how == "QUIT":
                    assert await client.ask(b"QUIT") == replies.BYE.wire
                elif how == "reset":
                    client.reset()
                elif how == "in mid-content":
                    await client.begin(b"b@example.test")
                    await client.ask(b"DATA")
                    await client.send(b"Subject: ")
                    client.reset()
            await until_inside(door.server, 0)
        await fits_again(door)


async def test_who_is_turned_away_takes_nobodys_place() -> None:
    async with (
        FakeUpstream() as up,
        submission_door(up, connections=2, connections_per_address=1) as door,
        AsyncExitStack() as stack,
    ):
        await stack.enter_async_context(door.client())
        refused = [await stack.enter_async_context(door.client(greeted=False)) for _ in range(5)]
        assert {await each.rest() for each in refused} == {replies.TOO_MANY_FROM_ADDRESS.wire}
        async with door.client(local_addr=(OTHER_ADDRESS, 0)) as elsewhere:
            await elsewhere.ask(b"EHLO me")
            assert (await send_mail(elsewhere)).startswith(b"250")


@dataclass
class DoorAmongOthers(Door):
    """One of several doors of a server."""

    number: int

    @property
    def port(self) -> int:
        return self.server.ports[self.number]


@asynccontextmanager
async def three_doors(up: FakeUpstream, trust: str) -> AsyncIterator[tuple[Door, ...]]:
    """Two for members, one for answers; one connection per address."""
    target = Target(up.host, up.port)
    doors = [
        ListenerOptions("127.0.0.1", 0, target=target, auth_required=False, connections_per_address=1),
        ListenerOptions("127.0.0.1", 0, target=target, auth_required=False, connections_per_address=1),
        ListenerOptions(
            "127.0.0.1", 0, kind=Kind.ANSWERS, trust=(ipaddress.ip_network(trust),), connections_per_address=1
        ),
    ]
    server = Server(PassingFlow(), doors, shutdown=5)
    await server.start()
    try:
        yield tuple(DoorAmongOthers(server, PassingFlow(), up, number) for number in range(len(doors)))
    finally:
        await server.stop()


async def test_an_address_is_counted_over_all_doors_and_the_mail_server_is_not() -> None:
    async with (
        FakeUpstream() as up,
        three_doors(up, "127.0.0.1/32") as (one, other, answers),
        answers.client(),
        answers.client(),
        one.client(),
    ):
        async with other.client(greeted=False) as second:
            assert await second.rest() == replies.TOO_MANY_FROM_ADDRESS.wire
        async with answers.client() as fourth:
            assert (await fourth.ask(b"EHLO mail.example.test")).startswith(b"250")


def test_a_client_is_an_ipv4_address_or_a_64_of_ipv6() -> None:
    assert client_key("192.0.2.1") == client_key("::ffff:192.0.2.1")
    assert client_key("192.0.2.1") != client_key("192.0.2.2")
    assert client_key("2001:db8:1:2::1") == client_key("2001:db8:1:2:ffff::9")
    assert client_key("2001:db8:1:2::1") != client_key("2001:db8:1:3::1")
    assert client_key("fe80::1%eth0") == client_key("fe80::2%eth1")
    assert client_key("") is None


# ------------------------------------------------------------ recipients, messages, errors


async def test_recipients_beyond_the_bound_are_put_off_and_the_others_get_the_mail() -> None:
    async with FakeUpstream() as up, submission_door(up, recipients=3) as door, door.client() as client:
        up.on("RCPT", reply=b"550 5.1.1 no\r\n", match=b"nobody@")
        await client.ask(b"EHLO me")
        for _ in range(2):
            await client.ask(FROM)
            await client.ask(b"RCPT TO:<nobody@example.test>")
            for name in (b"a", b"b", b"c"):
                assert (await client.ask(b"RCPT TO:<%b@example.test>" % name)).startswith(b"250")
            for name in (b"d", b"e"):
                assert await client.ask(b"RCPT TO:<%b@example.test>" % name) == replies.TOO_MANY_RECIPIENTS.wire
            await client.ask(b"DATA")
            assert (await client.ask(MESSAGE + b".")).startswith(b"250")

        assert [len(each.rcpts) for each in up.messages] == [3, 3]
        assert not [each for each in up.commands if b"<d@" in each]


async def test_a_thousand_recipients_are_taken_by_default() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")
        await client.ask(FROM)
        group = b"".join(b"RCPT TO:<r%d@example.test>\r\n" % number for number in range(1001))
        await client.send(group)
        said = [await client.reply() for _ in range(1001)]

        assert all(each.startswith(b"250") for each in said[:1000])
        assert said[1000] == replies.TOO_MANY_RECIPIENTS.wire


async def test_after_the_last_message_of_a_session_mail_gets_421_and_a_new_session_goes_on() -> None:
    async with FakeUpstream() as up, submission_door(up, messages_per_session=2) as door:
        async with door.client() as client, door.client() as other:
            await client.ask(b"EHLO me")
            for _ in range(2):
                assert (await send_mail(client)).startswith(b"250")
            await client.send(FROM + b"\r\n" + TO + b"\r\nDATA\r\n")
            assert await client.rest() == replies.TOO_MANY_MESSAGES.wire
            await other.ask(b"EHLO me")
            assert (await send_mail(other)).startswith(b"250")

        assert len(up.messages) == 3
        assert len([each for each in up.commands if each == FROM]) == 3
        await fits_again(door)


async def test_a_refused_mail_command_is_no_message_and_a_given_up_one_is() -> None:
    async with FakeUpstream() as up, submission_door(up, messages_per_session=2) as door, door.client() as client:
        up.on("MAIL", reply=b"550 5.1.8 no\r\n", match=b"nobody@")
        await client.ask(b"EHLO me")
        for _ in range(5):
            assert (await client.ask(b"MAIL FROM:<nobody@example.test>")).startswith(b"550")
        for _ in range(2):
            assert (await client.ask(FROM)).startswith(b"250")
            await client.ask(b"RSET")
        assert await client.ask(FROM) == replies.TOO_MANY_MESSAGES.wire


async def test_messages_are_counted_on_the_answers_door_too() -> None:
    async with answers_door(messages_per_session=1) as door, door.client() as client:
        await client.ask(b"EHLO mail.example.test")
        await client.ask(FROM)
        await client.ask(ANSWER)
        await client.ask(b"DATA")
        assert await client.ask(b"\r\nSEND\r\n.") == ANSWER_TAKEN.wire
        assert await client.ask(FROM) == replies.TOO_MANY_MESSAGES.wire
        assert await client.rest() == b""


async def test_the_errors_of_a_session_are_bounded_and_others_do_not_feel_it() -> None:
    async with (
        FakeUpstream() as up,
        submission_door(up, errors_per_session=3) as door,
        door.client() as client,
        door.client() as other,
    ):
        for _ in range(3):
            assert await client.ask(b"WHAT") == replies.BAD_COMMAND.wire
        await client.ask(b"EHLO me")
        assert (await send_mail(client)).startswith(b"250")
        await client.send(b"WHAT\r\nNOOP\r\n")
        assert await client.rest() == replies.BAD_COMMAND.wire + replies.TOO_MANY_ERRORS.wire
        await other.ask(b"EHLO me")
        assert (await send_mail(other)).startswith(b"250")


# ------------------------------------------------------------ loops


async def test_a_mail_that_goes_round_is_refused_and_nothing_of_it_goes_up() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")

        assert await send_mail(client, FIELD * 101 + MESSAGE) == replies.MAIL_LOOP.wire
        assert replies.MAIL_LOOP.wire.startswith(b"554 5.4.6 ")
        assert up.messages == []
        assert b"DATA" not in up.commands
        assert up.commands[-1] == b"RSET"
        assert door.flow.arrivals == []
        assert (await send_mail(client)).startswith(b"250")
        assert [each.content for each in up.messages] == [MESSAGE]


@pytest.mark.parametrize(
    "content",
    [
        FIELD * 100 + MESSAGE,
        FOLDED * 100 + MESSAGE,
        b"X-Received: a\r\n" * 200 + b"Received-SPF: pass\r\n" * 200 + MESSAGE,
        b"Subject: a\r\n" + b" Received: folded\r\n" * 200 + b"\r\n",
        MESSAGE + FIELD * 200,
        b"\r\n" + FIELD * 200,
        FIELD * 60 + MESSAGE + FIELD * 60,
    ],
    ids=["a hundred", "folded", "other names", "in a folded line", "in the body", "no header", "forwarded as text"],
)
async def test_no_other_mail_is_a_loop_and_goes_through_byte_for_byte(content: bytes) -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")

        assert (await send_mail(client, content)).startswith(b"250")
        assert [each.content for each in up.messages] == [content]


async def test_a_loop_is_seen_however_its_octets_are_cut() -> None:
    content = b"rEcEiVeD : x\r\n" * 2 + FOLDED + b".Received: a line with a dot too many\r\n" + MESSAGE
    async with FakeUpstream() as up, submission_door(up, received_fields=3) as door, door.client() as client:
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")
        for octet in content:
            await client.send(bytes([octet]))
            await asyncio.sleep(0)

        assert await client.ask(b".") == replies.MAIL_LOOP.wire
        assert up.messages == []


async def test_a_large_mail_that_goes_round_is_read_to_its_end_first() -> None:
    content = FIELD * 101 + MESSAGE + b"more words\r\n" * 200_000
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")

        assert await send_mail(client, content) == replies.MAIL_LOOP.wire
        assert (await send_mail(client)).startswith(b"250")
        assert len(up.messages) == 1


async def test_bare_octets_behind_a_loop_still_end_the_session() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")
        await client.send(FIELD * 101 + b"\r\nwords\n.\r\nMAIL FROM:<evil@example.test>\r\n.\r\n")

        assert await client.rest() == replies.CONTENT_BAD_OCTETS.wire
        assert up.messages == []


async def test_over_lmtp_a_loop_is_refused_for_each_recipient() -> None:
    async with answers_door(protocol=Protocol.LMTP) as door, door.client() as client:
        await client.ask(b"LHLO mail.example.test")
        await client.ask(FROM)
        await client.ask(ANSWER)
        await client.ask(b"RCPT TO:<postmaster@check.example.test>")
        await client.ask(b"DATA")
        await client.send(FIELD * 101 + MESSAGE + b".\r\n")

        assert [await client.reply() for _ in range(2)] == [replies.MAIL_LOOP.wire] * 2
        assert door.flow.arrivals == []


async def test_a_loop_is_refused_before_it_could_be_held(tmp_path: Path) -> None:
    async with guarded(tmp_path, limits={"received_fields": 3}) as house:
        member = await house.member("anna")
        looping = await member.send("anna@example.test", [ALL, PRESS], FIELD * 4 + MESSAGE)

        assert (looping.code, looping.text[:5]) == (554, "5.4.6")
        assert house.states() == []
        assert house.own_mail() == []
        assert (await member.send("anna@example.test", [ALL, PRESS], FIELD * 3 + MESSAGE)).code == 250
        assert house.states() == ["held"]
