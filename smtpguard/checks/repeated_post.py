"""Rule 12: nearly the same text, sent to one list after the other within some days.

It is the mail to several lists in slow motion. What the earlier mail came to matters: one that never went out is a
slip mended (12-13), and the same text to the same list again is no matter of this rule (12-16).
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.checks.crosspost import lists_addressed, may_go_together
from smtpguard.evidence import EarlierPost, Evidence
from smtpguard.lists import ListKind, MailingList
from smtpguard.mail.message import Account, Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Finding

# 12-12: this share of the new own text stood in the earlier one.
SIMILARITY_MIN = 0.8
# "See you there" is written to every list, and means nothing.
OWN_WORDS_MIN = 20


def is_like(earlier: EarlierPost) -> bool:
    """True if this mail says so nearly the same as `earlier` that it counts as the same post."""
    return earlier.similarity >= SIMILARITY_MIN and earlier.own_words >= OWN_WORDS_MIN


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-12; one finding, with the lists that have had the text and the day of the last time."""
    posts = [each for each in evidence.earlier if each.taken and is_like(each)]
    if not posts:
        return
    now = lists_addressed(submission, policy)
    had: dict[str, None] = {}
    last = None
    for post in sorted(posts, key=lambda each: each.when, reverse=True):
        before = _others(post, now, policy)
        fresh = [each for each in now if each.id not in post.lists]
        trouble = [one for one in before if any(not _fine(one, each, submission, policy) for each in fresh)]
        if trouble and last is None:
            last = post.when
        had.update(dict.fromkeys(each.id for each in trouble))
    if last is not None:
        day = last.astimezone(policy.zone).date().isoformat()
        ids = tuple(each.id for each in now)
        # The lists of this mail alone are named: a list that has had the text says nothing about mail to others.
        yield Finding("12-12", "repeated_post", {"earlier": tuple(had), "day": day}, ids)


def _others(post: EarlierPost, now: tuple[MailingList, ...], policy: Policy) -> list[MailingList]:
    """The lists of an earlier post that this mail does not go to; those that are gone by now do not count."""
    ids = {each.id for each in now}
    return [policy.by_id[each] for each in post.lists if each not in ids and each in policy.by_id]


def _fine(one: MailingList, other: MailingList, submission: Submission, policy: Policy) -> bool:
    """True if both lists may have the same mail from this account anyway."""
    account = submission.account
    both = account is not None and _posts(one, account) and _posts(other, account)
    return both or may_go_together((one, other), submission, policy)


def _posts(each: MailingList, account: Account) -> bool:
    return each.kind is ListKind.ANNOUNCE and each.is_poster(account)
