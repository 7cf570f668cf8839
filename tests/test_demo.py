"""`make demo` as a stranger sees it."""

from __future__ import annotations

import os
import poplib
import re
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path
from typing import IO
from urllib.request import urlopen

import pytest

from smtpguard.demo import tour as tour_module
from smtpguard.demo.mailserver import DemoMailServer
from smtpguard.demo.tour import EXPIRES_SECONDS, LISTS, MEMBERS, Tour
from tests.logs import restored_loggers

# The tour waits for a mail to expire.
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    with restored_loggers():
        yield


def test_the_tour_ends_well_shows_the_notice_and_what_each_mailbox_holds(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "smtpguard", "demo"],
        capture_output=True, text=True, timeout=EXPIRES_SECONDS + 80, check=False, cwd=tmp_path,
    )  # fmt: skip

    assert (0, "") == (told.returncode, told.stderr), told.stdout
    assert "Every step went as it should." in told.stdout
    assert not re.search(r"(?m)^   NOT ", told.stdout)
    assert 11 == len(re.findall(r"(?m)^   ok  ", told.stdout))
    # The notice as the member reads it.
    assert "   | From:    Mail check <mailcheck@check.example.test>\n" in told.stdout
    assert '   | Subject: NOT SENT YET: "Minutes of Tuesday" - please choose by ' in told.stdout
    assert "   | Why: it is addressed to two lists, and most mails belong on one (rule 12).\n" in told.stdout
    assert 2 == len(re.findall(r"(?m)^   \| code: [A-Z2-7-]{29,34}$", told.stdout))
    assert "   Anna answers: ONLY 1\n" in told.stdout
    assert "It says: Why: it would take a private mail of Clara" in told.stdout
    assert "was not sent. We had no answer by" in told.stdout
    # What each mailbox holds at the end.
    _, _, end = told.stdout.partition("What each mailbox holds at the end:\n")
    mailboxes = dict(re.findall(r"(?m)^   (\w+):\n((?:      .*\n)*)", end))
    assert set(MEMBERS) == set(mailboxes)
    assert ["Minutes of Tuesday", "Room for Tuesday"] == sorted(
        line.strip() for line in mailboxes["ben"].splitlines() if "our talk" not in line
    )
    assert "" == mailboxes["clara"]
    assert [] == list(tmp_path.iterdir())  # nothing is left


async def test_a_step_that_goes_otherwise_makes_the_tour_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(walk: Tour) -> None:
        walk.expect("the sun rises in the west", False)

    for step in ("ordinary_post", "cross_post", "forwarded_letter", "nobody_answers"):
        monkeypatch.setattr(tour_module, step, broken)

    assert 1 == await tour_module.tour()
    assert "   NOT  the sun rises in the west" in capsys.readouterr().out


async def test_the_demo_s_mail_server_wants_a_login_and_fans_out() -> None:
    import asyncio
    import smtplib

    server = DemoMailServer({MEMBERS["anna"]: "x"}, LISTS)
    await server.start()

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", server.submission, timeout=10) as client:
            with pytest.raises(smtplib.SMTPException):
                client.sendmail(MEMBERS["anna"], list(LISTS), "Subject: s\r\n\r\nx\r\n")
            client.login(MEMBERS["anna"], "x")
            client.sendmail(MEMBERS["anna"], ["berlin@lists.example.test"], "Subject: s\r\n\r\nx\r\n")

    try:
        await asyncio.to_thread(send)
        assert {MEMBERS["anna"], MEMBERS["ben"]} == set(server.mailboxes)
        assert await server.wait_for(MEMBERS["clara"], "s", seconds=0.1) is None
    finally:
        await server.stop()


def test_a_demo_that_is_kept_says_how_to_take_part_and_ends_at_ctrl_c(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "smtpguard", "demo", "--keep"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    try:
        assert demo.stdout is not None
        said = _until(demo.stdout, "Ctrl-C ends everything.")
        outgoing, incoming = (int(re.search(rf"{each} +127.0.0.1 +port (\d+)", said)[1]) for each in ("SMTP", "POP3"))  # type: ignore[index]
        page = re.search(r"the page +(http://127.0.0.1:\d+)\n", said)
        assert page is not None
        with urlopen(f"{page[1]}/h", timeout=30) as answer_of_page:
            assert answer_of_page.status == 200
        assert re.search(r"account +anna@example\.test +password anna-password\n", said)

        with smtplib.SMTP("127.0.0.1", outgoing, timeout=30) as client:
            client.login("anna@example.test", "anna-password")
            text = "From: anna@example.test\r\nSubject: To everybody\r\n\r\nHello.\r\n.dots\r\n"
            client.sendmail("anna@example.test", ["berlin@lists.example.test", "press@lists.example.test"], text)
        shown = _until(demo.stdout, "code: ")
        notice = _newest("anna", incoming)
        assert notice["Subject"].startswith('NOT SENT YET: "To everybody"')
        with smtplib.SMTP("127.0.0.1", outgoing, timeout=30) as client:
            client.login("anna@example.test", "anna-password")
            answer = "From: anna@example.test\r\nSubject: Re\r\n\r\nONLY 1\r\n"
            client.sendmail("anna@example.test", [str(notice["Reply-To"]).strip("<>")], answer)
        _until(
            demo.stdout, 'anna@example.test has mail from Mail check <mailcheck@check.example.test>: Sent: "To every'
        )
        assert _newest("ben", incoming).get_payload() == "Hello.\r\n.dots\r\n"

        demo.send_signal(signal.SIGINT)
        rest, errors = demo.communicate(timeout=30)
    finally:
        if demo.poll() is None:
            demo.kill()
            demo.communicate()
    assert (0, "") == (demo.returncode, errors)
    assert "\nanna@example.test has mail from Mail check" in shown
    assert rest.endswith("\nThe demo has ended; nothing of it is left.\n")
    assert [] == list(tmp_path.iterdir())


def _until(stream: IO[str], words: str) -> str:
    """All lines up to the one that has these words."""
    lines = []
    while words not in (line := stream.readline()):
        assert line, f"it ended before it said {words!r}: {''.join(lines)}"
        lines.append(line)
    return "".join([*lines, line])


def _newest(name: str, port: int) -> EmailMessage:
    """The newest mail, as Python's own POP3 client reads it; a wrong password is refused."""
    stranger = poplib.POP3("127.0.0.1", port, timeout=30)
    stranger.user(f"{name}@example.test")
    with pytest.raises(poplib.error_proto):
        stranger.pass_("wrong")
    stranger.quit()
    client = poplib.POP3("127.0.0.1", port, timeout=30)
    client.user(f"{name}@example.test")
    client.pass_(f"{name}-password")
    count, size = client.stat()
    assert size > 0
    assert len(client.list()[1]) == len(client.uidl()[1]) == count
    octets = b"\r\n".join(client.retr(count)[1]) + b"\r\n"
    assert b"\r\n".join(client.top(count, 0)[1]) in octets
    client.quit()
    return message_from_bytes(octets)  # type: ignore[return-value]
