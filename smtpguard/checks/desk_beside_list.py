"""Rule 12: a list and a desk in one mail.

Most likely a slip: what was meant for the people of a desk would be read by a whole list. It is the only mail to a desk
that is ever looked at, and the first choice is to send it to the desk alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.evidence import Evidence
from smtpguard.mail.address import Address
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Finding

# What the desks of a mail are called together where a notice numbers lists: no list has an @ in its id.
DESK_JOINT = ", "


def desks_among(addresses: tuple[Address, ...], policy: Policy) -> tuple[str, ...]:
    """The desks among `addresses`, in normal form, each once."""
    completed = (policy.completed(each) for each in addresses)
    return tuple(dict.fromkeys(each.normal for each in completed if each in policy.desks))


def check(submission: Submission, _evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-28. The desk may stand in the header alone: a mail program sends one mail in several steps."""
    if not policy.desks:
        return
    lists = policy.lists_of(submission.recipients)
    if not lists:
        return
    desks = desks_among((*submission.recipients, *submission.message.destinations), policy)
    if desks:
        ids = tuple(each.id for each in lists)
        here = desks_among(submission.recipients, policy)
        suggested = DESK_JOINT.join(here) if here else None
        yield Finding("12-28", "desk_beside_list", {"lists": ids, "desks": desks}, ids, suggested)
