"""The site by itself, before a guard stands in front of it: what the end-to-end tests of the guard rest on."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
import uuid
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.e2e.mail_programs import PATIENCE
from tests.e2e.stack import GUARD_ADDRESS, GUARD_USER, Member, Stack

pytestmark = pytest.mark.e2e


def _post(sender: Member, *to: str, subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender.address
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message.set_content("The minutes of the meeting are on the shelf.\n")
    return message


def _subject() -> str:
    return f"minutes {uuid.uuid4().hex}"


def _submission(stack: Stack) -> smtplib.SMTP:
    client = smtplib.SMTP(*stack.submission, timeout=PATIENCE)
    client.starttls(context=ssl.create_default_context(cafile=str(stack.ca_file)))
    return client


def _trusted(stack: Stack, login: str) -> smtplib.SMTP:
    client = smtplib.SMTP(*stack.trusted, timeout=PATIENCE)
    client.ehlo()
    code, _ = client.docmd("XCLIENT", f"LOGIN={login}")
    assert code == 220
    client.ehlo()
    return client


def _run(*command: str, stdin: str) -> None:
    subprocess.run(command, input=stdin, text=True, check=True, timeout=30, capture_output=True)


def test_a_post_by_smtplib_reaches_the_members_of_the_list_and_nobody_else(stack: Stack) -> None:
    subject = _subject()
    with _submission(stack) as client:
        client.login(stack.members["anna"].login, stack.members["anna"].password)
        client.send_message(_post(stack.members["anna"], stack.lists["berlin"].address, subject=subject))

    for name in stack.lists["berlin"].members:
        [letter] = stack.wait_for(name, subject=subject)
        assert letter.message["List-Id"] == f"<{stack.lists['berlin'].list_id}>"
        assert "on the shelf" in letter.text
    stack.settle()
    assert not [letter for letter in stack.inbox("dora") if subject in letter.subject]


def test_a_post_by_swaks_reaches_the_members(stack: Stack) -> None:
    subject, clara = _subject(), stack.members["clara"]
    posting = stack.lists["brandenburg"]
    host, port = stack.submission
    _run(
        "swaks", "--server", host, "--port", str(port), "--tls", "--tls-verify", "--tls-ca-path", str(stack.ca_file),
        "--auth", "PLAIN", "--auth-user", clara.login, "--auth-password", clara.password,
        "--from", clara.address, "--to", posting.address, "--header", f"Subject: {subject}",
        stdin="",
    )  # fmt: skip

    for name in posting.members:
        stack.wait_for(name, subject=subject)


def test_a_post_by_msmtp_reaches_the_members(stack: Stack, tmp_path: Path) -> None:
    subject, emil = _subject(), stack.members["emil"]
    posting = stack.lists["press"]
    host, port = stack.submission
    settings = tmp_path / "msmtprc"
    settings.write_text(
        f"account default\nhost {host}\nport {port}\nfrom {emil.address}\n"
        f"tls on\ntls_starttls on\ntls_trust_file {stack.ca_file}\n"
        f'auth plain\nuser {emil.login}\npassword "{emil.password}"\n'
    )
    settings.chmod(0o600)
    _run(
        "msmtp", f"--file={settings}", posting.address,
        stdin=_post(emil, posting.address, subject=subject).as_string(),
    )  # fmt: skip

    for name in posting.members:
        stack.wait_for(name, subject=subject)


def test_a_post_to_two_lists_comes_once_by_each(stack: Stack) -> None:
    subject, anna = _subject(), stack.members["anna"]
    both = [stack.lists[name].address for name in ("berlin", "brandenburg")]
    with _submission(stack) as client:
        client.login(anna.login, anna.password)
        client.send_message(_post(anna, *both, subject=subject))

    stack.wait_for("clara", subject=subject, count=2)
    stack.settle()
    counts = {name: len([x for x in stack.inbox(name) if subject in x.subject]) for name in stack.members}
    assert counts == {"anna": 2, "ben": 1, "clara": 2, "dora": 1, "emil": 0}


def test_a_wrong_password_gets_535(stack: Stack) -> None:
    with _submission(stack) as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login(stack.members["anna"].login, "not the password")

    assert refused.value.smtp_code == 535
    assert "5.7.8 " in str(refused.value.smtp_error)


@pytest.mark.parametrize("login", ["anna", "ANNA", "Anna@Example.TEST"])
def test_a_login_is_taken_in_every_spelling(stack: Stack, login: str) -> None:
    with _submission(stack) as client:
        client.login(login, stack.members["anna"].password)
        client.mail(stack.members["anna"].address)
        assert client.rcpt(stack.members["ben"].address)[0] == 250


def test_anothers_address_gets_553_at_rcpt(stack: Stack) -> None:
    with _submission(stack) as client:
        client.login(stack.members["anna"].login, stack.members["anna"].password)
        assert client.mail(stack.members["ben"].address)[0] == 250
        code, text = client.rcpt(stack.lists["berlin"].address)

    assert code == 553
    assert text.startswith(b"5.7.1 ")


def test_an_unknown_list_gets_550(stack: Stack) -> None:
    with _submission(stack) as client:
        client.login(stack.members["anna"].login, stack.members["anna"].password)
        client.mail(stack.members["anna"].address)
        assert client.rcpt("nowhere@lists.example.test")[0] == 550


def test_nobody_relays_without_a_login(stack: Stack) -> None:
    for host, port in (stack.submission, stack.trusted, stack.inbound):
        with smtplib.SMTP(host, port, timeout=PATIENCE) as client:
            client.ehlo()
            if client.has_extn("starttls") and (host, port) == stack.submission:
                client.starttls(context=ssl.create_default_context(cafile=str(stack.ca_file)))
                client.ehlo()
            client.mail(stack.members["anna"].address)
            assert client.rcpt("somebody@elsewhere.invalid")[0] == 554


def test_xclient_login_sends_as_the_member_without_the_password(stack: Stack) -> None:
    subject, anna = _subject(), stack.members["anna"]
    with _trusted(stack, anna.login) as client:
        client.send_message(_post(anna, stack.members["ben"].address, subject=subject))

    stack.wait_for("ben", subject=subject)
    stack.wait_for_log(f"sasl_username={anna.login}")


def test_xclient_login_keeps_the_sender_check(stack: Stack) -> None:
    with _trusted(stack, stack.members["anna"].login) as client:
        client.mail(stack.members["ben"].address)
        assert client.rcpt(stack.lists["berlin"].address)[0] == 553


def test_a_withdrawn_address_is_refused_on_the_next_connection_and_taken_again_after_the_grant(stack: Stack) -> None:
    anna = stack.members["anna"]

    def reply_to_rcpt() -> int:
        with _trusted(stack, anna.login) as client:
            client.mail(anna.address)
            return client.rcpt(stack.lists["berlin"].address)[0]

    for _ in range(3):
        with stack.sender_revoked("anna"):
            assert reply_to_rcpt() == 553
        assert reply_to_rcpt() == 250


def test_the_guards_own_mail_is_taken_with_the_null_sender(stack: Stack) -> None:
    subject = _subject()
    notice = EmailMessage()
    notice["From"], notice["To"], notice["Subject"] = GUARD_ADDRESS, stack.members["dora"].address, subject
    notice.set_content("A mail of yours waits.\n")
    with _trusted(stack, GUARD_USER) as client:
        client.send_message(notice, from_addr="<>")

    [letter] = stack.wait_for("dora", subject=subject)
    assert letter.message["Return-Path"] == "<>"


def test_the_outbox_account_may_send_with_every_members_address(stack: Stack) -> None:
    subject, ben = _subject(), stack.members["ben"]
    with _submission(stack) as client:
        client.login(stack.outbox_account.login, stack.outbox_account.password)
        client.send_message(_post(ben, stack.members["clara"].address, subject=subject))

    stack.wait_for("clara", subject=subject)


def test_mail_to_the_guard_domain_is_handed_to_the_guards_answers_port_unchanged(stack: Stack) -> None:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import SMTP, Envelope, Session

    came: list[tuple[list[str], bytes]] = []

    class Recorder:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
            assert isinstance(envelope.content, bytes)
            came.append((envelope.rcpt_tos, envelope.content))
            return "250 2.0.0 taken"

    recipient, subject = GUARD_ADDRESS.replace("@", "+KeepThisCase23@"), _subject()
    listening = Controller(Recorder(), hostname="127.0.0.1", port=stack.guard_answers_port)
    listening.start()
    try:
        with _submission(stack) as client:
            client.login(stack.members["ben"].login, stack.members["ben"].password)
            client.send_message(_post(stack.members["ben"], recipient, subject=subject))
            assert client.mail(stack.members["ben"].address)[0] == 250
            assert client.rcpt(f"stranger@{GUARD_ADDRESS.partition('@')[2]}")[0] == 550
        stack.settle()
    finally:
        listening.stop()

    [(recipients, content)] = came
    assert recipients == [recipient]
    assert subject.encode() in content
