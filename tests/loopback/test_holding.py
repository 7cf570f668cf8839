"""A hold and everything that can fail in it (SEMANTICS c6, "Order of a hold")."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from smtpguard.holding import LARGE_AT_ONCE
from smtpguard.reading import LARGE_OCTETS_MIN
from tests.loopback.guarded import ALL, BERLIN, BRANDENBURG, MEMBERS, PRESS, body, guarded, mail, parsed


async def test_the_notice_says_what_waits_why_and_what_to_do(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, MEMBERS["ben"], ALL], subject="Minutes of Tuesday")
        notice = await house.letter()
        text = body(notice)

        assert str(notice["Subject"]).startswith('NOT SENT YET: "Minutes of Tuesday" - please choose by ')
        assert "Mail check <mailcheck@check.example.test>" == notice["From"]
        assert "anna@example.test" == notice["To"].addresses[0].addr_spec
        assert "auto-replied" == notice["Auto-Submitted"]
        assert "All" == notice["X-Auto-Response-Suppress"]
        assert notice["Precedence"] is None
        assert "multipart/alternative" == notice.get_content_type()
        assert {"quoted-printable"} == {str(each["Content-Transfer-Encoding"]) for each in notice.iter_parts()}
        assert "Why: it is addressed to two lists, and most mails belong on one (rule 12)." in text
        assert "   1  berlin        About berlin\n   2  all-members   About all-members\n" in text
        assert "   ONLY 1     send it to berlin and ben@example.test, not to all-members\n" in text
        assert "   SEND       send it to all of them, just as it is\n" in text
        for word in ("violation", "policy", "blocked", "suspicious", "incident", "reported"):
            assert word not in text.lower()
        assert text.index("ONLY 1") < text.index("If you do nothing") < text.index("Only you have been told")
        assert text[: text.index("ONLY 1")].count("\n") <= 12


async def test_the_envelope_of_the_notice_goes_to_the_account_and_bounces_to_nobody(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL], sender="board@example.test")
        await house.letter()
        taken = house.out.messages[0]

        assert b"FROM:<>" == taken.mail
        assert (b"TO:<anna@example.test>",) == taken.rcpts
        assert [{"LOGIN": "mailcheck"}] == house.out.sessions[0].xclient


async def test_rule_11_suggests_to_discard_and_names_the_desk(tmp_path: Path) -> None:
    letter = (
        "Look.\n\n---------- Forwarded message ---------\nFrom: Clara <clara@example.test>\n"
        "Date: Sat, 21 Nov 2026 at 10:12\nSubject: our talk\nTo: Ben <ben@example.test>\n\n"
        "Between us, I think the new plan is too expensive. Please keep this to yourself for now.\n"
    )
    async with guarded(tmp_path) as house:
        await house.submit("ben", [ALL, BERLIN], subject="Fwd: our talk", body=letter)
        text = body(await house.letter())

        assert "Why: 1. It would take a private mail of Clara" in text
        assert '"Between us, I think the new ..."' in text
        assert "     2. It is addressed to two lists" in text
        assert "   DISCARD    throw it away and write it anew without that part   (suggested)\n" in text
        assert text.index("DISCARD ") < text.index("ONLY 1") < text.index("SEND ")
        assert "commission@example.test - mail to that address is never checked or held." in text
        assert "too expensive" not in text  # nothing of the held text but its first words


@pytest.mark.parametrize(
    ("stage", "reply", "code"),
    [
        ("MAIL", b"451 4.3.0 not now\r\n", 451),
        ("RCPT", b"450 4.2.0 mailbox busy\r\n", 451),
        ("DATA", b"451 4.3.0 not now\r\n", 451),
        ("END", b"451 4.3.0 not now\r\n", 451),
        ("MAIL", b"550 5.7.1 never\r\n", 550),
        ("RCPT", b"550 5.1.1 no such mailbox\r\n", 550),
        ("END", b"554 5.7.1 never\r\n", 550),
    ],
)
async def test_90_10_a_refused_notice_means_no_hold(tmp_path: Path, stage: str, reply: bytes, code: int) -> None:
    async with guarded(tmp_path) as house:
        house.out.on(stage, reply=reply)
        answer = await house.submit("anna", [BERLIN, ALL])

        assert code == answer.code
        assert ("could not write to your mailbox" in answer.text) == (code == 550)
        assert [] == house.rows()
        assert [] == house.up.arrived


@pytest.mark.parametrize("stage", ["greeting", "EHLO", "XCLIENT", "MAIL", "RCPT", "DATA"])
async def test_90_10_an_outbox_that_dies_before_the_dot_means_no_hold(tmp_path: Path, stage: str) -> None:
    async with guarded(tmp_path) as house:
        house.out.on(stage, then="close")
        answer = await house.submit("anna", [BERLIN, ALL])

        assert 451 == answer.code
        assert [] == house.rows()
        assert [] == house.up.arrived


async def test_90_10_no_outbox_at_all_means_later(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.out.stop_listening()

        assert 451 == (await house.submit("anna", [BERLIN, ALL])).code
        assert [] == house.rows()


async def test_a_notice_whose_reply_is_lost_leaves_a_row_that_its_code_can_decide(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        house.out.on("END", then="close", times=1)
        answer = await house.submit("anna", [BERLIN, ALL])
        notice = house.out.arrived[0]

        assert 451 == answer.code
        assert ["asking"] == house.states()
        assert 250 == (await house.answer("anna", parsed(notice), "DISCARD")).code
        assert ["discarded"] == house.states()


@pytest.mark.parametrize(
    "how",
    [
        "DELETE FROM held",  # a replica that had not heard of it has taken over
        "UPDATE held SET expires = created",  # so short a time, or a clock set forward
    ],
)
async def test_a_row_that_is_gone_when_its_notice_is_taken_gets_no_250(tmp_path: Path, how: str) -> None:
    async with guarded(tmp_path) as house:
        house.out.on("END", then="stall", times=1)
        submitting = asyncio.create_task(house.submit("anna", [BERLIN, ALL]))
        await house.out.wait_until(lambda: house.out.sessions and house.out.sessions[-1].partial)
        with sqlite3.connect(tmp_path / "state" / "holds.sqlite3") as connection:
            connection.execute(how)
        connection.close()
        while "held" in house.states() or "asking" in house.states():
            await asyncio.sleep(0.05)
        house.out.go_on()

        assert 451 == (await submitting).code
        assert "NOT SENT YET" in (await house.submit("anna", [BERLIN, ALL])).text


async def test_a_hold_that_takes_too_long_is_put_off(tmp_path: Path) -> None:
    async with guarded(tmp_path, timeouts={"hold": "1s"}) as house:
        house.out.on("RCPT", then="stall")
        answer = await house.submit("anna", [BERLIN, ALL])

        assert 451 == answer.code
        assert [] == house.rows()


async def test_12_15_a_quick_resend_gets_the_same_250_and_no_second_notice(tmp_path: Path) -> None:
    octets = mail("anna", [BERLIN, ALL])
    async with guarded(tmp_path) as house:
        first = await house.submit("anna", [BERLIN, ALL], octets=octets)
        second = await house.submit("anna", [ALL, BERLIN], octets=octets)

        assert (first.code, first.text) == (second.code, second.text)
        assert ["held"] == house.states()
        assert 1 == len(house.own_mail())


@pytest.mark.parametrize("change", ["recipients", "content", "account", "no message-id"])
async def test_12_15_look_alikes_are_holds_of_their_own(tmp_path: Path, change: str) -> None:
    first = {"octets": mail("anna", [BERLIN, ALL], message_id="" if change == "no message-id" else "<m@example.test>")}
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL], **first)
        match change:
            case "recipients":
                await house.submit("anna", [BERLIN, ALL, PRESS], **first)
            case "content":
                octets = mail("anna", [BERLIN, ALL], message_id="<m@example.test>", body="Other words.")
                await house.submit("anna", [BERLIN, ALL], octets=octets)
            case "account":
                await house.submit("ben", [BERLIN, ALL], **first)
            case _:
                await house.submit("anna", [BERLIN, ALL], **first)
        await house.letter(2)

        assert ["held", "held"] == house.states()


async def test_two_lists_that_have_agreed_pass(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, BRANDENBURG])

        assert 1 == len(house.up.messages)
        assert [] == house.rows()


async def test_what_the_outbox_could_not_carry_later_is_refused_now(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        house.out.ehlo.remove("SMTPUTF8")
        reply = await house.submit("anna", [BERLIN, ALL], options=" SMTPUTF8")

        assert 554 == reply.code
        assert "it is addressed to 2 lists (berlin, all-members)" in reply.text
        assert "could not be sent later in this form" in reply.text
        assert [] == house.rows()
        assert [] == house.own_mail()


async def test_automatic_mail_and_accounts_without_mailbox_are_refused(tmp_path: Path) -> None:
    async with guarded(tmp_path, accounts={"ben@example.test": {"mailbox": None}}) as house:
        automatic = await house.submit("anna", [BERLIN, ALL], Auto_Submitted="auto-generated")
        nobody = await house.submit("ben", [BERLIN, ALL])
        null_sender = await house.submit("anna", [BERLIN, ALL], sender="")

        for reply in (automatic, nobody, null_sender):
            assert 550 == reply.code
            assert "addressed to 2 lists (berlin, all-members)" in reply.text
        assert [] == house.rows()
        assert [] == house.up.arrived


async def test_many_holds_at_once_are_each_kept_and_each_asked(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        replies = await asyncio.gather(*(house.submit("anna", [BERLIN, ALL], subject=f"Number {n}") for n in range(20)))
        await house.letter(20)

        assert {250} == {reply.code for reply in replies}
        assert ["held"] * 20 == house.states()
        assert 20 == len({str(each["Reply-To"]) for each in house.own_mail()})


async def test_T_02_nothing_but_id_state_and_time_is_left_after_the_decision(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        await house.answer("anna", await house.letter(), "DISCARD")
        row = dict(house.rows()[0])
        left = {name for name, value in row.items() if value not in (None, b"", 0, "")}

        assert {"id", "state", "decided"} >= left - {"version"}


async def test_a_few_large_mails_are_held_at_a_time_and_small_ones_do_not_wait_for_them(tmp_path: Path) -> None:
    """Each takes a multiple of its size in memory: one member's sessions together must not fill it."""
    async with guarded(tmp_path) as house:
        house.out.on("END", then="stall", times=LARGE_AT_ONCE)
        text = "A line of a large mail.\n" * (LARGE_OCTETS_MIN // 20)
        count = LARGE_AT_ONCE + 3
        large = [
            asyncio.create_task(house.submit("anna", [BERLIN, ALL], subject=f"Large {number}", body=text))
            for number in range(count)
        ]
        await house.out.wait_until(lambda: len(house.out.arrived) >= LARGE_AT_ONCE)
        try:
            assert "NOT SENT YET" in (await house.submit("ben", [BERLIN, ALL], subject="Small")).text
            assert ["asking"] * LARGE_AT_ONCE + ["held"] == house.states()
        finally:
            house.out.go_on()
        assert all("NOT SENT YET" in each.text for each in await asyncio.gather(*large))
        assert ["held"] * (count + 1) == house.states()
