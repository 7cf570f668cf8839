"""Rule 7, beside rule 12: many personal addresses in To and Cc, for a whole list or for outsiders to read.

A list, or Bcc, reaches the same people and shows nobody's address to the others.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.evidence import Evidence
from smtpguard.mail.message import Submission
from smtpguard.policy import Kind, Policy
from smtpguard.verdict import Finding

# Where lists and members share a domain, a name that is no list, role, desk or group of ours is somebody's.
_PERSONAL = (Kind.MEMBER, Kind.PERSON, Kind.AT_LIST_DOMAIN)


def check(submission: Submission, _evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-26: more than `visible_max` addresses of persons, the sender's own aside."""
    message = submission.message
    if len(message.destinations) <= policy.visible_max:
        return
    lists = policy.lists_of(submission.recipients)
    if not lists and not _reaches_outsiders(submission, policy):
        return
    account = submission.account
    oneself = account.mailbox if account is not None else None
    personal = {each for each in message.destinations if each != oneself and policy.kind(each) in _PERSONAL}
    if len(personal) > policy.visible_max:
        ids = tuple(each.id for each in lists)
        yield Finding("12-26", "visible_addresses", {"count": str(len(personal)), "lists": ids}, ids)


def _reaches_outsiders(submission: Submission, policy: Policy) -> bool:
    """True if somebody who is no member gets the mail; without a roster, nobody is an outsider."""
    return any(policy.is_outsider(each) for each in submission.recipients)
