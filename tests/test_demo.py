"""`make demo` as a stranger sees it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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
