"""Every way by which a held mail goes out, and everything that can get in between."""

from __future__ import annotations

import random
import re
from base64 import encodebytes
from pathlib import Path

import pytest

from tests.e2e.elsewhere import elsewhere
from tests.e2e.guard import Guard, Login, Release
from tests.e2e.mail_programs import Said, by_smtplib, session, submit
from tests.e2e.scene import HELD, READ, Scene, is_as_sent, once
from tests.e2e.stack import ELSEWHERE_DOMAIN, Letter, Stack
from tests.e2e.writing import answer, letter, new_subject

pytestmark = pytest.mark.e2e

WAYS: list[tuple[Login, Release]] = [
    ("xclient", "outbox"), ("account", "outbox"), ("xclient", "session"), ("account", "session"),
]  # fmt: skip
EIGHT_BIT = (
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: 8bit",
)
MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(("login", "release"), WAYS)
def test_only_1_goes_out_by_every_way(stack: Stack, tmp_path: Path, login: Login, release: Release) -> None:
    subject = new_subject()
    with Guard(stack, tmp_path, login=login, release=release) as guard:
        anna = Scene(stack, guard)
        notice = anna.hold(subject, "berlin", "brandenburg", "emil")
        assert anna.answer(notice, "ONLY 1") == Said(250, READ)
        anna.told("Sent", subject)

    assert anna.counts(subject) == once(stack, "berlin") | {"emil": 1}  # who is no list is kept
    [message_id] = {str(each.message["Message-ID"]) for [each] in anna.got(subject).values()}
    method = "XCLIENT" if (login, release) == ("xclient", "outbox") else "PLAIN"
    user = stack.outbox_account if (login, release) == ("account", "outbox") else anna.member
    assert _taken_from(stack, message_id).endswith(f"sasl_method={method}, sasl_username={user.login}")


def _taken_from(stack: Stack, message_id: str) -> str:
    """Postfix's line about the client from which this mail first came to it."""
    stack.wait_for_log(f"message-id={message_id}")
    lines = stack.mail_log().splitlines()
    queue_id = next(line for line in lines if f"message-id={message_id}" in line).split(": ")[1]
    return next(line for line in lines if f" {queue_id}: client=" in line)


@pytest.mark.parametrize("release", ["outbox", "session"])
def test_one_connection_can_post_wait_and_answer(stack: Stack, tmp_path: Path, release: Release) -> None:
    before, held, after = new_subject(), new_subject(), new_subject()
    with Guard(stack, tmp_path, release=release) as guard:
        anna = Scene(stack, guard)
        me, both = anna.member.address, anna.addresses("berlin", "brandenburg")
        with session(stack, guard.submission, anna.member) as client:
            assert submit(client, me, both[:1], anna.write(before, "berlin")).code == 250
            assert submit(client, me, both, anna.write(held, "berlin", "brandenburg")) == Said(250, HELD)
            recipient, content = answer(anna.notice(held), anna.member, "ONLY 2")
            assert submit(client, me, [recipient], content) == Said(250, READ)
            assert submit(client, me, both[:1], anna.write(after, "berlin")).code == 250

    for subject, name in ((before, "berlin"), (held, "brandenburg"), (after, "berlin")):
        assert anna.counts(subject) == once(stack, name)


def test_by_session_an_answer_past_the_guard_is_told_to_come_through_it(stack: Stack, tmp_path: Path) -> None:
    subject = new_subject()
    with Guard(stack, tmp_path, release="session") as guard:
        anna = Scene(stack, guard)
        notice = anna.hold(subject, "berlin", "brandenburg")

        anna.answer(notice, "SEND", place=stack.submission)
        assert "with the mail program and account" in anna.told("Still waiting", subject).text
        assert anna.got(subject) == {}

        assert anna.answer(notice, "ONLY 2") == Said(250, READ)
        assert anna.counts(subject) == once(stack, "brandenburg")


