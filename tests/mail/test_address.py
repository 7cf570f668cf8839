"""Addresses: kept as typed, compared as one mailbox."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpguard.mail.address import ADDRESS_CHARACTERS_MAX, Address, domain_normal, parse_address


def parsed(text: str) -> Address:
    address = parse_address(text)
    assert address is not None
    return address


@pytest.mark.parametrize(
    "spelling",
    [
        "board@lists.example.test",
        "<board@lists.example.test>",
        " <Board@Lists.Example.TEST> ",
        "BOARD@LISTS.EXAMPLE.TEST.",
        '"board"@lists.example.test',
        '"bo\\ard"@lists.example.test',
        'bo"ar"d@lists.example.test',
        "bo\\ard@lists.example.test",
        "board(the board)@lists.example.test",
        "(the (nested) board)board@lists.example.test(x)",
        '"board"(x)@lists.example.test',
        '(")board@lists.example.test(")',
        "(\\))board@lists.example.test",
        "board @ lists . example . test",
        "<@relay.example.test:board@lists.example.test>",
        "@a.test,@b.test:board@lists.example.test",
        "< @a.test : board@lists.example.test >",
        "board@lists．example．test",
        "board@lists.ｅxample.test",
    ],
)
def test_these_spellings_mean_one_mailbox(spelling: str) -> None:
    wanted = Address("board", "lists.example.test")

    assert parsed(spelling) == wanted
    assert hash(parsed(spelling)) == hash(wanted)
    assert parsed(spelling).normal == "board@lists.example.test"


@pytest.mark.parametrize(
    "other",
    [
        "board2@lists.example.test",
        "xboard@lists.example.test",
        "board@example.test",
        "board@lists.example.test.evil.test",
        '"board "@lists.example.test',
        '"@lists.example.test:board"@example.test',
        "board+x@lists.example.test",
        '"board@lists.example.test"@example.test',
        "lists.example.test@board",
    ],
)
def test_these_do_not(other: str) -> None:
    assert parsed(other) != Address("board", "lists.example.test")


def test_what_was_typed_is_kept() -> None:
    for typed in ('"Board"@Lists.Example.TEST.', "Ünï@exämple.test", "@r.test:a@b.test", "a(b)@c.test"):
        assert str(parsed(f"<{typed}>")) == typed
    assert str(Address("anna", "example.test")) == "anna@example.test"


def test_unicode_domains_and_a_labels_are_the_same() -> None:
    assert parsed("info@BÜCHER.test") == parsed("info@xn--bcher-kva.test")
    assert parsed("info@bu\u0308cher.test").domain == "xn--bcher-kva.test"


def test_unicode_local_parts_are_compared_in_nfc_and_without_case() -> None:
    assert parsed("MU\u0308LLER@example.test") == parsed("müller@example.test")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("stra\u00dfe", "strasse"),
        ("\u0131rem", "irem"),  # dotless i
        ("\u0130rem", "irem"),  # I with a dot, in lower case i and a combining dot
        ("niko\u03c3", "niko\u03c2"),  # sigma, final sigma
        ("\ufb01nn", "finn"),  # a ligature
    ],
)
def test_two_people_are_not_one_by_case_folding(one: str, other: str) -> None:
    assert parsed(f"{one}@example.test") != parsed(f"{other}@example.test")
    assert parsed(f"{one}@example.test").normal == f"{one.lower()}@example.test"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("STRA\u1e9eE", "stra\u00dfe"),
        ("IREM", "irem"),
        ("\u0130rem", "i\u0307rem"),
        ("\u03a3OFIA", "\u03c3ofia"),
        ("A\u030aSA", "\u00e5sa"),
        ("\u212aarin", "karin"),  # the sign for kelvin is a K
    ],
)
def test_capitals_and_composition_make_no_other_person(one: str, other: str) -> None:
    assert parsed(f"{one}@example.test") == parsed(f"{other}@example.test")
    assert hash(parsed(f"{one}@example.test")) == hash(parsed(f"{other}@example.test"))


@pytest.mark.parametrize(
    "typed",
    [
        "anna@example.test", '"anna b"@example.test', '"a\\"b"@example.test', "anna+x@example.test", "a.b@example.test",
        "anna@[192.0.2.1]", "anna@[IPv6:2001:db8::1]", "anna(x)@example.test", "@a.test,@b.test:anna@example.test",
        "postmaster", "<Postmaster>", "m\u00fcller@b\u00fccher.test", "a#b@example.test",
        "anna@_dmarc.example.test", '"(anna)"@example.test', '"<anna>"@example.test', "anna@xn--bcher-kva.test.",
    ],
)  # fmt: skip
def test_what_can_mean_one_mailbox_only_is_clear(typed: str) -> None:
    assert parsed(typed).is_clear


@pytest.mark.parametrize(
    "typed",
    [
        "anna%x.test", "x.test!anna", "anna%x.test@example.test", "x.test!anna@example.test", '"anna@x.test"',
        '"anna@x.test"@example.test', "anna\\@x.test", "anna\\%x.test@example.test", '"anna%x.test"@example.test',
        "anna@x.test@example.test", "@a:@b:anna@x.test", "anna@x.test,", ",anna@x.test", "anna,ben@x.test",
        "g:anna@x.test;", '"a:b"@x.test', '"a;b"@x.test', "anna ben@x.test", "anna(x@x.test", "anna)@x.test",
        "anna@x.test)", "anna@x.test ben", "anna@.x.test", "anna@x..test", "anna@[127.0.0.1", "anna@\u2603\u200d.test",
        "anna@x.te\udcffst",
    ],
)  # fmt: skip
def test_what_could_mean_another_mailbox_is_not(typed: str) -> None:
    assert not parsed(typed).is_clear


def test_needed_quotes_stay_and_are_one_spelling() -> None:
    assert parsed('"a b"@c.test').local_part == '"a b"'
    assert parsed('"a\\ b"@c.test') == parsed('"a b"@c.test') == parsed('a" "b@c.test')
    assert parsed('"a\\"b"@c.test').local_part == '"a\\"b"'


def test_the_last_at_sign_outside_quotes_parts_local_part_and_domain() -> None:
    assert parsed('"a@b"@c.test').key == ('"a@b"', "c.test")
    assert parsed("a@b@c.test").domain == "c.test"
    assert parsed('a@"c.test').domain == '"c.test'


def test_an_address_literal_is_kept_as_domain() -> None:
    assert parsed("a@[192.0.2.1]").domain == "[192.0.2.1]"
    assert parsed("a@[IPv6:2001:DB8::1]").domain == "[ipv6:2001:db8::1]"


def test_postmaster_needs_no_domain() -> None:
    assert parsed("<Postmaster>").key == ("postmaster", "")
    assert parsed("postmaster").normal == "postmaster"


@pytest.mark.parametrize(
    "text", ["", " ", "<>", "< >", "@", "a@", "@b", '""@b.test', "a@.", "(a@b)", "x" * 2000 + "@b.test"]
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert parse_address(text) is None


def test_a_bracket_that_never_closes_hides_nothing() -> None:
    assert parsed("board(x@lists.example.test").domain == "lists.example.test"


def test_a_domain_that_is_none_is_only_made_lower_case() -> None:
    assert domain_normal("_Dmarc.Example.TEST") == "_dmarc.example.test"
    assert domain_normal("☃".upper() + "\u200d.test") == "☃\u200d.test"


@settings(database=None, max_examples=3 * settings().max_examples)
@given(st.text(alphabet=st.sampled_from('ab.@()<>"\\: ,;\u00e4\u0130\udc80\n'), max_size=40) | st.text(max_size=80))
def test_any_text_is_an_address_or_none_and_parsing_again_changes_nothing(text: str) -> None:
    address = parse_address(text)

    if address is not None:
        assert len(address.typed) <= ADDRESS_CHARACTERS_MAX
        assert address == parse_address(text)
        assert isinstance(address.normal, str)
