"""Rule 12: a message whose words belong to another list.

Words count only where the addressed list's own admin has asked for it: words of a subject that he has written down
(`wrong_if`), another list's subject tag, or enough of another list's `topics`. Answers are left alone: whoever answers
where the thread is, is right.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.checks.audience import suggestable
from smtpguard.checks.crosspost import lists_addressed
from smtpguard.checks.fitting import Fit, fit_elsewhere
from smtpguard.checks.own_words import answers, words_of
from smtpguard.evidence import Evidence
from smtpguard.lists import MailingList, WrongTopic
from smtpguard.mail.message import Submission
from smtpguard.mail.subjects import SubjectKind, subject_kind
from smtpguard.policy import Policy
from smtpguard.verdict import Fact, Finding
from smtpguard.words import folded


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-23 and 12-29, for the lists of the envelope."""
    lists = policy.lists_of(submission.recipients)
    strict = [each for each in lists if policy.wrong_topic_of(each) is WrongTopic.HOLD]
    if not strict and not any(each.wrong_if for each in lists):
        return
    if evidence.thread is not None or answers(submission.message):
        return
    # A list that the header names, too, gets the mail in another transaction.
    addressed = lists_addressed(submission, policy)
    for each in lists:
        yield from _wrong_if(each, addressed, submission, evidence, policy)
    tagged = _tagged(addressed, submission, evidence, policy) if strict else None
    if tagged is not None:
        for each in strict:
            yield Finding("12-23", "wrong_topic", _facts(each, tagged), (each.id,), tagged.fitting.id)
    elif len(addressed) == 1 and strict:
        fit = fit_elsewhere(lists, submission, evidence, policy)
        if fit is not None:
            yield Finding("12-29", "wrong_topic", _facts(lists[0], fit), (lists[0].id,), fit.fitting.id)


def _wrong_if(
    addressed: MailingList,
    lists: tuple[MailingList, ...],
    submission: Submission,
    evidence: Evidence,
    policy: Policy,
) -> Iterator[Finding]:
    if not addressed.wrong_if:
        return
    subject = words_of((submission.message.subject,))
    for rule in addressed.wrong_if:
        words = subject.among(rule.subject_has)
        fitting = suggestable(rule.use, submission, evidence, policy)
        if words and fitting is not None and fitting not in lists:
            facts = _facts(addressed, Fit(fitting, words), rule.say or "")
            yield Finding("12-23", "wrong_topic", facts, (addressed.id,), fitting.id)


def _tagged(lists: tuple[MailingList, ...], submission: Submission, evidence: Evidence, policy: Policy) -> Fit | None:
    """Another list whose tag the subject begins with, as its own mails do. A forward carries the tag of its source."""
    if subject_kind(submission.message.subject) is not SubjectKind.PLAIN:
        return None
    subject = submission.message.subject.lstrip()
    tagged = [each for each in policy.lists if each.tag and _begins_with(subject, each.tag)]
    # Of "Berlin" and "Berlin AG" the longer one is meant, and it may be that of an addressed list.
    longest = max((len(each.tag or "") for each in tagged), default=0)
    meant = [each for each in tagged if len(each.tag or "") == longest]
    if any(each in lists for each in meant):
        return None
    fitting = next((each for each in meant if suggestable(each.id, submission, evidence, policy)), None)
    return None if fitting is None else Fit(fitting, (fitting.tag or "",))


def _begins_with(subject: str, tag: str) -> bool:
    """True if `subject` begins with `tag` as with a word: "AG" is no part of "Agenda"."""
    subject, tag = folded(subject), folded(tag.strip())
    following = subject[len(tag) : len(tag) + 1]
    return bool(tag) and subject.startswith(tag) and not (following.isalnum() and tag[-1].isalnum())


def _facts(addressed: MailingList, fit: Fit, say: str = "") -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        "list": addressed.id,
        "words": fit.words,
        "use": fit.fitting.id,
        "address": str(fit.fitting.address),
    }
    return {**facts, "say": say} if say else facts
