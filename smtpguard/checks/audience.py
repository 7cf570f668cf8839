"""Rule 12, beside rule 2: what went to a closed list stays there, and nobody but its readers hears of it.

What a block says of itself counts for everybody: a forwarded mail whose own header names the closed list, or a mail
redirected from there. What the memory alone knows (on which list a thread began) counts only for accounts that are
known to read that list: all others would learn from it what is written there (THREAT-MODEL T-13).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from smtpguard.checks.crosspost import lists_addressed
from smtpguard.evidence import Evidence
from smtpguard.lists import MailingList
from smtpguard.mail.address import Address
from smtpguard.mail.message import Submission, Voice
from smtpguard.policy import Policy
from smtpguard.verdict import Finding


def suggestable(list_id: str | None, submission: Submission, evidence: Evidence, policy: Policy) -> MailingList | None:
    """The list `list_id`, if there is one that may be named to this sender: a closed one only to somebody who reads it,
    or names it himself (T-13).

    Every list that a finding suggests, and that the message does not name, comes from here.
    """
    found = None if list_id is None else policy.by_id.get(list_id)
    if found is None or not found.is_closed or found in lists_addressed(submission, policy):
        return found
    return found if reads(found, submission, evidence) else None


def reads(closed: MailingList, submission: Submission, evidence: Evidence) -> bool:
    """True if this account is known to read the list: its file says so, or the account has posted there (T-13)."""
    account = submission.account
    if account is None:
        return False
    return closed.is_read_by(account) or closed.id in (evidence.posted_to or ())


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-17 and 12-20, where a closed list is the source and has not said `may_quote_to` of all addressed ones."""
    lists = lists_addressed(submission, policy)
    if not lists:
        return
    for source in _sources(submission, policy):
        yield from _finding("12-17", source, lists)
    home = policy.by_id.get(evidence.thread.home or "") if evidence.thread is not None else None
    if home is not None and home.is_closed and home not in lists and reads(home, submission, evidence):
        yield from _finding("12-20", home, lists)


def _finding(row: str, source: MailingList, lists: Sequence[MailingList]) -> Iterator[Finding]:
    """What the closed list `source` has against it that this mail goes to `lists`; its own word counts, too."""
    targets = tuple(each.id for each in lists if each is not source and each.id not in source.may_quote_to)
    if targets:
        yield Finding(row, "audience", {"source": source.id, "targets": targets}, (*targets, source.id))


def _sources(submission: Submission, policy: Policy) -> tuple[MailingList, ...]:
    """The closed lists whose mail by somebody else this one brings along, each once.

    What went to an open list as well is no secret any more.
    """
    message = submission.message
    found: dict[str, MailingList] = {}
    blocks = [
        (each.author, each.recipients)
        for each in message.passages
        if each.voice is Voice.FORWARDED and each.words_up_to(1)
    ]
    if message.resent:
        blocks.append((message.authors[0] if message.authors else None, message.formerly_to))
    for author, recipients in blocks:
        named = policy.lists_of(recipients)
        if all(each.is_closed for each in named) and not _is_oneself(author, submission):
            found.update((each.id, each) for each in named)
    return tuple(found.values())


def _is_oneself(author: Address | None, submission: Submission) -> bool:
    account = submission.account
    if author is None or account is None:
        return False
    return author == account.mailbox or author.normal == account.login
