"""The promises of the house (ARCHITECTURE.md, "What the house promises"), each over real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

from smtpguard.mail.content import unstuffed
from tests.loopback.guarded import ALL, BERLIN, MEMBERS, body, guarded, mail


async def test_promise_1_unconfirmed_is_unsent(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        reply = await house.submit("anna", [BERLIN, ALL])
        await house.letter()

        assert (250, True) == (reply.code, "NOT SENT YET" in reply.text)
        assert [] == house.up.arrived
        assert [] == house.released()
        assert b"RSET" in house.up.sessions[0].verbs()


async def test_promise_2_a_250_is_a_receipt_of_the_mail_server(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        house.up.on("END", reply=b"250 2.0.0 Ok: queued as ABC123\r\n")
        taken = await house.submit("anna", [BERLIN])
        house.up.on("END", reply=b"452-4.3.1 two lines\r\n452 4.3.1 of trouble\r\n")
        refused = await house.submit("anna", [BERLIN])
        house.up.on("END", then="close")
        lost = await house.submit("anna", [BERLIN])

        assert (250, "2.0.0 Ok: queued as ABC123") == (taken.code, taken.text)
        assert (452, "4.3.1 two lines\n4.3.1 of trouble") == (refused.code, refused.text)
        assert 451 == lost.code


async def test_promise_2_a_250_for_a_held_mail_follows_commit_and_notice(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        house.out.on("END", then="stall", times=1)
        submitting = asyncio.create_task(house.submit("anna", [BERLIN, ALL]))
        await house.out.wait_for_command(b"DATA")
        await house.out.wait_until(lambda: house.out.arrived or house.out.sessions[-1].partial)

        assert ["asking"] == house.states()  # committed before the notice is taken
        assert not submitting.done()
        house.out.go_on()
        assert 250 == (await submitting).code
        assert ["held"] == house.states()


async def test_promise_3_byte_for_byte_through_a_hold(tmp_path: Path) -> None:
    octets = mail(
        "anna", [BERLIN, ALL], body="..\n.\n.. dots\n" + "long " * 500 + "\n\t trailing  \n\u00fcml\u00e4ut \n"
    )
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL], octets=octets, options=" BODY=8BITMIME RET=HDRS ENVID=q+2B1")
        await house.answer("anna", await house.letter(), "SEND")
        released = house.released()[0]

        assert octets == unstuffed((released.content,))
        assert b"BODY=8BITMIME RET=HDRS ENVID=q+2B1" in released.mail


async def test_promise_4_sealed_is_sealed(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL], subject="Canary subject", body="canary words in the text")
        notice = await house.letter()
        code = "".join(line.removeprefix("code: ") for line in body(notice).splitlines() if line.startswith("code: "))
        files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
        stored = b"".join(path.read_bytes() for path in files)

        for secret in (
            "canary",
            "Canary",
            "berlin",
            "all-members",
            "anna",
            "example.test",
            code,
            code.replace("-", ""),
        ):
            assert secret.encode() not in stored, secret


async def test_promise_5_the_mail_server_speaks_for_itself(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        house.up.on(
            "RCPT", reply=b"550-5.1.1 <nobody@example.test>: nobody here\r\n550 5.1.1 at all\r\n", match=rb"nobody@"
        )
        reply = await house.submit("anna", ["nobody@example.test"])

        assert (550, "5.1.1 <nobody@example.test>: nobody here\n5.1.1 at all") == (reply.code, reply.text)


async def test_promise_6_same_mail_same_verdict(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        for number in range(3):
            reply = await house.submit("anna", [BERLIN, ALL], message_id=f"<{number}@example.test>")
            assert "NOT SENT YET" in reply.text
            assert "2.0.0" in (await house.submit("ben", [BERLIN], message_id=f"<b{number}@example.test>")).text

        assert 3 == len(house.up.messages)
        assert ["held"] * 3 == house.states()


async def test_promise_7_what_is_too_large_is_refused_and_not_kept(tmp_path: Path) -> None:
    async with guarded(tmp_path, limits={"message_size": "64KiB", "hold_size": "32KiB"}) as house:
        over_all = await house.submit("anna", [BERLIN], body="x" * 70 * 1024)
        over_hold = await house.submit("anna", [BERLIN, ALL], body="x\n" * 20 * 1024)

        assert 552 == over_all.code
        assert (552, True) == (over_hold.code, "too large" in over_hold.text)
        assert [] == house.up.arrived
        assert [] == house.rows()
        assert [] == house.own_mail()


async def test_an_ordinary_post_passes_with_its_envelope(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        octets = mail("anna", [BERLIN, MEMBERS["ben"]])
        await house.submit("anna", [BERLIN, MEMBERS["ben"]], octets=octets)
        taken = house.up.messages[0]

        assert octets == unstuffed((taken.content,))
        assert (b"TO:<berlin@lists.example.test>", b"TO:<ben@example.test>") == taken.rcpts
        assert MEMBERS["anna"] == taken.login
        assert [] == house.rows()