@pytest.mark.parametrize(("login", "release"), WAYS[:3])
def test_a_permission_withdrawn_meanwhile_is_told_and_the_mail_goes_when_it_is_back(
    stack: Stack, tmp_path: Path, login: Login, release: Release
) -> None:
    subject = new_subject()
    with Guard(stack, tmp_path, login=login, release=release) as guard:
        anna = Scene(stack, guard)
        notice = anna.hold(subject, "berlin", "brandenburg")

        with stack.sender_revoked("anna"):
            assert anna.answer(notice, "ONLY 1") == Said(250, READ)
        refused = anna.told("Not sent", subject)
        assert "Sender address rejected: not owned by user" in refused.text.replace("\n", " ")  # Postfix's own words
        assert "berlin@lists.example.test:" in refused.text
        assert "still waiting" in refused.text
        assert anna.got(subject) == {}

        assert anna.answer(notice, "ONLY 1") == Said(250, READ)
        anna.told("Sent", subject)
        assert anna.counts(subject) == once(stack, "berlin")


def test_what_is_held_outlives_a_kill_of_the_guard(stack: Stack, guard: Guard) -> None:
    subject, anna = new_subject(), Scene(stack, guard)
    notice = anna.hold(subject, "berlin", "brandenburg")

    guard.kill()
    guard.start()

    assert anna.answer(notice, "ONLY 2") == Said(250, READ)
    anna.told("Sent", subject)
    assert anna.counts(subject) == once(stack, "brandenburg")


def test_killed_before_the_dot_of_a_release_nothing_is_lost_and_nothing_is_sent_twice(
    stack: Stack, tmp_path: Path
) -> None:
    subject = new_subject()
    falling = Guard(stack, tmp_path, environment={"SMTPGUARD_FAIL_AT": "release.sending"})
    with falling:
        anna = Scene(stack, falling)
        notice = anna.hold(subject, "berlin", "brandenburg")
        anna.answer(notice, "ONLY 1", place=stack.submission)  # Postfix keeps it until somebody has taken it
        assert falling.wait() == -9
    assert anna.got(subject) == {}

    with Guard(stack, tmp_path) as guard:
        anna = Scene(stack, guard)
        # What Postfix brings again is no second word: she is told, and looks.
        assert "it may have gone out. " in anna.told("Not certain", subject).text.replace("\n", " ")
        assert anna.got(subject) == {}
        assert anna.answer(notice, "ONLY 1") == Said(250, READ)
        assert "may have gone out twice" in anna.told("Sent", subject).text.replace("\n", " ")
    assert anna.counts(subject) == once(stack, "berlin")


def test_an_answer_waits_at_the_mail_server_while_the_guard_is_down(stack: Stack, guard: Guard) -> None:
    subject, anna = new_subject(), Scene(stack, guard)
    notice = anna.hold(subject, "berlin", "brandenburg")

    assert guard.end() == 0
    anna.answer(notice, "SEND", place=stack.submission)
    assert anna.got(subject) == {}
    guard.start()

    anna.told("Sent", subject)
    assert anna.counts(subject) == {"anna": 2, "ben": 1, "clara": 2, "dora": 1}


@pytest.mark.parametrize("held", [False, True], ids=["passed", "held"])
def test_delivery_status_is_reported_as_it_was_asked_for(stack: Stack, guard: Guard, *, held: bool) -> None:
    subject, anna = new_subject(), Scene(stack, guard)
    names = ("berlin", "brandenburg", "emil") if held else ("berlin", "dora", "emil")
    asked = (
        ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;our+2Blist@example.test"],
        ["NOTIFY=NEVER"],
        ["NOTIFY=SUCCESS"],
    )

    said = by_smtplib(
        stack, guard.submission, anna.member, anna.addresses(*names), anna.write(subject, *names),
        ["RET=HDRS", f"ENVID=envelope-{subject[-12:]}"], asked,
    )  # fmt: skip
    if held:
        assert said == Said(250, HELD)
        assert not _reports(stack, subject)
        assert anna.answer(anna.notice(subject), "SEND") == Said(250, READ)
    assert said.code == 250

    assert set(anna.counts(subject)) >= {"ben", "emil"}
    reports = _reports(stack, subject)
    assert {each.message.get_param("report-type") for each in reports} == {"delivery-status"}
    told = b"".join(each.content for each in reports)
    assert set(re.findall(rb"(?m)^Final-Recipient: rfc822; (\S+)", told)) == {
        b"berlin@lists.example.test",
        b"emil@example.test",
    }
    assert b"Original-Recipient: rfc822;our+list@example.test" in told
    assert told.count(f"Original-Envelope-Id: envelope-{subject[-12:]}".encode()) == len(reports)
    assert b"shelf" not in told  # RET=HDRS: the header alone comes back


