"""What the organisation decided: recipient classes of every list manager, and who may be addressed together."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.lists import MailingList, Manager
from smtpguard.mail.address import Address, parse_address
from smtpguard.policy import Kind, Policy


def address(text: str) -> Address:
    found = parse_address(text)
    assert found is not None
    return found


def listed(name: str, manager: Manager = Manager.MAILMAN3, *aliases: str, with_: tuple[str, ...] = ()) -> MailingList:
    id_, _, domain = name.partition("@")
    return MailingList(
        id_, address(f"{id_}@{domain or 'lists.example.org'}"), manager, f"About {id_}", "it@example.org",
        tuple(map(address, aliases)), frozenset(with_),
    )  # fmt: skip


def policy(*lists: MailingList, **more: object) -> Policy:
    return Policy(
        lists=lists,
        desks=frozenset({address("commission@example.org"), address("desk@lists.example.org")}),
        list_domains=frozenset({"lists.example.org"}),
        member_domains=frozenset({"example.org"}),
        **more,  # type: ignore[arg-type]
    )


MACHINE, PEOPLE, UNKNOWN = Kind.ROLE_MACHINE, Kind.ROLE_PEOPLE, Kind.AT_LIST_DOMAIN
ROLES = [
    # The same suffix means opposite things; each row: what Mailman 3, Sympa, ezmlm and plain lists make of it.
    ("-owner", PEOPLE, MACHINE, PEOPLE, UNKNOWN),
    ("-request", MACHINE, PEOPLE, UNKNOWN, UNKNOWN),
    ("-editor", UNKNOWN, PEOPLE, UNKNOWN, UNKNOWN),
    ("-bounces", MACHINE, UNKNOWN, UNKNOWN, UNKNOWN),
    ("-confirm", MACHINE, UNKNOWN, MACHINE, UNKNOWN),
    ("-join", MACHINE, UNKNOWN, UNKNOWN, UNKNOWN),
    ("-leave", MACHINE, UNKNOWN, UNKNOWN, UNKNOWN),
    ("-subscribe", MACHINE, MACHINE, MACHINE, UNKNOWN),
    ("-unsubscribe", MACHINE, MACHINE, MACHINE, UNKNOWN),
    ("-help", UNKNOWN, UNKNOWN, MACHINE, UNKNOWN),
    ("-get.12", UNKNOWN, UNKNOWN, MACHINE, UNKNOWN),
    ("-accept-1234567.abcdef", UNKNOWN, UNKNOWN, MACHINE, UNKNOWN),
    ("-reject-1234567.abcdef", UNKNOWN, UNKNOWN, MACHINE, UNKNOWN),
    ("-return-12-anna=example.org", UNKNOWN, UNKNOWN, MACHINE, UNKNOWN),
    ("-confirm+0123456789abcdef", MACHINE, UNKNOWN, MACHINE, UNKNOWN),
    ("-bounces+anna=example.org", MACHINE, UNKNOWN, UNKNOWN, UNKNOWN),
    ("-owner+x", PEOPLE, MACHINE, PEOPLE, UNKNOWN),
    ("-owners", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
    ("owner", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
    ("-", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
]


@pytest.mark.parametrize("row", ROLES, ids=lambda row: row[0])
def test_a_suffix_means_what_the_list_s_own_manager_makes_of_it(row: tuple[str, Kind, Kind, Kind, Kind]) -> None:
    suffix, *kinds = row
    managers = (Manager.MAILMAN3, Manager.SYMPA, Manager.EZMLM, Manager.PLAIN)

    found = [policy(listed("berlin", each)).kind(address(f"Berlin{suffix}@Lists.example.org")) for each in managers]

    assert kinds == found


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sympa", MACHINE), ("bounce+x", MACHINE), ("bounce-x", MACHINE), ("listmaster", PEOPLE), ("bouncer", UNKNOWN)],
)
def test_sympa_s_own_addresses_belong_to_its_domain(name: str, kind: Kind) -> None:
    at = address(f"{name}@lists.example.org")

    assert kind is policy(listed("berlin", Manager.SYMPA)).kind(at)
    assert UNKNOWN is policy(listed("berlin", Manager.MAILMAN3)).kind(at)
    assert Kind.MEMBER is policy(listed("berlin", Manager.SYMPA)).kind(address(f"{name}@example.org"))


def test_the_first_class_that_fits_wins() -> None:
    rules = policy(
        listed("berlin", Manager.MAILMAN3, "berlin@example.org"),
        listed("berlin-owner", Manager.MAILMAN3),
        listed("desk", Manager.MAILMAN3),
    )
    kinds = {
        "commission@example.org": Kind.DESK,
        "desk@lists.example.org": Kind.DESK,  # though a list claims it
        "BERLIN@example.ORG": Kind.LIST,
        "berlin-owner@lists.example.org": Kind.LIST,  # an exact list beats a role
        "berlin-owner-owner@lists.example.org": Kind.ROLE_PEOPLE,
        "berlin-owner@example.org": Kind.ROLE_PEOPLE,  # of the alias
        "berlni@lists.example.org": Kind.AT_LIST_DOMAIN,
        "anna@example.org": Kind.MEMBER,
        "anna@elsewhere.example": Kind.PERSON,
        "xberlin@example.org": Kind.MEMBER,
        "berlin@example.org.evil.example": Kind.PERSON,
        "berlin@sub.lists.example.org": Kind.PERSON,
    }

    assert kinds == {each: rules.kind(address(each)) for each in kinds}


def test_a_desk_is_never_a_list_s_posting_address() -> None:
    rules = policy(listed("desk"))

    assert rules.list_of(address("desk@lists.example.org")) is None


def test_only_persons_of_some_sort_are_human() -> None:
    human = {Kind.ROLE_PEOPLE, Kind.GROUP, Kind.AT_LIST_DOMAIN, Kind.MEMBER, Kind.PERSON}

    assert human == {each for each in Kind if each.human}


def test_a_list_at_a_member_domain_is_no_member() -> None:
    rules = policy(listed("berlin@example.org"))

    assert rules.is_member(address("anna@example.org"))
    assert not rules.is_member(address("berlin@example.org"))


def test_lists_are_found_once_and_in_the_order_named() -> None:
    one, two = listed("berlin", Manager.MAILMAN3, "b@lists.example.org"), listed("press")
    rules = policy(one, two)
    named = ["x@example.org", "press@lists.example.org", "b@lists.example.org", "BERLIN@lists.example.org"]

    assert (two, one) == rules.lists_of(map(address, named))


# ---------------------------------------------------------------- 12-03: pairs

BERLIN = listed("berlin", with_=("brandenburg", "press", "north"))
BRANDENBURG = listed("brandenburg", with_=("berlin", "north"))
NORTH = listed("north", with_=("berlin", "brandenburg"))
PRESS = listed("press")
ALL = listed("all-members")
LISTS = (BERLIN, BRANDENBURG, NORTH, PRESS, ALL)


@pytest.mark.parametrize(
    ("lists", "allowed"),
    [
        ((BERLIN,), True),
        ((), True),
        ((BERLIN, BRANDENBURG), True),  # both say so
        ((BERLIN, PRESS), False),  # only one says so
        ((PRESS, ALL), True),  # the site says so
        ((BERLIN, ALL), False),
        ((BERLIN, BRANDENBURG, NORTH), False),  # every pair, but more than max_lists
    ],
)
def test_12_03_lists_that_have_agreed_two_by_two_are_allowed_in_any_order(
    lists: tuple[MailingList, ...], allowed: bool
) -> None:
    rules = policy(*LISTS, pairs=frozenset({frozenset({"press", "all-members"})}))

    assert {allowed} == {rules.allowed(each) for each in permutations(lists)}


def test_12_03_three_lists_need_every_pair_and_a_larger_max_lists() -> None:
    rules = policy(*LISTS, max_lists=3)

    assert rules.allowed((BERLIN, BRANDENBURG, NORTH))
    assert not rules.allowed((BERLIN, BRANDENBURG, PRESS))
    assert not policy(*LISTS, max_lists=1).allowed((BERLIN, BRANDENBURG))


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz-+._@ \u00e9", max_size=40))
def test_T_50_whatever_is_no_address_of_a_list_is_none(text: str) -> None:
    rules = policy(*LISTS)
    found = parse_address(text)

    if found is not None and found not in {each.address for each in LISTS}:
        assert rules.list_of(found) is None
        assert Kind.LIST is not rules.kind(found)


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("stra\u00dfe", "STRASSE"),
        ("ni\u03ba\u03c2", "ni\u03ba\u03c3"),
        ("\u0130zmir", "i\u0307zmir"),
        ("k2", "\u212a2"),
    ],
)
def test_a_list_is_known_by_full_case_folding_as_postfix_looks_it_up(name: str, spelling: str) -> None:
    rules = policy(each := listed(name))

    assert rules.list_of(address(f"{spelling}@lists.example.org")) is each
    assert rules.kind(address(f"{spelling}-owner@lists.example.org")) is PEOPLE
    assert rules.list_of(address("izmir@lists.example.org")) is None


def test_a_name_without_domain_is_completed_as_the_mail_server_does_it() -> None:
    here = listed("berlin@example.org")
    rules = policy(here, account_domain="example.org")

    assert rules.list_of(address("Berlin")) is here
    assert rules.kind(address("berlin-owner")) is PEOPLE
    assert rules.kind(address("commission")) is Kind.DESK
    assert rules.kind(address("anna")) is Kind.MEMBER
    assert policy(here).list_of(address("berlin")) is None


@pytest.mark.parametrize("account_domain", ["example.org", None])
@pytest.mark.parametrize(
    "typed", ["berlin", "BERLIN", "berlin+x", "berlin@lists", "berlin@localhost", "berlin@[127.0.0.1]"]
)
def test_a_list_s_name_at_a_host_that_only_the_mail_server_knows_cannot_be_read(
    typed: str, account_domain: str | None
) -> None:
    assert not policy(BERLIN, account_domain=account_domain).can_read(address(typed))


@pytest.mark.parametrize("account_domain", ["example.org", None])
@pytest.mark.parametrize(
    "typed", ["postmaster", "anna", "anna@localhost", "berlin@example.org", "berlin@lists.example.org."]
)
def test_all_other_names_can(typed: str, account_domain: str | None) -> None:
    assert policy(BERLIN, account_domain=account_domain).can_read(address(typed))


@pytest.mark.parametrize("domain", ["lists.example.org", "example.org", "mail.example.org", "org", "[127.0.0.1]"])
@pytest.mark.parametrize("local_part", ["berlin%lists.example.org", "x!berlin", '"berlin@lists.example.org"', '"a,b"'])
def test_a_route_by_a_host_of_ours_cannot_be_read_and_elsewhere_it_is_a_name(local_part: str, domain: str) -> None:
    rules = policy(BERLIN)

    assert not rules.can_read(address(f"{local_part}@{domain}"))
    assert rules.can_read(address(f"{local_part}@elsewhere.example"))


def test_a_list_in_a_domain_of_one_label_can_be_read() -> None:
    assert policy(listed("berlin@lists")).can_read(address("berlin@lists"))


def test_where_nothing_is_judged_everything_can_be_read() -> None:
    assert policy().can_read(address("berlin%lists.example.org"))
    assert policy().can_read(None)
    assert not policy(BERLIN).can_read(None)
