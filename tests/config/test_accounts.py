"""From the login to the mailbox that is asked (T-30, T-40)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.accounts import AccountEntry, Directory, canonical_login
from smtpguard.lists import MailingList, Manager
from smtpguard.mail.address import Address, parse_address
from smtpguard.policy import Kind, Policy


def address(text: str) -> Address:
    found = parse_address(text)
    assert found is not None
    return found


POLICY = Policy(
    lists=(
        MailingList(
            id="bikes",
            address=address("bikes@lists.example.org"),
            manager=Manager.MAILMAN3,
            about="Repairs",
            contact="bikes-owner@lists.example.org",
            aliases=(address("wheels@example.org"),),
        ),
    ),
    desks=frozenset({address("trust@example.org")}),
    list_domains=frozenset({"lists.example.org", "example.org"}),
    guard_address=address("mailcheck@example.org"),
)


def directory(**more: object) -> Directory:
    return Directory(POLICY, account_domain="example.org", **more)  # type: ignore[arg-type]


def mailbox(found: Directory, login: str, reverse_path: Address | None = None) -> str | None:
    asked = found.account(login, reverse_path).mailbox
    return None if asked is None else str(asked)


@pytest.mark.parametrize("login", ["anna", "ANNA", " anna ", "Anna@example.org", "anna@EXAMPLE.ORG"])
def test_T_40_every_spelling_of_a_login_is_one_account(login: str) -> None:
    found = directory(entries={"Anna": AccountEntry(address("anna.smith@example.org"), "en")})

    account = found.account(login)

    assert account.login == "anna@example.org"
    assert str(account.mailbox) == "anna.smith@example.org"
    assert account.language == "en"
    assert account.same_as(found.account("anna"))


def test_T_40_logins_are_compared_composed() -> None:
    assert canonical_login("Zo\u00eb") == canonical_login(unicodedata.normalize("NFD", "ZO\u00cb"))


@given(st.text(max_size=30))
def test_T_40_a_canonical_login_stays_as_it_is(login: str) -> None:
    once = canonical_login(login, "example.org")

    assert once == canonical_login(once, "example.org")


def test_T_40_without_a_domain_a_bare_login_has_no_mailbox() -> None:
    found = Directory(POLICY)

    assert mailbox(found, "anna") is None
    assert mailbox(found, "anna@example.net") == "anna@example.net"
    assert found.account("anna").login == "anna"


def test_the_site_s_word_comes_before_the_login_itself() -> None:
    found = directory(entries={"anna@example.net": AccountEntry(address("anna@home.example"))})

    assert mailbox(found, "anna@example.net") == "anna@home.example"
    assert mailbox(found, "ben@example.net") == "ben@example.net"
    assert mailbox(found, "ben") == "ben@example.org"


def test_T_30_the_reverse_path_is_no_mailbox_unless_the_site_says_so() -> None:
    stranger = address("stranger@elsewhere.example")

    assert mailbox(Directory(POLICY), "anna", stranger) is None
    assert mailbox(Directory(POLICY, from_reverse_path=True), "anna", stranger) == "stranger@elsewhere.example"
    assert mailbox(Directory(POLICY, from_reverse_path=True), "anna", None) is None
    assert mailbox(directory(from_reverse_path=True), "anna", stranger) == "anna@example.org"


@pytest.mark.parametrize(
    "nobody",
    [
        "bikes@lists.example.org",
        "Bikes@Lists.Example.Org",
        "wheels@example.org",
        "bikes-owner@lists.example.org",
        "bikes-request@lists.example.org",
        "bikes-owner+x@lists.example.org",
        "mailcheck@example.org",
        "mailcheck+abc@example.org",
    ],
)
def test_T_30_a_list_its_roles_and_the_guard_are_nobody_s_mailbox(nobody: str) -> None:
    by_map = directory(entries={"anna": AccountEntry(address(nobody))})
    by_reverse_path = Directory(POLICY, from_reverse_path=True)

    assert mailbox(by_map, "anna") is None
    assert mailbox(directory(), nobody) is None
    assert mailbox(by_reverse_path, "anna", address(nobody)) is None


def test_T_30_a_desk_is_a_shared_mailbox_by_intention() -> None:
    assert mailbox(directory(), "trust") == "trust@example.org"


def test_a_role_belongs_to_the_list_with_the_longest_name() -> None:
    def listed(name: str, manager: Manager) -> MailingList:
        return MailingList(id=name, address=address(f"{name}@example.org"), manager=manager, about="", contact="")

    policy = Policy(lists=(listed("north", Manager.EZMLM), listed("north-get", Manager.MAILMAN3)))

    assert policy.kind(address("north-get-owner@example.org")) is Kind.ROLE_PEOPLE
    assert policy.kind(address("north-get.12@example.org")) is Kind.ROLE_MACHINE
    assert policy.kind(address("north-get@example.org")) is Kind.LIST
    assert policy.kind(address("-".join("x" * 300) + "@example.org")) is Kind.PERSON


def test_an_account_said_to_have_no_mailbox_has_none() -> None:
    found = directory(entries={"scanner": AccountEntry(None)}, from_reverse_path=True)

    assert mailbox(found, "scanner", address("anna@example.org")) is None


@pytest.mark.parametrize(
    "login",
    [
        "anna>\r\nRCPT TO:<x@example.org",
        "anna smith@example.org",
        "<anna@example.org>",
        "a@b@example.org",
        "anna@",
        "@example.org",
        "anna@exa mple.org",
        "anna@[192.0.2.1]",
        "anna..x@example.org",
        '"a b"@example.org',
        "anna@example.org\x00",
        "x" * 300 + "@example.org",
        "\ud800@example.org",
        "",
    ],
)
def test_a_login_that_could_change_a_command_is_no_mailbox(login: str) -> None:
    assert mailbox(directory(), login) is None


@given(st.text(max_size=40))
def test_a_mailbox_made_of_a_login_is_one_plain_path(login: str) -> None:
    asked = mailbox(directory(), login)

    assert asked is None or (asked.count("@") == 1 and not any(each in '<>()\\," \r\n\0' for each in asked))


@pytest.mark.parametrize(
    ("one", "other"),
    [("strasse@example.test", "stra\u00dfe@example.test"), ("irem@example.test", "\u0131rem@example.test")],
)
def test_T_40_two_accounts_that_only_case_folding_makes_one_are_two(one: str, other: str) -> None:
    accounts = directory()

    assert not accounts.account(one).same_as(accounts.account(other))
    assert mailbox(accounts, other) == other
    assert accounts.account(one).same_as(accounts.account(one.upper()))
