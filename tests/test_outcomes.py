"""What a client reads when the guard itself decides: one line of ASCII, with the essential words in it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard import outcomes
from smtpguard.mail.reply import Reply, ReplyParser
from smtpguard.verdict import Action, Finding, Verdict
from tests.notices.samples import FORBIDDEN

OWN = {name: value for name, value in vars(outcomes).items() if isinstance(value, Reply)}
CROSSPOST = Finding("12-02", "crosspost", lists=("berlin", "all-members"))
HIDDEN = Finding("12-10", "hidden_list", lists=("berlin",))
FORWARD = Finding("11-08", "forwarded_private", lists=("berlin",))
TO_PERSONS = Finding("11-16", "forwarded_private")
NEWS = Finding("12-08", "announcement", {"list": "press", "discussion": "berlin"}, ("press",), "berlin")
CLOSED_NEWS = Finding("12-08", "announcement", {"list": "press", "discussion": ""}, ("press",))
BROKEN = Finding("unexamined", "unexamined", lists=("berlin",))


def refused(row: str, *findings: Finding) -> Reply:
    return outcomes.refused(Verdict(Action.REFUSE, findings, row))


def assert_one_honest_line(reply: Reply) -> None:
    """RFC 5321, 4.5.3.1.5 and RFC 3463: one line of at most 512 octets, enhanced code of the same class."""
    assert 1 == len(reply.lines)
    assert len(reply.wire) <= 512
    assert reply.wire.isascii()
    assert re.fullmatch(rb"(\d)\d\d \1\.\d{1,3}\.\d{1,3} [ -~]+\r\n", reply.wire)
    assert [reply] == ReplyParser().feed(reply.wire)
    assert [] == [each for each in FORBIDDEN if each in reply.text.lower()]


@pytest.mark.parametrize("name", OWN)
def test_every_reply_of_the_flow_is_one_short_line_of_ascii(name: str) -> None:
    assert_one_honest_line(OWN[name])


def test_the_250_of_a_hold_says_that_nothing_is_sent() -> None:
    assert "250 2.0.0 NOT SENT YET: please answer the notice in your mailbox" == outcomes.HELD.text


def test_whoever_has_no_code_reads_one_and_the_same_words() -> None:
    assert "550 5.1.1 No mail is waiting under this code" == outcomes.UNKNOWN_CODE.text


@pytest.mark.parametrize(
    ("row", "findings", "said"),
    [
        (
            "90-01",
            (CROSSPOST,),
            "550 5.7.1 Not sent: an automatic mail cannot be asked about, and it is addressed to 2 ",
        ),
        (
            "90-02",
            (CROSSPOST,),
            "550 5.7.1 Not sent: an automatic mail cannot be asked about, and it is addressed to 2 ",
        ),
        ("90-05", (HIDDEN,), "550 5.7.1 Not sent: the list berlin is only in Bcc (rule 12); this account has no mailb"),
        (
            "90-08",
            (FORWARD,),
            "552 5.3.4 Not sent: too large to wait for your answer, and it would take a private mail ",
        ),
        ("12-02", (CROSSPOST,), "550 5.7.1 Not sent: it is addressed to 2 lists (berlin, all-members), please choose "),
        ("11-16", (TO_PERSONS,), "550 5.7.1 Not sent: it would take a private mail to others (rule 11)"),
        (
            "12-08",
            (NEWS,),
            "550 5.7.1 Not sent: only some may post to the list press; for everybody there is the list ",
        ),
        ("12-08", (CLOSED_NEWS,), "550 5.7.1 Not sent: only some may post to the list press (rule 12)"),
        ("90-05", (BROKEN,), "550 5.7.1 Not sent: it could not be examined;"),
    ],
)
def test_a_refusal_says_why_nobody_was_asked_and_names_lists_by_id(
    row: str, findings: tuple[Finding, ...], said: str
) -> None:
    reply = refused(row, *findings)

    assert_one_honest_line(reply)
    assert reply.text.startswith(said)


def test_several_reasons_stand_in_one_line_each_once() -> None:
    reply = refused("90-05", FORWARD, FORWARD, CROSSPOST)

    assert 1 == reply.text.count("(rule 11)")
    assert reply.text.index("(rule 11)") < reply.text.index("(rule 12)")


def test_a_hundred_lists_leave_the_words_that_matter_in_the_line() -> None:
    lists = tuple(f"list-number-{number}" for number in range(100))
    reply = refused("90-05", Finding("12-02", "crosspost", lists=lists))

    assert_one_honest_line(reply)
    assert "addressed to 100 lists (list-number-0, " in reply.text
    assert "and 96 more), please choose one (rule 12); this account has no mailbox where we could ask" in reply.text


def test_every_row_that_alarms_has_words_of_its_own() -> None:
    said = {refused("x", each).text for each in (CROSSPOST, HIDDEN, FORWARD, BROKEN)}

    assert 4 == len(said)


RULE_12 = [f"12-{number:02}" for number in (2, 4, 5, 8, 10, 12, 19, *range(22, 30))]


@pytest.mark.parametrize("row", RULE_12)
def test_each_row_of_rule_12_has_a_refusal_of_its_own_that_names_its_rule(row: str) -> None:
    finding = Finding(row, "a check", lists=("berlin", "all-members"), suggested="all-members")
    others = {refused("x", replace(finding, id=each)).text for each in RULE_12 if each != row}

    for reply in (refused("90-05", finding), outcomes.refused(Verdict(Action.REFUSE, (finding,), row), discreet=True)):
        assert_one_honest_line(reply)
        assert re.search(r"\(rules? (12|7|4 and 5)\)", reply.text)
        assert "could not be examined" not in reply.text
        assert "{" not in reply.text
    assert refused("x", finding).text not in others


RULE_11 = ["11-08", "11-09", "11-10", "11-11", "11-18", "11-20", "90-07", "90-11"]


@pytest.mark.parametrize("row", RULE_11)
def test_each_row_of_rule_11_has_a_refusal_of_its_own_that_names_its_rule(row: str) -> None:
    finding = Finding(row, "a check", lists=("berlin", "all-members"))
    others = {refused("x", replace(finding, id=each)).text for each in RULE_11 if each != row}

    for reply in (refused("90-05", finding), outcomes.refused(Verdict(Action.REFUSE, (finding,), row), discreet=True)):
        assert_one_honest_line(reply)
        assert re.search(r"\(rule (11|2)\)", reply.text)
        assert "could not be examined" not in reply.text
        assert "{" not in reply.text
    assert refused("x", finding).text not in others


@pytest.mark.parametrize("row", [*RULE_11, *RULE_12])
def test_T_42_a_discreet_refusal_names_no_list(row: str) -> None:
    finding = Finding(row, "a check", lists=("berlin", "all-members"), suggested="treasury")
    reply = outcomes.refused(Verdict(Action.REFUSE, (finding,), row), discreet=True)

    assert not any(each in reply.text for each in ("berlin", "all-members", "treasury"))


RULE_11 = [f"11-{number:02}" for number in (2, 3, 5, 7, 8, 14, 24)]


@pytest.mark.parametrize("row", RULE_11)
def test_each_row_of_rule_11_has_a_refusal_of_its_own_that_says_where_the_mail_would_go(row: str) -> None:
    to_list, to_persons = Finding(row, "a check", lists=("berlin",)), Finding(row, "a check")
    others = {refused("x", replace(to_list, id=each)).text for each in RULE_11 if each != row}

    for each in (to_list, to_persons):
        for discreet in (False, True):
            reply = outcomes.refused(Verdict(Action.REFUSE, (each,), row), discreet=discreet)

            assert_one_honest_line(reply)
            assert re.search(r"\((rule 11|rules 2 and 11)\)", reply.text)
            assert "could not be examined" not in reply.text
            assert "{" not in reply.text
            assert not discreet or "berlin" not in reply.text
    assert refused("x", to_list).text not in others
    assert row in ("11-03", "11-24") or "berlin" in refused("x", to_list).text


@pytest.mark.parametrize("discreet", [False, True])
def test_T_14_whoever_was_asked_too_often_reads_so_in_one_line(discreet: bool) -> None:
    finding = Finding("11-24", "private_text", {"persons": ("dora@elsewhere.example",)})
    reply = outcomes.asked_too_often(Verdict(Action.HOLD, (finding,), "11-24"), discreet=discreet)

    assert_one_honest_line(reply)
    assert reply.text.startswith(
        "550 5.7.1 Not sent: too many of your mails had to be asked about within an hour, and "
    )
    assert "dora" not in reply.text


def test_a_desk_is_not_named_by_a_refusal() -> None:
    # P7: mail to a desk leaves no trace; a client may log what it reads.
    finding = Finding(
        "12-28", "desk_beside_list", {"desks": ("commission@example.org",)}, ("berlin",), "commission@x.y"
    )

    assert "commission" not in refused("12-28", finding).text


@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=30))
def test_whatever_a_list_is_called_the_reply_stays_one_line_of_ascii(lists: list[str]) -> None:
    # The reader of list files takes plain names only; this is the second lock.
    reply = refused("90-05", Finding("12-10", "hidden_list", lists=tuple(lists)))

    assert_one_honest_line(reply)
