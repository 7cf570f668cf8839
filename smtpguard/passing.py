"""Why words that look like somebody else's pass: mail that programs write is not asked about them (SEMANTICS 11-22,
11-23, 90-02), and the row that `explain` names for all other mail.
"""

from __future__ import annotations

from smtpguard.checks.origin import Block, Origin, blocks
from smtpguard.evidence import Evidence
from smtpguard.mail.message import ForwardKind, Message, Protection, Submission, Voice
from smtpguard.policy import Policy
from smtpguard.verdict import Finding

# RFC 5546: what a calendar program answers or announces by itself, and what somebody writes into an invitation.
_ANSWERS = frozenset(("REPLY", "COUNTER", "DECLINECOUNTER", "REFRESH", "CANCEL"))
_INVITATIONS = frozenset(("REQUEST", "PUBLISH", "ADD"))
# What rule 11 says of unread mail, and what rule 12 finds in words.
_UNREAD = frozenset(("90-07", "90-11"))
_WORDS_OF_RULE_12 = frozenset(("12-12", "12-23", "12-24", "12-29"))


def is_exempt(finding: Finding, message: Message) -> bool:
    """True if `finding` is about words of a mail that a program has written."""
    of_rule_11 = finding.rule == 11 or finding.id in _UNREAD
    if message.report:
        return of_rule_11
    if is_calendar_answer(message):
        return of_rule_11 or finding.id in _WORDS_OF_RULE_12
    # Rule 2 is another matter: an invitation may not tell outsiders everything (11-24, and 11-11 names a list).
    to_persons = finding.rule == 11 and not finding.lists and finding.id != "11-24"
    return to_persons and is_invitation(message)


def is_calendar_answer(message: Message) -> bool:
    """True if the mail is an answer of a calendar program's (11-23), and does not pass on another mail as well."""
    methods = message.calendar_methods
    return bool(methods) and methods <= _ANSWERS and not message.says_forward


def is_invitation(message: Message) -> bool:
    """True if the mail brings an invitation (11-22), whatever else it brings."""
    return not message.calendar_methods.isdisjoint(_INVITATIONS)


def why_program_passes(submission: Submission, policy: Policy) -> str | None:
    """The row by which mail that a program writes is free of rule 11; None for all other mail."""
    message = submission.message
    if message.report:
        return "90-02"
    if is_calendar_answer(message):
        return "11-23"
    return "11-22" if is_invitation(message) and not policy.lists_of(submission.recipients) else None


def why_words_pass(submission: Submission, evidence: Evidence, policy: Policy) -> str | None:
    """Of the rows of rule 11 by which text of others passes, or text that could not be read, the one that says most;
    None if there is none. Of known private text `excuses` tells.
    """
    if submission.message.protection is Protection.ENCRYPTED:
        return "11-20"
    rows = {_row_of(each, evidence) for each in blocks(submission, evidence, policy)} - {None}
    return max(rows, default=None, key=_BEST.index) or _why_unread(submission.message)


# What is said of a mail with several of them: the last.
_BEST: tuple[str | None, ...] = ("11-10", "11-04", "11-11", "11-12", "11-09", "11-16", "11-08")


def _row_of(block: Block, evidence: Evidence) -> str | None:
    """The row of a block that nobody was asked about."""
    forwarded = block.passage.voice is Voice.FORWARDED
    match block.origin:
        case Origin.OWN:
            return "11-04" if forwarded else None
        case Origin.LIST:
            named_persons = forwarded and block.number in evidence.public and not block.named
            return "11-12" if named_persons else "11-11"
        case Origin.PERSONS:
            return "11-16" if block.passage.kind is ForwardKind.ATTACHED else "11-08"
        case Origin.MEMBER:
            return "11-09"
        case Origin.UNKNOWN:
            return "11-10"
        case _:
            return None


def _why_unread(message: Message) -> str | None:
    if message.unread and message.says_forward:
        return "11-18"
    if message.cut_short:
        return "90-07"
    if message.malformed:
        return "90-11"
    return "11-21" if message.protection is Protection.SIGNED else None
