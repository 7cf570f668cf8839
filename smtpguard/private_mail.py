"""Private mail: what counts as such, who takes part in it, and what is kept of it for each of them.

Private is what one member writes to a few persons, no list and no desk among them (SEMANTICS c1, "Private message").
Each participant's mailbox has its own keys (THREAT-MODEL T-11), so the same mail is kept once for each of them. The
author's mailbox knows which words are his own; everybody else's, which words of others came in by this mail. Pure.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from smtpguard.mail.address import Address
from smtpguard.mail.message import Message, Passage, Voice
from smtpguard.mail.subjects import base_subject
from smtpguard.marks import MailboxMarks, Marks, name_of_address
from smtpguard.policy import Kind, Policy
from smtpguard.prose import Prose, ProseReader
from smtpguard.remembered_mail import Glance, RememberedMail

# Forwarded and quoted passages of one mail whose words are kept: a digest of private letters has fewer.
BROUGHT_MAX = 20


@dataclass(frozen=True, slots=True)
class Parties:
    """Who wrote a private mail, by name (`marks.name_of`), and who else takes part: those who get it, and all who are
    visible in its header. What is in `hidden` got it without the others' knowing (Bcc)."""

    author: str = field(repr=False)
    recipients: frozenset[str] = field(repr=False)
    visible: frozenset[str] = field(repr=False)

    @property
    def hidden(self) -> frozenset[str]:
        return self.recipients - self.visible

    def known_to(self, name: str) -> frozenset[str]:
        """Who knows this mail, as far as `name` can see. Who is in Bcc only the author knows: if passing it on to them
        were not asked about, that would tell on them."""
        everybody = self.visible | {self.author, name}
        return everybody | self.hidden if name == self.author else everybody


def parties(message: Message, author: str, envelope: Iterable[Address], policy: Policy) -> Parties | None:
    """Who takes part in this mail; None if it is not private. `author` is the name of who wrote it, `envelope` all whom
    it goes to; whether it comes from a program, the caller has looked at (`is_personal`)."""
    recipients, visible = tuple(envelope), message.destinations
    everybody = [one for each in (*recipients, *visible) for one in (each, *policy.members_of(each))]
    kinds = {policy.kind(each) for each in everybody}
    # The private copy of a list post is no private mail, and of a desk's mail nothing is kept (T-15).
    if Kind.DESK in kinds or Kind.LIST in kinds or policy.lists_of(everybody):
        return None
    got, seen = _people(recipients, policy), _people(visible, policy)
    writers = {author, *map(name_of_address, message.authors)}
    if not got - writers or len((got | seen) - writers) > policy.private_max_recipients:
        return None
    return Parties(author, got, seen | writers)


def is_personal(message: Message, *, null_sender: bool = False) -> bool:
    """False for what programs write, and for reports about mail."""
    return message.automatic is None and not message.report and not null_sender


def _people(addresses: Iterable[Address], policy: Policy) -> frozenset[str]:
    people = (each for each in addresses if policy.kind(each).human)
    return frozenset(name_of_address(one) for each in people for one in policy.members_of(each))


