"""Whose a quote is, as far as the mail and known list posts say: what may change the answer, and what may not."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.accounts import Directory
from smtpguard.alarms import tells_who_is_a_member
from smtpguard.checks.origin import Origin, blocks
from smtpguard.evidence import NOTHING_KNOWN, Evidence, Thread
from smtpguard.judgement import judge, settled
from smtpguard.lists import Audience, MailingList, Manager
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.message import Message, Submission
from smtpguard.mail.parsing import parse_message
from smtpguard.passing import is_exempt
from smtpguard.policy import Policy
from smtpguard.verdict import Action, Finding

WORDS = "Between us, I think the new plan is too expensive. Please keep this to yourself for now."
LISTS = ("berlin", "press", "council")
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


def address(text: str) -> Address:
    found = parse_address(text)
    assert found is not None
    return found


def policy(*, reads_council: bool = False, strict: bool = False) -> Policy:
    audience = {"council": Audience.CLOSED}
    readers = frozenset({"anna@example.org"}) if reads_council else frozenset()
    return Policy(
        lists=tuple(
            MailingList(
                each, address(f"{each}@lists.example.org"), Manager.MAILMAN3, f"About {each}", "it@example.org",
                audience=audience.get(each, Audience.MEMBERS), readers=readers,
            )
            for each in LISTS
        ),
        list_domains=frozenset({"lists.example.org"}),
        member_domains=frozenset({"example.org"}),
        strict=strict,
    )  # fmt: skip


def quote(author: str = "Clara <clara@example.org>", sent: str = "On Sat, Nov 21, 2026 at 10:12 AM") -> str:
    return f"{sent} {author} wrote:\n> {WORDS}\n"


def forward(author: str = "Clara <clara@example.org>", to: str = "Ben <ben@example.org>") -> str:
    return (
        f"---------- Forwarded message ---------\nFrom: {author}\nDate: Sat, 21 Nov 2026 at 10:12\n"
        f"Subject: our talk\nTo: {to}\n\n{WORDS}\n"
    )


@cache
def submission(body: str, *to: str, subject: str = "Re: our talk") -> Submission:
    recipients = tuple(address(each if "@" in each else f"{each}@lists.example.org") for each in to)
    octets = f"From: anna@example.org\nTo: {', '.join(map(str, recipients))}\nSubject: {subject}\n\nNo.\n\n{body}"
    return Submission(
        id="1",
        account=Directory(policy(), account_domain="example.org").account("anna", None),
        recipients=recipients,
        message=parse_message(octets.encode()),
        arrived=datetime(2026, 11, 22, 18, 0, tzinfo=UTC),
        size=len(octets),
    )


BODIES = st.sampled_from(
    [
        quote(),
        quote("Dora <dora@elsewhere.example>"),
        quote(sent="On Sat, Jan 3, 2026 at 10:12 AM"),
        f"> {WORDS}\n",
        forward(),
        forward(to="berlin@lists.example.org"),
        forward(to="council@lists.example.org"),
        "Nothing but own words.\n",
    ]
)
RECIPIENTS = st.lists(st.sampled_from([*LISTS, "dora@elsewhere.example", "ben@example.org"]), min_size=1, max_size=2)
SINCE = st.dictionaries(st.sampled_from(LISTS), st.just(NOVEMBER))


def found(mail: Submission, known: Evidence, rules: Policy) -> list[str]:
    return [each.id for each in judge(mail, known, rules).findings]


@given(BODIES, RECIPIENTS, SINCE, st.booleans(), st.booleans())
def test_T_13_what_a_closed_list_had_makes_no_difference_to_who_is_not_known_to_read_it(
    body: str, to: list[str], since: dict[str, datetime], began_there: bool, strict: bool
) -> None:
    mail, rules = submission(body, *to), policy(strict=strict)
    without = Evidence(known_since={name: day for name, day in since.items() if name != "council"})
    known = Evidence(known_since=since, thread=Thread(home="council") if began_there else None)

    told = [[each for each in judge(mail, one, rules).findings if each.rule == 11] for one in (without, known)]

    assert told[0] == told[1]


@given(BODIES, RECIPIENTS, SINCE, st.sets(st.integers(0, 5)), st.booleans())
def test_a_text_that_a_list_has_had_is_never_a_reason_more(
    body: str, to: list[str], since: dict[str, datetime], public: set[int], strict: bool
) -> None:
    mail, rules = submission(body, *to), policy(strict=strict)

    known = found(mail, Evidence(known_since=since, public=frozenset(public)), rules)

    assert set(known) <= set(found(mail, Evidence(known_since=since), rules))


@given(BODIES, SINCE, st.booleans())
def test_a_quote_to_persons_is_never_asked_about(body: str, since: dict[str, datetime], strict: bool) -> None:
    mail = submission(body, "dora@elsewhere.example")

    assert {"11-08"} >= set(found(mail, Evidence(known_since=since), policy(strict=strict)))


@given(BODIES, RECIPIENTS, st.sampled_from(LISTS), st.booleans())
def test_where_the_posts_of_one_readable_list_are_not_known_no_quote_is_a_members(
    body: str, to: list[str], unknown: str, reads_council: bool
) -> None:
    rules = policy(reads_council=reads_council)
    known = Evidence(known_since={each: NOVEMBER for each in LISTS if each != unknown})
    origins = [each.origin for each in blocks(submission(body, *to), known, rules)]

    if unknown != "council" or reads_council:
        assert Origin.MEMBER not in origins


@pytest.mark.parametrize(
    ("body", "origin"),
    [
        (quote(), Origin.MEMBER),
        (quote("Dora <dora@elsewhere.example>"), Origin.UNKNOWN),
        (quote("Anna <anna@example.org>"), Origin.OWN),
        (quote().replace(WORDS, "See you there."), Origin.SMALL),
        (forward(to="berlin@lists.example.org"), Origin.PERSONS),
        (forward("Dora <dora@elsewhere.example>", to="berlin@lists.example.org"), Origin.LIST),
        (forward(to="council@lists.example.org"), Origin.LIST),
        (forward(), Origin.PERSONS),
    ],
)
def test_what_a_block_is_where_all_posts_are_known(body: str, origin: Origin) -> None:
    known = Evidence(known_since=dict.fromkeys(LISTS, NOVEMBER))

    assert [origin] == [each.origin for each in blocks(submission(body, "press"), known, policy())]


def test_without_a_word_on_who_is_a_member_a_strangers_list_post_is_nobodys() -> None:
    rules = Policy(lists=policy().lists, list_domains=frozenset({"lists.example.org"}))
    body = forward("Dora <dora@elsewhere.example>", to="berlin@lists.example.org")
    known = Evidence(known_since=dict.fromkeys(LISTS, NOVEMBER))

    assert [Origin.PERSONS] == [each.origin for each in blocks(submission(body, "press"), known, rules)]


def test_an_encrypted_answer_to_a_private_mail_is_asked_about_once() -> None:
    mail = submission("Nothing but own words.\n", "berlin", "press")
    answer = Finding("11-07", "a check", lists=("berlin", "press"))
    encrypted = Finding("11-20", "a check", lists=("press",))

    assert (answer,) == settled((answer, encrypted), mail, NOTHING_KNOWN, policy())
    assert (encrypted,) == settled((encrypted,), mail, NOTHING_KNOWN, policy())


@pytest.mark.parametrize(("row", "exempt"), [("11-02", True), ("11-24", False), ("12-10", False), ("90-07", False)])
def test_an_invitation_is_free_of_rule_11_for_persons_but_not_of_rule_2(row: str, exempt: bool) -> None:
    invitation = Message(calendar_methods=frozenset({"REQUEST"}))

    assert exempt is is_exempt(Finding(row, "a check"), invitation)
    assert not is_exempt(Finding(row, "a check", lists=("berlin",)), invitation)


@pytest.mark.parametrize(
    ("finding", "tells"),
    [
        (Finding("11-09", "a check"), True),
        (Finding("11-11", "a check", {"outsiders": ("dora@elsewhere.example",)}), True),
        (Finding("11-11", "a check", {"outsiders": ()}), False),
        (Finding("11-10", "a check"), False),
    ],
)
def test_T_14_a_finding_that_rests_on_who_is_a_member_is_counted(finding: Finding, tells: bool) -> None:
    assert tells is tells_who_is_a_member([finding])


def test_automatic_mail_with_a_quote_of_unknown_origin_is_refused_on_a_strict_list() -> None:
    octets = f"From: anna@example.org\nTo: berlin@lists.example.org\nAuto-Submitted: auto-replied\n\nNo.\n\n{quote()}"
    mail = submission(quote(), "berlin")
    automatic = Submission(
        id="1", account=mail.account, recipients=mail.recipients, message=parse_message(octets.encode()),
        arrived=mail.arrived, size=len(octets),
    )  # fmt: skip

    verdict = judge(automatic, NOTHING_KNOWN, policy(strict=True))

    assert (Action.REFUSE, "90-01", ["11-10"]) == (verdict.action, verdict.decided_by, [e.id for e in verdict.findings])
