"""Rule 11: what came to the sender in a private mail does not go to a list, nor to others who had no part in it.

It does not matter how its words get into the mail: quoted below, forwarded, or pasted. What the sender wrote himself
is his own, and what its author has allowed to pass on may go anywhere. To take one or two persons into a talk, in the
open, is daily life. Each passage is judged by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from smtpguard.checks.private_origin import (
    PrivateText,
    answered_mail,
    brings_own_words,
    may_be_passed_on,
    mostly_known,
    private_texts,
)
from smtpguard.checks.third_parties import third_parties
from smtpguard.evidence import EarlierMail, Evidence
from smtpguard.lists import MailingList
from smtpguard.mail.address import Address
from smtpguard.mail.message import Protection, Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Fact, Finding

# 11-03: "adding Ben to our talk" is said of so many; more are an audience.
ADDED_PERSONS_MAX = 2


class Alarm(NamedTuple):
    """That `text` goes to all lists of the envelope (no `persons`), or to these persons."""

    row: str
    text: PrivateText
    persons: tuple[Address, ...] = ()


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 11-02, 11-03, 11-05, 11-07, 11-14 and 11-24: one finding for each row, about the text with the most words.

    Where a list's own word about alarms would count for persons as well, they have a finding of their own.
    """
    if submission.message.report:  # 90-02: delivery and disposition notifications carry the returned mail
        return
    lists = policy.lists_of(submission.recipients)
    alarms = _alarms(submission, evidence, policy)
    for row in dict.fromkeys(each.row for each in alarms):
        of_row = [each for each in alarms if each.row == row]
        to_lists = [each for each in of_row if not each.persons]
        to_persons = [each for each in of_row if each.persons]
        if to_lists and to_persons and policy.on_alarm_of(lists) is policy.on_alarm:
            yield _finding(row, of_row, lists, policy)
            continue
        if to_lists:
            yield _finding(row, to_lists, lists, policy)
        if to_persons:
            yield _finding(row, to_persons, (), policy)
    if lists and all(each.persons for each in alarms):
        yield from _answer_to_a_list(submission, evidence, lists, policy)


def settled_by_memory(submission: Submission, evidence: Evidence, policy: Policy) -> frozenset[int]:
    """The numbers of passages of which the memory says whose they are: posts of lists (E0), the sender's own words, and
    private text (E1), which is judged here. What such a block says of itself does not matter any more.
    """
    alarming = (each.text.passage for each in _alarms(submission, evidence, policy))
    return evidence.public.union(alarming, mostly_known(submission, evidence))


def _alarms(submission: Submission, evidence: Evidence, policy: Policy) -> list[Alarm]:
    texts = private_texts(submission, evidence, policy)
    if not texts:
        return []
    lists = policy.lists_of(submission.recipients)
    row = "11-05" if brings_own_words(submission, evidence) else "11-02"
    found: list[Alarm] = []
    for text in texts:
        if lists:
            found.append(Alarm("11-14" if text.mail.no_forward else row, text))
        found += _alarms_of_persons(row, text, reached_by(text, submission, policy), policy)
    return found


def _alarms_of_persons(row: str, text: PrivateText, reached: tuple[Address, ...], policy: Policy) -> Iterator[Alarm]:
    """What stands against it that the persons `reached`, who had no part in that mail, read the text."""
    if not reached:
        return
    if text.mail.no_forward:
        yield Alarm("11-14", text, reached)
        return
    outsiders = tuple(each for each in reached if any(map(policy.is_outsider, policy.members_of(each))))
    if outsiders:
        yield Alarm("11-24", text, outsiders)
    others = tuple(each for each in reached if each not in outsiders)
    added = sum(len(policy.members_of(each)) for each in reached)
    in_the_open = text.mail.answered and text.mail.author_visible and added <= ADDED_PERSONS_MAX
    if others and not in_the_open:
        yield Alarm(row, text, others)
    elif others and policy.adding_people_asks_of(()):
        yield Alarm("11-03", text, others)


def reached_by(text: PrivateText, submission: Submission, policy: Policy) -> tuple[Address, ...]:
    """The persons who get `text` and had no part in the mail that it is from."""
    return tuple(each for each in third_parties(submission, policy) if each in text.mail.strangers)


def _finding(row: str, alarms: Sequence[Alarm], lists: Sequence[MailingList], policy: Policy) -> Finding:
    text = max((each.text for each in alarms), key=lambda each: each.words)
    ids = tuple(each.id for each in lists)
    persons = dict.fromkeys(str(person) for each in alarms for person in each.persons)
    facts: dict[str, Fact] = {
        "lists": ids,
        "persons": tuple(persons),
        "begins": text.begins,
        "day": _day(text.mail, policy),
        "by_thread": "yes" if text.by_thread else "",
    }
    return Finding(row, "private_text", facts, ids)


def _answer_to_a_list(
    submission: Submission, evidence: Evidence, lists: Sequence[MailingList], policy: Policy
) -> Iterator[Finding]:
    """11-07: nothing of the private mail is quoted, but the list would read an answer to it.

    With another Subject it is a new mail, of somebody who answers instead of looking up an address (11-06). Of an
    encrypted one nobody can tell what it quotes (11-20).
    """
    mail = answered_mail(evidence)
    if mail is None or may_be_passed_on(mail):
        return
    if mail.subject_same or submission.message.protection is Protection.ENCRYPTED:
        ids = tuple(each.id for each in lists)
        yield Finding("11-07", "private_text", {"lists": ids, "persons": (), "day": _day(mail, policy)}, ids)


def _day(mail: EarlierMail, policy: Policy) -> str:
    return mail.when.astimezone(policy.zone).date().isoformat()
