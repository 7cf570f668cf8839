"""Rule 12: a list for announcements, and somebody who is none of its posters.

The list server would keep or refuse the mail. The poster is known by the account that logged in, never by From:. Where
the list's file names a list for discussion, that one is suggested.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.checks.audience import suggestable
from smtpguard.evidence import Evidence
from smtpguard.lists import ListKind
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Finding


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-08, for each such list of the envelope; a poster's mail is 12-07, with the discussion list 12-09."""
    account = submission.account
    for each in policy.lists_of(submission.recipients):
        if each.kind is not ListKind.ANNOUNCE or (account is not None and each.is_poster(account)):
            continue
        discussion = suggestable(each.discussion, submission, evidence, policy)
        facts = {
            "list": each.id,
            "discussion": discussion.id if discussion is not None else "",
            "address": str(discussion.address) if discussion is not None else "",
        }
        yield Finding("12-08", "announcement", facts, (each.id,), discussion.id if discussion is not None else None)
