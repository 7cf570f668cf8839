"""What passes through a submission door: commands up as typed, replies down unchanged, in order and in few segments."""

from __future__ import annotations

import asyncio
import smtplib
from email.message import EmailMessage

import pytest

from smtpguard import replies
from smtpguard.mail.reply import Reply
from tests.loopback.door import submission_door
from tests.loopback.fake_upstream import FakeUpstream

MESSAGE = b"Subject: hello\r\n\r\nwords\r\n"


async def test_the_greeting_is_the_mail_servers_own() -> None:
    greeting = b"220-mail.example.test ESMTP\r\n220 no spam, please\r\n"
    async with (
        FakeUpstream(greeting=greeting) as up,
        submission_door(up) as door,
        door.client(greeted=False) as client,
    ):
        assert await client.reply() == greeting


async def test_ehlo_goes_up_under_the_clients_name_and_down_comes_what_the_guard_carries() -> None:
    offers = ["VRFY", "ETRN", "SIZE 1000", "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "BINARYMIME",
              "ENHANCEDSTATUSCODES", "XCLIENT NAME ADDR", "AUTH=PLAIN GSSAPI", "X-ODD one two"]  # fmt: skip
    async with (
        FakeUpstream(ehlo=offers, users={"anna": "secret"}, mechanisms="GSSAPI LOGIN CRAM-MD5 PLAIN") as up,
        submission_door(up) as door,
        door.client() as client,
    ):
        answer = await client.ask(b"EHLO [127.0.0.1]")

        lines = answer.decode().splitlines()
        assert lines[0] == "250-mail.example.test"
        assert {line[4:] for line in lines[1:]} == {
            "PIPELINING", "SIZE 1000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES",
            "AUTH LOGIN CRAM-MD5 PLAIN",
        }  # fmt: skip
        assert up.commands[0] == b"EHLO [127.0.0.1]"


@pytest.mark.parametrize(
    ("theirs", "ours", "offered"),
    [("SIZE 500", 1000, "SIZE 500"), ("SIZE 5000", 1000, "SIZE 1000"), ("SIZE 0", 1000, "SIZE 1000"),
     ("SIZE", 1000, "SIZE 1000"), ("8BITMIME", 1000, None)],
)  # fmt: skip
async def test_size_is_the_smaller_of_both(theirs: str, ours: int, offered: str | None) -> None:
    async with (
        FakeUpstream(ehlo=[theirs]) as up,
        submission_door(up, message_size=ours) as door,
        door.client() as client,
    ):
        lines = (await client.ask(b"EHLO me")).decode().splitlines()

    assert [line[4:] for line in lines if "SIZE" in line] == ([offered] if offered else [])


async def test_a_mail_server_that_knows_only_helo_says_so_itself() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        up.on("EHLO", reply=b"502 5.5.1 What is EHLO?\r\n")

        assert await client.ask(b"EHLO me") == b"502 5.5.1 What is EHLO?\r\n"
        assert await client.ask(b"HELO me") == b"250 mail.example.test\r\n"
        assert await client.ask(b"MAIL FROM:<anna@example.test>") == b"250 2.1.0 Ok\r\n"


async def test_ehlo_in_mid_session_gives_up_the_transaction() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.begin(b"b@example.test")

        assert (await client.ask(b"EHLO me")).startswith(b"250")
        assert await client.ask(b"DATA") == replies.MAIL_FIRST.wire
        assert await client.ask(b"MAIL FROM:<anna@example.test>") == b"250 2.1.0 Ok\r\n"


