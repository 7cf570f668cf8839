"""One mail -> a verdict: what `serve` does before it acts, and all that `explain` does."""

from __future__ import annotations

from smtpguard import maillog
from smtpguard.evidence import NOTHING_KNOWN, Evidence
from smtpguard.judgement import judge, weigh
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Action, Finding, Verdict


def examine(submission: Submission, policy: Policy, evidence: Evidence = NOTHING_KNOWN) -> Verdict:
    """Judge `submission` by what it says and what is known; never raises.

    A check that raises is a bug of ours. Nothing slips to a list by it, and nobody is stuck: the sender is asked.
    """
    try:
        return judge(submission, evidence, policy)
    except Exception as error:
        maillog.fault("a check failed", error, submission.id)
        return unexamined(submission, policy)


def unexamined(submission: Submission, policy: Policy) -> Verdict:
    """The verdict where a check failed: an alarm if the mail goes to a list, passed if it goes to persons only."""
    ids = tuple(each.id for each in policy.lists_of(submission.recipients))
    if not ids:
        return Verdict(Action.PASS, decided_by="unexamined")
    return weigh(submission, (Finding("unexamined", "unexamined", {"lists": ids}, lists=ids),), policy)
