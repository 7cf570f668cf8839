"""What is sealed comes out as it went in: every field, every octet."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.held import Card, HeldMail, NumberedList
from smtpguard.mail.address import Address
from smtpguard.mail.envelope import Envelope, Path
from smtpguard.mail.message import Account
from smtpguard.sealed_mail import UnreadableError, card_from_octets, card_to_octets, mail_from_octets, mail_to_octets
from smtpguard.verdict import Finding

# Any text at all, lone surrogates included: that is how octets outside UTF-8 are carried.
TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=12)
ADDRESSES = st.builds(Address, TEXTS, TEXTS, TEXTS)
PATHS = st.builds(Path, TEXTS, st.none() | ADDRESSES, st.lists(TEXTS, max_size=2).map(tuple))
TIMES = st.datetimes(timezones=st.just(UTC))
FACTS = st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS, max_size=2).map(tuple), max_size=2)
FINDINGS = st.builds(Finding, TEXTS, TEXTS, FACTS, st.lists(TEXTS, max_size=2).map(tuple), st.none() | TEXTS)
MAILS = st.builds(
    HeldMail,
    submission_id=TEXTS,
    account=st.builds(Account, TEXTS, st.none() | ADDRESSES, st.none() | TEXTS),
    envelope=st.builds(Envelope, PATHS, st.lists(PATHS, max_size=3).map(tuple)),
    subject=TEXTS,
    greeting=st.none() | TEXTS,
    findings=st.lists(FINDINGS, max_size=2).map(tuple),
    lists=st.lists(st.builds(NumberedList, st.integers(), TEXTS, TEXTS, st.booleans()), max_size=2).map(tuple),
    recipient_lists=st.lists(st.none() | st.integers(), max_size=3).map(tuple),
    arrived=TIMES,
    expires=TIMES,
    wire=st.binary(),
)
CARDS = st.builds(Card, ADDRESSES, TEXTS, TEXTS, TIMES)


def parts(address: Address | None) -> tuple[str, ...]:
    """An address letter by letter; `==` ignores spelling."""
    return () if address is None else (address.local_part, address.domain, address.typed)


def spellings(mail: HeldMail) -> list[tuple[str, ...]]:
    paths = (mail.envelope.reverse_path, *mail.envelope.recipients)
    return [parts(mail.account.mailbox), *(parts(each.address) for each in paths)]


def example() -> HeldMail:
    anna = Address("anna", "example.org", "Anna@example.org")
    return HeldMail(
        submission_id="1",
        account=Account("anna", anna, "de"),
        envelope=Envelope(Path("<Anna@example.org>", anna, ("BODY=8BITMIME",)), (Path("<b@example.org>", anna),)),
        subject="Minutes",
        greeting=None,
        findings=(Finding("12-02", "crosspost", {"lists": ("a", "b"), "first": "x"}, ("a", "b"), "a"),),
        lists=(NumberedList(1, "a", "about a", True),),
        recipient_lists=(1,),
        arrived=datetime(2026, 11, 22, 18, 2, tzinfo=UTC),
        expires=datetime(2026, 11, 25, 18, 2, tzinfo=UTC),
        wire=b"Subject: Minutes\r\n\r\n..\xff\r\n",
    )


@given(MAILS)
def test_a_held_mail_comes_out_as_it_went_in(mail: HeldMail) -> None:
    again = mail_from_octets(mail_to_octets(mail))

    assert again == mail
    assert spellings(again) == spellings(mail)


@given(CARDS)
def test_a_card_comes_out_as_it_went_in(card: Card) -> None:
    again = card_from_octets(card_to_octets(card))

    assert again == card
    assert parts(again.mailbox) == parts(card.mailbox)


def test_T_02_a_card_tells_mailbox_language_notice_and_time_and_nothing_else() -> None:
    card = Card(Address("anna", "example.org"), "en", "<1@guard>", datetime(2026, 11, 22, tzinfo=UTC))

    assert set(json.loads(card_to_octets(card)[1:])) == {"mailbox", "language", "notice", "arrived"}


def test_content_is_kept_as_it_is_behind_the_head() -> None:
    assert mail_to_octets(example()).endswith(example().wire)


@given(st.binary(max_size=80))
def test_unknown_octets_are_only_an_unreadable_error(octets: bytes) -> None:
    for read in (mail_from_octets, card_from_octets):
        with pytest.raises(UnreadableError):
            read(octets)


@given(st.sampled_from(sorted(json.loads(mail_to_octets(example())[5 : -len(example().wire)]))), st.data())
def test_a_field_of_another_kind_is_an_unreadable_error_that_carries_nothing(name: str, data: st.DataObject) -> None:
    octets = mail_to_octets(example())
    head = json.loads(octets[5 : -len(example().wire)])
    head[name] = data.draw(st.sampled_from([7, 1.5, True, ["x"], [["y"]]]))
    changed = json.dumps(head).encode()

    with pytest.raises(UnreadableError) as caught:
        mail_from_octets(b"\x01" + len(changed).to_bytes(4, "big") + changed)

    assert caught.value.__suppress_context__
    assert "anna" not in str(caught.value)


def test_a_box_of_a_later_format_is_not_guessed_at() -> None:
    later = b"\x02" + mail_to_octets(example())[1:]

    with pytest.raises(UnreadableError):
        mail_from_octets(later)


def test_a_time_without_zone_is_refused_when_written() -> None:
    card = Card(Address("anna", "example.org"), "en", "<1@guard>", datetime(2026, 11, 22))  # noqa: DTZ001 - the point

    with pytest.raises(ValueError, match="time zone"):
        card_to_octets(card)