async def test_a_pipelined_dialogue_is_answered_in_order_and_in_one_segment() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        up.on("RCPT", reply=b"550-5.1.1 Nobody of\r\n550 5.1.1 that name\r\n", match=b"nobody@")
        assert (await client.ask(b"EHLO me")).startswith(b"250")

        await client.send(
            b"NOOP\r\nMAIL FROM:<anna@example.test>\r\nRCPT TO:<one@example.test>\r\nRCPT TO:<nobody@example.test>\r\n"
            b"VRFY anna\r\nRCPT TO:<two@example.test>\r\nDATA\r\n"
        )
        await up.wait_for_command(b"RCPT TO:<TWO@")
        async with asyncio.timeout(60):
            segment = await client.reader.read(65536)

        assert segment == (
            b"250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550-5.1.1 Nobody of\r\n550 5.1.1 that name\r\n"
            + replies.CANNOT_VERIFY.wire
            + b"250 2.1.5 Ok\r\n"
            + replies.GO_AHEAD.wire
        )
        assert await client.ask(MESSAGE + b".") == b"250 2.0.0 Ok: queued as FAKE1\r\n"
        assert up.messages[0].rcpts == (b"TO:<one@example.test>", b"TO:<two@example.test>")
        assert up.messages[0].content == MESSAGE


@pytest.mark.parametrize(
    ("mail", "rcpt"),
    [
        (b'mail FROM:<"anna b"@example.test> RET=HDRS ENVID=Qq+2Bx',
         b"rcpt TO:<x@example.test> NOTIFY=SUCCESS,Failure ORCPT=rfc822;X+2By@Example.test"),
        (b"MAIL From:<> SIZE=12 BODY=8BITMIME", b'RCPT to:<"odd> one"@example.test>'),
        (b"MAIL FROM:<j\xc3\xbcrgen@ex\xc3\xa4mple.test> SMTPUTF8", b"RCPT TO:<\xc3\xb8@ex\xc3\xa4mple.test>"),
        (b"MAIL FROM:<\xe9@example.test>", b"RCPT TO:<c(comment)@EXAMPLE.test>"),
        (b"MAIL FROM: <anna@example.test>  AUTH=<>", b"RCPT TO:<@route.example.test:anna@example.test>"),
        (b"Mail from:anna@example.test", b"Rcpt to:<x+y=z@[192.0.2.1]> "),
    ],
)  # fmt: skip
async def test_addresses_and_parameters_go_up_as_typed(mail: bytes, rcpt: bytes) -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        for line in (b"EHLO me", mail, rcpt):
            assert (await client.ask(line)).startswith(b"250")
        assert (await client.ask(b"DATA")).startswith(b"354")
        assert (await client.ask(MESSAGE + b".")).startswith(b"250")

        assert up.commands[1:3] == [mail, rcpt]
        envelope = door.flow.arrivals[0][1].envelope
        assert envelope.recipients[0].typed.encode("utf-8", "surrogateescape") in rcpt


@pytest.mark.parametrize("verb", [b"MAIL", b"RCPT", b"RSET", b"END"])
async def test_replies_come_down_unchanged_with_all_their_lines(verb: bytes) -> None:
    wire = b"451-4.7.1 Greylisted, \xe4\r\n451-  see  https://example.test/ \r\n451 4.7.1 come again\r\n"
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        up.on(verb.decode(), reply=wire)
        assert (await client.ask(b"EHLO me")).startswith(b"250")

        seen = [
            await client.ask(line)
            for line in (b"MAIL FROM:<a@example.test>", b"RCPT TO:<b@example.test>", b"DATA", MESSAGE + b".")
            if verb not in (b"RSET",)
        ]
        if verb == b"RSET":
            await client.ask(b"MAIL FROM:<a@example.test>")
            seen = [await client.ask(b"RSET")]

        assert wire in seen


async def test_rset_goes_up_only_when_a_transaction_is_open_there() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")
        for _ in range(3):
            assert await client.ask(b"RSET") == replies.OK.wire
        await client.ask(b"MAIL FROM:<a@example.test>")
        assert await client.ask(b"rset") == b"250 2.0.0 Ok\r\n"
        assert await client.ask(b"RSET") == replies.OK.wire

        assert up.sessions[0].verbs() == [b"EHLO", b"MAIL", b"RSET"]


