"""Rule 12: a message whose words belong to another list.

Words count only where the addressed list's own admin has asked for it: words of a subject that he has written down
(`wrong_if`), another list's subject tag, or enough of another list's `topics`. Answers are left alone: whoever answers
where the thread is, is right.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.checks.fitting import Fit, fit_elsewhere, suggestable
from smtpguard.checks.own_words import answers, folded, words_of
from smtpguard.evidence import Evidence
from smtpguard.lists import MailingList, WrongTopic
from smtpguard.mail.message import Message, Submission
from smtpguard.mail.subjects import SubjectKind, subject_kind
from smtpguard.policy import Policy
from smtpguard.verdict import Fact, Finding


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-23 and 12-29, for the lists of the envelope."""
    lists = policy.lists_of(submission.recipients)
    strict = [each for each in lists if policy.wrong_topic_of(each) is WrongTopic.HOLD]
    if not strict and not any(each.wrong_if for each in lists):
        return
    if evidence.thread is not None or answers(submission.message):
        return
    for each in lists:
        yield from _wrong_if(each, lists, submission.message, policy)
    tagged = _tagged(lists, submission.message, policy) if strict else None
    if tagged is not None:
        for each in strict:
            yield Finding("12-23", "wrong_topic", _facts(each, tagged), (each.id,), tagged.fitting.id)
    elif len(lists) == 1 and strict:
        fit = fit_elsewhere(lists, submission, evidence, policy)
        if fit is not None:
            yield Finding("12-29", "wrong_topic", _facts(lists[0], fit), (lists[0].id,), fit.fitting.id)


def _wrong_if(
    addressed: MailingList, lists: tuple[MailingList, ...], message: Message, policy: Policy
) -> Iterator[Finding]:
    if not addressed.wrong_if:
        return
    subject = words_of((message.subject,))
    for rule in addressed.wrong_if:
        words = subject.among(rule.subject_has)
        fitting = suggestable(rule.use, policy)
        if words and fitting is not None and fitting not in lists:
            facts = _facts(addressed, Fit(fitting, words), rule.say or "")
            yield Finding("12-23", "wrong_topic", facts, (addressed.id,), fitting.id)


def _tagged(lists: tuple[MailingList, ...], message: Message, policy: Policy) -> Fit | None:
    """Another list whose tag the subject begins with, as its own mails do. A forward carries the tag of its source."""
    if subject_kind(message.subject) is not SubjectKind.PLAIN:
        return None
    subject = folded(message.subject.lstrip())
    for other in policy.lists:
        if other.tag and other not in lists and subject.startswith(folded(other.tag)):
            fitting = suggestable(other.id, policy)
            if fitting is not None:
                return Fit(fitting, (other.tag,))
    return None


def _facts(addressed: MailingList, fit: Fit, say: str = "") -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        "list": addressed.id,
        "words": fit.words,
        "use": fit.fitting.id,
        "address": str(fit.fitting.address),
    }
    return {**facts, "say": say} if say else facts
