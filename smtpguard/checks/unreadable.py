"""Rule 11: what could not be read of a mail to a list. To persons, doubt means that it passes (P5).

Only a mail that says that it passes something on is asked about because of what it hides: a winmail.dat, a mail in
pieces, an archive with a password (11-18), a broken structure (90-11), or more than is read (90-07). Of a picture, a
PDF or an office file nobody can tell what it shows (11-19). Encrypted mail cannot be read by us, nor by most of a list
(11-20); between persons it is theirs.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.checks.origin import Origin, blocks
from smtpguard.evidence import Evidence
from smtpguard.lists import MailingList
from smtpguard.mail.message import Protection, Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Fact, Finding

_PRIVATE = (Origin.PERSONS, Origin.MEMBER)


def check(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 11-18, 11-20, 90-07 and 90-11, each once."""
    lists = policy.lists_of(submission.recipients)
    if not lists:
        return
    message = submission.message
    if message.protection is Protection.ENCRYPTED:
        yield from _finding("11-20", {}, [each for each in lists if not each.encrypted])
    if message.unread and message.says_forward:
        yield from _finding("11-18", {"what": tuple(sorted(each.value for each in message.unread))}, lists)
    if message.cut_short and (message.says_forward or _private_so_far(submission, evidence, policy)):
        yield from _finding("90-07", {}, lists)
    elif message.malformed and message.says_forward:
        yield from _finding("90-11", {}, lists)


def _finding(row: str, facts: dict[str, Fact], lists: tuple[MailingList, ...] | list[MailingList]) -> Iterator[Finding]:
    ids = tuple(each.id for each in lists)
    if ids:
        yield Finding(row, "unreadable", {**facts, "target": ids}, lists=ids)


def _private_so_far(submission: Submission, evidence: Evidence, policy: Policy) -> bool:
    """True if something of E1 to E3 is in what has been read."""
    if any(not each.mail.own for each in evidence.known):
        return True
    return any(each.origin in _PRIVATE for each in blocks(submission, evidence, policy))
