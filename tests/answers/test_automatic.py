"""Mail of programs is told by its header, and mail of people is not taken for it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from smtpguard.answers.automatic import is_automatic
from smtpguard.answers.choice import choice_in
from smtpguard.mail.parsing import parse_message
from tests.answers.responders import MARKED, UNMARKED, responder
from tests.notices.samples import crosspost, notice

LISTS = {1: "berlin", 2: "all-members"}


def automatic(octets: bytes) -> bool:
    return is_automatic(parse_message(octets), octets)


def test_there_are_many_kinds_of_responders() -> None:
    assert len(MARKED) + len(UNMARKED) >= 50


@pytest.mark.parametrize("path", MARKED, ids=lambda path: path.stem)
def test_a_responder_that_says_so_is_a_program(path: Path) -> None:
    assert automatic(responder(path, notice(crosspost())))


@pytest.mark.parametrize("path", UNMARKED, ids=lambda path: path.stem)
def test_a_responder_that_says_nothing_makes_no_choice(path: Path) -> None:
    octets = responder(path, notice(crosspost()))

    assert not automatic(octets)
    assert choice_in(parse_message(octets), LISTS) is None


def test_the_guards_own_letters_are_a_programs() -> None:
    assert automatic(notice(crosspost()))


@pytest.mark.parametrize(
    "head",
    [
        "Subject: Re: NOT SENT YET: \"Automatic reply: x\" - please choose",
        "Subject: Re: Automatic reply: x",
        "Subject: AW: Abwesenheitsnotiz: x",
        "Subject: Auto Union in town\nFrom: Reader <read@example.test>",
        "Auto-Submitted: no",
        "Precedence: normal",
        "From: Noreen Reply <noreen.reply@example.test>",
        "From: Postmaster <postmaster@example.test>",
        "X-Mailer: Autoresponder Pro\nX-Originating-IP: [192.0.2.1]",
        "X-Looped: yes\nXX-Loop: yes\nSubject: X-Loop: y",
        "Received: from a by b; Sun, 22 Nov 2026 18:00:00 +0100\nX-Spam-Status: No\nThread-Index: AcfvYc3RNQ==",
        "Disposition-Notification-To: anna@example.test\nReturn-Receipt-To: anna@example.test",
        "List-Unsubscribe: <mailto:a@example.test>",
        "Importance: high\nX-Priority: 1\nSensitivity: Private",
    ],
)  # fmt: skip
def test_people_are_not_taken_for_programs(head: str) -> None:
    assert not automatic(
        f"{head}\n\nSEND\n\n> Auto-Submitted: auto-replied\n> X-Loop: a\n".replace("\n", "\r\n").encode()
    )
    assert not automatic(f"{head}\n\nSEND\nX-Loop: a\n".encode())


@pytest.mark.parametrize(
    "head",
    [
        "Resent-From: ben@example.test\nAuto-Submitted: auto-replied",
        "x-loop:a",
        "X-LOOP : a",
        "From: Nobody <No-Reply@example.test>",
        "Subject: =?utf-8?Q?R=C3=A9ponse?=\n =?utf-8?Q?_automatique?= : x",
        "Subject:  AUTOMATIC   REPLY x",
    ],
)
def test_marks_are_read_however_they_are_written(head: str) -> None:
    assert automatic(f"{head}\n\nSEND\n".replace("\n", "\r\n").encode())
    assert automatic(f"{head}\n\nSEND\n".encode())


def test_a_hostile_header_takes_no_time() -> None:
    began = time.process_time()
    for piece in (b"X-Loo: a\r\n", b"Content-Type:" + b" " * 79 + b"\r\n", b"Content-Type:\r\n", b"Resent-", b"\n"):
        automatic(piece * (1024 * 1024 // len(piece)))
    assert time.process_time() - began < 5.0
