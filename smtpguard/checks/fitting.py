"""Which list a message fits by its own words (`topics`).

No training and no scores: distinct topic words of the list files are counted, forms of one word as one. Measured on
eight clearly different lists with some twenty words each, "three words of another list more, and none of the addressed
one's" finds a third of the thread starters that go to a wrong list, and took none of the right ones for wrong
(tests/corpus/topics.py); with lists about close subjects it takes one in a hundred. Hence it suggests, and holds only
where the addressed list's own file asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smtpguard.checks.audience import suggestable
from smtpguard.checks.own_words import answers, own_words
from smtpguard.evidence import Evidence
from smtpguard.lists import MailingList, WrongTopic
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy

# 12-29. Fewer topic words than these say too little about a list, or about its neighbours.
TOPICS_MIN = 8
NEW_WORDS_MIN = 30
WORDS_MORE = 3
# More words than these make a reason no clearer.
WORDS_TOLD_MAX = 6


@dataclass(frozen=True, slots=True)
class Fit:
    """A list, and those of its topic words that the message has, a few of them."""

    fitting: MailingList
    words: tuple[str, ...]


def fit_among(lists: Sequence[MailingList], submission: Submission, policy: Policy) -> Fit | None:
    """The list among the addressed `lists` that has more topic words in the message than each of the others.

    One word is enough: all of them are in the mail already, and its sender chooses.
    """
    if sum(bool(each.topics) for each in lists) == 0 or _unwanted(lists, policy):
        return None
    words = own_words(submission.message)
    said = policy.topics.said(words.distinct, words.text)
    found = sorted(((policy.topics.of(each.id, said), each) for each in lists), key=lambda each: -len(each[0]))
    first, best = found[0]
    if not first or (len(found) > 1 and len(found[1][0]) == len(first)):
        return None
    return Fit(best, first[:WORDS_TOLD_MAX])


def fit_elsewhere(
    lists: Sequence[MailingList], submission: Submission, evidence: Evidence, policy: Policy
) -> Fit | None:
    """12-29: the list that the message fits instead of all the addressed `lists`; only where it starts a thread."""
    topics = policy.topics
    if not lists or any(len(topics.topics[each.id]) < TOPICS_MIN for each in lists) or _unwanted(lists, policy):
        return None
    if evidence.thread is not None or answers(submission.message):
        return None
    words = own_words(submission.message)
    if words.count < NEW_WORDS_MIN:
        return None
    said = topics.said(words.distinct, words.text)
    if any(topics.of(each.id, said) for each in lists):
        return None
    return _best_other(said, submission, evidence, policy)


def _best_other(said: frozenset[str], submission: Submission, evidence: Evidence, policy: Policy) -> Fit | None:
    """The list with the most topics that are `said`; of several the first by its id."""
    topics = policy.topics
    shares = {each: count for each, count in topics.shares(said).items() if count >= WORDS_MORE}
    for each in sorted(shares, key=lambda each: (-shares[each], each)):
        best = suggestable(each, submission, evidence, policy)
        if best is not None and len(topics.topics[each]) >= TOPICS_MIN:
            return Fit(best, topics.of(each, said)[:WORDS_TOLD_MAX])
    return None


def _unwanted(lists: Sequence[MailingList], policy: Policy) -> bool:
    """True if one of the addressed lists wants no words to be counted (`wrong_topic: off`)."""
    return any(policy.wrong_topic_of(each) is WrongTopic.OFF for each in lists)
