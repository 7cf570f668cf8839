"""Rule 12: the first mail of an account to a list, where that list's file wants it to be asked about.

As a rule nobody is asked: the first mail is no slip more often than any other.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.evidence import Evidence
from smtpguard.lists import MailingList
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Finding


def first_posts(submission: Submission, evidence: Evidence, policy: Policy) -> tuple[MailingList, ...]:
    """The lists of the envelope that this account has not posted to before; none where nobody has counted."""
    if evidence.posted_to is None:
        return ()
    return tuple(each for each in policy.lists_of(submission.recipients) if each.id not in evidence.posted_to)


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-25 where it is asked for."""
    ids = tuple(each.id for each in first_posts(submission, evidence, policy) if policy.first_post_asks_of(each))
    if ids:
        yield Finding("12-25", "first_post", {"lists": ids}, ids)
