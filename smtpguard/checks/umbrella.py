"""Rule 12: lists that one umbrella covers: a list and a part of it, or two parts of one list.

Who reads a part reads the whole as well, so everybody in it would get the mail twice. Two parts of one list are
reached by that list in one go; it is named, and the sender may write to it anew: nobody adds a recipient for him.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from smtpguard.checks.audience import suggestable
from smtpguard.checks.crosspost import lists_addressed
from smtpguard.evidence import Evidence
from smtpguard.lists import MailingList
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Fact, Finding


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-04 and 12-05. An umbrella alone is one list (12-06)."""
    umbrellas = policy.umbrellas
    lists = lists_addressed(submission, policy) if umbrellas else ()
    if len(lists) < 2:
        return
    ids = tuple(each.id for each in lists)
    covered: list[frozenset[str]] = []
    for parent in _outermost([each for each in umbrellas if each.id in ids], policy):
        children = tuple(each for each in ids if each in policy.included[parent.id])
        if children:
            covered.append(frozenset((parent.id, *children)))
            yield Finding(
                "12-04", "umbrella", {"parent": parent.id, "children": children}, (parent.id, *children), parent.id
            )
    for parent, children in _common(ids, umbrellas, policy):
        if any(each.issuperset(children) for each in covered):
            continue
        if suggestable(parent.id, submission, evidence, policy) is not None:
            covered.append(frozenset(children))
            facts: dict[str, Fact] = {"parent": parent.id, "address": str(parent.address), "children": children}
            yield Finding("12-05", "umbrella", facts, children, parent.id)


def _outermost(umbrellas: Sequence[MailingList], policy: Policy) -> list[MailingList]:
    """Those that lie in none of the others."""
    return [each for each in umbrellas if not any(each.id in policy.included[other.id] for other in umbrellas)]


def _common(
    ids: Sequence[str], umbrellas: Sequence[MailingList], policy: Policy
) -> list[tuple[MailingList, tuple[str, ...]]]:
    """Umbrellas that reach two or more of the addressed lists, with these lists; the one that reaches most of them
    first, the smallest of several that reach the same.
    """
    inside = [(each, tuple(id_ for id_ in ids if id_ in policy.included[each.id])) for each in umbrellas]
    found = [each for each in inside if len(each[1]) > 1]
    return sorted(found, key=lambda each: (-len(each[1]), len(policy.included[each[0].id]), each[0].id))
