"""What is learnt of the copies that a tap takes in, told once: what stays unread > whose copy it is > what it teaches.

A copy has done all it can once it is taken, so nothing about it is ever an error of whoever sent it: it is taken,
whatever becomes of it, or put off while the memory does not answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from smtpguard import maillog, replies
from smtpguard.accounts import is_guard_address
from smtpguard.distribution import distributed_for
from smtpguard.key_file import KeyFolderError
from smtpguard.lists import MailingList
from smtpguard.mail.address import Address
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.content import Content, unstuffed
from smtpguard.mail.envelope import Envelope, Path
from smtpguard.mail.header import Header, read_header
from smtpguard.mail.mailboxes import MailboxReader
from smtpguard.mail.message import Automatic, Message
from smtpguard.mail.parsing import open_message, read_message
from smtpguard.mail.reply import Reply
from smtpguard.policy import Kind, Policy
from smtpguard.reading import Reading
from smtpguard.store import StoreError

# Reading and writing take milliseconds. Who waits longer than this comes again, when less is going on.
LEARN_SECONDS = 60.0

_ROLES = frozenset({Kind.ROLE_MACHINE, Kind.ROLE_PEOPLE})
_READERS = frozenset({Kind.MEMBER, Kind.PERSON})
# Marks that list managers set themselves on what they distribute.
_OF_LISTS = frozenset({None, Automatic.LIST_ID, Automatic.PRECEDENCE})
_AUTHORS = ("from", "sender", "resent-from", "resent-sender")
_RECIPIENTS = ("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc")
_LIST_FIELDS = frozenset({"list-id", "list-post"})


class Learner(Protocol):
    """Who remembers where text comes from. Both raise StoreError and KeyFolderError, and return when it is written."""

    async def learn_mail(
        self, message: Message, author: Address | None, recipients: Sequence[Address], when: datetime
    ) -> None:
        """A mail that came in. Whether it is private, the learner decides."""

    async def learn_post(self, list_id: str, message: Message, when: datetime, readers: Sequence[Address] = ()) -> None:
        """A post as the list manager distributed it to `readers`."""


@dataclass(frozen=True, slots=True)
class _Lesson:
    """A copy that may teach something; `post_of` is the list that distributed it."""

    message: Message
    post_of: MailingList | None


class Learning:
    """Hands what copies teach to `origins`; without it, or where private mail is not remembered, nothing is read."""

    def __init__(self, policy: Callable[[], Policy], origins: Learner | None = None) -> None:
        self._policy = policy
        self._origins = origins
        # Lanes of its own: a member's mail never waits behind a copy.
        self._reading = Reading()

    def is_unread(self, envelope: Envelope) -> bool:
        """True for what is not even stored while it comes in: mail of or to a desk (T-15) or the guard, bounces, and
        whatever cannot be told from these."""
        policy, back = self._policy(), envelope.reverse_path
        if self._origins is None or not policy.remember.threads or back.is_null:
            return True
        if _is_own(back.address, policy):
            return True
        return any(_stays_unread(each, policy) for each in (back, *envelope.recipients))

    async def learn(self, arrival: Arrival, *, by_list_server: bool) -> Reply:
        """Learn what the copy teaches: 250 if that is done or there is nothing, 451 if it could not be written.

        `by_list_server`: it came by the list manager's own connection. Never raises.
        """
        try:
            async with asyncio.timeout(LEARN_SECONDS):
                await self._learn(arrival, by_list_server)
        except (StoreError, KeyFolderError, OSError):  # TimeoutError is an OSError
            maillog.deferred(arrival.id, "memory", of="copy")
            return replies.COPY_LATER
        except Exception as error:  # a bug: the same copy would meet it again and again
            maillog.fault("a copy could not be learnt", error, arrival.id)
        return replies.TAKEN

    async def _learn(self, arrival: Arrival, by_list_server: bool) -> None:
        policy, origins = self._policy(), self._origins
        if origins is None or self.is_unread(arrival.envelope):
            return
        size, content = arrival.content.size, arrival.content
        lesson = await self._reading.in_turn(size, lambda: _lesson(content, policy, by_list_server))
        if lesson is None:
            return
        recipients = _recipients(arrival.envelope, policy)
        message, when = lesson.message, arrival.arrived
        if lesson.post_of is not None:
            readers = [each for each in recipients if policy.kind(each) in _READERS]
            await origins.learn_post(lesson.post_of.id, message, when, readers)
        elif recipients:
            author = policy.completed(message.authors[0]) if len(message.authors) == 1 else None
            await origins.learn_mail(message, author, recipients, when)


def _lesson(content: Content, policy: Policy, by_list_server: bool) -> _Lesson | None:
    """What the copy may teach; None for what is not learnt. Of desk mail no more than the header is read."""
    octets = unstuffed(content.pieces())
    header, _ = read_header(octets)
    if not header.complete or _names_desk_or_guard(header, policy):
        return None
    post_of = distributed_for(header, policy) if by_list_server else None
    if post_of is None and not _LIST_FIELDS.isdisjoint(header.names):
        # A list post, of whichever list: not private, and nobody vouches for the list.
        return None
    message = read_message(open_message(octets, lambda _: False, policy.bounds))
    if message.report or (message.automatic not in _OF_LISTS if post_of else message.automatic):
        return None
    if post_of is not None and any(policy.kind(each) in _ROLES for each in message.authors):
        # What the list manager writes itself: a moderator's notice may hold a mail that nobody else has seen.
        return None
    return _Lesson(message, post_of)


def _names_desk_or_guard(header: Header, policy: Policy) -> bool:
    """True if a desk or the guard stands in the header: it may get or send the mail in another transaction."""
    reader = MailboxReader()
    authors = [address for _, address in reader.mailboxes(header.every(*_AUTHORS))]
    others = [address for _, address in reader.mailboxes(header.every(*_RECIPIENTS))]
    if not reader.complete or any(_is_own(each, policy) for each in authors):
        return True
    return any(_is_desk(each, policy) or _is_guard(each, policy) for each in (*authors, *others))


def _stays_unread(path: Path, policy: Policy) -> bool:
    address = path.address
    # What cannot be read might be a desk.
    return address is None or _is_desk(address, policy) or _is_guard(address, policy)


def _is_desk(address: Address, policy: Policy) -> bool:
    return any(policy.completed(each) in policy.desks for each in policy.members_of(address))


def _is_own(address: Address | None, policy: Policy) -> bool:
    """True for whatever the guard writes by."""
    guard = policy.guard_address
    return address is not None and guard is not None and address.domain == guard.domain


def _is_guard(address: Address, policy: Policy) -> bool:
    """True for addresses whose mail is an answer to the guard or goes on to its contact. Another address of its domain
    may be the one by which list posts come to the tap."""
    guard = policy.guard_address
    if guard is None or address.domain != guard.domain:
        return False
    return is_guard_address(address, guard) or address.key[0] in ("postmaster", "abuse")


def _recipients(envelope: Envelope, policy: Policy) -> tuple[Address, ...]:
    """Whom the mail itself goes to, each once."""
    found = (policy.completed(each.address) for each in envelope.recipients if each.address is not None)
    return tuple(dict.fromkeys(each for each in found if not _is_own(each, policy)))
