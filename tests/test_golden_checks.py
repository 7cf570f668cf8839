"""Every folder under golden/checks: one mail, what is given, and what is decided about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from smtpguard.accounts import AccountEntry, Directory
from smtpguard.checks import CHECKS
from smtpguard.evidence import EarlierMail, EarlierPost, Evidence, KnownText, Thread
from smtpguard.judgement import judge
from smtpguard.lists import Audience, Burst, Exemption, ListKind, MailingList, Manager, OnAlarm, WrongIf, WrongTopic
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.message import Submission
from smtpguard.mail.parsing import parse_message
from smtpguard.policy import Policy, Remember

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


# How a key of `lists` in given.yaml becomes a field of the list; all others are taken as they are.
FIELDS: Mapping[str, Any] = {
    "kind": ListKind,
    "manager": Manager,
    "on_alarm": OnAlarm,
    "wrong_topic": WrongTopic,
    "crosspost_with": frozenset,
    "posters": frozenset,
    "automatic": frozenset,
    "audience": Audience,
    "readers": frozenset,
    "may_quote_to": frozenset,
    "includes": frozenset,
    "member_domains": frozenset,
    "roster": lambda roster: frozenset(address(each).folded for each in roster),
    "topics": tuple,
    "consent_marks": tuple,
    "remember": Remember,
    "private_marks": tuple,
    "wrong_if": lambda rules: tuple(WrongIf(tuple(each["subject_has"]), each["use"]) for each in rules),
    "exemptions": lambda given: tuple(
        Exemption(date.fromisoformat(str(each["until"])), frozenset(each["crosspost_with"]), "congress")
        for each in given
    ),
    "burst": lambda burst: Burst(posts=burst["posts"], asks=burst["asks"]),
}


def configured(rules: Policy, lists: Mapping[str, Mapping[str, Any]], site: Mapping[str, Any]) -> Policy:
    """`rules` with what the case says about its lists and the site; a list that is not there yet is added."""
    known = dict(rules.by_id)
    for name, keys in lists.items():
        fields = {key: FIELDS.get(key, lambda value: value)(value) for key, value in keys.items()}
        known[name] = replace(known.get(name) or mailing_list(name, Manager.MAILMAN3), **fields)
    values = {key: FIELDS.get(key, lambda value: value)(value) for key, value in site.items()}
    if "groups" in values:
        values["groups"] = {address(each): tuple(map(address, to)) for each, to in values["groups"].items()}
    return replace(rules, lists=tuple(known.values()), **values)


def moment(given: Any) -> datetime:
    """A day, or a day and an hour, as YAML reads them; in UTC."""
    if isinstance(given, datetime):
        return given if given.tzinfo is not None else given.replace(tzinfo=UTC)
    assert isinstance(given, date)
    return datetime(given.year, given.month, given.day, 9, 0, tzinfo=UTC)


def earlier_mail(given: Mapping[str, Any]) -> EarlierMail:
    """A mail in `known` or `answered`: of another author, read by nobody of the envelope who is not in `strangers`."""
    return EarlierMail(
        **{
            **given,
            "when": moment(given.get("when", date(2026, 11, 20))),
            "strangers": frozenset(map(address, given.get("strangers", ()))),
        }
    )


def known_text(given: Mapping[str, Any]) -> KnownText:
    """Words of the passage with this number, 20 if nothing is said, that stood in `mail`."""
    return KnownText(
        given["passage"],
        given.get("words", 20),
        given.get("begins", "Between us, I think the ..."),
        earlier_mail(given.get("mail", {})),
    )


def evidence(given: Mapping[str, Any]) -> Evidence:
    """What the case says is known: `earlier` posts, the `thread`, lists `posted_to`; private text that is `known`,
    private mails that are `answered`, passages that are `public` or `unmarked`, and lists `known_since` some day.
    """
    thread = given.get("thread")
    if thread is not None:
        together = tuple(frozenset(each) for each in thread.get("together", ()))
        thread = Thread(**{**thread, "together": together})
    posts = tuple(
        EarlierPost(
            tuple(each["lists"]), each.get("similarity", 0.95), each.get("own_words", 60),
            datetime(2026, 11, each.get("day", 21), 9, 0, tzinfo=UTC), each.get("taken", True),
        )
        for each in given.get("earlier", ())
    )  # fmt: skip
    posted_to = given.get("posted_to")
    return Evidence(
        posts,
        thread,
        None if posted_to is None else frozenset(posted_to),
        known=tuple(map(known_text, given.get("known", ()))),
        answered=tuple(map(earlier_mail, given.get("answered", ()))),
        public=frozenset(given.get("public", ())),
        unmarked=frozenset(given.get("unmarked", ())),
        known_since={name: moment(day) for name, day in given.get("known_since", {}).items()},
    )


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_case(case: Path) -> None:
    given: dict[str, Any] = yaml.safe_load((case / "given.yaml").read_text("utf-8"))
    expected: dict[str, Any] = yaml.safe_load((case / "expected.yaml").read_text("utf-8"))
    octets = (case / "message.eml").read_bytes()
    rules = configured(policy(given.get("hold_size", 25 * 1024 * 1024)), given.get("lists", {}), given.get("site", {}))
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

    verdict = judge(submission, evidence(given.get("evidence", {})), rules)

    assert expected["action"] == verdict.action.value
    assert expected["findings"] == [each.id for each in verdict.findings]
    assert expected.get("decided_by", verdict.decided_by) == verdict.decided_by
    assert expected.get("observed", []) == [each.id for each in verdict.observed]
    if "suggested" in expected:
        assert expected["suggested"] == next((each.suggested for each in verdict.findings if each.suggested), None)
    if "hints" in expected:
        assert expected["hints"] == list(verdict.hints)


ROWS_OF_RULE_12 = {
    *(f"12-{number:02}" for number in (2, 4, 5, 8, 10, 12, 19, *range(22, 30))),
    *(f"12-{number:02}" for number in (1, 3, 6, 7, 9, 13, 16, 17, 18, 20, 21)),
    "12-11",
}


@pytest.mark.parametrize("row", sorted(ROWS_OF_RULE_12))
def test_every_row_of_rule_12_has_a_case_where_it_holds_and_one_that_only_looks_like_it(row: str) -> None:
    names = [case.name for case in CASES if case.name.startswith(row)]

    assert any("look_alike" not in name for name in names)
    assert any("look_alike" in name for name in names)


ROWS_OF_PRIVATE_TEXT = {*(f"11-{number:02}" for number in (2, 3, 4, 5, 6, 7, 13, 14, 15, 24)), "90-12"}


@pytest.mark.parametrize("row", sorted(ROWS_OF_PRIVATE_TEXT))
def test_every_row_of_private_text_has_a_case_where_it_holds_and_one_that_only_looks_like_it(row: str) -> None:
    names = [case.name for case in CASES if case.parent.name == "private_text" and case.name.startswith(row)]

    assert any("look_alike" not in name for name in names)
    assert any("look_alike" in name for name in names)


ROWS_OF_UNKNOWN_ORIGIN = {
    *(f"11-{number:02}" for number in (8, 9, 10, 11, 12, 17, 18, 19, 20, 21, 22, 23)),
    *("90-02", "90-07", "90-11"),
}


@pytest.mark.parametrize("row", sorted(ROWS_OF_UNKNOWN_ORIGIN))
def test_every_row_about_text_of_unknown_origin_has_a_case_and_one_that_only_looks_like_it(row: str) -> None:
    names = [case.name for case in CASES if case.name.startswith(row)]

    assert any("look_alike" not in name for name in names)
    assert any("look_alike" in name for name in names)


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_has_a_case_found_and_a_look_alike(check: str) -> None:
    names = [case.name for case in CASES if case.parent.name == check]

    assert any("look_alike" not in name for name in names)
    assert any("look_alike" in name for name in names)
