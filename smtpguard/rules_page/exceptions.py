"""Exceptions of list files as they count on a day: with whom, until when, and whether the other file has them, too."""

from __future__ import annotations

from datetime import datetime

from smtpguard.lists import MailingList
from smtpguard.policy import Policy


def exceptions(one: MailingList, policy: Policy, now: datetime) -> tuple[tuple[str, str, bool], ...]:
    """Id of the other list, last day, and whether both files have it; those that have not ended, soonest first."""
    today = now.astimezone(policy.zone).date()
    found = {
        (entry.until.isoformat(), other, policy.allowed((one, policy.by_id[other]), now))
        for entry in one.exemptions
        for other in entry.crosspost_with
        if entry.until >= today and other in policy.by_id
    }
    return tuple((other, until, agreed) for until, other, agreed in sorted(found))
