"""Rule 12: one message, addressed to several lists at once.

The lists of a message are those in its envelope and those in To and Cc (or Resent-To and Resent-Cc): a mail program
that splits one mail into several transactions still writes all lists into the header. If the envelope has no list at
all, the lists in the header do not count: that is somebody's private copy of a list mail.

Lists may be addressed together when every two of them have agreed, or the site allows the pair, and there are not too
many.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.evidence import Evidence
from smtpguard.lists import MailingList
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Finding


def lists_addressed(submission: Submission, policy: Policy) -> tuple[MailingList, ...]:
    """The lists of a message (SEMANTICS c1): those of the envelope first, in the order of RCPT."""
    in_envelope = policy.lists_of(submission.recipients)
    if not in_envelope:
        return ()
    return tuple(dict.fromkeys((*in_envelope, *policy.lists_of(submission.message.destinations))))


def check(submission: Submission, _evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-02: two or more lists that are no allowed set (12-03)."""
    lists = lists_addressed(submission, policy)
    if len(lists) < 2 or policy.allowed(lists):
        return
    in_envelope = {each.id for each in policy.lists_of(submission.recipients)}
    ids = tuple(each.id for each in lists)
    elsewhere = tuple(each.id for each in lists if each.id not in in_envelope)
    yield Finding("12-02", "crosspost", {"lists": ids, "header_only": elsewhere}, lists=ids)
