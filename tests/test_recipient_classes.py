"""Recipient classes 4 and 6, umbrellas, exceptions with an end, and what the lists of a mail say together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.accounts import Directory
from smtpguard.lists import Burst, Exemption, MailingList, Manager, OnAlarm, WrongTopic
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.message import Account
from smtpguard.policy import Kind, Policy


def address(text: str) -> Address:
    found = parse_address(text)
    assert found is not None
    return found


def listed(name: str, manager: Manager = Manager.MAILMAN3, **more: object) -> MailingList:
    at = address(f"{name}@lists.example.org")
    return MailingList(name, at, manager, f"About {name}", "it@example.org", **more)  # type: ignore[arg-type]


BERLIN, PRESS, NORTH = listed("berlin"), listed("press"), listed("north")
DESK = address("commission@example.org")
GROUPS = {
    address("staff@example.org"): (BERLIN.address, address("anna@example.org")),
    address("crew@lists.example.org"): (address("staff@example.org"), PRESS.address, DESK),
    address("round@example.org"): (address("round@example.org"), address("circle@example.org"), NORTH.address),
    address("circle@example.org"): (address("round@example.org"), address("ben@example.org")),
    address("friends@example.org"): (address("anna@example.org"), address("ben@elsewhere.example")),
}


def policy(*lists: MailingList, **more: object) -> Policy:
    kept: dict[str, object] = {
        "desks": frozenset({DESK}),
        "list_domains": frozenset({"lists.example.org"}),
        "member_domains": frozenset({"example.org"}),
        "groups": GROUPS,
    }
    return Policy(lists=lists or (BERLIN, PRESS, NORTH), **(kept | more))  # type: ignore[arg-type]


# ---------------------------------------------------------------- class 6: groups


@pytest.mark.parametrize(
    ("group", "ids"),
    [
        ("staff@example.org", ["berlin"]),
        ("STAFF@Example.org", ["berlin"]),
        ("crew@lists.example.org", ["berlin", "press"]),
        ("round@example.org", ["north"]),
        ("circle@example.org", ["north"]),
        ("friends@example.org", []),
        ("staff+x@example.org", []),
        ("stafff@example.org", []),
    ],
)
def test_the_lists_of_a_group_count_however_deep(group: str, ids: list[str]) -> None:
    assert ids == [each.id for each in policy().lists_of([address(group)])]


def test_a_group_is_no_list_and_no_member_but_people_read_it() -> None:
    rules = policy()

    assert {Kind.GROUP} == {rules.kind(each) for each in GROUPS}
    assert Kind.GROUP.human
    assert not any(rules.is_member(each) for each in GROUPS)
    assert all(rules.list_of(each) is None for each in GROUPS)


def test_a_list_named_directly_and_by_a_group_counts_once_where_it_was_named_first() -> None:
    rules = policy()
    named = [PRESS.address, address("crew@lists.example.org"), BERLIN.address]

    assert (PRESS, BERLIN) == rules.lists_of(named)


def test_persons_behind_a_group_are_themselves() -> None:
    rules = policy()

    assert (BERLIN.address, address("anna@example.org")) == rules.members_of(address("staff@example.org"))
    assert (address("anna@example.org"),) == rules.members_of(address("anna@example.org"))
    assert (BERLIN.address,) == rules.members_of(BERLIN.address)


def test_desk_list_and_role_come_before_group_and_group_before_an_unknown_name() -> None:
    taken = (DESK, BERLIN.address, address("berlin-owner@lists.example.org"))
    rules = policy(groups=dict.fromkeys(taken, (PRESS.address,)))
    kinds = [Kind.DESK, Kind.LIST, Kind.ROLE_PEOPLE]

    assert kinds == [rules.kind(each) for each in taken]
    assert (BERLIN,) == rules.lists_of(taken)
    assert policy().kind(address("crew@lists.example.org")) is Kind.GROUP
    assert policy().kind(address("other@lists.example.org")) is Kind.AT_LIST_DOMAIN


def test_T_30_nobody_is_asked_at_a_group() -> None:
    assert Directory(policy()).account("staff@example.org").mailbox is None
    assert Directory(policy()).account("anna@example.org").mailbox is not None


# ---------------------------------------------------------------- class 4: plus-addresses


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("berlin+x@lists.example.org", Kind.LIST),
        ("BERLIN+a+b@lists.example.org", Kind.LIST),
        ("berlin+@lists.example.org", Kind.LIST),
        ("berlin-owner+x@lists.example.org", Kind.ROLE_PEOPLE),
        ("berlin-bounces+anna=example.org@lists.example.org", Kind.ROLE_MACHINE),
        ("x+berlin@lists.example.org", Kind.AT_LIST_DOMAIN),
        ("+berlin@lists.example.org", Kind.AT_LIST_DOMAIN),
        ("berlin+x@example.org", Kind.MEMBER),
        ("commission+x@example.org", Kind.MEMBER),
    ],
)
def test_a_plus_address_is_the_list_where_the_site_says_so(typed: str, kind: Kind) -> None:
    with_plus, without = policy(plus_addresses=True), policy()

    assert with_plus.kind(address(typed)) is kind
    assert (with_plus.list_of(address(typed)) is BERLIN) is (kind is Kind.LIST)
    assert without.kind(address(typed)) is (Kind.AT_LIST_DOMAIN if kind is Kind.LIST else kind)
    assert without.list_of(address(typed)) is None


def test_an_exact_address_with_a_plus_is_its_own_list() -> None:
    exact = replace(PRESS, aliases=(address("berlin+press@lists.example.org"),))
    rules = policy(BERLIN, exact, plus_addresses=True)

    assert rules.list_of(address("berlin+press@lists.example.org")) is exact
    assert rules.list_of(address("berlin+presse@lists.example.org")) is BERLIN


def test_T_50_sympa_s_own_addresses_are_hers_only_where_she_has_lists() -> None:
    rules = policy(BERLIN, listed("news", Manager.SYMPA), list_domains=frozenset({"lists.example.org", "example.net"}))

    assert rules.kind(address("sympa@lists.example.org")) is Kind.ROLE_MACHINE
    assert rules.kind(address("sympa@example.net")) is Kind.AT_LIST_DOMAIN


# ---------------------------------------------------------------- 12-04 to 12-06: umbrellas


def test_an_umbrella_reaches_what_lies_in_its_parts() -> None:
    rules = policy(
        listed("all", includes=frozenset({"berlin", "north", "gone"})),
        listed("berlin", includes=frozenset({"mitte"})),
        listed("mitte"),
        NORTH,
    )

    assert rules.included["all"] == {"berlin", "north", "mitte"}
    assert rules.included["berlin"] == {"mitte"}
    assert rules.included["mitte"] == set()


def test_umbrellas_that_include_each_other_come_to_an_end() -> None:
    rules = policy(listed("a", includes=frozenset({"b"})), listed("b", includes=frozenset({"a", "b"})))

    assert {"a": {"b"}, "b": {"a"}} == rules.included


# ---------------------------------------------------------------- 12-03: exceptions with an end


UNTIL = date(2026, 12, 6)
BOTH = (
    listed("berlin", exemptions=(Exemption(UNTIL, frozenset({"press"}), "congress"),)),
    listed("press", exemptions=(Exemption(UNTIL + timedelta(days=9), frozenset({"berlin"}), "congress"),)),
)


@pytest.mark.parametrize(
    ("when", "allowed"),
    [
        (datetime(2026, 11, 1, tzinfo=UTC), True),
        (datetime(2026, 12, 6, 22, 59, 59, tzinfo=UTC), True),  # 23:59:59 in Berlin
        (datetime(2026, 12, 6, 23, 0, tzinfo=UTC), False),
        (datetime(2026, 12, 7, 12, tzinfo=UTC), False),
    ],
)
def test_an_exception_of_both_counts_to_the_end_of_the_earlier_day_at_the_site(when: datetime, allowed: bool) -> None:
    rules = policy(*BOTH, zone=ZoneInfo("Europe/Berlin"))

    assert rules.allowed(BOTH, when) is allowed
    assert not rules.allowed(BOTH)
    assert not policy(*BOTH, max_lists=1).allowed(BOTH, when)


def test_an_exception_of_one_alone_opens_nothing() -> None:
    berlin, _ = BOTH
    when = datetime(2026, 11, 1, tzinfo=UTC)
    always = listed("press", crosspost_with=frozenset({"berlin"}))

    assert not policy(berlin, PRESS).allowed((berlin, PRESS), when)
    assert policy(berlin, always).allowed((berlin, always), when)
    assert not policy(berlin, always).allowed((berlin, always), when + timedelta(days=60))


# ---------------------------------------------------------------- what lists say together


ALARMS = st.one_of(st.none(), st.sampled_from(OnAlarm))


@given(site=st.sampled_from(OnAlarm), said=st.lists(ALARMS, max_size=4))
def test_the_strictest_list_decides_about_an_alarm(site: OnAlarm, said: list[OnAlarm | None]) -> None:
    lists = [listed(f"l{n}", on_alarm=each) for n, each in enumerate(said)]
    found = Policy(lists=tuple(lists), on_alarm=site).on_alarm_of(lists)

    heard = [each or site for each in said] or [site]
    for strict in (OnAlarm.REFUSE, OnAlarm.HOLD, OnAlarm.OBSERVE):
        if strict in heard:
            assert found is strict
            break


def test_a_mail_waits_as_long_as_the_most_patient_list_says_and_no_longer_than_the_site_allows() -> None:
    day = timedelta(days=1)
    hasty, patient, silent = listed("a", expires=day / 2), listed("b", expires=30 * day), listed("c")
    rules = policy(hasty, patient, silent, expires=3 * day, expires_max=7 * day)

    assert day / 2 == rules.expires_of([hasty])
    assert 3 * day == rules.expires_of([hasty, silent])
    assert 7 * day == rules.expires_of([hasty, patient, silent])
    assert 3 * day == rules.expires_of([])


def test_a_list_s_own_word_goes_before_the_site_s() -> None:
    own = listed("a", burst=Burst(1, timedelta(hours=2), True), first_post_asks=False, wrong_topic=WrongTopic.OFF)
    rules = policy(own, BERLIN, first_post_asks=True, wrong_topic=WrongTopic.HOLD, burst=Burst(9))

    assert [1, 9] == [rules.burst_of(each).posts for each in (own, BERLIN)]
    assert [False, True] == [rules.first_post_asks_of(each) for each in (own, BERLIN)]
    assert [WrongTopic.OFF, WrongTopic.HOLD] == [rules.wrong_topic_of(each) for each in (own, BERLIN)]


def test_posters_are_known_by_login_or_mailbox_and_by_nothing_else() -> None:
    news = listed("news", posters=frozenset({"anna@example.org", "office"}), automatic=frozenset({"calendar"}))

    assert news.is_poster(Account("anna@example.org"))
    assert news.is_poster(Account("as", address("Anna@Example.org")))
    assert news.is_poster(Account("office", address("kim@example.org")))
    assert not news.is_poster(Account("ben", address("anna@example.net")))
    assert not news.is_poster(Account(""))
    assert news.takes_automatic(Account("calendar"))
    assert not news.takes_automatic(Account("office"))
    assert not news.is_poster(Account("calendar"))