def _reports(stack: Stack, subject: str) -> list[Letter]:
    """Delivery reports about the mail with this subject, in its sender's mailbox."""
    stack.settle()
    return [
        each
        for each in stack.inbox("anna")
        if each.message.get_content_type() == "multipart/report" and subject.encode() in each.content
    ]


def test_8bit_content_is_held_and_released_to_the_octet(stack: Stack, guard: Guard) -> None:
    subject, anna = new_subject(), Scene(stack, guard)
    to = anna.addresses("berlin", "brandenburg", "emil")
    body = "Grüße aus Köln\r\n.\r\n  \r\n\r\n".encode() + b"\xff\xfe\xe4\r\n"
    sent = letter(anna.member, to, subject, body, fields=EIGHT_BIT)

    assert by_smtplib(stack, guard.submission, anna.member, to, sent, ["BODY=8BITMIME"]) == Said(250, HELD)
    assert anna.answer(anna.notice(subject), "SEND") == Said(250, READ)

    [copy] = anna.got(subject)["emil"]
    assert is_as_sent(copy.content, sent)


@pytest.mark.parametrize("held", [False, True], ids=["passed", "held"])
def test_smtputf8_goes_along(stack: Stack, guard: Guard, *, held: bool) -> None:
    subject, anna = new_subject(), Scene(stack, guard)
    joerg = f"jörg@{ELSEWHERE_DOMAIN}"
    to = [*anna.addresses(*(("berlin", "brandenburg") if held else ("berlin",))), joerg]
    sent = letter(anna.member, to[:-1], subject, "Grüße\n", fields=EIGHT_BIT)  # jörg is in Bcc

    with elsewhere(stack) as came:
        said = by_smtplib(stack, guard.submission, anna.member, to, sent, ["SMTPUTF8", "BODY=8BITMIME"])
        if held:
            assert said == Said(250, HELD)
            stack.settle()
            assert came == []
            assert "not to brandenburg" in anna.notice(subject).text
            assert anna.answer(anna.notice(subject), "ONLY 1") == Said(250, READ)
            assert joerg in anna.told("Sent", subject).text
        assert said.code == 250
        assert anna.counts(subject) == once(stack, "berlin")

    [delivery] = came
    assert delivery.recipients == (joerg,)
    assert {"SMTPUTF8", "BODY=8BITMIME"} <= delivery.parameters
    assert is_as_sent(delivery.content, sent)


def test_three_megabytes_pass_and_are_held_to_the_octet(stack: Stack, guard: Guard) -> None:
    anna = Scene(stack, guard)
    attached = random.Random(3).randbytes(3 * MEBIBYTE)
    try:
        for names in (("berlin", "emil"), ("berlin", "brandenburg", "emil")):
            subject = new_subject()
            sent = letter(anna.member, anna.addresses(*names), subject, _with_attachment(attached), fields=(
                "MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="edge"',
            ))  # fmt: skip
            said = anna.send(sent, *names)
            if len(names) == 3:
                assert said == Said(250, HELD)
                assert anna.answer(anna.notice(subject), "SEND") == Said(250, READ)

            [copy] = stack.wait_for("emil", subject=subject)
            assert is_as_sent(copy.content, sent)
            [post] = stack.wait_for("ben", subject=subject)
            [plan] = [each for each in post.message.iter_attachments() if each.get_filename() == "plan.bin"]
            assert plan.get_content() == attached
            assert not list((guard.state_dir / "spool").iterdir())
    finally:
        stack.empty_inboxes()  # every later look into a mailbox would read them again


def _with_attachment(octets: bytes) -> bytes:
    return (
        b"--edge\r\nContent-Type: text/plain\r\n\r\nThe plan is attached.\r\n"
        b"--edge\r\nContent-Type: application/octet-stream\r\n"
        b'Content-Disposition: attachment; filename="plan.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        + encodebytes(octets).replace(b"\n", b"\r\n")
        + b"--edge--\r\n"
    )
