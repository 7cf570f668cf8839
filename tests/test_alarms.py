"""How often an account may be told who is no member (T-14)."""

from __future__ import annotations

import pytest

from smtpguard import alarms
from smtpguard.alarms import HOUR_SECONDS, Alarms, tells_who_is_a_member
from smtpguard.mail.address import parse_address
from smtpguard.mail.message import Account
from smtpguard.verdict import Finding


def account(login: str, mailbox: str | None = None) -> Account:
    return Account(login, None if mailbox is None else parse_address(mailbox))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


ANNA, BEN = account("anna", "anna@example.org"), account("ben", "ben@example.org")


def test_T_14_the_eleventh_alarm_within_an_hour_is_one_too_many_and_of_one_account_alone() -> None:
    bounded = Alarms(Clock())

    assert [True] * 10 + [False] * 2 == [bounded.take(ANNA, 10) for _ in range(12)]
    assert bounded.take(BEN, 10)


def test_T_14_an_hour_after_the_first_one_there_is_room_for_one_more() -> None:
    clock = Clock()
    bounded = Alarms(clock)
    for clock.now in (0.0, 600.0, 1200.0):
        assert bounded.take(ANNA, 3)

    clock.now = HOUR_SECONDS - 1
    assert not bounded.take(ANNA, 3)
    clock.now = HOUR_SECONDS
    assert bounded.take(ANNA, 3)
    assert not bounded.take(ANNA, 3)


def test_T_14_what_is_refused_is_not_counted_so_nobody_is_locked_out_by_trying_on() -> None:
    clock = Clock()
    bounded = Alarms(clock)
    assert bounded.take(ANNA, 1)
    for clock.now in range(1, 3600, 60):
        assert not bounded.take(ANNA, 1)

    clock.now = HOUR_SECONDS
    assert bounded.take(ANNA, 1)


def test_T_14_an_alarm_of_which_nobody_heard_is_given_back() -> None:
    bounded = Alarms(Clock())
    assert bounded.take(ANNA, 2)
    assert bounded.take(ANNA, 2)

    bounded.give_back(ANNA)
    assert bounded.take(ANNA, 2)
    assert not bounded.take(ANNA, 2)
    bounded.give_back(BEN)


def test_T_14_one_member_is_counted_once_whatever_he_logs_in_as() -> None:
    bounded = Alarms(Clock())

    assert bounded.take(account("anna", "anna@example.org"), 1)
    assert not bounded.take(account("anna.lind", "Anna@Example.org"), 1)


def test_T_14_of_many_accounts_those_whose_alarm_is_longest_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "ACCOUNTS_MAX", 3)
    clock = Clock()
    bounded = Alarms(clock)
    for number in range(3):
        clock.now += 1
        assert bounded.take(account(f"member{number}"), 2)
    assert bounded.take(account("member0"), 2)
    assert bounded.take(account("member3"), 2)

    assert not bounded.take(account("member0"), 2)
    assert bounded.take(account("member2"), 1) is False
    assert bounded.take(account("member1"), 1)


@pytest.mark.parametrize(
    ("finding", "tells"),
    [
        (Finding("11-24", "private_text", {"persons": ("dora@elsewhere.example",)}), True),
        (Finding("11-11", "closed_text", {"outsiders": ("dora@elsewhere.example",)}), True),
        (Finding("11-11", "closed_text", {"outsiders": ()}, ("berlin",)), False),
        (Finding("11-02", "private_text", {"persons": ("dora@elsewhere.example",)}), False),
    ],
)
def test_T_14_only_what_says_who_is_no_member_is_counted(finding: Finding, tells: bool) -> None:
    assert tells is tells_who_is_a_member((Finding("12-02", "crosspost"), finding))
