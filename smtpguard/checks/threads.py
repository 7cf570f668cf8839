"""Rule 12: an answer that carries a thread from the list where it began to further lists.

Moving a thread to the list that fits is fine (12-20), and so is answering where it began (12-18). Where the lists of a
thread were confirmed or allowed together, its answers need not be asked about again (12-21). Headers are never
rewritten, so an answer to a mail that went to one list only may take the others from its header (12-22).
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.checks.crosspost import lists_addressed
from smtpguard.evidence import Evidence
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Finding


def was_together(lists: tuple[str, ...], evidence: Evidence) -> bool:
    """12-21: this set of lists, or a larger one, was confirmed or allowed in this thread."""
    thread = evidence.thread
    return thread is not None and any(each.issuperset(lists) for each in thread.together)


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-22, else 12-19: of two reasons for the same thing the one that says more."""
    thread = evidence.thread
    if thread is None:
        return
    ids = tuple(each.id for each in lists_addressed(submission, policy))
    for row, home in (("12-22", thread.narrowed_to), ("12-19", thread.home)):
        if home is not None and home in ids and len(ids) > 1:
            others = tuple(each for each in ids if each != home)
            yield Finding(row, "threads", {"home": home, "others": others}, ids, home)
            return
