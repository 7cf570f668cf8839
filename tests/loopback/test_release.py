"""A release and everything that can fail in it (SEMANTICS c6 "Release", 90-13)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.guarded import ALL, BERLIN, MEMBERS, body, guarded, mail
from tests.loopback.test_answering import by_mail_server


@pytest.mark.parametrize("stage", ["greeting", "EHLO", "XCLIENT", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("fault", ["close", "4xx"])
async def test_a_mail_server_that_fails_for_now_leaves_the_mail_waiting(tmp_path: Path, stage: str, fault: str) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        if fault == "close":
            house.out.on(stage, then="close", times=1)
        else:
            house.out.on(stage, reply=b"451 4.3.0 not now\r\n", times=1)
        first = await house.answer("anna", notice, "SEND")

        assert 451 == first.code
        assert ["held"] == house.states()
        assert [] == house.released()
        assert 250 == (await house.answer("anna", notice, "SEND")).code
        assert 1 == len(house.released())


async def test_90_13_a_list_refused_for_good_means_nothing_is_sent_and_the_sender_reads_why(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, MEMBERS["ben"], ALL], subject="Minutes")
        notice = await house.letter()
        house.out.on("RCPT", reply=b"550 5.7.1 closed on Sundays\r\n", match=rb"all-members")
        reply = await house.answer("anna", notice, "SEND")
        result = await house.letter(2)

        assert 250 == reply.code
        assert 'Not sent: "Minutes"' == result["Subject"]
        assert "all-members@lists.example.test: 550 5.7.1 closed on Sundays" in body(result)
        assert [] == house.released()
        assert ["held"] == house.states()

        assert 250 == (await house.answer("anna", notice, "ONLY 1")).code
        assert 1 == len(house.released())


async def test_90_13_a_person_refused_does_not_stop_the_rest(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, MEMBERS["ben"], ALL])
        notice = await house.letter()
        house.out.on("RCPT", reply=b"550 5.1.1 moved away\r\n", match=rb"ben@")
        await house.answer("anna", notice, "SEND")
        result = body(await house.letter(2))

        assert 2 == len(house.released()[0].rcpts)
        assert "ben@example.test: 550 5.1.1 moved away" in result
        assert "has been sent to berlin@lists.example.test, all-members@lists.example.test." in result
        assert ["sent"] == house.states()


@pytest.mark.parametrize("stage", ["MAIL", "END"])
async def test_refused_for_good_is_told_and_the_mail_waits_on(tmp_path: Path, stage: str) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        house.out.on(stage, reply=b"553 5.7.1 not owned by this login\r\n", times=1)
        reply = await house.answer("anna", notice, "SEND")

        assert 250 == reply.code
        assert "553 5.7.1 not owned by this login" in body(await house.letter(2))
        assert ["held"] == house.states()
        await house.answer("anna", notice, "SEND")
        assert ["sent"] == house.states()


async def test_a_reply_lost_behind_the_dot_is_said_by_the_next_answer(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        house.out.on("END", then="close", times=1)
        first = await house.answer("anna", notice, "SEND")

        assert 451 == first.code
        assert ["sending"] == house.states()
        await house.answer("anna", notice, "SEND")
        assert "may have gone out twice" in body(await house.letter(2)).replace("\n", " ")
        assert ["sent"] == house.states()


async def test_discarding_a_mail_whose_sending_was_cut_off_says_so(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        house.out.on("END", then="close", times=1)
        await house.answer("anna", notice, "SEND")
        await house.answer("anna", notice, "DISCARD")

        assert "may have gone out already" in body(await house.letter(2)).replace("\n", " ")


async def test_back_refused_for_good_is_told_and_the_mail_waits_on(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        house.out.on("END", reply=b"552 5.3.4 too big for this mailbox\r\n", times=1)

        assert 250 == (await house.answer("anna", notice, "BACK")).code
        assert "552 5.3.4 too big for this mailbox" in body(await house.letter(2))
        assert ["held"] == house.states()


async def test_a_release_that_hangs_keeps_other_answers_away(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        house.out.on("END", then="stall", times=1)
        sending = asyncio.create_task(house.answer("anna", notice, "SEND"))
        await house.out.wait_until(lambda: len(house.out.sessions) > 1 and house.out.sessions[-1].partial)
        second = await house.answer("anna", notice, "DISCARD")

        assert 451 == second.code
        house.out.go_on()
        assert 250 == (await sending).code
        assert 1 == len(house.released())


async def test_xclient_that_is_not_offered_sends_nothing(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        house.out.xclient = ()

        assert 451 == (await house.answer("anna", notice, "SEND")).code
        assert [] == house.released()


async def test_release_by_account_logs_in_as_the_guard(tmp_path: Path) -> None:
    (tmp_path / "outbox-password").write_text("guard-password\n", "utf-8")
    outbox: dict[str, Any] = {"login": "account", "user": "mailcheck", "password_file": "outbox-password"}
    async with guarded(tmp_path, outbox_changes=outbox) as house:
        house.out.users["mailcheck"] = "guard-password"
        await house.submit("anna", [BERLIN, ALL])
        await house.answer("anna", await house.letter(), "SEND")

        assert ["mailcheck", "mailcheck"] == [each.login for each in house.out.messages[:2]]
        assert b"FROM:<anna@example.test>" in house.released()[0].mail


async def test_release_without_login(tmp_path: Path) -> None:
    async with guarded(tmp_path, outbox_changes={"login": "none", "user": None}) as house:
        await house.submit("anna", [BERLIN, ALL])
        await house.answer("anna", await house.letter(), "SEND")

        assert [] == house.out.sessions[-1].xclient
        assert 1 == len(house.released())


async def test_release_by_session_goes_through_the_answering_members_own_connection(tmp_path: Path) -> None:
    async with guarded(tmp_path, outbox_changes={"release": "session"}) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        member = await house.member("anna")
        address = str(notice["Reply-To"]).strip("<>")
        reply = await member.send(MEMBERS["anna"], [address], mail("anna", [address], body="ONLY 1"))
        next_mail = await member.send(MEMBERS["anna"], [BERLIN], mail("anna", [BERLIN], subject="Next"))

        assert [250, 250] == [reply.code, next_mail.code]
        released, ordinary = house.up.messages
        assert (b"TO:<berlin@lists.example.test>",) == released.rcpts
        assert MEMBERS["anna"] == released.login == ordinary.login
        assert [] == house.released()
        assert ["sent"] == house.states()


async def test_release_by_session_needs_the_members_own_mail_program(tmp_path: Path) -> None:
    async with guarded(tmp_path, outbox_changes={"release": "session"}) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        address = str(notice["Reply-To"]).strip("<>")
        send = await by_mail_server(house, mail("anna", [address], body="SEND"), [address])
        told = await house.letter(2)
        discard = await by_mail_server(house, mail("anna", [address], body="DISCARD"), [address])

        assert [250, 250] == [send.code, discard.code]
        assert "through your own mail program" in body(told)
        assert ["discarded"] == house.states()
        assert [] == house.up.messages


async def test_parameters_go_out_as_typed_with_size_anew_and_auth_left_out(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL], options=" SIZE=999 AUTH=<> BODY=8BITMIME ret=HDRS ENVID=Ab+2B")
        await house.answer("anna", await house.letter(), "SEND")
        released = house.released()[0]
        words = released.mail.split(b" ")

        assert [b"BODY=8BITMIME", b"ret=HDRS", b"ENVID=Ab+2B"] == words[1:4]
        assert [b"SIZE=%d" % len(released.content)] == words[4:]
