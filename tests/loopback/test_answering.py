"""Answers by mail: through the submission listener and through the answers listener (SEMANTICS c6)."""

from __future__ import annotations

import asyncio
import re
import smtplib
from collections.abc import Sequence
from email import policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from smtpguard.answering import LARGE_AT_ONCE
from smtpguard.mail.content import unstuffed
from smtpguard.reading import LARGE_OCTETS_MIN
from tests.loopback.guarded import (
    ALL,
    BERLIN,
    MEMBERS,
    PRESS,
    House,
    Submitted,
    _in_client_thread,
    body,
    guarded,
    mail,
    parsed,
)

UNKNOWN = (550, "5.1.1 No mail is waiting under this code")


def code_of(notice: EmailMessage) -> str:
    lines = re.findall(r"(?m)^code: (\S+)$", body(notice))
    assert len(lines) == 2
    return "".join(lines).replace("-", "")


def quoted(notice: EmailMessage) -> str:
    return "".join(f"> {line}\n" for line in body(notice).splitlines())


async def by_mail_server(house: House, octets: bytes, to: Sequence[str], sender: str = MEMBERS["anna"]) -> Submitted:
    """Hand a mail to the answers listener, as the mail server does."""

    def send() -> Submitted:
        with smtplib.SMTP("127.0.0.1", house.answers_port, timeout=30) as client:
            client.ehlo("mail.example.test")
            for command in [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{each}>" for each in to)]:
                code, text = client.docmd(command)
                if code >= 400:
                    return Submitted(code, text.decode())
            code, text = client.data(octets)
            return Submitted(code, text.decode())

    return await _in_client_thread(send)


async def test_an_answer_that_the_mail_server_would_bring_again_sends_a_mail_once_where_its_fate_is_not_known(
    tmp_path: Path,
) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL], subject="Minutes")
        notice = await house.letter()
        house.out.on("END", then="close", times=1)
        to = str(notice["Reply-To"]).strip("<>")
        reply = await by_mail_server(house, mail("anna", [to], body="SEND"), [to])
        told = await house.letter(2)

        # A 4xx would bring the same answer again and again.
        assert 250 == reply.code
        assert ["sending"] == house.states()
        assert 'Not certain: "Minutes"' == told["Subject"]
        assert "may have gone out" in " ".join(body(told).split())
        # It may come all the same, if our 250 got lost; nothing goes out for it.
        assert 250 == (await by_mail_server(house, mail("anna", [to], body="SEND"), [to])).code
        assert "it may have gone out. " in " ".join(body(await house.letter(3)).split())
        assert [] == house.released()
        assert 250 == (await by_mail_server(house, mail("anna", [to], subject="Again", body="SEND"), [to])).code
        assert "may have gone out twice" in " ".join(body(await house.letter(4)).split())
        assert 1 == len(house.released())


async def test_send_releases_to_everybody_and_tells_the_sender(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, MEMBERS["ben"], ALL], subject="Minutes")
        notice = await house.letter()
        reply = await house.answer("anna", notice, "SEND\n\n" + quoted(notice))
        result = await house.letter(2)

        assert 250 == reply.code
        assert (
            b"TO:<berlin@lists.example.test>",
            b"TO:<ben@example.test>",
            b"TO:<all-members@lists.example.test>",
        ) == (house.released()[0].rcpts)
        assert {"LOGIN": "anna@example.test"} == house.out.sessions[1].xclient[0]
        assert 'Sent: "Minutes"' == result["Subject"]
        assert "has been sent to berlin@lists.example.test, ben@example.test, all-members@lists.example.test." in body(
            result
        )
        assert ["sent"] == house.states()
        assert [] == house.up.arrived


async def test_only_n_keeps_one_list_and_every_person(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, MEMBERS["ben"], ALL], header_to=[BERLIN, ALL])
        await house.answer("anna", await house.letter(), "only 2.")
        result = await house.letter(2)

        assert (b"TO:<ben@example.test>", b"TO:<all-members@lists.example.test>") == house.released()[0].rcpts
        assert "Not sent to berlin@lists.example.test." in body(result)
        assert b"To: berlin@lists.example.test, all-members@lists.example.test" in house.released()[0].content  # P4


