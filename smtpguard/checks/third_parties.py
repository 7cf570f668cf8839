"""Who else than the sender gets a mail, as far as rule 11 asks about persons."""

from __future__ import annotations

from smtpguard.mail.address import Address
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy


def third_parties(submission: Submission, policy: Policy) -> tuple[Address, ...]:
    """The persons among the recipients; none for a desk's own mail (11-28), nor the sender himself (11-27)."""
    account = submission.account
    oneself = account.mailbox if account is not None else None
    if oneself is not None and oneself in policy.desks:
        return ()
    return tuple(each for each in submission.recipients if policy.kind(each).human and each != oneself)
