"""One mail over an open connection: all of it or nothing."""

from __future__ import annotations

import pytest

from smtpguard.upstream import Transmission, UpstreamError
from smtpguard.upstream.transaction import deliver, transmit
from tests.loopback.fake_upstream import FakeUpstream
from tests.upstream.sessions import session

LETTER = b"Subject: x\r\n\r\n..hello\r\n"


def mail(*rcpts: str, required: frozenset[int] = frozenset()) -> Transmission:
    return Transmission(
        "FROM:<anna@example.test> RET=HDRS ENVID=Ab+2B",
        rcpts or ("TO:<board@lists.example.test>", "TO:<berta@example.test> NOTIFY=NEVER"),
        lambda: [LETTER],
        required,
    )


async def test_a_mail_arrives_with_its_arguments_as_given() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        outcome = await transmit(connection, mail())

        assert outcome.sent
        assert outcome.final.wire == b"250 2.0.0 Ok: queued as FAKE1\r\n"
        assert [reply.code for reply in outcome.rcpts] == [250, 250]
        assert up.messages[0].mail == b"FROM:<anna@example.test> RET=HDRS ENVID=Ab+2B"
        assert up.messages[0].rcpts == (b"TO:<board@lists.example.test>", b"TO:<berta@example.test> NOTIFY=NEVER")
        assert up.messages[0].content == LETTER


async def test_two_mails_go_over_one_connection() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        assert (await transmit(connection, mail())).sent
        assert (await transmit(connection, mail())).sent

        assert len(up.messages) == 2
        assert up.connections == 1


async def test_octets_that_are_no_utf8_go_up_as_they_were_typed() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        await transmit(connection, mail("TO:<\udcfcx@example.test>", "TO:<ü@example.test>"))

        assert up.messages[0].rcpts == (b"TO:<\xfcx@example.test>", b"TO:<\xc3\xbc@example.test>")


async def test_a_refused_sender_ends_it() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.on("MAIL", reply=b"550 5.7.1 not you\r\n")

        outcome = await transmit(connection, mail())

        assert (outcome.sent, outcome.mail.code, outcome.rcpts, outcome.final.code) == (False, 550, (), 550)
        up.behave()
        assert (await transmit(connection, mail())).sent


async def test_a_refused_recipient_who_is_not_required_is_left_out() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.on("RCPT", reply=b"550 5.1.1 unknown\r\n", match=rb"berta@")

        outcome = await transmit(connection, mail(required=frozenset({0})))

        assert outcome.sent
        assert [reply.code for reply in outcome.rcpts] == [250, 550]
        assert up.messages[0].rcpts == (b"TO:<board@lists.example.test>",)


@pytest.mark.parametrize("reply", [b"550 5.1.1 unknown\r\n", b"450 4.2.0 later\r\n"])
async def test_a_required_recipient_refused_means_nothing_is_sent(reply: bytes) -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.on("RCPT", reply=reply, match=rb"board@")

        outcome = await transmit(connection, mail(required=frozenset({0})))

        assert not outcome.sent
        assert outcome.final.wire == reply
        assert up.sessions[0].verbs()[1:] == [b"MAIL", b"RCPT", b"RSET"]
        assert connection.alive


async def test_a_deferred_recipient_means_nothing_is_sent_even_if_not_required() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.on("RCPT", reply=b"451 4.7.1 greylisted\r\n", match=rb"berta@")

        outcome = await transmit(connection, mail())

        assert not outcome.sent
        assert [reply.code for reply in outcome.rcpts] == [250, 451]
        assert outcome.final.code == 451
        assert up.sessions[0].verbs()[-1] == b"RSET"
        assert up.arrived == []


async def test_no_recipient_accepted_means_nothing_is_sent() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.on("RCPT", reply=b"550 5.1.1 unknown\r\n")

        outcome = await transmit(connection, mail())

        assert not outcome.sent
        assert [reply.code for reply in outcome.rcpts] == [550, 550]
        assert b"DATA" not in up.sessions[0].verbs()
        up.behave()
        assert (await transmit(connection, mail())).sent


async def test_a_421_at_a_recipient_is_the_final_reply() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.on("RCPT", reply=b"421 4.3.2 closing\r\n")

        outcome = await transmit(connection, mail())

        assert not outcome.sent
        assert outcome.final.code == 421
        assert not connection.alive


async def test_a_refused_data_is_followed_by_rset_so_that_the_next_mail_is_not_nested() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.on("DATA", reply=b"451 4.3.0 no room\r\n", times=1)

        outcome = await transmit(connection, mail())

        assert not outcome.sent
        assert outcome.final.code == 451
        assert up.sessions[0].verbs()[-2:] == [b"DATA", b"RSET"]
        assert (await transmit(connection, mail())).sent


async def test_no_rset_follows_a_421_to_data() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.on("DATA", reply=b"421 4.3.0 closing\r\n")

        assert (await deliver_one(connection)).code == 421

        await up.wait_for_close()
        assert up.sessions[0].verbs()[-1] == b"DATA"


async def deliver_one(connection):  # type: ignore[no-untyped-def]
    await connection.command(b"MAIL FROM:<>")
    await connection.command(b"RCPT TO:<a@b.test>")
    return await deliver(connection, [LETTER])


@pytest.mark.parametrize(("stage", "reply"), [("MAIL", b"354 go\r\n"), ("RCPT", b"334 \r\n"), ("DATA", b"250 ok\r\n")])
async def test_a_reply_out_of_order_is_an_error_and_never_a_success(stage: str, reply: bytes) -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.on(stage, reply=reply)

        with pytest.raises(UpstreamError, match="out of order"):
            await transmit(connection, mail())

        assert not connection.alive
        await up.wait_for_close()
        assert up.arrived == []


async def test_a_refused_content_is_the_final_reply() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        up.on("END", reply=b"554 5.7.1 spam\r\n")

        outcome = await transmit(connection, mail())

        assert not outcome.sent
        assert outcome.final.wire == b"554 5.7.1 spam\r\n"
        assert [reply.code for reply in outcome.rcpts] == [250, 250]


async def test_before_end_is_not_asked_when_a_recipient_was_refused() -> None:
    async def never() -> bool:
        raise AssertionError("asked")

    async with FakeUpstream() as up, session(up) as connection:
        up.on("RCPT", reply=b"550 5.1.1 unknown\r\n")

        assert not (await transmit(connection, mail(), never)).sent


async def test_a_mail_without_recipients_is_a_mistake_of_the_caller() -> None:
    async with FakeUpstream() as up, session(up) as connection:
        with pytest.raises(ValueError, match="recipient"):
            await transmit(connection, Transmission("FROM:<>", (), lambda: [LETTER]))

        assert up.sessions[0].verbs() == [b"EHLO"]