async def test_discard_throws_it_away(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        await house.answer("anna", await house.letter(), "Discard!")

        assert "Thrown away" in (await house.letter(2))["Subject"]
        assert ["discarded"] == house.states()
        assert [] == house.released()


async def test_back_returns_the_very_mail_and_forgets_it(tmp_path: Path) -> None:
    octets = mail("anna", [BERLIN, ALL], body="..dots\n.\nend")
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL], octets=octets)
        await house.answer("anna", await house.letter(), "BACK")
        await house.letter(2)
        returned = unstuffed((house.out.messages[-1].content,))

        assert octets in returned
        assert b"Content-Type: message/rfc822" in returned
        assert ["discarded"] == house.states()


async def test_back_with_8_bit_or_long_lines_comes_as_a_file(tmp_path: Path) -> None:
    octets = mail("anna", [BERLIN, ALL], body="\u00fc" + "x" * 2000)
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL], octets=octets)
        await house.answer("anna", await house.letter(), "BACK")
        letter = await house.letter(2)
        part = next(letter.iter_attachments())

        assert "application/octet-stream" == part.get_content_type()
        assert octets == part.get_payload(decode=True)


async def test_back_that_the_outbox_refuses_keeps_the_mail_waiting(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        house.out.on("END", reply=b"452 4.2.2 mailbox full\r\n")

        assert 451 == (await house.answer("anna", notice, "BACK")).code
        assert ["held"] == house.states()


@pytest.mark.parametrize(
    "text", ["", "ONLY 9", "SEND please", "yes", "> SEND", "SENDER", "Please SEND", "ONLY", "ONLY 1 2"]
)
async def test_anything_else_sends_nothing_and_gets_help(tmp_path: Path, text: str) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        await house.answer("anna", notice, f"{text}\n\n{quoted(notice)}")
        letter = await house.letter(2)

        assert "Your mail is still waiting" == letter["Subject"]
        assert "Write ONLY 1, ONLY 2, SEND, DISCARD, BACK there." in body(letter)
        assert ["held"] == house.states()
        assert [] == house.released()


async def test_help_is_written_twice_at_most_and_the_choice_still_counts(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        for _ in range(4):
            assert 250 == (await house.answer("anna", notice, "what?")).code
        await house.answer("anna", notice, "DISCARD")
        await house.letter(4)

        subjects = [str(each["Subject"]) for each in house.own_mail()]
        assert 2 == subjects.count("Your mail is still waiting")


async def test_the_choice_stands_below_the_quoted_notice_too(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        await house.answer(
            "anna", notice, f"On Sun, 22 Nov 2026 at 18:00, Mail check wrote:\n{quoted(notice)}\nDISCARD\n"
        )

        assert ["discarded"] == house.states()


async def test_the_code_in_the_quoted_text_is_the_second_carrier(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        reply = await house.submit("anna", ["mailcheck@check.example.test"], body=f"DISCARD\n\n{quoted(notice)}")

        assert 250 == reply.code
        assert ["discarded"] == house.states()


async def test_T_20_another_account_and_unknown_codes_get_the_same_words(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        other = await house.answer("ben", notice, "SEND")
        unknown = await house.submit("ben", ["mailcheck+" + "A" * 52 + "@check.example.test"], body="SEND")
        broken = await house.submit("anna", ["mailcheck+ABC@check.example.test"], body="SEND")
        none = await house.submit("anna", ["mailcheck@check.example.test"], body="SEND")

        for reply in (other, unknown, broken, none):
            assert UNKNOWN == (reply.code, reply.text)
        assert ["held"] == house.states()
        assert 1 == len(house.own_mail())


async def test_T_40_the_same_account_in_another_spelling_may_answer(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        house.up.users.update({"ANNA@Example.TEST": "anna-password"})
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()

        def send() -> int:
            with smtplib.SMTP("127.0.0.1", house.port, timeout=30) as client:
                client.login("ANNA@Example.TEST", "anna-password")
                address = str(notice["Reply-To"]).strip("<>")
                client.sendmail("anna@example.test", [address], mail("anna", [address], body="DISCARD"))
            return 250

        assert 250 == await _in_client_thread(send)
        assert ["discarded"] == house.states()


async def test_many_unknown_codes_are_slowed_down_and_a_right_one_is_served(tmp_path: Path) -> None:
    async with guarded(tmp_path, limits={"wrong_codes_per_minute": 3}) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        wrong = [(await house.submit("anna", ["mailcheck+" + "A" * 52 + "@check.example.test"])).code for _ in range(5)]

        assert [550, 550, 550, 450, 450] == wrong
        assert 250 == (await house.answer("anna", notice, "DISCARD")).code


@pytest.mark.parametrize(
    "header",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Precedence": "bulk"},
        {"Precedence": "junk"},
        {"X_Auto_Response_Suppress": "All"},
    ],
    ids=str,
)
async def test_an_automatic_answer_never_decides_and_gets_no_answer(tmp_path: Path, header: dict[str, str]) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        reply = await house.answer("anna", notice, "SEND", **header)

        assert 250 == reply.code
        assert ["held"] == house.states()
        assert 1 == len(house.own_mail())
        assert [] == house.released()


async def test_an_answer_with_the_null_reverse_path_never_decides(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        await house.answer("anna", notice, "SEND", sender="")

        assert ["held"] == house.states()


async def test_gone_tells_whoever_has_the_right_code_what_became_of_it(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        await house.answer("anna", notice, "DISCARD")
        await house.letter(2)
        reply = await house.answer("anna", notice, "SEND")
        letter = await house.letter(3)

        assert 250 == reply.code
        assert "it was thrown away" in body(letter)
        assert [] == house.released()


async def test_T_30_a_used_code_makes_the_guard_write_to_its_account_only_and_not_for_ever(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        await house.answer("anna", notice, "DISCARD")
        await house.letter(2)
        address = str(notice["Reply-To"]).strip("<>")
        octets = mail("anna", [address], body="SEND")
        for _ in range(3):
            stranger = await by_mail_server(house, octets, [address], sender="stranger@elsewhere.example")
            assert 250 == stranger.code
        for _ in range(4):
            assert 250 == (await house.answer("anna", notice, "SEND")).code
        await house.letter(4)
        await house.submit("ben", [BERLIN, ALL])
        await house.letter(5)

        subjects = [str(each["Subject"]) for each in house.own_mail()]
        assert 2 == subjects.count("Already done")
        assert not [each for each in house.out.messages if b"stranger" in each.rcpts[0]]


async def test_an_answer_under_two_codes_is_taken_for_the_first_alone(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL], subject="one")
        await house.submit("anna", [BERLIN, ALL], subject="two")
        codes = [str((await house.letter(number))["Reply-To"]).strip("<>") for number in (1, 2)]
        reply = await by_mail_server(house, mail("anna", codes, body="DISCARD"), codes)

        assert 452 == reply.code
        assert ["held", "held"] == house.states()


async def test_90_16_T_26_mail_to_the_guard_and_others_is_refused_in_either_order(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        address = str((await house.letter())["Reply-To"]).strip("<>")
        for to in ([address, MEMBERS["ben"]], [MEMBERS["ben"], address]):
            reply = await house.submit("anna", to, body="SEND")
            assert (550, True) == (reply.code, "must go to it alone" in reply.text)

        assert ["held"] == house.states()
        assert [] == house.up.arrived


@pytest.mark.parametrize("form", ["quoted", "address", "attached", "lower case"])
async def test_90_17_T_26_the_code_of_a_waiting_mail_is_not_passed_on(tmp_path: Path, form: str) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        text = {
            "quoted": f"Look what I got:\n\n{quoted(notice)}",
            "address": f"write to {notice['Reply-To']}",
            "attached": "see below\n\n---------- Forwarded message ---------\n" + body(notice),
            "lower case": f"code {code_of(notice).lower()}",
        }[form]
        reply = await house.submit("anna", [MEMBERS["ben"]], subject="fwd", body=text)
        other = await house.submit("ben", [BERLIN], subject="no code", body="AAAA-BBBB " * 10)

        assert (550, "5.7.1 Not sent: it contains the code of a waiting mail") == (reply.code, reply.text)
        assert 250 == other.code
        assert 1 == len(house.up.messages)


async def test_90_17_the_code_is_seen_wherever_a_mail_can_carry_it(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        code = code_of(notice)
        page = f'<html><a href="mailto:mailcheck%2B{code}@check.example.test">here</a></html>'.encode()
        alternative = EmailMessage()
        alternative.set_content("Nothing to see.")
        alternative.add_alternative(page.decode(), subtype="html", cte="base64")
        attached = EmailMessage()
        attached.set_content("See the file.")
        attached.add_attachment(body(notice).encode(), maintype="application", subtype="octet-stream", filename="x.bin")
        subject = EmailMessage()
        subject.set_content("See above.")
        for number, message in enumerate((alternative, attached, subject)):
            message["From"], message["To"] = MEMBERS["anna"], MEMBERS["ben"]
            message["Subject"] = f"\u00fc {code}" if message is subject else f"Number {number}"
            octets = message.as_bytes(policy=policy.SMTP)
            reply = await house.submit("anna", [MEMBERS["ben"]], octets=octets)

            assert (550, "5.7.1 Not sent: it contains the code of a waiting mail") == (reply.code, reply.text), number
        assert [] == house.up.messages


async def test_90_17_the_code_of_a_decided_mail_may_travel_and_so_may_mail_to_a_desk(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        to_desk = await house.submit("anna", ["commission@example.test"], subject="help", body=quoted(notice))
        await house.answer("anna", notice, "DISCARD")
        decided = await house.submit("anna", [MEMBERS["ben"]], subject="fwd", body=quoted(notice))

        assert [250, 250] == [to_desk.code, decided.code]


async def test_T_27_the_answers_listener_takes_the_accounts_mailbox_and_drops_others_silently(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        address = str(notice["Reply-To"]).strip("<>")
        octets = mail("anna", [address], body="SEND")
        stranger = await by_mail_server(house, octets, [address], sender="mallory@elsewhere.example")
        unknown = await by_mail_server(house, octets, ["mailcheck+" + "A" * 52 + "@check.example.test"])

        assert [250, 250] == [stranger.code, unknown.code]
        assert ["held"] == house.states()
        assert 1 == len(house.own_mail())

        owner = await by_mail_server(house, octets, [address], sender="Anna@Example.TEST")
        assert 250 == owner.code
        assert 1 == len(house.released())
        assert ["sent"] == house.states()


async def test_the_answers_listener_takes_postmaster_and_abuse_and_nobody_else(tmp_path: Path) -> None:
    octets = mail("someone@elsewhere.example", ["postmaster@check.example.test"], subject="Hello", body="A question.")
    async with guarded(tmp_path) as house:
        sender = "someone@elsewhere.example"
        postmaster = await by_mail_server(house, octets, ["postmaster@check.example.test"], sender)
        abuse = await by_mail_server(house, octets, ["Abuse@CHECK.example.test"], sender)
        other = await by_mail_server(house, octets, ["info@check.example.test"], sender)
        foreign = await by_mail_server(house, octets, [BERLIN], sender)

        assert [250, 250, 550, 550] == [postmaster.code, abuse.code, other.code, foreign.code]
        assert [(b"TO:<it@example.test>",)] * 2 == [each.rcpts for each in house.out.messages]
        assert octets == unstuffed((house.out.messages[0].content,))


async def test_an_unauthenticated_client_cannot_answer(tmp_path: Path) -> None:
    listener = {"kind": "submission", "listen": "127.0.0.1:0", "tls": "none", "auth": "optional"}
    async with guarded(tmp_path, listeners=[listener]) as house:
        await house.submit("anna", [BERLIN, ALL])
        address = str((await house.letter())["Reply-To"]).strip("<>")

        def send() -> int:
            with smtplib.SMTP("127.0.0.1", house.port, timeout=30) as client:
                client.ehlo()
                client.docmd("MAIL FROM:<anna@example.test>")
                return client.docmd(f"RCPT TO:<{address}>")[0]

        assert 500 <= await _in_client_thread(send) < 560
        assert ["held"] == house.states()


async def test_an_answer_waits_for_a_release_that_is_under_way_and_sends_once(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        replies = await asyncio.gather(*(house.answer("anna", notice, "SEND") for _ in range(20)))
        await house.letter(2)

        assert {250, 451} >= {reply.code for reply in replies}
        assert 250 in {reply.code for reply in replies}
        assert 1 == len(house.released())
        assert ["sent"] == house.states()


async def test_the_expiry_line_comes_once_and_says_nothing_of_the_mail(tmp_path: Path) -> None:
    async with guarded(tmp_path, defaults={"expires": "1s"}) as house:
        await house.submit("anna", [BERLIN, PRESS], subject="Secret subject")
        notice = await house.letter()
        line = await house.letter(2)

        assert "Not sent" == line["Subject"]
        assert notice["Message-ID"] == line["In-Reply-To"]
        assert "was not sent. We had no answer by" in " ".join(body(line).split())
        assert b"Secret" not in house.out.messages[1].content
        assert ["expired"] == house.states()
        assert [] == house.released()
        assert "it was deleted unsent" in body(await _after(house, notice))


async def _after(house: House, notice: EmailMessage) -> EmailMessage:
    await house.answer("anna", notice, "SEND")
    return await house.letter(3)


async def test_a_row_whose_client_never_had_a_250_expires_without_a_line(tmp_path: Path) -> None:
    async with guarded(tmp_path, defaults={"expires": "1s"}) as house:
        house.out.on("END", then="close", times=1)
        await house.submit("anna", [BERLIN, ALL])
        while house.states() != ["expired"]:
            await asyncio.sleep(0.05)

        assert [] == house.own_mail()
        assert 1 == len(house.out.arrived)
        assert parsed(house.out.arrived[0])["Reply-To"]


async def test_while_the_clock_is_not_believed_nobody_is_told_that_his_mail_is_gone(tmp_path: Path) -> None:
    async with guarded(tmp_path, defaults={"expires": "1s"}, sweep_seconds=60) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        keeper = house.application._keeper
        assert keeper is not None
        keeper.housekeeping._pause("a test")
        await asyncio.sleep(1.1)

        assert 451 == (await house.answer("anna", notice, "SEND")).code
        assert ["held"] == house.states()


async def test_a_few_large_mails_are_decided_at_a_time_and_small_ones_do_not_wait_for_them(tmp_path: Path) -> None:
    """Each is in memory until the mail server has answered; what its members send together must not fill it."""
    async with guarded(tmp_path) as house:
        text = "A line of a large mail.\n" * (LARGE_OCTETS_MIN // 20)
        subjects = ["Small", *(f"Large {number}" for number in range(LARGE_AT_ONCE + 2))]
        notices = []
        for number, subject in enumerate(subjects, 1):
            await house.submit("anna", [BERLIN, ALL], subject=subject, body=text if number > 1 else "Hello.")
            notices.append(await house.letter(number))
        small, *large = notices
        before = len(house.out.arrived)
        house.out.on("END", then="stall", times=LARGE_AT_ONCE)
        answers = [asyncio.create_task(house.answer("anna", notice, "SEND")) for notice in large]
        await house.out.wait_until(lambda: len(house.out.arrived) >= before + LARGE_AT_ONCE)
        try:
            assert 250 == (await house.answer("anna", small, "SEND")).code
            assert [b"Small"] == [re.findall(rb"(?m)^Subject: (.*)\r$", each.content)[0] for each in house.released()]
        finally:
            house.out.go_on()
        assert {250} == {each.code for each in await asyncio.gather(*answers)}
        assert len(subjects) == len(house.released())
