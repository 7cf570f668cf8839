"""The ways by which an answer can come: through the guard's submission port, or through the mail server, which hands
the guard domain's mail to the guard. And who may not answer.
"""

from __future__ import annotations

import smtplib
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.guard import Guard
from tests.e2e.mail_programs import PATIENCE, Said, by_smtplib, session, submit
from tests.e2e.scene import HELD, READ, Scene, is_as_sent, once
from tests.e2e.stack import CONTACT, GUARD_ADDRESS, Stack
from tests.e2e.writing import answer, letter, new_subject

pytestmark = pytest.mark.e2e

GUARD_DOMAIN = GUARD_ADDRESS.partition("@")[2]


@pytest.fixture
def anna(stack: Stack, guard: Guard) -> Scene:
    return Scene(stack, guard)


def _from_outside(stack: Stack, sender: str, to: str, content: bytes) -> Said:
    with smtplib.SMTP(*stack.inbound, timeout=PATIENCE) as client:
        client.ehlo()
        return submit(client, sender, [to], content)


def test_an_answer_that_goes_past_the_guard_comes_back_by_the_mail_server_and_counts(stack: Stack, anna: Scene) -> None:
    subject = new_subject()
    notice = anna.hold(subject, "berlin", "brandenburg")

    said = anna.answer(notice, "ONLY 2", place=stack.submission)

    assert "queued as" in said.text  # Postfix took it; the guard gets it from there
    assert "has been sent to brandenburg@" in anna.told("Sent", subject).text
    assert anna.counts(subject) == once(stack, "brandenburg")


def test_anothers_answer_through_the_mail_server_does_nothing_and_gives_no_bounce(stack: Stack, anna: Scene) -> None:
    subject = new_subject()
    notice = anna.hold(subject, "berlin", "brandenburg")
    ben = Scene(stack, anna.guard, "ben")

    assert ben.answer(notice, "SEND", place=stack.submission).code == 250

    assert anna.got(subject) == {}
    assert not [each for each in stack.inbox("ben") if subject in each.subject or subject in each.text]
    assert anna.answer(notice, "ONLY 1") == Said(250, READ)  # and it is still waiting for its sender
    assert anna.counts(subject) == once(stack, "berlin")


def test_anothers_answer_through_the_guard_reads_what_an_unknown_code_reads(stack: Stack, anna: Scene) -> None:
    subject = new_subject()
    notice = anna.hold(subject, "berlin", "brandenburg")
    ben = stack.members["ben"]
    unknown = GUARD_ADDRESS.replace("@", f"+{'A' * 52}@")

    recipient, content = answer(notice, ben, "SEND")
    with_the_code = by_smtplib(stack, anna.guard.submission, ben, [recipient], content)
    content = letter(ben, [unknown], "Re: NOT SENT YET", "SEND\n")
    without = by_smtplib(stack, anna.guard.submission, ben, [unknown], content)

    assert with_the_code == without == Said(550, "5.1.1 No mail is waiting under this code")
    assert anna.got(subject) == {}


@pytest.mark.parametrize("field", ["Auto-Submitted: auto-replied", "Precedence: bulk", "X-Auto-Response-Suppress: All"])
def test_an_automatic_answer_never_decides(stack: Stack, anna: Scene, field: str) -> None:
    subject = new_subject()
    notice = anna.hold(subject, "berlin", "brandenburg")
    recipient = str(notice.message["Reply-To"])
    vacation = letter(anna.member, [recipient], f"Re: {notice.subject}", "SEND\n", fields=[field])

    by_smtplib(stack, stack.submission, anna.member, [recipient], vacation)
    by_smtplib(stack, anna.guard.submission, anna.member, [recipient], vacation)

    assert anna.got(subject) == {}
    anna.wait_for_log("answered", 2)
    assert anna.guard.log().count(" event=answered effect=ignored") == 2