async def test_rset_goes_up_after_a_refused_mail_whose_size_the_server_may_remember() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        up.on("MAIL", reply=b"552 5.3.4 Message size exceeds fixed limit\r\n")
        await client.ask(b"EHLO me")
        assert (await client.ask(b"MAIL FROM:<a@example.test> SIZE=9999999")).startswith(b"552 ")
        assert await client.ask(b"RSET") == b"250 2.0.0 Ok\r\n"
        assert await client.ask(b"RSET") == replies.OK.wire

        assert up.sessions[0].verbs() == [b"EHLO", b"MAIL", b"RSET"]


async def test_commands_that_need_no_mail_server_do_not_go_up() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        assert (await client.ask(b"NOOP x")).startswith(b"250 2.0.0")
        assert (await client.ask(b"HELP")).startswith(b"214")
        assert (await client.ask(b"VRFY anna")).startswith(b"252")
        assert (await client.ask(b"EXPN list")).startswith(b"502")
        assert (await client.ask(b"XCLIENT LOGIN=x")).startswith(b"502")
        assert (await client.ask(b"STARTTLS")).startswith(b"502")
        assert (await client.ask(b"WHAT")).startswith(b"500")
        assert (await client.ask(b"")).startswith(b"500")
        assert (await client.ask(b"QUIT")).startswith(b"221")
        assert await client.rest() == b""
        await up.wait_for_close()

        assert up.commands == [b"QUIT"]


async def test_a_client_that_knows_no_command_is_let_go() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.send(b"WHAT\r\n" * 1000)

        answer = await client.rest()

    assert answer.endswith(replies.TOO_MANY_ERRORS.wire)
    assert answer.count(b"\r\n") < 30


@pytest.mark.parametrize("line", [b"BDAT 20 LAST", b"POST / HTTP/1.1"])
async def test_whoever_sends_content_where_commands_stand_is_let_go(line: bytes) -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.begin(b"b@example.test")
        await client.send(line + b"\r\nRCPT TO:<evil@example.test>\r\n")

        assert (await client.rest()).count(b"\r\n") == 1
        await up.wait_for_close()
        assert not any(b"evil" in each for each in up.commands)


async def test_commands_out_of_order_get_503() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        assert await client.ask(b"MAIL FROM:<a@example.test>") == replies.HELLO_FIRST.wire
        assert await client.ask(b"RCPT TO:<a@example.test>") == replies.HELLO_FIRST.wire
        assert await client.ask(b"DATA") == replies.HELLO_FIRST.wire
        await client.ask(b"EHLO me")
        assert await client.ask(b"RCPT TO:<a@example.test>") == replies.MAIL_FIRST.wire
        assert await client.ask(b"DATA") == replies.MAIL_FIRST.wire
        assert await client.ask(b"MAIL nonsense") == replies.BAD_ARGUMENT.wire
        await client.ask(b"MAIL FROM:<a@example.test>")
        assert await client.ask(b"MAIL FROM:<a@example.test>") == replies.NESTED_MAIL.wire
        assert await client.ask(b"RCPT FROM:<a@example.test>") == replies.BAD_ARGUMENT.wire
        assert await client.ask(b"DATA now") == replies.BAD_ARGUMENT.wire

        assert up.sessions[0].verbs() == [b"EHLO", b"MAIL"]


async def test_data_without_an_accepted_recipient_gets_no_354() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        up.on("RCPT", reply=b"550 5.1.1 no\r\n")
        await client.ask(b"EHLO me")
        await client.ask(b"MAIL FROM:<a@example.test>")
        assert await client.ask(b"RCPT TO:<b@example.test>") == b"550 5.1.1 no\r\n"

        assert await client.ask(b"DATA") == replies.NO_RECIPIENTS.wire
        up.behave()
        assert (await client.ask(b"RCPT TO:<c@example.test>")).startswith(b"250")
        assert (await client.ask(b"DATA")).startswith(b"354")


