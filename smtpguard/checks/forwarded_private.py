"""Rule 11: a forwarded or attached mail that went to persons only.

What the block itself says decides: who wrote it and to whom. Where its own To or Cc names one of the lists, it was a
list post, unless all posts of that list are known and none has its text. What the sender wrote himself is his own. To
a list, a private mail of anybody is a reason to ask; to a person, only a mail of another member, whom the mail does not
even show in To or Cc, sent to somebody whom the block does not name: forwarding a ticket or a newsletter to a person is
daily life, a comrade's letter is not.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.checks.origin import Block, Origin, blocks, facts_of
from smtpguard.checks.private_text import settled_by_memory
from smtpguard.checks.third_parties import third_parties
from smtpguard.evidence import Evidence
from smtpguard.mail.address import Address
from smtpguard.mail.message import ForwardKind, Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Fact, Finding


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 11-08, and 11-16 for attached mails: one finding for each private block."""
    lists = policy.lists_of(submission.recipients)
    persons = third_parties(submission, policy)
    settled = settled_by_memory(submission, evidence, policy)
    for block in blocks(submission, evidence, policy):
        if block.origin is not Origin.PERSONS or block.number in settled:
            continue
        id_ = "11-16" if block.passage.kind is ForwardKind.ATTACHED else "11-08"
        if lists:
            ids = tuple(each.id for each in lists)
            yield Finding(id_, "forwarded_private", _facts(block, ids), lists=ids)
        elif strangers := _strangers(block, persons, submission, policy):
            yield Finding(id_, "forwarded_private", _facts(block, tuple(str(each) for each in strangers)))


def _facts(block: Block, target: tuple[str, ...]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {**facts_of(block.passage), "target": target}
    return {**facts, "named": tuple(each.id for each in block.named)} if block.named else facts


def _strangers(
    block: Block, persons: tuple[Address, ...], submission: Submission, policy: Policy
) -> tuple[Address, ...]:
    """The recipients who may not be meant to read what the block's author wrote; nobody, where it names a list."""
    author = block.passage.author
    if author is None or not policy.is_member(author) or author in submission.message.destinations or block.named:
        return ()
    meant = {author, *block.passage.recipients}
    return tuple(each for each in persons if not meant.issuperset(policy.members_of(each)))
