"""Which text of a mail is private text of others: evidence class E1 of SEMANTICS c1.

Only the account's own private mail counts, what it wrote and what it got (THREAT-MODEL T-10 to T-12). Its words are
known again wherever they stand: quoted, forwarded or pasted. Where no words are known, the thread tells: an answer to a
private mail takes its text along in what it quotes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from smtpguard.checks.origin import first_words, is_oneself
from smtpguard.evidence import EarlierMail, Evidence
from smtpguard.mail.message import Submission, Voice
from smtpguard.policy import Policy

# A block is what the memory knows of it if one in so many of its words is known: the others may be greetings, names and
# signatures, which prove nothing and are not counted.
KNOWN_IN = 2
# Of quotes that are known by their thread alone, the longest is shown; of more words than these nobody asks which.
WORDS_COUNTED_MAX = 1000

_OF_OTHERS = (Voice.QUOTED, Voice.FORWARDED)


class PrivateText(NamedTuple):
    """Words of others in passage number `passage`, and the private mail that they are from.

    `begins` are its first words. `by_thread`: that mail is answered, and the passage quoted; its words are not known.
    """

    passage: int
    words: int
    begins: str
    mail: EarlierMail
    by_thread: bool = False


def private_texts(submission: Submission, evidence: Evidence, policy: Policy) -> tuple[PrivateText, ...]:
    """Text of others from private mail, but for what its author has allowed to pass on (11-13)."""
    return (*_known_by_words(evidence), *_known_by_thread(submission, evidence, policy))


def answered_mail(evidence: Evidence) -> EarlierMail | None:
    """The private mail of somebody else that is answered: the newest, which most likely is the one that is quoted.

    An answer may carry the text of earlier ones of its thread as well: so all authors must have allowed it, and each of
    them may have asked not to pass it on.
    """
    answered = [each for each in evidence.answered if not each.own and each.list_id is None]
    if not answered:
        return None
    return replace(
        answered[0],
        answered=True,
        consent=all(each.consent for each in answered),
        no_forward=any(each.no_forward for each in answered),
        subject_same=any(each.subject_same for each in answered),
    )


def may_be_passed_on(mail: EarlierMail) -> bool:
    """11-13: True if its author has said so, in the mail itself. Asked not to and allowed to means not to (11-14)."""
    return mail.consent and not mail.no_forward


def brings_own_words(submission: Submission, evidence: Evidence) -> bool:
    """11-05: True if earlier words of the sender stand in the mail as well."""
    if any(each.mail.own for each in evidence.known):
        return True
    return any(each.voice in _OF_OTHERS and is_oneself(each.author, submission) for each in submission.message.passages)


def mostly_known(submission: Submission, evidence: Evidence) -> Iterator[int]:
    """The numbers of passages of which the memory knows at least half, so that it knows whose they are."""
    for each in evidence.known:
        passage = submission.message.passages[each.passage]
        most = KNOWN_IN * each.words
        # The sender's own words, in a block that names another author, are what that one has answered.
        of_another = passage.author is not None and not is_oneself(passage.author, submission)
        if passage.words_up_to(most + 1) <= most and not (each.mail.own and of_another):
            yield each.passage


def _known_by_words(evidence: Evidence) -> Iterator[PrivateText]:
    """Stretches of private mail of others. The same stretch, known as the sender's own or with its author's consent, is
    no longer theirs alone; another stretch in the same passage is.
    """
    own: dict[tuple[int, str], int] = {}
    allowed: dict[tuple[int, str], int] = {}
    for each in evidence.known:
        place = (each.passage, each.begins)
        if each.mail.own:
            own[place] = max(each.words, own.get(place, 0))
        elif may_be_passed_on(each.mail) and each.mail.list_id is None:
            allowed[place] = max(each.words, allowed.get(place, 0))
    for each in evidence.known:
        place = (each.passage, each.begins)
        if each.mail.own or each.mail.list_id is not None or each.words <= own.get(place, 0):
            continue
        if each.mail.no_forward or each.words > allowed.get(place, 0):
            yield PrivateText(each.passage, each.words, each.begins, each.mail)


def _known_by_thread(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[PrivateText]:
    """Quotes in an answer to a private mail, if their words are known from nowhere."""
    mail = answered_mail(evidence)
    if mail is None or may_be_passed_on(mail):
        return
    known = {each.passage for each in evidence.known} | evidence.public
    for number, passage in enumerate(submission.message.passages):
        if number in known or passage.voice not in _OF_OTHERS or is_oneself(passage.author, submission):
            continue
        # Where the posts of lists are not remembered, the block's own word for it that it is one has to do.
        if not evidence.known_since and policy.lists_of(passage.recipients):
            continue
        words = passage.words_up_to(WORDS_COUNTED_MAX)
        if words:
            yield PrivateText(number, words, first_words(passage), mail, by_thread=True)
