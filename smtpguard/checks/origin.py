"""Where the text of others in a mail comes from, as far as the mail itself and known list posts say: SEMANTICS c1, E0
and E2 to E4. What the account's own private mail proves (E1) is another matter, and comes first.

No private mail of anybody is looked at here, so that nobody can learn from the answer what others write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from enum import Enum
from typing import NamedTuple

from smtpguard.checks.audience import reads
from smtpguard.evidence import Evidence
from smtpguard.lists import MailingList
from smtpguard.mail.address import Address
from smtpguard.mail.dates import earliest_day
from smtpguard.mail.message import Passage, Submission, Voice
from smtpguard.policy import Policy
from smtpguard.verdict import Fact

# SEMANTICS c1, "Minimum size": a block counts from 12 words or 2 sentences; less tells nothing.
WORDS_MIN = 12
SENTENCES_MIN = 2
# How many words of a passage a notice may show, so that the sender finds the place (P3).
FIRST_WORDS = 6

_SENTENCE_END = re.compile(r"\w[.!?…。](?=\s|$)")


class Origin(Enum):
    """Whose text a passage has. The first three are E0: nobody is asked because of it."""

    OWN = "own words"
    SMALL = "too little to tell"
    LIST = "a list post"
    PERSONS = "E2: a forwarded mail between persons"
    MEMBER = "E3: a member's words that no list has had"
    UNKNOWN = "E4: nobody knows"


class Block(NamedTuple):
    """A passage of others, its number in the message, and where it comes from. `named` are the lists that it says it
    went to or came from."""

    number: int
    passage: Passage
    origin: Origin
    named: tuple[MailingList, ...] = ()


def blocks(submission: Submission, evidence: Evidence, policy: Policy) -> Iterator[Block]:
    """The quoted and forwarded passages of a message, in their order."""
    passages = submission.message.passages
    public_mails = {_source(passages[each]) for each in evidence.public if each < len(passages)} - {None}
    for number, passage in enumerate(passages):
        if passage.voice not in (Voice.QUOTED, Voice.FORWARDED):
            continue
        named = policy.lists_of((*((passage.author,) if passage.author else ()), *passage.recipients))
        if is_oneself(passage.author, submission):
            origin = Origin.OWN
        elif not has_size(passage):
            origin = Origin.SMALL
        elif number in evidence.public or _source(passage) in public_mails:
            origin = Origin.LIST
        else:
            origin = _unmatched(passage, named, submission, evidence, policy)
        yield Block(number, passage, origin, named)


def has_size(passage: Passage) -> bool:
    """True if a quoted or forwarded block is long enough to say something."""
    return passage.words_up_to(WORDS_MIN) >= WORDS_MIN or len(_SENTENCE_END.findall(passage.text)) >= SENTENCES_MIN


def facts_of(passage: Passage) -> dict[str, Fact]:
    """What a notice says of a passage: who wrote it and when, as the mail itself says, and how it begins."""
    author = passage.author_name or (str(passage.author) if passage.author else "")
    return {
        "author": author,
        "begins": first_words(passage),
        "sent": passage.sent or "",
        "subject": passage.subject or "",
    }


def first_words(passage: Passage) -> str:
    """How a passage begins, as a notice shows it."""
    words = passage.text.split(None, FIRST_WORDS)
    return " ".join(words[:FIRST_WORDS]) + (" ..." if len(words) > FIRST_WORDS else "")


def is_oneself(author: Address | None, submission: Submission) -> bool:
    """True if `author` is the account that sends this mail."""
    account = submission.account
    if author is None or account is None:
        return False
    return author == account.mailbox or author.normal == account.login


def _source(passage: Passage) -> tuple[Address, str] | None:
    """What tells which mail a quote is from: an answer takes it to pieces, and one that is known speaks for all."""
    return (passage.author, passage.sent) if passage.author is not None and passage.sent else None


def _unmatched(
    passage: Passage, named: tuple[MailingList, ...], submission: Submission, evidence: Evidence, policy: Policy
) -> Origin:
    """The class of a block whose text no known list post has."""
    written = earliest_day(passage.sent) if passage.sent else None
    if named and not _would_be_known(named, passage.author, written, evidence, policy):
        return Origin.LIST
    if passage.voice is Voice.FORWARDED:
        says_who = passage.author is not None or passage.recipients or passage.author_name
        return Origin.PERSONS if says_who else Origin.UNKNOWN
    if passage.author is None or not policy.is_member(passage.author):
        return Origin.UNKNOWN
    readable = [each for each in policy.lists if not each.is_closed or reads(each, submission, evidence)]
    return Origin.MEMBER if _all_known(readable, written, evidence) else Origin.UNKNOWN


def _would_be_known(
    named: tuple[MailingList, ...], author: Address | None, written: date | None, evidence: Evidence, policy: Policy
) -> bool:
    """True if a post to the lists `named` could not be unknown: then the name of a list proves nothing.

    The posts of a closed list are known to its readers only (T-13), and what strangers write may reach a list past us.
    """
    if any(each.is_closed for each in named) or not _all_known(named, written, evidence):
        return False
    tells_members = policy.roster is not None or bool(policy.member_domains)
    return author is None or not tells_members or policy.is_member(author) or policy.list_of(author) is not None


def _all_known(lists: list[MailingList] | tuple[MailingList, ...], written: date | None, evidence: Evidence) -> bool:
    """True if all posts to `lists` of the day `written` are known: it is after the day from which on they are."""
    if written is None or not lists:
        return False
    since = (evidence.known_since.get(each.id) for each in lists)
    return all(each is not None and written > each.date() for each in since)