async def test_only_accepted_recipients_are_the_envelope() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        up.on("RCPT", reply=b"450 4.1.1 not now\r\n", match=b"later@")
        await client.begin(b"b@example.test")
        await client.ask(b"RCPT TO:<later@example.test>")
        await client.ask(b"DATA")
        await client.ask(MESSAGE + b".")

    envelope = door.flow.arrivals[0][1].envelope
    assert [each.typed for each in envelope.recipients] == ["<b@example.test>"]


@pytest.mark.parametrize("early", [b"Subject: a\r\n\r\nb\r\n.\r\n", b"x", b"RSET\r\n"])
@pytest.mark.parametrize("recipients", [0, 1])
async def test_octets_behind_data_are_not_read_as_commands(early: bytes, recipients: int) -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.begin(*[b"b@example.test"] * recipients)
        await client.send(b"DATA\r\n" + early)

        assert await client.rest() == replies.TOO_EARLY.wire
        await up.wait_for_close()
        assert b"DATA" not in up.sessions[0].verbs()


async def test_a_declared_size_above_our_own_bound_is_refused_at_mail() -> None:
    async with FakeUpstream() as up, submission_door(up, message_size=1000) as door, door.client() as client:
        await client.ask(b"EHLO me")

        assert await client.ask(b"MAIL FROM:<a@example.test> size=1001") == replies.CONTENT_TOO_LARGE.wire
        assert (await client.ask(b"MAIL FROM:<a@example.test> SIZE=1000")).startswith(b"250")
        assert up.sessions[0].verbs() == [b"EHLO", b"MAIL"]


@pytest.mark.parametrize("octets", [1001, 5000, 400_000])
async def test_content_above_the_bound_is_swallowed_and_refused_and_the_session_goes_on(octets: int) -> None:
    async with FakeUpstream() as up, submission_door(up, message_size=1000) as door, door.client() as client:
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")
        assert await client.ask(b"x" * (octets - 2) + b"\r\n.") == replies.CONTENT_TOO_LARGE.wire

        await client.begin(b"b@example.test")
        assert (await client.ask(b"DATA")).startswith(b"354")
        assert (await client.ask(b"x" * 998 + b"\r\n.")).startswith(b"250")
        assert [len(each.content) for each in up.messages] == [1000]


async def test_a_full_disk_is_452_and_the_session_goes_on(tmp_path) -> None:  # type: ignore[no-untyped-def]
    nowhere = tmp_path / "gone"
    async with FakeUpstream() as up, submission_door(up, spool=nowhere) as door, door.client() as client:
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")
        assert await client.ask(b"x" * 300_000 + b"\r\n.") == replies.STORAGE_FULL.wire

        await client.begin(b"b@example.test")
        await client.ask(b"DATA")
        assert (await client.ask(MESSAGE + b".")).startswith(b"250")
        assert len(up.arrived) == 1


async def test_a_refused_data_leaves_no_transaction_open_upstream() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        up.on("DATA", reply=b"451 4.3.0 not now\r\n", times=1)
        for expected in (b"451 4.3.0 not now\r\n", b"250 2.0.0 Ok: queued as FAKE1\r\n"):
            await client.ask(b"EHLO me") if expected[:1] == b"4" else None
            assert (await client.ask(b"MAIL FROM:<a@example.test>")).startswith(b"250")
            await client.ask(b"RCPT TO:<b@example.test>")
            await client.ask(b"DATA")
            assert await client.ask(MESSAGE + b".") == expected


async def test_a_flow_that_fails_is_451_and_the_upstreams_transaction_is_given_up() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:

        async def broken(*_: object) -> Reply:
            raise RuntimeError("words of the mail")

        door.flow.hook = broken
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")

        assert await client.ask(MESSAGE + b".") == replies.INTERNAL.wire
        assert (await client.ask(b"MAIL FROM:<a@example.test>")).startswith(b"250")
        assert up.messages == []


