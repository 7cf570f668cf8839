"""Rule 12: one message, addressed to several lists at once.

The lists of a message are those in its envelope and those in To and Cc (or Resent-To and Resent-Cc): a mail program
that splits one mail into several transactions still writes all lists into the header. If the envelope has no list at
all, the lists in the header do not count: that is somebody's private copy of a list mail.

Lists may be addressed together when every two of them have agreed, or the site allows the pair, and there are not too
many.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from smtpguard.evidence import Evidence
from smtpguard.lists import ListKind, MailingList
from smtpguard.mail.message import Account, Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Finding


def lists_addressed(submission: Submission, policy: Policy) -> tuple[MailingList, ...]:
    """The lists of a message (SEMANTICS c1): those of the envelope first, in the order of RCPT."""
    in_envelope = policy.lists_of(submission.recipients)
    if not in_envelope:
        return ()
    named = policy.lists_of(submission.message.destinations)
    return tuple({each.id: each for each in (*in_envelope, *named)}.values())


def may_go_together(lists: tuple[MailingList, ...], submission: Submission, policy: Policy) -> bool:
    """True if `lists` are a set allowed by 12-03, where a pair may also be one of 12-09 for this account."""
    if len(lists) > max(2, policy.max_lists):
        return False
    return all(
        policy.allowed(pair, submission.arrived) or announced_and_discussed(*pair, submission.account)
        for pair in combinations(lists, 2)
    )


def announced_and_discussed(one: MailingList, other: MailingList, account: Account | None) -> bool:
    """12-09: a list for announcements with the list that its file names for discussion, from one of its posters."""
    return account is not None and any(
        each.kind is ListKind.ANNOUNCE and each.discussion == beside.id and each.is_poster(account)
        for each, beside in ((one, other), (other, one))
    )


def check(submission: Submission, _evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-02: two or more lists that are no allowed set (12-03, 12-09)."""
    lists = lists_addressed(submission, policy)
    if len(lists) < 2 or may_go_together(lists, submission, policy):
        return
    in_envelope = {each.id for each in policy.lists_of(submission.recipients)}
    ids = tuple(each.id for each in lists)
    elsewhere = tuple(each.id for each in lists if each.id not in in_envelope)
    yield Finding("12-02", "crosspost", {"lists": ids, "header_only": elsewhere}, lists=ids)
