"""Closed lists (T-13): whoever is not known to read one does not hear of it, whatever the row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from smtpguard import outcomes
from smtpguard.accounts import Directory
from smtpguard.config.texts import shipped
from smtpguard.evidence import NOTHING_KNOWN, Evidence, Thread
from smtpguard.judgement import judge
from smtpguard.lists import Audience, ListKind, MailingList, Manager, WrongIf, WrongTopic
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.message import Submission
from smtpguard.mail.parsing import parse_message
from smtpguard.outcomes import Reader
from smtpguard.policy import Policy
from smtpguard.verdict import Action, Verdict

TOPICS = ("receipt", "invoice", "refund", "budget", "donation", "transfer", "tax", "treasurer")
OTHER_TOPICS = ("meeting", "agenda", "decision", "street", "park", "district", "mayor", "school")
LETTER = "The invoice, the refund, the tax and the budget. " + "We talked about it for a long time and were happy. " * 4
POSTED_THERE = Evidence(posted_to=frozenset({"council"}))


def address(text: str) -> Address:
    found = parse_address(text)
    assert found is not None
    return found


def listed(name: str, **fields: object) -> MailingList:
    at = address(f"{name}@lists.example.org")
    return MailingList(name, at, Manager.MAILMAN3, f"About {name}", "it@example.org", **fields)  # type: ignore[arg-type]


COUNCIL = listed("council", topics=TOPICS, tag="[Council]", includes=frozenset({"berlin", "press"}))
CASES = {
    "12-02": (("berlin", "treasury"), {"topics": OTHER_TOPICS}),
    "12-05": (("berlin", "press"), {}),
    "12-08": (("berlin",), {"kind": ListKind.ANNOUNCE, "posters": frozenset({"x"}), "discussion": "council"}),
    "12-23 by words": (("berlin",), {"wrong_if": (WrongIf(("council",), "council"),)}),
    "12-23 by tag": (("berlin",), {"wrong_topic": WrongTopic.HOLD}),
    "12-29": (("berlin",), {"topics": OTHER_TOPICS, "wrong_topic": WrongTopic.HOLD}),
}


def verdict(case: str, council: MailingList, known: Evidence = NOTHING_KNOWN, to: tuple[str, ...] = ()) -> Verdict:
    addressed, fields = CASES[case]
    names = (*addressed, *to)
    lists = (listed("berlin", **fields), listed("press"), listed("treasury", topics=OTHER_TOPICS), council)
    rules = Policy(lists=lists, list_domains=frozenset({"lists.example.org"}))
    header = ", ".join(f"{each}@lists.example.org" for each in names)
    subject = "A letter" if case == "12-29" else "[Council] news"
    octets = f"From: anna@example.org\r\nTo: {header}\r\nSubject: {subject}\r\n\r\n{LETTER}\r\n".encode()
    mail = Submission(
        id="1",
        account=Directory(rules, account_domain="example.org").account("anna", None),
        recipients=tuple(address(f"{each}@lists.example.org") for each in addressed),
        message=parse_message(octets),
        arrived=datetime(2026, 11, 22, 18, 0, tzinfo=UTC),
        size=len(octets),
    )
    return judge(mail, known, rules)


def is_named(found: Verdict) -> bool:
    return "council" in "".join(str((dict(each.facts), each.suggested)) for each in found.findings).replace(
        "[Council]", ""
    )


@pytest.mark.parametrize("case", CASES)
def test_T_13_a_list_that_is_not_closed_is_suggested_to_everybody(case: str) -> None:
    found = verdict(case, COUNCIL)

    assert Action.HOLD is found.action
    assert is_named(found)


@pytest.mark.parametrize("case", CASES)
def test_T_13_a_closed_list_is_never_suggested_to_somebody_who_does_not_read_it(case: str) -> None:
    closed = replace(COUNCIL, audience=Audience.CLOSED, readers=frozenset({"ben@example.org"}))

    found = verdict(case, closed)

    assert not is_named(found)
    assert "council" not in str(outcomes.refused(found, Reader(shipped().of("en"))))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("known_by", ["readers", "posters", "what was posted"])
def test_T_13_a_closed_list_is_suggested_to_its_readers(case: str, known_by: str) -> None:
    closed = replace(COUNCIL, audience=Audience.CLOSED)
    if known_by != "what was posted":
        closed = replace(closed, **{known_by: frozenset({"anna@example.org"})})  # type: ignore[arg-type]

    found = verdict(case, closed, POSTED_THERE if known_by == "what was posted" else NOTHING_KNOWN)

    assert is_named(found)


def test_T_13_a_closed_list_that_the_mail_names_itself_may_be_named() -> None:
    closed = replace(COUNCIL, audience=Audience.CLOSED)

    found = verdict("12-08", closed, to=("council",))

    assert "council" in [each.suggested for each in found.findings]


def test_T_13_what_the_memory_knows_of_a_closed_list_changes_nothing_for_others() -> None:
    closed = replace(COUNCIL, audience=Audience.CLOSED)
    in_thread = Evidence(thread=Thread(home="council"))

    assert ["12-08"] == [each.id for each in verdict("12-08", closed, in_thread).findings]
    reader = replace(closed, readers=frozenset({"anna@example.org"}))
    assert ["12-20", "12-08"] == [each.id for each in verdict("12-08", reader, in_thread).findings]
