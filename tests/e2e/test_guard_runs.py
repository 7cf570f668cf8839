"""smtpguard as a program: it starts in front of the site, passes an ordinary post, and ends when it is told to."""

from __future__ import annotations

import smtplib
import ssl
import uuid
from pathlib import Path

import pytest

from tests.e2e.guard import Guard, Login, Release
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e


def _post(stack: Stack, guard: Guard, subject: str) -> None:
    anna = stack.members["anna"]
    with smtplib.SMTP(*guard.submission, timeout=30) as client:
        client.starttls(context=ssl.create_default_context(cafile=str(stack.ca_file)))
        client.login(anna.login, anna.password)
        to = stack.lists["berlin"].address
        client.sendmail(anna.address, [to], f"From: {anna.address}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nHello\r\n")


def test_an_ordinary_post_goes_through_the_guard(stack: Stack, guard: Guard) -> None:
    subject = f"minutes {uuid.uuid4().hex}"
    _post(stack, guard, subject)

    for name in stack.lists["berlin"].members:
        stack.wait_for(name, subject=subject)


@pytest.mark.parametrize(("login", "release"), [("account", "outbox"), ("xclient", "session")])
def test_it_starts_with_every_way_out_and_ends_when_told(
    stack: Stack, tmp_path: Path, login: Login, release: Release
) -> None:
    running = Guard(stack, tmp_path, login=login, release=release)
    with running:
        _post(stack, running, f"minutes {uuid.uuid4().hex}")
        assert running.end() == 0
