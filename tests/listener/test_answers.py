"""The door for the mail server: answers and letters of the guard domain, from trusted networks, over SMTP and LMTP."""

from __future__ import annotations

import ipaddress

import pytest

from smtpguard import replies
from smtpguard.listener.options import LOOPBACK, Protocol, Tls, is_within
from smtpguard.mail.reply import Reply
from tests.loopback.certificates import Authority, authority
from tests.loopback.door import ANSWER_TAKEN, LETTER_TAKEN, PassingFlow, answers_door

__all__ = ["authority"]

ANSWER = b"RCPT TO:<mailcheck+CODE@check.example.test>"
LETTER = b"RCPT TO:<postmaster@check.example.test>"
UNKNOWN = b"RCPT TO:<anna@check.example.test>"


async def test_an_answer_is_handed_to_the_flow() -> None:
    async with answers_door() as door, door.client() as client:
        offers = (await client.ask(b"EHLO mail.example.test")).decode()
        assert "PIPELINING" in offers
        assert "DSN" not in offers
        assert "AUTH" not in offers
        await client.send(b"MAIL FROM:<anna@example.test> SIZE=414 BODY=8BITMIME\r\n" + ANSWER + b"\r\nDATA\r\n")
        said = [await client.reply() for _ in range(3)]
        assert said == [replies.SENDER_OK.wire, replies.RECIPIENT_OK.wire, replies.GO_AHEAD.wire]
        assert await client.ask(b"\r\nSEND\r\n.") == ANSWER_TAKEN.wire

        ((how, arrival, content),) = door.flow.arrivals
        assert (how, content, arrival.login, arrival.authenticated) == ("handed on", b"\r\nSEND\r\n", None, False)
        assert arrival.envelope.reverse_path.typed == "<anna@example.test>"


async def test_letters_are_taken_from_anybody_also_from_the_null_sender() -> None:
    async with answers_door() as door, door.client() as client:
        await client.ask(b"EHLO mail.example.test")
        await client.ask(b"MAIL FROM:<>")
        assert await client.ask(LETTER) == replies.RECIPIENT_OK.wire
        await client.ask(b"DATA")
        assert await client.ask(b"\r\nwords\r\n.") == LETTER_TAKEN.wire
        assert door.flow.arrivals[0][0] == "letter"


@pytest.mark.parametrize("recipient", [UNKNOWN, b"RCPT TO:<mailcheck@example.test>", b"RCPT TO:<b@example.test>"])
async def test_nobody_else_has_an_address_here(recipient: bytes) -> None:
    async with answers_door() as door, door.client() as client:
        await client.ask(b"EHLO mail.example.test")
        await client.ask(b"MAIL FROM:<a@example.test>")
        assert await client.ask(recipient) == replies.NO_SUCH_ADDRESS.wire
        assert await client.ask(b"DATA") == replies.NO_RECIPIENTS.wire
        assert door.flow.arrivals == []


async def test_over_smtp_answers_and_letters_come_separately() -> None:
    async with answers_door() as door, door.client() as client:
        await client.ask(b"EHLO mail.example.test")
        await client.ask(b"MAIL FROM:<a@example.test>")
        await client.ask(ANSWER)
        assert await client.ask(LETTER) == replies.OTHER_SORT_LATER.wire
        await client.ask(b"DATA")
        assert await client.ask(b"\r\nSEND\r\n.") == ANSWER_TAKEN.wire
        assert [how for how, _, _ in door.flow.arrivals] == ["handed on"]


async def test_over_lmtp_each_recipient_gets_its_own_reply() -> None:
    later = Reply.of(451, "4.3.0 Not now")
    async with answers_door(PassingFlow(letter_reply=later), protocol=Protocol.LMTP) as door, door.client() as client:
        assert (await client.ask(b"EHLO mail.example.test")).startswith(b"500")
        assert (await client.ask(b"LHLO mail.example.test")).startswith(b"250")
        await client.ask(b"MAIL FROM:<a@example.test>")
        for line in (LETTER, UNKNOWN, ANSWER, LETTER):
            await client.ask(line)
        await client.ask(b"DATA")
        await client.send(b"\r\nSEND\r\n.\r\n")

        assert [await client.reply() for _ in range(3)] == [later.wire, ANSWER_TAKEN.wire, later.wire]
        assert [how for how, _, _ in door.flow.arrivals] == ["letter", "handed on"]
        assert await client.ask(b"NOOP") == replies.OK.wire