class MailToKeep:
    """One mail, to be kept for mailboxes one by one. `writers` are the names of who wrote it.

    `known` are shingles that prove nothing (stock phrases), `foreign` those that its author has from somebody else:
    they do not become his own words by being sent on. `texts` is false where words are not kept.
    """

    def __init__(
        self,
        message: Message,
        mail_id: str,
        when: datetime,
        writers: Sequence[str],
        policy: Policy,
        reader: ProseReader,
        *,
        known: Collection[bytes] = frozenset(),
        foreign: Collection[bytes] = frozenset(),
        texts: bool = True,
    ) -> None:
        self._message = message
        self._mail_id = mail_id
        self._when = when
        self._writers = tuple(writers)
        self._known = known
        self._foreign = foreign
        self._subject = base_subject(message.subject)
        own = message.own_text
        self._consent = _says(policy.consent_marks, message.subject, own)
        self._no_forward = message.sensitivity is not None or _says(policy.private_marks, message.subject, own)
        self._own: Prose | None = reader.read(own, stored=True) if texts else None
        brought = [each for each in message.passages if _is_brought(each)][:BROUGHT_MAX] if texts else []
        self._brought = [(each.author, reader.read(each.text, stored=True)) for each in brought]

    @property
    def brings(self) -> bool:
        """True if it has words of others, which may be known already where it comes to."""
        return bool(self._brought)

    def for_mailbox(
        self,
        name: str,
        audience: Iterable[str],
        week: str,
        ring: Mapping[str, Marks],
        earlier: Sequence[Glance] = (),
        *,
        is_link: bool = True,
        of_list: bool = False,
    ) -> RememberedMail:
        """The row for the mailbox `name`, under its key of `week`; `earlier` is what it has. `is_link` is false if the
        Message-ID has another meaning already (T-12). `of_list` is true where `name` is a closed list."""
        boxes = {marks.mailbox(name).itself: marks.mailbox(name) for marks in ring.values()}
        box = ring[week].mailbox(name)
        message_id = self._message.message_id
        same = [each for each in earlier if message_id and _is(each, message_id, boxes)]
        before = [each for each in earlier if any(_is(each, one, boxes) for one in self._message.references)]
        own = name in self._writers and not of_list
        row = RememberedMail(
            week,
            self._when,
            box.itself,
            thread=next((each.thread for each in (*same, *before)), box.message(message_id or self._mail_id)),
            authors=tuple(map(box.person, self._writers)),
            audience=tuple(sorted(map(box.person, set(audience)))),
            subject=box.subject(self._subject) if self._subject else b"",
            own=own,
            of_list=of_list,
            consent=self._consent,
            no_forward=self._no_forward,
            fingerprints=self._fingerprints(name, box, boxes, earlier, own=own).tobytes(),
        )
        if not message_id or same or not is_link or self._message.resent:
            return row
        # Who answers with Outlook alone leaves no other trace; an answer's thread may have begun elsewhere.
        conversation = self._message.conversation if not self._message.references else None
        return replace(
            row,
            message=box.message(message_id),
            conversation=box.conversation(conversation) if conversation is not None else b"",
        )

    def _fingerprints(
        self,
        name: str,
        box: MailboxMarks,
        boxes: Mapping[bytes, MailboxMarks],
        earlier: Sequence[Glance],
        *,
        own: bool,
    ) -> array[int]:
        if self._own is None:
            return array("I")
        if own:
            return box.copier.kept(self._own, {*self._known, *self._foreign})
        found = set(box.copier.kept(self._own, self._known))
        for author, prose in self._brought:
            # What he wrote himself stays his own; what he has had already stays with the mail that brought it first.
            if author is not None and name_of_address(author) != name:
                had = _known_shingles(prose, boxes, earlier)
                found.update(box.copier.kept(prose, {*self._known, *had}))
        return array("I", sorted(found))


def _is_brought(passage: Passage) -> bool:
    return passage.voice in (Voice.FORWARDED, Voice.QUOTED) and passage.author is not None


def _is(earlier: Glance, message_id: str, boxes: Mapping[bytes, MailboxMarks]) -> bool:
    box = boxes.get(earlier.mailbox)
    return box is not None and bool(earlier.message) and earlier.message == box.message(message_id)


def _known_shingles(prose: Prose, boxes: Mapping[bytes, MailboxMarks], earlier: Sequence[Glance]) -> frozenset[bytes]:
    """The shingles of `prose` that the mailbox has."""
    found: set[bytes] = set()
    for itself, box in boxes.items():
        kept = array("I")
        kept.frombytes(b"".join(each.fingerprints for each in earlier if each.mailbox == itself))
        if kept:
            made = box.copier.fingerprints(prose)
            common = set(made).intersection(kept)
            found.update(shingle for place, shingle in prose.shingles() if made[place] in common)
    return frozenset(found)


def _says(marks: Sequence[str], subject: str, text: str) -> bool:
    """True if one of `marks` stands in the Subject, or in the first or last line of the text (11-13, 11-14)."""
    if not marks:
        return False
    lines = [line for line in text.splitlines() if line.strip()]
    places = " ".join((subject, *lines[:1], *lines[-1:])).casefold()
    return any(each.casefold() in places for each in marks)
