"""Rule 12: a list that stands only in Bcc, beside people or lists that everybody sees.

The visible recipients take the mail for a talk among themselves and cannot know that a whole list reads along. Nobody
visible (undisclosed recipients, or only the sender) is another matter: then the list server decides.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.evidence import Evidence
from smtpguard.lists import MailingList
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Finding


def hidden_lists(submission: Submission, policy: Policy) -> tuple[MailingList, ...]:
    """The lists of the envelope that no visible header names."""
    visible = {each.id for each in policy.lists_of(submission.message.destinations)}
    return tuple(each for each in policy.lists_of(submission.recipients) if each.id not in visible)


def others_visible(submission: Submission) -> bool:
    """True if To or Cc name anybody but the sender himself."""
    message, account = submission.message, submission.account
    oneself = set(message.authors)
    if account is not None and account.mailbox is not None:
        oneself.add(account.mailbox)
    return any(each not in oneself for each in message.destinations)


def check(submission: Submission, _evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-10; 12-11 is no finding."""
    hidden = hidden_lists(submission, policy)
    if hidden and others_visible(submission):
        ids = tuple(each.id for each in hidden)
        yield Finding("12-10", "hidden_list", {"lists": ids}, lists=ids)
