"""Tags recognise a re-send of the same mail by the same member, and nothing less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.message import Account
from smtpguard.tags import account_tag, message_tag, resend_tag, subject_tag, tags_of

KEY = bytes(range(32))
DIGEST = bytes(32)


def address(text: str) -> Address:
    found = parse_address(text)
    assert found is not None
    return found


ANNA = Account("anna@example.org", address("anna@example.org"))
BERLIN, ALL = address("berlin@lists.example.org"), address("all@lists.example.org")


def tag(
    *,
    key: bytes = KEY,
    account: Account = ANNA,
    recipients: tuple[Address, ...] = (BERLIN, ALL),
    message_id: str | None = "<1@example.org>",
    content: bytes = DIGEST,
) -> bytes | None:
    return resend_tag(key, account, recipients, message_id, content)


def test_T_02_a_resend_has_the_same_tag_in_any_order_and_spelling_of_recipients() -> None:
    assert tag() == tag(recipients=(ALL, BERLIN))
    assert tag() == tag(recipients=(address("<Berlin@LISTS.example.org.>"), ALL, ALL))


@pytest.mark.parametrize(
    "other",
    [
        tag(key=bytes(32)),
        tag(account=Account("ben@example.org", address("ben@example.org"))),
        tag(account=Account("anna@example.org", None)),
        tag(recipients=(BERLIN,)),
        tag(recipients=()),
        tag(message_id="<2@example.org>"),
        tag(content=b"\x01" * 32),
    ],
)
def test_T_02_each_part_counts(other: bytes | None) -> None:
    assert other is not None
    assert other != tag()


def test_an_absent_message_id_matches_nothing() -> None:
    assert tag(message_id=None) is None
    assert tag(message_id="") is None
    assert message_tag(KEY, None) is None


@given(st.lists(st.text(), min_size=1, max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_T_02_no_two_envelopes_run_together(one: list[str], other: list[str]) -> None:
    def of(parts: list[str]) -> bytes | None:
        return tag(recipients=tuple(Address(each, "example.org") for each in parts[1:]), message_id=f"<{parts[0]}>")

    def known(parts: list[str]) -> tuple[str, set[str]]:
        return parts[0], {Address(each, "example.org").normal for each in parts[1:]}

    assert (of(one) == of(other)) == (known(one) == known(other))


def test_T_02_two_recipients_are_not_one_whose_name_is_both() -> None:
    two = (Address("a", "example.org"), Address("b", "example.org"))
    one = (Address("a@example.orgb", "example.org"),)

    assert tag(recipients=two) != tag(recipients=one)


def test_T_02_tags_of_different_kinds_never_meet() -> None:
    login = Account("<1@example.org>", None)

    tags = {account_tag(KEY, login), message_tag(KEY, "<1@example.org>"), subject_tag(KEY, "<1@example.org>"), tag()}

    assert len(tags) == 4


def test_T_02_a_tag_holds_nothing_of_what_it_is_made_of() -> None:
    tags = tags_of("2026-W47", KEY, account=ANNA, recipients=[BERLIN], message_id="<1@example.org>", content=DIGEST)

    assert tags.week == "2026-W47"
    assert tags.resend == tag(recipients=(BERLIN,))
    assert tags.account == account_tag(KEY, ANNA)
    assert {len(each) for each in (tags.resend, tags.account, tags.message_id) if each is not None} == {32}


def test_subject_tags_ignore_case_and_blanks() -> None:
    assert subject_tag(KEY, "Minutes  of Tuesday") == subject_tag(KEY, "minutes of\ttuesday ")
    assert subject_tag(KEY, "Minutes") != subject_tag(KEY, "Minute s")
    assert subject_tag(KEY, " ") is None


def test_text_with_octets_outside_utf8_gets_a_tag() -> None:
    assert message_tag(KEY, "<\udcff@example.org>") != message_tag(KEY, "<\udcfe@example.org>")
