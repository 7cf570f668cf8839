"""`smtpguard doctor`, `held` and `expire` beside a guard in front of the real site."""

from __future__ import annotations

import json
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.closed import closed
from tests.e2e.guard import Guard
from tests.e2e.scene import Scene
from tests.e2e.stack import GUARD_ADDRESS, Stack
from tests.e2e.writing import new_subject
from tests.ports import HOST

pytestmark = pytest.mark.e2e

CODE = GUARD_ADDRESS.replace("@", f"+{'A' * 52}@")
Checks = list[tuple[str, str, str]]


def call(command: str, guard: Guard, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "smtpguard", command, "--config", str(guard.config), *options],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def doctor(guard: Guard, outside: int, *options: str) -> tuple[int, Checks]:
    """The exit code, and check, result and text of each line; mail from outside comes in at port `outside`."""
    said = call("doctor", guard, "--format", "json", "--outside", f"{HOST}:{outside}", *options)
    assert said.stderr == ""
    checks = json.loads(said.stdout)["checks"]
    return said.returncode, [(each["check"], each["result"], each["text"]) for each in checks]


def of(checks: Checks, check: str, result: str) -> str:
    return "\n".join(text for each, went, text in checks if (each, went) == (check, result))


@pytest.fixture
def careful(stack: Stack, tmp_path: Path) -> Iterator[Guard]:
    """A guard whose TLS key nobody else can read; the site's own is read by all its servers."""
    key = tmp_path / "key.pem"
    key.write_bytes(stack.key.read_bytes())
    key.chmod(0o600)
    with Guard(stack, tmp_path, changes={"tls": {"certificate": str(stack.certificate), "key_file": str(key)}}) as it:
        yield it


def test_all_is_well_and_the_mail_server_has_no_mail_of_it(stack: Stack, careful: Guard, tmp_path: Path) -> None:
    guard = careful
    scene = Scene(stack, guard)
    notice = scene.hold(new_subject(), "berlin", "brandenburg")
    password = tmp_path / "anna"
    password.write_text(scene.member.password)
    stack.settle()
    # The last mail before; its line may come a little behind it.
    stack.wait_for_log(f"message-id={notice.message['Message-ID']}")
    before = stack.mail_log().count(": message-id=")

    login = ("--login", scene.member.login, "--password-file", str(password))
    with closed(stack) as outside:
        code, checks = doctor(guard, outside, *login)

    assert [] == [each for each in checks if each[1] in ("warning", "problem")]
    assert code == 0
    stack.settle()
    assert before == stack.mail_log().count(": message-id=")
    assert "its certificate is right" in of(checks, "upstream", "ok")
    assert "members can log in by PLAIN, LOGIN" in of(checks, "upstream", "ok")
    assert "22 forms of foreign recipients are refused without a login" in of(checks, "relaying", "ok")
    assert "refuses this login another's address, and takes its own" in of(checks, "senders", "ok")
    assert "the login by XCLIENT counts: without it the port refuses the same mail" in of(checks, "outbox", "ok")
    assert "mail to mailcheck+CODE@check.example.test is taken" in of(checks, "guard domain", "ok")
    assert "other names at check.example.test are refused by the mail server" in of(checks, "guard domain", "ok")
    assert "takes mailcheck@check.example.test and no other name" in of(checks, "guard domain", "ok")
    assert "refuses mail to check.example.test" in of(checks, "port 25", "ok")
    assert "files in force" in of(checks, "guard", "ok")
    assert "the day keys are those that waiting mail needs" in of(checks, "keys", "ok")
    assert scene.member.password not in str(checks)


def test_T_27_and_T_31_a_port_25_closed_by_the_shipped_file_takes_all_other_mail(stack: Stack) -> None:
    anna, mails = stack.members["anna"].address, [("<>", GUARD_ADDRESS), ("<>", CODE), (f"<{GUARD_ADDRESS}>", "")]
    with closed(stack) as outside, smtplib.SMTP(HOST, outside, timeout=30) as client:
        client.ehlo("outside.example.net")
        for sender, recipient in mails:
            assert client.docmd(f"MAIL FROM:{sender}")[0] == 250
            code, words = client.docmd(f"RCPT TO:<{recipient or anna}>")
            assert code == 554
            assert words.endswith(b"nobody can write to this address from outside")
            client.rset()
        client.docmd("MAIL FROM:<>")
        assert client.docmd(f"RCPT TO:<{anna}>")[0] == 250
        client.rset()


def test_mistakes_in_the_site_are_found(stack: Stack, tmp_path: Path) -> None:
    # The guard's outbox leads to the members' port, which trusts nobody; port 25 is open to the guard domain.
    outbox = {
        "server": f"{HOST}:{stack.submission[1]}", "tls": "starttls", "ca": str(stack.ca_file),
        "login": "xclient", "user": "mailcheck",
    }  # fmt: skip
    guard = Guard(stack, tmp_path, changes={"outbox": outbox, "mailbox_from_reverse_path": True})

    code, checks = doctor(guard, stack.inbound[1])

    assert code == 1
    assert "does not offer XCLIENT with LOGIN to the outbox" in of(checks, "outbox", "problem")
    assert '"mailbox_from_reverse_path: true" rests on it' in of(checks, "senders", "problem")
    assert "takes mail to mailcheck@check.example.test from outside" in of(checks, "port 25", "warning")
    assert "no guard runs there" in of(checks, "guard domain", "skipped")


def test_what_waits_is_counted_and_dropped_beside_the_guard(stack: Stack, guard: Guard) -> None:
    scene = Scene(stack, guard)
    subject = new_subject()
    notice = scene.hold(subject, "berlin", "brandenburg")

    counted = call("held", guard)
    dropped = call("expire", guard, "--account", "anna", "--yes")
    left = call("held", guard, "--format", "json")

    assert (0, "") == (counted.returncode, counted.stderr)
    assert "1 mail waits for an answer\n       1 younger than an hour" in counted.stdout
    assert (0, "") == (dropped.returncode, dropped.stderr)
    assert "1 mail dropped" in dropped.stdout
    assert json.loads(left.stdout)["waiting"] == 0
    before = sum("Already done" in each.subject for each in stack.inbox("anna"))
    assert scene.answer(notice, "SEND").code == 250
    stack.wait_for("anna", subject="Already done", count=before + 1)
    assert scene.got(subject) == {}
