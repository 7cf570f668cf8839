"""Rule 12, beside rule 2: a thread of a closed list stays there, and nobody but its readers hears of it.

On which list a thread began is known to the memory alone. So it counts only for accounts that are known to read that
list: all others would learn from it what is written there (THREAT-MODEL T-13).
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.checks.crosspost import lists_addressed
from smtpguard.evidence import Evidence
from smtpguard.lists import MailingList
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Finding


def suggestable(list_id: str | None, submission: Submission, evidence: Evidence, policy: Policy) -> MailingList | None:
    """The list `list_id`, if there is one that may be named to this sender: a closed one only to somebody who reads it,
    or names it himself (T-13).

    Every list that a finding suggests, and that the message does not name, comes from here.
    """
    found = None if list_id is None else policy.by_id.get(list_id)
    if found is None or not found.is_closed or found in lists_addressed(submission, policy):
        return found
    return found if reads(found, submission, evidence) else None


def reads(closed: MailingList, submission: Submission, evidence: Evidence) -> bool:
    """True if this account is known to read the list: its file says so, or the account has posted there or was seen to
    get its posts (T-13)."""
    account = submission.account
    if account is None:
        return False
    return closed.is_read_by(account) or closed.id in evidence.reads or closed.id in (evidence.posted_to or ())


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-20, where the thread began on a closed list that has not said `may_quote_to` of all addressed ones."""
    lists = lists_addressed(submission, policy)
    if not lists:
        return
    home = policy.by_id.get(evidence.thread.home or "") if evidence.thread is not None else None
    if home is not None and home.is_closed and home not in lists and reads(home, submission, evidence):
        targets = tuple(each.id for each in lists if each.id not in home.may_quote_to)
        if targets:
            # The closed list has a say as well.
            yield Finding("12-20", "audience", {"source": home.id, "targets": targets}, (*targets, home.id))
