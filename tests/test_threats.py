"""The threats that are met so far: each has a test that carries its number; those that fit nowhere else are here."""

from __future__ import annotations

import base64
import re
import smtplib
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.logs import caught
from tests.loopback.guarded import (
    ALL,
    BERLIN,
    MEMBERS,
    PASSWORDS,
    PRESS,
    House,
    Submitted,
    _in_client_thread,
    body,
    guarded,
    mail,
)

TESTS = Path(__file__).parent
# The numbers of the threat model that this version has to meet.
MET = (
    "T_01", "T_02", "T_03", "T_04", "T_05", "T_06", "T_10", "T_11", "T_12", "T_13", "T_14", "T_15", "T_16",
    "T_17", "T_20", "T_21", "T_22", "T_23", "T_24", "T_25", "T_26", "T_27", "T_28", "T_29", "T_30", "T_31", "T_32",
    "T_40", "T_41", "T_42", "T_52", "T_53",
)  # fmt: skip


@cache
def names_of_tests() -> frozenset[str]:
    """The names of all tests under tests/."""
    # Read as text: to parse all of them takes seconds, in each worker.
    return frozenset(
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)
    )


@pytest.mark.parametrize("number", MET)
def test_each_threat_has_a_test_of_its_number(number: str) -> None:
    assert [each for each in names_of_tests() if re.search(rf"{number}(?!\d)", each)]


# ---------------------------------------------------------------- T-53: the log


# Words that no log line may hold, by where they come from.
PLANTED = {
    "subject": "Subjectplanted",
    "text": "Textplanted",
    "forwarded": "Forwardplanted",
    "display name": "Nameplanted",
    "message id": "Idplanted",
    "file": "Fileplanted",
    "header": "Headerplanted",
    "answer": "Answerplanted",
}
LETTER = (
    "Textplanted words.\n\n"
    "---------- Forwarded message ---------\nFrom: Nameplanted Clara <clara@example.test>\n"
    "Date: Sat, 21 Nov 2026 at 10:12\nSubject: Subjectplanted talk\nTo: Ben <ben@example.test>\n\n"
    "Forwardplanted between us, I think the new plan is too expensive. Please keep this to yourself for now.\n"
)


def planted(number: int) -> dict[str, Any]:
    return {
        "subject": f"Subjectplanted {number}",
        "body": LETTER,
        "message_id": f"<Idplanted.{number}@example.test>",
        "X_Mark": 'Headerplanted; name="Fileplanted.pdf"',
    }


async def whole_life(house: House) -> list[str]:
    """Everything that can become of a held mail, with planted words in it; the codes that were written."""
    quoting = b' <anna@example.test>: "Anna Smith"@example.test for user anna@example.test'
    house.up.on("END", reply=b"250 2.0.0 Ok: queued as 4XyZ" + quoting + b"\r\n")
    house.out.on("END", reply=b"250 2.0.0 Ok: queued as 4AbC" + quoting + b"\r\n")
    letters = 0

    async def held(number: int) -> Any:
        nonlocal letters
        reply = await house.submit("anna", [BERLIN, ALL], **planted(number))
        assert "NOT SENT YET" in reply.text
        letters += 1
        return await house.letter(letters)

    async def told(reply: Submitted) -> None:
        nonlocal letters
        assert 250 == reply.code
        letters += 1
        await house.letter(letters)

    await house.submit("anna", [BERLIN], subject="Subjectplanted", body="Textplanted")
    await told(await house.answer("anna", await held(1), "SEND\n\nAnswerplanted"))
    await told(await house.answer("anna", await held(2), "DISCARD"))
    await told(await house.answer("anna", await held(3), "BACK"))
    waiting = await held(4)
    assert 550 == (await house.answer("ben", waiting, "SEND Answerplanted")).code
    assert 550 == (await house.submit("ben", ["mailcheck+" + "A" * 52 + "@check.example.test"])).code
    await told(await house.answer("anna", waiting, "Answerplanted"))
    assert 250 == (await house.answer("anna", waiting, "SEND", Auto_Submitted="auto-replied")).code
    assert 550 == (await house.submit("ben", [MEMBERS["clara"]], body=body(waiting))).code
    assert 550 == (await house.submit("anna", [ALL, PRESS], Auto_Submitted="auto-generated", **planted(5))).code
    house.out.on(
        "RCPT",
        reply=b"550 5.7.1 <all-members@lists.example.test>: not you, anna@example.test\r\n",
        match=b"all-members",
    )
    await told(await house.answer("anna", waiting, "SEND"))
    house.out.on(
        "RCPT", reply=b"450 4.7.1 <berlin@lists.example.test>: not now, anna@example.test\r\n", match=b"berlin"
    )
    assert 451 == (await house.answer("anna", waiting, "ONLY 1")).code
    house.out.on("MAIL", reply=b"550 5.7.1 <mailcheck@check.example.test>: nobody writes to anna@example.test\r\n")
    assert 550 == (await house.submit("anna", [BERLIN, PRESS], **planted(6))).code
    house.out.on("MAIL", reply=b"421 4.3.0 anna@example.test must wait\r\n", then="close")
    assert 451 == (await house.submit("anna", [BERLIN, PRESS], **planted(7))).code
    house.up.on("END", reply=b"554 5.7.1 <anna@example.test>: Subject not liked\r\n")
    assert 554 == (await house.submit("anna", [BERLIN], **{**planted(8), "body": "Textplanted"})).code
    house.up.on("greeting", reply=b"554 5.7.1 anna@example.test has no business here\r\n")
    with pytest.raises(smtplib.SMTPException):
        await house.member("anna")
    return [str(each["Reply-To"]).strip("<>") for each in house.own_mail() if each["Reply-To"]]


