"""The running site for the end-to-end tests, and the one place that decides whether they can run here."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e.guard import Guard
from tests.e2e.scene import Scene
from tests.e2e.stack import Stack
from tests.e2e.stack.programs import missing

TAIL = 60  # lines of a log shown beside a failed test


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked e2e where a server is missing; fail it where SMTPGUARD_E2E=required says it must run."""
    if item.get_closest_marker("e2e") is None:
        return
    reason = missing()
    if reason is None:
        return
    if os.environ.get("SMTPGUARD_E2E") == "required":
        pytest.fail(f"{reason} (SMTPGUARD_E2E=required)", pytrace=False)
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what Postfix and the guard said beside a failed test."""
    report = yield
    if report.failed:
        for running in getattr(item, "funcargs", {}).values():
            if isinstance(running, Stack):
                report.sections.append(("Postfix's log", _tail(running.mail_log())))
            elif isinstance(running, Guard | Scene):
                log = running.log() if isinstance(running, Guard) else running.guard.log()
                report.sections.append(("smtpguard's log", _tail(log)))
    return report


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-TAIL:])


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Postfix, Dovecot and Mailman, started once per run. Mailboxes keep what earlier tests sent."""
    site = Stack()
    try:
        site.start()
        yield site
    finally:
        site.end()


@pytest.fixture
def guard(stack: Stack, tmp_path: Path) -> Iterator[Guard]:
    """A guard in front of the site, with an outbox by XCLIENT. Ends with code 0, or the test is an error."""
    with Guard(stack, tmp_path) as running:
        yield running
