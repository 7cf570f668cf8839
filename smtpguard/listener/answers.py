"""The door that the mail server hands the guard domain to: answers with a code, and letters to postmaster@ and abuse@.

Nobody logs in here and no mail server stands behind it; only networks named in `trust` are let in. SMTP or LMTP, as the
mail server's route says.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import ClassVar

from smtpguard import maillog, replies
from smtpguard.listener import MailFlow
from smtpguard.listener.handover import HandoverConnection
from smtpguard.listener.options import ListenerOptions
from smtpguard.listener.roll import Roll
from smtpguard.mail.address import Address
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.content import Content
from smtpguard.mail.envelope import Envelope, Path, parse_path
from smtpguard.mail.reply import Reply

# RFC 5321, 4.5.3.1.8: at least 100. One answer has one recipient; a mail server splits what is more.
RECIPIENTS_MAX = 100
# RFC 1870, RFC 6152, RFC 6531: those of our EHLO answer. DSN is not offered: nothing goes on from here.
_PARAMETERS = frozenset({"SIZE", "BODY", "SMTPUTF8"})


class Sort(Enum):
    """What an address of the guard domain is for."""

    ANSWER = "answer"
    LETTER = "letter"


class AnswersConnection(HandoverConnection):
    """The mail server as our client, over SMTP."""

    def __init__(self, options: ListenerOptions, flow: MailFlow, roll: Roll, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(options, roll, loop)
        self._flow = flow
        self._recipients: list[tuple[Sort, Path]] = []

    def end_transaction(self) -> None:
        """Back to before MAIL."""
        super().end_transaction()
        self._recipients = []

    def extensions(self) -> list[str]:
        """What the EHLO answer offers."""
        pipelining, *others = super().extensions()
        return [pipelining, f"SIZE {self.options.message_size}", *others]

    async def smtp_MAIL(self, arg: str) -> None:
        """Anybody may be the sender; who may decide is the flow's business."""
        path = parse_path(arg) if arg[:4].upper() == "FROM" else None
        if not self._greeted:
            self.refuse(replies.HELLO_FIRST)
        elif self.in_transaction:
            self.refuse(replies.NESTED_MAIL)
        elif path is None:
            self.refuse(replies.BAD_ARGUMENT)
        elif any(each.partition("=")[0].upper() not in _PARAMETERS for each in path.parameters):
            self.refuse(replies.UNKNOWN_PARAMETER)
        elif _declared(path) > self.options.message_size:
            self.say(replies.CONTENT_TOO_LARGE)
        elif not self.refuse_more_messages():
            self.count_message()
            self._reverse_path = path
            self.say(replies.SENDER_OK)

    async def smtp_RCPT(self, arg: str) -> None:
        """The guard's own addresses, postmaster@ and abuse@; all else is unknown."""
        path = parse_path(arg) if arg[:2].upper() == "TO" else None
        if not self.in_transaction:
            self.refuse(replies.MAIL_FIRST if self._greeted else replies.HELLO_FIRST)
        elif path is None:
            self.refuse(replies.BAD_ARGUMENT)
        elif path.parameters:
            self.refuse(replies.UNKNOWN_PARAMETER)
        elif (sort := self._sort(path)) is None:
            self.refuse(replies.NO_SUCH_ADDRESS)
        elif len(self._recipients) >= RECIPIENTS_MAX:
            self.put_off_recipient()
        elif not self.takes_beside(sort, path):
            self.say(replies.OTHER_SORT_LATER)
        else:
            self._recipients.append((sort, path))
            self.say(replies.RECIPIENT_OK)

    def _sort(self, path: Path) -> Sort | None:
        if path.address is None:
            return None
        if self._flow.takes_answers_at(path.address):
            return Sort.ANSWER
        return Sort.LETTER if self._flow.takes_letters_at(path.address) else None

    def takes_beside(self, sort: Sort, path: Path) -> bool:
        """SMTP has one reply for all recipients, which cannot speak for an answer and a letter, or for two codes."""
        return all(_matter(each, other) == _matter(sort, path) for each, other in self._recipients)

    async def smtp_DATA(self, arg: str) -> None:
        """Take the content and give it to the flow, once for each sort of recipient."""
        if self.refuse_early_octets():
            return
        reverse_path, recipients = self._reverse_path, self._recipients
        if arg:
            self.refuse(replies.BAD_ARGUMENT)
        elif reverse_path is None:
            self.refuse(replies.MAIL_FIRST if self._greeted else replies.HELLO_FIRST)
        elif not recipients:
            self.refuse(replies.NO_RECIPIENTS)
        else:
            content = await self.receive_content(self.options.message_size)
            if content is None:
                return
            if isinstance(content, Reply):
                self.say_for([content] * len(recipients))
            else:
                # A task of its own: a client that vanishes now must not cut short what has been begun.
                task = self._roll.run(self._deliver(reverse_path, recipients, content))
                self.say_for(await asyncio.shield(task))
            self.end_transaction()
            if content is replies.CONTENT_BAD_OCTETS:
                self.hang_up(linger=True)

    async def _deliver(
        self, reverse_path: Path, recipients: Sequence[tuple[Sort, Path]], content: Content
    ) -> list[Reply]:
        """One reply for each recipient, in their order."""
        said: dict[tuple[Sort, Address | None], Reply] = {}
        matters = [_matter(sort, path) for sort, path in recipients]
        try:
            for matter in dict.fromkeys(matters):
                paths = tuple(path for each, (_, path) in zip(matters, recipients, strict=True) if each == matter)
                said[matter] = await self._hand_over(Envelope(reverse_path, paths), content)
        finally:
            content.close()
        return [said[matter] for matter in matters]

    async def _hand_over(self, envelope: Envelope, content: Content) -> Reply:
        arrival = Arrival(
            id=secrets.token_hex(6),
            login=None,
            authenticated=False,
            envelope=envelope,
            content=content,
            arrived=datetime.now(UTC),
        )
        try:
            return await self._flow.deliver_answer(arrival)
        except Exception as error:  # the flow's own bug: 4xx, and the mail server still owns the message
            maillog.fault("the flow failed", error, arrival.id)
            return replies.INTERNAL

    def say_for(self, said: Sequence[Reply]) -> None:
        """The replies to the content; SMTP has one, and all recipients are of one sort."""
        self.say(said[0])


class LmtpAnswersConnection(AnswersConnection):
    """The same over LMTP (RFC 2033): LHLO, and a reply for each recipient."""

    VERBS: ClassVar[frozenset[bytes]] = (AnswersConnection.VERBS - {b"EHLO", b"HELO"}) | {b"LHLO"}

    async def smtp_LHLO(self, arg: str) -> None:
        """EHLO under another name."""
        await self.smtp_EHLO(arg)

    def takes_beside(self, sort: Sort, path: Path) -> bool:
        """Each recipient has its own reply."""
        return True

    def say_for(self, said: Sequence[Reply]) -> None:
        """RFC 2033, 4.2: one for each RCPT that was accepted, in their order."""
        for reply in said:
            self.say(reply)


def _matter(sort: Sort, path: Path) -> tuple[Sort, Address | None]:
    """What one reply can speak for: all letters together, but one code at a time."""
    return sort, path.address if sort is Sort.ANSWER else None


def _declared(path: Path) -> int:
    """RFC 1870, 3: at most 20 digits; what is no number says nothing."""
    value = path.parameter("SIZE") or ""
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 20 else 0
