"""Rule 11: quotes of which no list post is known. Persons may have them; a list is another matter.

Words of a member, written when all list posts were known already, and on no list: most likely they came in a private
mail (11-09). Of all other quotes nobody knows; only a list that wants it so (`strict`) has them asked about (11-10).
Who answers in a thread that is known on a list quotes that list, whatever became of its words. Where it is remembered
who wrote to whom, an answer to a mail that is not among the account's own is one to a post that took another way.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.checks.audience import reads
from smtpguard.checks.origin import Origin, blocks, facts_of
from smtpguard.checks.private_text import settled_by_memory
from smtpguard.evidence import Evidence
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Finding


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 11-09 for each such quote, and 11-10 once."""
    lists = policy.lists_of(submission.recipients)
    if not lists or answers_on_a_list(submission, evidence, policy):
        return
    # What a closed list has had is not known to us here, if the account is not known to read it.
    known = tuple(each.id for each in lists if not each.is_closed or reads(each, submission, evidence))
    strict = tuple(each.id for each in lists if policy.strict_of(each))
    settled = settled_by_memory(submission, evidence, policy).union(each.passage for each in evidence.known)
    settled |= evidence.unmarked
    if policy.remember.threads and submission.message.references:
        known = ()
    found = [each for each in blocks(submission, evidence, policy) if each.number not in settled]
    if known:
        for each in found:
            if each.origin is Origin.MEMBER:
                yield Finding("11-09", "unknown_origin", {**facts_of(each.passage), "target": known}, lists=known)
    if strict:
        for each in found:
            if each.origin is Origin.UNKNOWN:
                yield Finding("11-10", "unknown_origin", {**facts_of(each.passage), "target": strict}, lists=strict)
                return


def answers_on_a_list(submission: Submission, evidence: Evidence, policy: Policy) -> bool:
    """True if the message answers a thread that is known on a list; on a closed one only for who reads it (T-13)."""
    if evidence.thread is None:
        return False
    home = policy.by_id.get(evidence.thread.home or "")
    return home is None or not home.is_closed or reads(home, submission, evidence)
