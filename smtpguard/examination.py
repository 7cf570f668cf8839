"""One mail -> a verdict: what `serve` does before it acts, and all that `explain` does."""

from __future__ import annotations

from smtpguard import maillog
from smtpguard.evidence import NOTHING_KNOWN
from smtpguard.judgement import judge, weigh
from smtpguard.mail.message import Submission
from smtpguard.policy import Kind, Policy
from smtpguard.verdict import Action, Finding, Verdict


def examine(submission: Submission, policy: Policy) -> Verdict:
    """Judge `submission`; never raises.

    A check that raises is a bug of ours. Nothing slips to a list by it, and nobody is stuck: the sender is asked.
    """
    try:
        return judge(submission, NOTHING_KNOWN, policy)
    except Exception as error:
        maillog.fault("a check failed", error, submission.id)
        return unexamined(submission, policy)


def unexamined(submission: Submission, policy: Policy) -> Verdict:
    """The verdict where a check failed: an alarm if the mail goes to a list, passed if it goes to persons only."""
    if not any(policy.kind(each) is Kind.LIST for each in submission.recipients):
        return Verdict(Action.PASS, decided_by="unexamined")
    ids = tuple(each.id for each in policy.lists_of(submission.recipients))
    return weigh(submission, (Finding("unexamined", "unexamined", {"lists": ids}, lists=ids),), policy)