async def test_over_lmtp_refused_content_is_refused_for_each_recipient() -> None:
    async with answers_door(protocol=Protocol.LMTP, message_size=100) as door, door.client() as client:
        await client.ask(b"LHLO mail.example.test")
        await client.ask(b"MAIL FROM:<a@example.test>")
        await client.ask(LETTER)
        await client.ask(ANSWER)
        await client.ask(b"DATA")
        await client.send(b"x" * 200 + b"\r\n.\r\n")

        assert [await client.reply() for _ in range(2)] == [replies.CONTENT_TOO_LARGE.wire] * 2
        assert door.flow.arrivals == []


async def test_only_trusted_networks_are_let_in() -> None:
    elsewhere = (ipaddress.ip_network("192.0.2.0/24"),)
    async with answers_door(trust=elsewhere) as door, door.client(greeted=False) as client:
        assert await client.rest() == replies.STRANGER.wire


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_recognised_in_every_spelling(host: str) -> None:
    assert is_within(host, LOOPBACK)


@pytest.mark.parametrize("host", ["192.0.2.1", "fe80::1%eth0", "::ffff:192.0.2.1", "", "a unix socket"])
def test_nothing_else_is_loopback(host: str) -> None:
    assert not is_within(host, LOOPBACK)


async def test_bounds_and_order_hold_here_too() -> None:
    async with answers_door(message_size=100) as door, door.client() as client:
        assert await client.ask(b"MAIL FROM:<a@example.test>") == replies.HELLO_FIRST.wire
        assert await client.ask(b"EHLO") == replies.BAD_ARGUMENT.wire
        assert (await client.ask(b"HELO mail.example.test")).startswith(b"250")
        assert await client.ask(ANSWER) == replies.MAIL_FIRST.wire
        assert await client.ask(b"DATA") == replies.MAIL_FIRST.wire
        assert await client.ask(b"AUTH PLAIN x") == replies.NOT_IMPLEMENTED.wire
        assert await client.ask(b"MAIL FROM:<a@example.test> SIZE=101") == replies.CONTENT_TOO_LARGE.wire
        assert await client.ask(b"MAIL FROM:<a@example.test> RET=HDRS") == replies.UNKNOWN_PARAMETER.wire
        assert await client.ask(b"MAIL FROM:<a@example.test>") == replies.SENDER_OK.wire
        assert await client.ask(b"MAIL FROM:<a@example.test>") == replies.NESTED_MAIL.wire
        assert await client.ask(ANSWER + b" NOTIFY=NEVER") == replies.UNKNOWN_PARAMETER.wire
        assert await client.ask(b"RSET") == replies.OK.wire
        assert await client.ask(ANSWER) == replies.MAIL_FIRST.wire


async def test_the_mail_server_may_use_starttls(authority: Authority) -> None:
    async with answers_door(tls=Tls.STARTTLS, context=authority.server_context()) as door, door.client() as client:
        assert b"STARTTLS" in await client.ask(b"EHLO mail.example.test")
        await client.ask(b"STARTTLS")
        await client.start_tls(authority.client_context())
        assert await client.ask(b"MAIL FROM:<a@example.test>") == replies.HELLO_FIRST.wire
        assert b"STARTTLS" not in await client.ask(b"EHLO mail.example.test")


async def test_smuggling_ends_the_session_here_too() -> None:
    async with answers_door() as door, door.client() as client:
        await client.ask(b"EHLO mail.example.test")
        await client.ask(b"MAIL FROM:<a@example.test>")
        await client.ask(ANSWER)
        await client.ask(b"DATA")
        await client.send(b"\r\nSEND\n.\nMAIL FROM:<evil@example.test>\r\n.\r\n")

        assert await client.rest() == replies.CONTENT_BAD_OCTETS.wire
        assert door.flow.arrivals == []