async def test_many_messages_in_one_session() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")
        for number in range(20):
            await client.ask(b"MAIL FROM:<a@example.test>")
            await client.ask(b"RCPT TO:<b@example.test>")
            await client.ask(b"DATA")
            assert (await client.ask(b"number %d\r\n." % number)).startswith(b"250")

        assert [each.content for each in up.messages] == [b"number %d\r\n" % n for n in range(20)]
        assert up.connections == 1


async def test_smtplib_sends_through() -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "anna@example.test", "b@example.test", "hello"
    message.set_content("Grüße\n.\n..\nend")
    async with (
        FakeUpstream(users={"anna": "secret"}, require_login=True) as up,
        submission_door(up, auth_required=True) as door,
    ):

        def send() -> None:
            with smtplib.SMTP("127.0.0.1", door.port) as client:
                client.login("anna", "secret")
                client.send_message(message)

        await asyncio.to_thread(send)

        assert up.messages[0].login == "anna"
        assert len([each for each in up.commands if each.startswith(b"AUTH")]) == 1


async def test_the_client_that_sends_no_more_still_gets_its_answers() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.send(b"EHLO me\r\nNOOP\r\n")
        client.writer.write_eof()

        assert (await client.rest()).endswith(b"250 2.0.0 Ok\r\n")
        await up.wait_for_close()


async def test_a_client_that_says_nothing_is_let_go() -> None:
    async with FakeUpstream() as up, submission_door(up, idle=0.05) as door, door.client() as client:
        assert await client.rest() == replies.IDLE.wire
        await up.wait_for_close()


async def test_a_command_that_never_ends_does_not_prolong_the_wait() -> None:
    async with FakeUpstream() as up, submission_door(up, idle=0.3) as door, door.client() as client:

        async def trickle() -> None:
            while True:
                client.writer.write(b"x")
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        try:
            assert await client.rest() == replies.IDLE.wire
        finally:
            trickling.cancel()


async def test_content_that_stops_is_not_sent() -> None:
    async with FakeUpstream() as up, submission_door(up, data_idle=0.05) as door, door.client() as client:
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")
        await client.send(b"half a mail\r\n")

        assert await client.rest() == replies.IDLE.wire
        await up.wait_for_close()
        assert up.arrived == []


async def test_the_wait_for_the_flow_is_not_the_clients_silence() -> None:
    # So long nobody is silent here by himself, however busy the machine.
    async with FakeUpstream() as up, submission_door(up, idle=1.0, data_idle=1.0) as door, door.client() as client:

        async def slow(*_: object) -> Reply:
            await asyncio.sleep(1.3)
            return replies.OK

        door.flow.hook = slow
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")

        assert await client.ask(MESSAGE + b".") == replies.OK.wire


async def test_the_mail_server_is_kept_awake_during_a_long_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtpguard.listener.reception.KEEP_AWAKE_SECONDS", 0.05)
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")
        await client.send(b"first half\r\n")
        await up.wait_for_command(b"NOOP")

        assert (await client.ask(b"second half\r\n.")).startswith(b"250")
        assert up.messages[0].content == b"first half\r\nsecond half\r\n"


@pytest.mark.slow
async def test_a_client_that_floods_without_reading_is_bounded_and_others_are_served() -> None:
    async with (
        FakeUpstream() as up,
        submission_door(up, idle=1.0) as door,
        door.client() as flood,
        door.client() as other,
    ):
        # More than all socket buffers between the two can hold, so it gets through only if the guard takes it.
        flooding = asyncio.create_task(flood.send(b"NOOP\r\n" * 7_000_000))

        assert (await other.ask(b"EHLO me")).startswith(b"250")
        await up.wait_until(lambda: len(up.open_sessions) == 1)

        with pytest.raises(ConnectionError):
            await flooding