@pytest.mark.parametrize("form", ["logfmt", "json"])
async def test_T_53_nothing_of_a_mail_or_its_people_is_in_the_log_of_its_whole_life(tmp_path: Path, form: str) -> None:
    with caught("debug", form) as stream:
        async with guarded(tmp_path) as house:
            addresses = await whole_life(house)
    log = stream.getvalue()
    codes = [each.partition("+")[2].partition("@")[0] for each in addresses]
    people = [part for address in MEMBERS.values() for part in (address, address.partition("@")[0])]
    lists = ["berlin", "all-members", "press", "lists.example"]
    passwords = [
        *PASSWORDS.values(),
        *(base64.b64encode(f"\0{a}\0{p}".encode()).decode() for a, p in PASSWORDS.items()),
    ]
    rows = ["12-02", "11-08", "90-01", "90-05", "90-10", "rule"]

    assert 4 <= len(codes)
    for word in [*PLANTED.values(), *codes, *people, *lists, *passwords, *rows, "Smith", "@example", "mailcheck"]:
        assert word.lower() not in log.lower(), word
    # The grouped form of the notice's code, too.
    assert not re.search(r"(?:[A-Z2-7]{4}-){3}", log)
    # What an admin needs is there: the mail server's own words and queue id.
    events = set(re.findall(r'event"?[=:] ?"?([a-z-]+)', log))
    assert {"passed", "held", "released", "release-refused", "discarded", "refused", "deferred", "answered"} <= events
    assert "queued as 4XyZ" in log
    assert "queued as 4AbC" in log


async def test_T_53_the_log_of_a_mail_nobody_answers_is_a_number(tmp_path: Path) -> None:
    with caught("debug") as stream:
        async with guarded(tmp_path, defaults={"expires": "1s"}) as house:
            await house.submit("anna", [BERLIN, ALL], **planted(1))
            await house.letter(2)
    log = stream.getvalue()

    assert "event=expired count=1" in log
    for word in (*PLANTED.values(), "anna", "berlin", "example.test"):
        assert word.lower() not in log.lower()


# ---------------------------------------------------------------- T-30: who may be asked


async def log_in_and_send(house: House, token: bytes, to: list[str], **parts: Any) -> Submitted:
    """One mail in a session whose AUTH PLAIN is `token`."""

    def send() -> Submitted:
        with smtplib.SMTP("127.0.0.1", house.port, timeout=30) as client:
            client.ehlo("client.example.test")
            code, text = client.docmd("AUTH PLAIN", base64.b64encode(token).decode())
            assert 235 == code, text
            for command in ["MAIL FROM:<anna@example.test>", *(f"RCPT TO:<{each}>" for each in to)]:
                code, text = client.docmd(command)
                if code >= 400:
                    return Submitted(code, text.decode())
            code, text = client.data(mail("anna", to, **parts))
            return Submitted(code, text.decode())

    return await _in_client_thread(send)


