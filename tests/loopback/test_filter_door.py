"""The filter door over sockets: who may come in, what goes up, whose a mail is, and what the front reads."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from smtpguard import replies
from smtpguard.listener.options import Kind
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.reply import Reply
from smtpguard.upstream import Upstream
from tests.loopback.door import NOT_ALONE, Client, Door, PassingFlow, submission_door
from tests.loopback.fake_upstream import EXTENSIONS, FakeUpstream

FRONT = "mail.example.test"
XFORWARD = "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT"
ANNA = (
    b"Received: from laptop (unknown [192.0.2.7])\r\n\t(Authenticated sender: anna@example.test)\r\n"
    b"\tby mail.example.test (Postfix) with ESMTPSA id 4c; Sun, 22 Nov 2026\r\n"
)
NOBODY = ANNA.replace(b"\t(Authenticated sender: anna@example.test)\r\n", b"")
BODY = b"Subject: x\r\n\r\nwords\r\n"
LIST = b"b@example.test"
GUARD = b"mailcheck+CODE@check.example.test"


@asynccontextmanager
async def filter_door(flow: PassingFlow | None = None, **options: Any) -> AsyncIterator[tuple[FakeUpstream, Door]]:
    """A filter door before a re-entry port that offers XFORWARD; the account is in the Received field of FRONT."""
    options.setdefault("received_by", FRONT)
    options.setdefault("auth_required", True)  # means nothing here
    async with (
        FakeUpstream(ehlo=[*EXTENSIONS, XFORWARD], users={"anna": "secret"}) as up,
        submission_door(up, flow, kind=Kind.FILTER, **options) as door,
    ):
        up.on("XFORWARD", reply=b"250 2.0.0 Ok\r\n")
        yield up, door


async def send(client: Client, content: bytes, *recipients: bytes) -> bytes:
    """One mail after EHLO; the reply to its content."""
    await client.begin(*(recipients or (LIST,)))
    assert (await client.ask(b"DATA")).startswith(b"354")
    return await client.ask(content + b".")


def one(door: Door) -> tuple[str, Arrival, bytes]:
    (arrived,) = door.flow.arrivals
    return arrived


# ---------------------------------------------------------------- who may come in, and what is offered


async def test_T_41_only_the_networks_in_trust_may_connect() -> None:
    elsewhere = (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("::1/128"))
    async with filter_door(trust=elsewhere) as (up, door), door.client(greeted=False) as client:
        assert await client.rest() == replies.STRANGER.wire
        assert up.connections == 0


async def test_the_front_is_not_counted_by_its_address() -> None:
    async with filter_door(connections_per_address=1) as (_, door), door.client(), door.client() as second:
        assert (await second.ask(b"NOOP")).startswith(b"250")


async def test_no_auth_is_offered_or_taken() -> None:
    async with filter_door() as (up, door), door.client() as client:
        offer = await client.ask(b"EHLO front")
        assert b"AUTH" not in offer
        assert b"XCLIENT" not in offer
        assert await client.log_in() == replies.NOT_IMPLEMENTED.wire
        assert not any(each.startswith(b"AUTH") for each in up.commands)


async def test_ehlo_offers_what_the_re_entry_port_offers_xforward_included() -> None:
    async with filter_door() as (_, door), door.client() as client:
        lines = (await client.ask(b"EHLO front")).decode().split("\r\n")
        offered = {each[4:] for each in lines[1:-1]}
        assert {XFORWARD, "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 20971520"} <= offered


async def test_xforward_goes_up_as_typed() -> None:
    async with filter_door() as (up, door), door.client() as client:
        await client.ask(b"EHLO front")
        typed = b"xforward NAME=client.example.test ADDR=192.0.2.7  HELO=a+2Bb"
        assert (await client.ask(typed)).startswith(b"250 2.0.0")
        assert typed in up.commands
        up.on("XFORWARD", reply=b"501 5.5.4 Error: bad parameter\r\n")
        assert await client.ask(b"XFORWARD NONSENSE=1") == b"501 5.5.4 Error: bad parameter\r\n"
        await client.ask(b"MAIL FROM:<a@example.test>")
        assert await client.ask(b"XFORWARD ADDR=192.0.2.8") == replies.NOT_IN_TRANSACTION.wire
        assert b"XFORWARD ADDR=192.0.2.8" not in up.commands


async def test_xforward_is_for_this_door_and_where_the_re_entry_port_offers_it() -> None:
    async with FakeUpstream(ehlo=[*EXTENSIONS, XFORWARD]) as up:
        async with submission_door(up) as door, door.client() as client:
            assert b"XFORWARD" not in await client.ask(b"EHLO me")
            assert await client.ask(b"XFORWARD ADDR=192.0.2.7") == replies.NOT_IMPLEMENTED.wire
            assert await client.ask(b"XCLIENT LOGIN=anna") == replies.NOT_IMPLEMENTED.wire
        up.ehlo = list(EXTENSIONS)
        async with submission_door(up, kind=Kind.FILTER, received_by=FRONT) as door, door.client() as client:
            assert b"XFORWARD" not in await client.ask(b"EHLO front")
            assert await client.ask(b"XFORWARD ADDR=192.0.2.7") == replies.NOT_IMPLEMENTED.wire
        assert not any(each.startswith((b"XFORWARD", b"XCLIENT")) for each in up.commands)


# ---------------------------------------------------------------- whose a mail is


async def test_T_41_the_account_is_in_the_topmost_received_field_of_the_front() -> None:
    async with filter_door() as (up, door), door.client() as client:
        assert (await send(client, ANNA + BODY)).startswith(b"250")
        how, arrival, content = one(door)
        assert ("submit", "anna@example.test", True, True) == (
            how,
            arrival.login,
            arrival.authenticated,
            arrival.behind_front,
        )
        # Byte for byte: the field is taken out again at the re-entry port, not here.
        assert content == up.messages[0].content == ANNA + BODY


@pytest.mark.parametrize(
    "content",
    [
        NOBODY + ANNA + BODY,
        NOBODY + BODY,
        BODY,
        b"",
        b"\r\n" + ANNA + BODY,
        ANNA.replace(b"by mail.example.test", b"by evil.example.test") + BODY,
        b"Received: from x by evil.example.test id 1\r\n" + ANNA + BODY,
        ANNA.replace(b"\tby", b"\t(Authenticated sender: ben)\r\n\tby") + BODY,
        ANNA.replace(b"(Authenticated sender: anna@example.test)", b"(Client (Authenticated sender: anna))") + BODY,
        ANNA.replace(b"sender: ", b"sender:\r\n\t ") + BODY,
    ],
)
async def test_T_41_a_forged_received_field_makes_no_account(content: bytes) -> None:
    async with filter_door() as (up, door), door.client() as client:
        # 90-03: passed on untouched, in the mail server's own words.
        assert (await send(client, content)).startswith(b"250 2.0.0 Ok: queued")
        _, arrival, _ = one(door)
        assert (None, False) == (arrival.login, arrival.authenticated)
        assert up.messages[0].content == content


async def test_a_login_that_the_front_cannot_spell_is_an_account_without_a_name() -> None:
    async with filter_door() as (_, door), door.client() as client:
        await send(client, ANNA.replace(b"anna@", b"m??ller@") + BODY)
        _, arrival, _ = one(door)
        assert (None, True) == (arrival.login, arrival.authenticated)


async def test_each_mail_of_a_session_has_its_own_account() -> None:
    async with filter_door() as (_, door), door.client() as client:
        for content in (ANNA, NOBODY, ANNA.replace(b"anna@", b"ben@")):
            await send(client, content + BODY)
        logins = [arrival.login for _, arrival, _ in door.flow.arrivals]
        assert logins == ["anna@example.test", None, "ben@example.test"]


async def test_a_trusted_network_says_nothing_about_whom_the_front_serves() -> None:
    everybody = (ipaddress.ip_network("127.0.0.0/8"),)
    async with filter_door(trusted_networks=everybody) as (_, door), door.client() as client:
        await send(client, NOBODY + BODY)
        _, arrival, _ = one(door)
        assert not arrival.from_trusted_network


# ---------------------------------------------------------------- XCLIENT


@pytest.mark.parametrize(
    ("typed", "login"),
    [
        (b"XCLIENT LOGIN=anna", "anna"),
        (b"xclient NAME=[UNAVAILABLE] ADDR=192.0.2.7 login=anna@example.test", "anna@example.test"),
        (b"XCLIENT LOGIN=anna+2Bx+3Dy", "anna+x=y"),
        (b"XCLIENT LOGIN=m+C3+BCller", "müller"),
        (b"XCLIENT LOGIN=[unavailable]", None),
        (b"XCLIENT ADDR=IPV6:2001:db8::1 PORT=4711 PROTO=ESMTP HELO=me DESTADDR=192.0.2.1 DESTPORT=587", None),
    ],
)
async def test_xclient_names_the_account_and_stays_here(typed: bytes, login: str | None) -> None:
    async with filter_door(received_by=None) as (up, door), door.client() as client:
        offer = await client.ask(b"EHLO front")
        assert b"XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT" in offer
        # Postfix's XCLIENT_README: a new greeting, and EHLO again.
        assert await client.ask(typed) == b"220 mail.example.test ESMTP\r\n"
        assert await client.ask(b"MAIL FROM:<a@example.test>") == replies.HELLO_FIRST.wire
        # What the content says of itself counts for nothing here.
        await send(client, ANNA.replace(b"anna@", b"ben@") + BODY)
        _, arrival, _ = one(door)
        assert (login, login is not None) == (arrival.login, arrival.authenticated)
        assert not any(b"XCLIENT" in each.upper() for each in up.commands)


@pytest.mark.parametrize(
    "typed",
    [
        b"XCLIENT",
        b"XCLIENT LOGIN",
        b"XCLIENT LOGIN=",
        b"XCLIENT LOGIN=anna LOGIN=ben",
        b"XCLIENT LOGIN=anna  ADDR=192.0.2.7",
        b"XCLIENT LOGIN=an+zzna",
        b"XCLIENT LOGIN=anna+",
        b"XCLIENT LOGIN=a=b",
        b"XCLIENT LOGIN=[TEMPUNAVAIL]",
        b"XCLIENT LOGIN=anna+00",
        b"XCLIENT LOGIN=anna+0D+0A",
        b"XCLIENT LOGIN=+20",
        b"XCLIENT LOGIN=+C3+28",
        b"XCLIENT LOGIN=m\xc3\xbcller",
        b"XCLIENT COLOUR=red",
        b"XCLIENT LOGIN=anna\tADDR=192.0.2.7",
    ],
)
async def test_xclient_out_of_order_is_refused_and_changes_nothing(typed: bytes) -> None:
    async with filter_door(received_by=None) as (_, door), door.client() as client:
        await client.ask(b"EHLO front")
        assert (await client.ask(b"XCLIENT LOGIN=clara")).startswith(b"220")
        await client.ask(b"EHLO front")
        assert await client.ask(typed) == replies.BAD_ARGUMENT.wire
        await send(client, BODY)
        _, arrival, _ = one(door)
        assert arrival.login == "clara"


async def test_xclient_takes_a_login_back_and_leaves_it_where_it_is_not_named() -> None:
    async with filter_door(received_by=None) as (_, door), door.client() as client:
        for typed in (b"LOGIN=anna", b"ADDR=192.0.2.9", b"LOGIN=[UNAVAILABLE]"):
            await client.ask(b"EHLO front")
            assert (await client.ask(b"XCLIENT " + typed)).startswith(b"220")
            await send(client, BODY)
        assert [arrival.login for _, arrival, _ in door.flow.arrivals] == ["anna", "anna", None]


async def test_xclient_is_refused_in_a_transaction_before_ehlo_and_where_the_account_is_in_received() -> None:
    async with filter_door(received_by=None) as (_, door), door.client() as client:
        assert await client.ask(b"XCLIENT LOGIN=anna") == replies.HELLO_FIRST.wire
        await client.begin(LIST)
        assert await client.ask(b"XCLIENT LOGIN=anna") == replies.NOT_IN_TRANSACTION.wire
    async with filter_door() as (_, door), door.client() as client:
        await client.ask(b"EHLO front")
        assert await client.ask(b"XCLIENT LOGIN=anna") == replies.NOT_IMPLEMENTED.wire


# ---------------------------------------------------------------- what the front reads and logs


async def test_T_42_every_mail_of_a_member_that_was_taken_gets_the_same_reply() -> None:
    said = [Reply.of(250, "2.0.0 NOT SENT YET: id 4711"), Reply.of(250, "2.0.0 Ok: queued as 4XyZ")]

    async def decide(arrival: Arrival, upstream: Upstream) -> Reply:
        return said[len(door.flow.arrivals) - 1]

    async with filter_door(PassingFlow(hook=decide)) as (_, door), door.client() as client:
        for _ in said:
            assert await send(client, ANNA + BODY) == b"250 2.0.0 Ok\r\n"


async def test_what_is_refused_or_put_off_keeps_its_words() -> None:
    refusal = Reply.of(451, "4.3.0 later")

    async def decide(arrival: Arrival, upstream: Upstream) -> Reply:
        return refusal

    async with filter_door(PassingFlow(hook=decide)) as (_, door), door.client() as client:
        assert await send(client, ANNA + BODY) == refusal.wire


async def test_the_mail_server_s_own_refusal_of_a_recipient_is_passed_on() -> None:
    async with filter_door() as (up, door), door.client() as client:
        up.on("RCPT", reply=b"550 5.1.1 unknown\r\n", match=b"nobody@")
        await client.begin(LIST)
        assert await client.ask(b"RCPT TO:<nobody@example.test>") == b"550 5.1.1 unknown\r\n"


# ---------------------------------------------------------------- answers to the guard


async def test_an_answer_of_a_member_goes_to_the_flow_and_never_up() -> None:
    async with filter_door() as (up, door), door.client() as client:
        assert await send(client, ANNA + b"\r\nSEND\r\n", GUARD) == b"250 2.0.0 Ok\r\n"
        how, arrival, _ = one(door)
        assert ("answer", "anna@example.test") == (how, arrival.login)
        assert not any(b"CODE" in each for each in up.commands)
        assert up.arrived == []
        # The next mail of the session can go.
        await send(client, ANNA + BODY)
        assert len(up.messages) == 1


async def test_an_answer_without_a_login_is_the_mail_server_s_business() -> None:
    async with filter_door() as (up, door), door.client() as client:
        said = await send(client, NOBODY + ANNA + b"\r\nSEND\r\n", GUARD)
        assert said.startswith(b"250 2.0.0 Ok: queued")
        assert up.messages[0].rcpts == (b"TO:<" + GUARD + b">",)
        assert up.messages[0].content == NOBODY + ANNA + b"\r\nSEND\r\n"
        assert [how for how, _, _ in door.flow.arrivals] == ["submit"]


@pytest.mark.parametrize("reply", [b"550 5.1.1 not here\r\n", b"450 4.2.0 later\r\n", b"421 4.3.2 going\r\n"])
async def test_an_answer_without_a_login_that_the_mail_server_refuses_comes_back(reply: bytes) -> None:
    async with filter_door() as (up, door), door.client() as client:
        up.on("RCPT", reply=reply, match=b"mailcheck")
        assert await send(client, NOBODY + b"\r\nSEND\r\n", GUARD) == reply
        assert door.flow.arrivals == []
        assert up.arrived == []


async def test_an_answer_without_a_login_is_put_off_when_the_mail_server_dies() -> None:
    async with filter_door() as (up, door), door.client() as client:
        up.on("RCPT", match=b"mailcheck", then="close")
        assert await send(client, NOBODY + b"\r\nSEND\r\n", GUARD) == replies.UPSTREAM_LOST.wire
        assert (await client.ask(b"NOOP")).startswith(b"421")


async def test_the_guard_stands_alone_here_too() -> None:
    async with filter_door() as (up, door), door.client() as client:
        await client.begin(LIST)
        assert await client.ask(b"RCPT TO:<" + GUARD + b">") == NOT_ALONE.wire
        assert await client.ask(b"DATA") == NOT_ALONE.wire
        assert up.arrived == []
        assert door.flow.arrivals == []
