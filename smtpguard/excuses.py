"""Why a mail passes that brings private text, or answers a private mail: the row that says most about it."""

from __future__ import annotations

from smtpguard.checks.private_origin import answered_mail, may_be_passed_on, private_texts
from smtpguard.checks.private_text import reached_by
from smtpguard.checks.third_parties import third_parties
from smtpguard.evidence import Evidence
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy


def why_private_text_passes(submission: Submission, evidence: Evidence, policy: Policy) -> str | None:
    """The row by which a mail without findings passes, if it brings private text or answers a private mail; None if it
    does not, or if nobody else gets it.
    """
    if not policy.lists_of(submission.recipients) and not third_parties(submission, policy):
        return None
    texts = private_texts(submission, evidence, policy)
    if texts:
        return "11-03" if any(reached_by(each, submission, policy) for each in texts) else "11-02"
    answered = answered_mail(evidence)
    brought = [each.mail for each in evidence.known if each.mail.list_id is None]
    if any(not each.own and may_be_passed_on(each) for each in (*brought, answered) if each is not None):
        return "11-13"
    if brought:
        return "11-04"
    if answered is None:
        return None
    return "11-07" if answered.subject_same else "11-06"