@pytest.mark.parametrize(
    "login", [BERLIN, "Berlin@LISTS.example.test", "berlin-owner@lists.example.test", "mailcheck@check.example.test"]
)
async def test_90_05_T_30_an_account_whose_mailbox_is_a_list_or_the_guard_is_never_asked(
    tmp_path: Path, login: str
) -> None:
    async with guarded(tmp_path) as house:
        house.up.users[login] = "x"
        reply = await log_in_and_send(house, f"\0{login}\0x".encode(), [BERLIN, ALL])
        plain = await log_in_and_send(house, f"\0{login}\0x".encode(), [PRESS])

        assert 550 == reply.code
        assert "this account has no mailbox where we could ask" in reply.text
        assert 250 == plain.code  # what alarms nobody passes
        assert [] == house.out.arrived
        assert [] == house.rows()


async def test_T_30_the_reverse_path_is_not_asked_though_it_looks_like_a_mailbox(tmp_path: Path) -> None:
    async with guarded(tmp_path, account_domain=None) as house:
        house.up.users["kiosk"] = "x"
        reply = await log_in_and_send(house, b"\0kiosk\0x", [BERLIN, ALL])

        assert 550 == reply.code
        assert [] == house.out.arrived


async def test_T_30_the_site_may_say_that_the_reverse_path_is_the_mailbox(tmp_path: Path) -> None:
    async with guarded(tmp_path, account_domain=None, mailbox_from_reverse_path=True) as house:
        house.up.users["kiosk"] = "x"
        reply = await log_in_and_send(house, b"\0kiosk\0x", [BERLIN, ALL])
        await house.letter()

        assert "NOT SENT YET" in reply.text
        assert (b"TO:<anna@example.test>",) == house.out.messages[0].rcpts


# ---------------------------------------------------------------- T-40: who logged in


async def test_T_40_the_authorization_identity_is_the_account_if_one_is_given(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        reply = await log_in_and_send(house, b"anna@example.test\0ben@example.test\0ben-password", [BERLIN, ALL])
        notice = await house.letter()

        assert "NOT SENT YET" in reply.text
        assert (b"TO:<anna@example.test>",) == house.out.messages[0].rcpts
        assert 550 == (await house.answer("ben", notice, "SEND")).code
        assert 250 == (await house.answer("anna", notice, "DISCARD")).code
        assert ["discarded"] == house.states()


@pytest.mark.parametrize("other", ["NFD", "upper", "upper NFD"])
async def test_T_40_a_login_in_another_normal_form_or_case_is_the_same_account(tmp_path: Path, other: str) -> None:
    login = "zo\u00eb.m\u00fcller@example.test"
    again = login.upper() if "upper" in other else login
    again = unicodedata.normalize("NFD", again) if "NFD" in other else again
    assert login != again
    async with guarded(tmp_path) as house:
        house.up.users.update({login: "x", again: "x"})
        await log_in_and_send(house, f"\0{login}\0x".encode(), [BERLIN, ALL])
        notice = await house.letter()
        address = str(notice["Reply-To"]).strip("<>")
        reply = await log_in_and_send(house, f"\0{again}\0x".encode(), [address], body="DISCARD")

        assert 250 == reply.code
        assert ["discarded"] == house.states()
        assert f"TO:<{login}>".encode() == house.out.messages[0].rcpts[0]


async def test_T_40_a_login_that_only_begins_alike_is_another_account(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        address = str((await house.letter())["Reply-To"]).strip("<>")
        for other in (
            "anna@example.test.evil.example",
            "anna+x@example.test",
            "xanna@example.test",
            "anna@elsewhere.test",
        ):
            house.up.users[other] = "x"
            assert 550 == (await log_in_and_send(house, f"\0{other}\0x".encode(), [address], body="SEND")).code

        assert ["held"] == house.states()


@pytest.mark.parametrize("token", [b"anna@example.test", b"a\0b", b"a\0b\0c\0d", b"\0\xff\xfe\0x", b"\0\0x", b""])
async def test_T_40_a_plain_message_of_another_shape_is_501_and_does_not_go_up(tmp_path: Path, token: bytes) -> None:
    async with guarded(tmp_path) as house:

        def log_in() -> int:
            with smtplib.SMTP("127.0.0.1", house.port, timeout=30) as client:
                client.ehlo("client.example.test")
                return client.docmd("AUTH PLAIN", base64.b64encode(token).decode() or "=")[0]

        assert 501 == await _in_client_thread(log_in)
        assert b"AUTH" not in house.up.sessions[0].verbs()