def test_an_answer_without_a_choice_gets_help_and_the_mail_waits_on(stack: Stack, anna: Scene) -> None:
    subject = new_subject()
    notice = anna.hold(subject, "berlin", "brandenburg")
    before = len([each for each in stack.inbox("anna") if each.subject == "Your mail is still waiting"])

    assert anna.answer(notice, "ONLY 3") == Said(250, READ)

    help_ = stack.wait_for("anna", subject="Your mail is still waiting", count=before + 1)[-1]
    assert "ONLY 1, ONLY 2, SEND, DISCARD, BACK" in help_.text
    assert anna.got(subject) == {}
    assert anna.answer(notice, "ONLY 1") == Said(250, READ)
    assert anna.counts(subject) == once(stack, "berlin")


@pytest.mark.parametrize("name", ["postmaster", "abuse"])
def test_postmaster_and_abuse_of_the_guard_domain_reach_the_contact(stack: Stack, guard: Guard, name: str) -> None:
    subject, stranger = new_subject(), "stranger@elsewhere.test"
    to = f"{name}@{GUARD_DOMAIN}"
    sent = (
        f"From: Stranger <{stranger}>\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Mon, 16 Nov 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{uuid.uuid4().hex}@elsewhere.test>\r\n\r\n.\r\nYour machine writes to me.  \r\n"
    ).encode()

    assert _from_outside(stack, stranger, to, sent).code == 250

    [got] = stack.wait_for(CONTACT.partition("@")[0], subject=subject)
    assert is_as_sent(got.content, sent)


def test_unknown_names_of_the_guard_domain_get_550_and_nobody_else_is_reached_there(stack: Stack, guard: Guard) -> None:
    for place in (guard.answers, stack.inbound):
        with smtplib.SMTP(*place, timeout=PATIENCE) as client:
            client.ehlo()
            assert client.mail("stranger@elsewhere.test")[0] == 250
            code, text = client.rcpt(f"treasurer@{GUARD_DOMAIN}")
            assert (code, text[:6]) == (550, b"5.1.1 ")

    with smtplib.SMTP(*guard.answers, timeout=PATIENCE) as client:
        client.ehlo()
        assert client.mail(GUARD_ADDRESS)[0] == 250
        for address in ("somebody@elsewhere.test", stack.lists["berlin"].address, stack.members["ben"].address):
            assert client.rcpt(address)[0] == 550
        assert client.rcpt(GUARD_ADDRESS)[0] == 250


def test_an_answer_to_all_is_refused_since_it_would_pass_the_code_on(stack: Stack, anna: Scene) -> None:
    subject = new_subject()
    recipient, content = answer(anna.hold(subject, "berlin", "brandenburg"), anna.member, "SEND")

    with session(stack, anna.guard.submission, anna.member) as client:
        client.mail(anna.member.address)
        assert client.rcpt(stack.members["ben"].address)[0] == 250
        client.rcpt(recipient)
        with pytest.raises(smtplib.SMTPDataError, match="must go to it alone") as refused:
            client.data(content)  # some programs go on with those that were taken

    assert refused.value.smtp_code == 550
    assert anna.got(subject) == {}
    assert not [each for each in stack.inbox("ben") if subject in each.subject]


def test_the_same_account_may_answer_in_another_spelling_of_its_login(stack: Stack, anna: Scene) -> None:
    subject = new_subject()
    content = anna.write(subject, "berlin", "brandenburg")
    with session(stack, anna.guard.submission) as phone:
        phone.login("ANNA", anna.member.password)
        held = submit(phone, anna.member.address, anna.addresses("berlin", "brandenburg"), content)
    assert held == Said(250, HELD)

    with session(stack, anna.guard.submission) as laptop:
        laptop.login("Anna@Example.Test", anna.member.password)
        recipient, content = answer(anna.notice(subject), anna.member, "ONLY 2")
        assert submit(laptop, anna.member.address, [recipient], content) == Said(250, READ)

    assert anna.counts(subject) == once(stack, "brandenburg")


def test_of_many_answers_at_once_one_releases(stack: Stack, anna: Scene) -> None:
    subject = new_subject()
    notice = anna.hold(subject, "berlin", "brandenburg")

    with ThreadPoolExecutor(6) as members_programs:
        said = list(members_programs.map(lambda _: anna.answer(notice, "ONLY 1"), range(6)))

    assert {each.code for each in said} <= {250, 451}
    assert Said(250, READ) in said
    assert anna.counts(subject) == once(stack, "berlin")
    assert anna.guard.log().count(" event=released ") == 1
