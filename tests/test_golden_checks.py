"""Every folder under golden/checks: one mail, what is given, and what is decided about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from smtpguard.accounts import AccountEntry, Directory
from smtpguard.checks import CHECKS
from smtpguard.evidence import NOTHING_KNOWN
from smtpguard.judgement import judge
from smtpguard.lists import MailingList, Manager
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.message import Submission
from smtpguard.mail.parsing import parse_message
from smtpguard.policy import Policy

GOLDEN = Path(__file__).parent / "golden" / "checks"
CASES = sorted(path.parent for path in GOLDEN.glob("*/*/expected.yaml"))


def address(text: str) -> Address:
    parsed = parse_address(text)
    assert parsed is not None
    return parsed


def mailing_list(name: str, manager: Manager, *aliases: str, crosspost_with: tuple[str, ...] = ()) -> MailingList:
    return MailingList(
        name,
        address(f"{name}@lists.example.org"),
        manager,
        f"about {name}",
        "it@example.org",
        tuple(address(each) for each in aliases),
        frozenset(crosspost_with),
    )


def policy(hold_size: int = 25 * 1024 * 1024) -> Policy:
    """The organisation that all cases live in."""
    return Policy(
        lists=(
            mailing_list("berlin", Manager.MAILMAN3, "berlin@example.org", crosspost_with=("brandenburg",)),
            mailing_list("brandenburg", Manager.MAILMAN3, crosspost_with=("berlin",)),
            mailing_list("all-members", Manager.MAILMAN3),
            mailing_list("press", Manager.SYMPA, crosspost_with=("berlin",)),
        ),
        desks=frozenset({address("commission@example.org")}),
        list_domains=frozenset({"lists.example.org", "example.org"}),
        pairs=frozenset({frozenset({"press", "all-members"})}),
        member_domains=frozenset({"example.org"}),
        expires=timedelta(hours=72),
        hold_size=hold_size,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_case(case: Path) -> None:
    given: dict[str, Any] = yaml.safe_load((case / "given.yaml").read_text("utf-8"))
    expected: dict[str, Any] = yaml.safe_load((case / "expected.yaml").read_text("utf-8"))
    octets = (case / "message.eml").read_bytes()
    rules = policy(given.get("hold_size", 25 * 1024 * 1024))
    directory = Directory(rules, entries={"printer": AccountEntry(None)}, account_domain="example.org")
    account = directory.account(given["account"], None) if given["account"] is not None else None
    submission = Submission(
        id="golden",
        account=account,
        recipients=tuple(address(each) for each in given["recipients"]),
        message=parse_message(octets),
        arrived=datetime(2026, 11, 22, 18, 0, tzinfo=UTC),
        size=len(octets),
        null_sender=given.get("null_sender", False),
    )

    verdict = judge(submission, NOTHING_KNOWN, rules)

    assert expected["action"] == verdict.action.value
    assert expected["findings"] == [each.id for each in verdict.findings]
    assert expected.get("decided_by", verdict.decided_by) == verdict.decided_by


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_has_a_case_found_and_a_look_alike(check: str) -> None:
    names = [case.name for case in CASES if case.parent.name == check]

    assert any("look_alike" not in name for name in names)
    assert any("look_alike" in name for name in names)
