"""Which list a message fits by its own words (`topics`), and which list may be named to its sender at all.

No training and no scores: distinct topic words are counted, as they stand in the list files. Measured on eight
clearly different lists, "three words of another list more, and none of the addressed one's" finds 21 % of the posts to
a wrong list and takes 0.09 % of the right ones for wrong; on close lists it is not safe. Hence it suggests, and holds
only where the addressed list's own file asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smtpguard.checks.own_words import OwnWords, answers, own_words
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


def suggestable(list_id: str | None, policy: Policy) -> MailingList | None:
    """The list `list_id`, if there is one that may be named to somebody who has not named it himself (T-13).

    Every list that a finding suggests, and that the message does not name, comes from here.
    """
    return None if list_id is None else policy.by_id.get(list_id)


def fit_among(lists: Sequence[MailingList], submission: Submission, policy: Policy) -> Fit | None:
    """The list among the addressed `lists` that has more topic words in the message than each of the others.

    One word is enough: all of them are in the mail already, and its sender chooses.
    """
    if sum(bool(each.topics) for each in lists) == 0 or _unwanted(lists, policy):
        return None
    words = own_words(submission.message)
    found = sorted(((words.among(each.topics), each) for each in lists), key=lambda each: len(each[0]), reverse=True)
    first, best = found[0]
    if not first or (len(found) > 1 and len(found[1][0]) == len(first)):
        return None
    return Fit(best, first[:WORDS_TOLD_MAX])


def fit_elsewhere(
    lists: Sequence[MailingList], submission: Submission, evidence: Evidence, policy: Policy
) -> Fit | None:
    """12-29: the list that the message fits instead of all the addressed `lists`; only where it starts a thread."""
    if not lists or any(len(each.topics) < TOPICS_MIN for each in lists) or _unwanted(lists, policy):
        return None
    if evidence.thread is not None or answers(submission.message):
        return None
    words = own_words(submission.message)
    if words.count < NEW_WORDS_MIN or any(words.has(topic) for each in lists for topic in each.topics):
        return None
    return _best_other(lists, words, policy)


def _best_other(lists: Sequence[MailingList], words: OwnWords, policy: Policy) -> Fit | None:
    best: Fit | None = None
    most = WORDS_MORE - 1
    for other in policy.lists:
        if len(other.topics) < TOPICS_MIN or other in lists or suggestable(other.id, policy) is None:
            continue
        found = words.among(other.topics)
        if len(found) > most:
            best, most = Fit(other, found[:WORDS_TOLD_MAX]), len(found)
    return best


def _unwanted(lists: Sequence[MailingList], policy: Policy) -> bool:
    """True if one of the addressed lists wants no words to be counted (`wrong_topic: off`)."""
    return any(policy.wrong_topic_of(each) is WrongTopic.OFF for each in lists)
