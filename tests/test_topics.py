"""Topic words: which forms of a word are one, and which lists have the words of a mail."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.checks.own_words import words_of
from smtpguard.lists import MailingList, Manager
from smtpguard.mail.address import Address
from smtpguard.policy import Policy
from smtpguard.topics import TopicIndex, topic_index
from smtpguard.words import stem, words_in

# Few words, so that texts and topics meet often; forms of one word, and phrases that overlap, among them.
WORDS = st.sampled_from(("boat", "boats", "Boats", "sail", "query", "queries", "mail", "e-mail", "e", "raid5", "raid"))
TOPICS = st.lists(st.lists(WORDS, min_size=1, max_size=3).map("-".join) | st.just("?!"), max_size=6)


def mailing_list(name: str, *topics: str) -> MailingList:
    return MailingList(name, Address(name, "lists.example.org"), Manager.MAILMAN3, "", "", topics=topics)


def said(index: TopicIndex, text: str) -> frozenset[str]:
    words = words_of((text,))
    return index.said(words.distinct, words.text)


def forms(text: str) -> str:
    """The words of a text without their endings, each between two blanks."""
    return f" {' '.join(map(stem, words_in(text)))} "


@pytest.mark.parametrize(
    "same",
    [
        ("invoice", "invoices"),
        ("query", "queries"),
        ("city", "cities"),
        ("movie", "movies"),
        ("process", "processes"),
        ("dependency", "dependencies"),
        ("minute", "minutes"),
        ("raid", "raid5", "raid10"),
        ("sitzung", "sitzungen"),
        ("kasse", "kassen"),
        ("rechnung", "rechnungen"),
        ("galerie", "galerien"),
        ("protokoll", "protokolle", "protokolls", "protokollen"),
        ("r\u00e9union", "r\u00e9unions"),
        ("factura", "facturas"),
    ],
)
def test_plurals_and_cases_are_one_word(same: tuple[str, ...]) -> None:
    assert len(set(map(stem, same))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("news", "new"),
        ("theme", "them"),
        ("plane", "plan"),
        ("paste", "past"),
        ("farmer", "farm"),
        ("former", "form"),
        ("corner", "corn"),
        ("listen", "list"),
        ("parent", "rent"),
        ("ipv6", "ipv4"),
        ("mp3", "mp4"),
        ("2026", "2027"),
        ("glass", "glas"),
        ("taxi", "tax"),
    ],
)
def test_words_that_only_look_alike_are_two(one: str, other: str) -> None:
    assert stem(one) != stem(other)


@given(st.text("abcensiy019\u00e4\u4e2d", max_size=12))
def test_a_stem_is_the_beginning_of_its_word_but_for_its_last_letter(word: str) -> None:
    assert word.startswith(stem(word)[:-1])
    assert not word or len(stem(word)) >= min(len(word), 3)


@given(st.lists(TOPICS, max_size=4), st.lists(WORDS, max_size=12))
def test_the_index_finds_what_looking_through_every_topic_of_every_list_finds(
    topics: list[list[str]], words: list[str]
) -> None:
    lists = [mailing_list(f"list-{number}", *each) for number, each in enumerate(topics)]
    text = " ".join(words)
    expected = {
        each.id: len(found)
        for each in lists
        if (found := {key for topic in each.topics if (key := forms(topic)).strip() and key in forms(text)})
    }
    index = topic_index(lists)
    found = said(index, text)

    assert expected == index.shares(found)
    assert {each.id: expected.get(each.id, 0) for each in lists} == {
        each.id: len(index.of(each.id, found)) for each in lists
    }


def test_forms_of_one_word_are_one_topic_spelt_as_its_file_spells_it_first() -> None:
    index = topic_index([mailing_list("boats", "Boats", "boat", "Sail", "?!")])

    assert index.of("boats", said(index, "A boat, two boats, three SAILS")) == ("Boats", "Sail")
    assert len(index.topics["boats"]) == 2


def test_a_topic_of_several_words_counts_only_where_they_stand_together() -> None:
    index = topic_index([mailing_list("office", "e-mail", "bank transfer")])

    assert index.of("office", said(index, "E-mails about bank transfers")) == ("e-mail", "bank transfer")
    assert index.of("office", said(index, "the transfer of a bank, by mail")) == ()


def test_without_topics_nothing_is_found() -> None:
    index = topic_index([mailing_list("quiet")])

    assert index.of("quiet", said(index, "Some words of a mail")) == ()
    assert not index.shares(said(index, "Some words of a mail"))


def test_a_policy_has_the_topics_of_the_lists_that_it_has_now() -> None:
    """A reload makes a new policy; a list that is gone from it, or has other topics, is not found by its old ones."""
    before = Policy(lists=(mailing_list("boats", "sail"), mailing_list("bikes", "tyre")))
    after = replace(before, lists=(mailing_list("boats", "mast"),))

    assert before.topics.shares(said(before.topics, "a sail and a tyre")) == {"boats": 1, "bikes": 1}
    assert after.topics.shares(said(after.topics, "a mast, a sail and a tyre")) == {"boats": 1}
