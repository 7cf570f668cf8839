"""Rules 4 and 5, beside rule 12: many mails of one account to one thread within an hour, by count and not by tone.

Nobody is asked unless the list's file, or the site, wants it: then a pause or a call is offered, and SEND as ever.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.checks.crosspost import lists_addressed
from smtpguard.evidence import Evidence
from smtpguard.lists import MailingList
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Finding


def bursts(submission: Submission, evidence: Evidence, policy: Policy) -> tuple[MailingList, ...]:
    """The addressed lists for which this mail is one too many in its thread."""
    thread = evidence.thread
    if thread is None or not thread.recent:
        return ()
    lists = lists_addressed(submission, policy)
    return tuple(each for each in lists if thread.recent + 1 > policy.burst_of(each).posts)


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-27 where it is asked for."""
    thread = evidence.thread
    asking = tuple(each for each in bursts(submission, evidence, policy) if policy.burst_of(each).asks)
    if thread is None or not asking:
        return
    minutes = max(int(policy.burst_of(each).within.total_seconds()) // 60 for each in asking)
    facts = {"count": str(thread.recent + 1), "minutes": str(max(1, minutes))}
    yield Finding("12-27", "burst", facts, tuple(each.id for each in asking))
