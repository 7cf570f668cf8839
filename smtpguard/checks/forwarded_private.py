"""Rule 11: a forwarded or attached mail that went to persons only.

What the block itself says decides: who wrote it and to whom. Where its own To or Cc names one of the lists, it was a
list post. What the sender wrote himself is his own. To a list, a private mail of anybody is a reason to ask; to a
person, only a mail of another member, whom the mail does not even show in To or Cc, sent to somebody whom the block
does not name: forwarding a ticket or a newsletter to a person is daily life, a comrade's letter is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from smtpguard.checks.private_text import settled_by_memory
from smtpguard.evidence import Evidence
from smtpguard.mail.address import Address
from smtpguard.mail.message import ForwardKind, Passage, Submission, Voice
from smtpguard.policy import Kind, Policy
from smtpguard.verdict import Fact, Finding

# SEMANTICS c1, "Minimum size": a forwarded block counts from 12 words or 2 sentences; less tells nothing.
WORDS_MIN = 12
SENTENCES_MIN = 2
# How many words of the passage a notice may show, so that the sender finds the place (P3).
FIRST_WORDS = 6

_SENTENCE_END = re.compile(r"\w[.!?…。](?=\s|$)")


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 11-08, and 11-16 for attached mails: one finding for each private block."""
    if submission.message.report:  # 90-02: delivery and disposition notifications carry the returned mail
        return
    lists = policy.lists_of(submission.recipients)
    persons = _persons(submission, policy)
    settled = settled_by_memory(submission, evidence, policy)
    for number, passage in enumerate(submission.message.passages):
        if number in settled or passage.voice is not Voice.FORWARDED or not is_private(passage, submission, policy):
            continue
        id_ = "11-16" if passage.kind is ForwardKind.ATTACHED else "11-08"
        if lists:
            ids = tuple(each.id for each in lists)
            yield Finding(id_, "forwarded_private", {**_facts(passage), "target": ids}, lists=ids)
        elif strangers := _strangers(passage, persons, submission, policy):
            facts = {**_facts(passage), "target": tuple(str(each) for each in strangers)}
            yield Finding(id_, "forwarded_private", facts)


def is_private(passage: Passage, submission: Submission, policy: Policy) -> bool:
    """Evidence class E2 (SEMANTICS c1): a block of some size that names persons, no list, and is not the sender's
    own.
    """
    if passage.words_up_to(WORDS_MIN) < WORDS_MIN and len(_SENTENCE_END.findall(passage.text)) < SENTENCES_MIN:
        return False
    named = (*((passage.author,) if passage.author else ()), *passage.recipients)
    if not named and not passage.author_name:
        return False
    if any(policy.kind(each) is Kind.LIST for each in named):
        return False
    return not _is_own(passage, submission)


def _is_own(passage: Passage, submission: Submission) -> bool:
    account = submission.account
    if passage.author is None or account is None:
        return False
    return passage.author == account.mailbox or passage.author.normal == account.login


def _persons(submission: Submission, policy: Policy) -> tuple[Address, ...]:
    """Third parties among the recipients; none for a desk's own mail (11-28), nor the sender himself (11-27)."""
    account = submission.account
    oneself = account.mailbox if account is not None else None
    if oneself is not None and oneself in policy.desks:
        return ()
    return tuple(each for each in submission.recipients if policy.kind(each).human and each != oneself)


def _strangers(
    passage: Passage, persons: tuple[Address, ...], submission: Submission, policy: Policy
) -> tuple[Address, ...]:
    """The recipients who may not be meant to read what the block's author wrote."""
    author = passage.author
    if author is None or not policy.is_member(author) or author in submission.message.destinations:
        return ()
    meant = {author, *passage.recipients}
    return tuple(each for each in persons if not meant.issuperset(policy.members_of(each)))


def _facts(passage: Passage) -> dict[str, Fact]:
    words = passage.text.split(None, FIRST_WORDS)
    begins = " ".join(words[:FIRST_WORDS]) + (" ..." if len(words) > FIRST_WORDS else "")
    author = passage.author_name or (str(passage.author) if passage.author else "")
    return {"author": author, "begins": begins, "sent": passage.sent or "", "subject": passage.subject or ""}
