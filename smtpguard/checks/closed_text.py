"""Rules 2, 11 and 12: what went to a closed list stays there. Quoted, pasted or forwarded, it is not for other lists
that the closed one has not named (`may_quote_to`), nor for outsiders.

What a block says of itself counts for everybody: a forwarded mail whose own header names the closed list, or a mail
redirected from there. Text that is known from the list without saying so counts only for accounts that are known to
read it: all others would learn from it what is written there (THREAT-MODEL T-13), so they are told of none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from smtpguard.checks.crosspost import lists_addressed
from smtpguard.checks.origin import facts_of, has_size, is_oneself
from smtpguard.checks.third_parties import third_parties
from smtpguard.evidence import Evidence
from smtpguard.lists import MailingList
from smtpguard.mail.address import Address
from smtpguard.mail.message import Passage, Submission, Voice
from smtpguard.policy import Policy
from smtpguard.verdict import Fact, Finding

_OTHERS = (Voice.QUOTED, Voice.FORWARDED)


class ClosedText(NamedTuple):
    """Text of the closed list `source`, in `passage`, or all of a redirected mail (None)."""

    source: MailingList
    passage: Passage | None

    @property
    def begins(self) -> Fact:
        """Its first words, where it is a part of the mail."""
        return "" if self.passage is None else facts_of(self.passage)["begins"]


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-17 where it is passed on to a list, 11-11 where a list gets it quoted, or outsiders in any form; once for
    each closed list and row.
    """
    if not policy.has_closed_lists:
        return
    told: set[tuple[str, str]] = set()
    for text in closed_texts(submission, evidence, policy):
        for finding in _findings(text, submission, policy):
            if (finding.id, text.source.id) not in told:
                told.add((finding.id, text.source.id))
                yield finding


def closed_texts(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[ClosedText]:
    """What of closed lists, and written by others, stands in the mail."""
    message = submission.message
    if message.resent and not is_oneself(message.authors[0] if message.authors else None, submission):
        yield from (ClosedText(each, None) for each in _only_closed(message.formerly_to, policy))
    known = _known(evidence, policy)
    for number, passage in enumerate(message.passages):
        if passage.voice in _OTHERS and is_oneself(passage.author, submission):
            continue
        forwarded = passage.voice is Voice.FORWARDED and passage.words_up_to(1)
        if forwarded or (passage.voice is Voice.QUOTED and has_size(passage)):
            yield from (ClosedText(each, passage) for each in _only_closed(passage.recipients, policy))
        yield from (ClosedText(each, passage) for each in known.get(number, ()))


def _only_closed(recipients: tuple[Address, ...], policy: Policy) -> tuple[MailingList, ...]:
    """The lists among `recipients`, if all are closed: what went to an open list as well is no secret any more."""
    named = policy.lists_of(recipients)
    return named if all(each.is_closed for each in named) else ()


def _known(evidence: Evidence, policy: Policy) -> dict[int, list[MailingList]]:
    """By passage, the closed lists whose posts by others are known to have its text."""
    own: dict[int, int] = {}
    for each in evidence.known:
        if each.mail.own:
            own[each.passage] = max(each.words, own.get(each.passage, 0))
    found: dict[int, list[MailingList]] = {}
    for each in evidence.known:
        source = policy.by_id.get(each.mail.list_id or "")
        others = not each.mail.own and each.words > own.get(each.passage, 0)
        if source is not None and source.is_closed and others:
            found.setdefault(each.passage, []).append(source)
    return found


def _findings(text: ClosedText, submission: Submission, policy: Policy) -> Iterator[Finding]:
    source = text.source
    passed_on = text.passage is None or text.passage.voice is Voice.FORWARDED or submission.message.resent
    # Rule 11 looks at the envelope alone, rule 12 at the lists in the header as well (SEMANTICS c1a).
    lists = lists_addressed(submission, policy) if passed_on else policy.lists_of(submission.recipients)
    targets = tuple(each.id for each in lists if each is not source and each.id not in source.may_quote_to)
    outsiders = _outsiders(text, submission, policy)
    facts: dict[str, Fact] = {"source": source.id, "targets": targets, "outsiders": (), "begins": text.begins}
    if targets and passed_on:
        yield Finding("12-17", "closed_text", facts, (*targets, source.id))
    if outsiders or (targets and not passed_on):
        targets = () if passed_on else targets
        facts = {**facts, "targets": targets, "outsiders": outsiders}
        yield Finding("11-11", "closed_text", facts, (*targets, source.id))


def _outsiders(text: ClosedText, submission: Submission, policy: Policy) -> tuple[str, ...]:
    """Recipients who are no members, and neither read the list nor stand in the block itself."""
    meant = set() if text.passage is None else {text.passage.author, *text.passage.recipients}
    readers = text.source.readers | text.source.posters
    persons = (member for each in third_parties(submission, policy) for member in policy.members_of(each))
    found = (each for each in persons if policy.is_outsider(each) and each not in meant and each.normal not in readers)
    return tuple(dict.fromkeys(str(each) for each in found))
