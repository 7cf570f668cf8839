"""The tap: a door for copies of mail that comes in, and of list posts. Nothing goes on from here.

The mail server owes nobody a copy, so none may ever come back to its sender, or stay in the mail server's queue: what
can be taken is taken, also where it is not looked at; everything else is put off. There is no 5xx (T-17).
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from typing import ClassVar

from smtpguard import maillog, replies
from smtpguard.listener import CopyFlow
from smtpguard.listener.handover import HandoverConnection
from smtpguard.listener.options import ListenerOptions
from smtpguard.listener.roll import Roll
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.content import Content
from smtpguard.mail.envelope import Envelope, Path, parse_path
from smtpguard.mail.reply import Reply

# Stands for a path that cannot be read; its mail is taken, and not looked at.
_UNREADABLE = Path("", None)


class TapConnection(HandoverConnection):
    """The mail server or the list server as our client, over SMTP."""

    def __init__(self, options: ListenerOptions, copies: CopyFlow, roll: Roll, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(options, roll, loop)
        self._copies = copies
        self._recipients: list[Path] = []

    def say(self, reply: Reply) -> None:
        """Collect a reply; whatever would be a 5xx elsewhere is a 4xx here."""
        super().say(replies.put_off(reply) if reply.permanent else reply)

    def to_strangers(self) -> Reply:
        """Whoever should be let in tries again, and his mail waits until `trust` is right."""
        return replies.STRANGER_PUT_OFF

    def end_transaction(self) -> None:
        """Back to before MAIL."""
        super().end_transaction()
        self._recipients = []

    # SIZE is not offered: a client that knows a bound sends mail above it back itself (RFC 1870, 6.2). It is taken,
    # and thrown away while it comes in.

    async def smtp_MAIL(self, arg: str) -> None:
        """Anybody may be the sender, and any parameter is taken: nothing goes on, so nothing is promised by it."""
        if not self._greeted:
            self.refuse(replies.HELLO_FIRST)
        elif self.in_transaction:
            self.refuse(replies.NESTED_MAIL)
        elif arg[:4].upper() != "FROM":
            self.refuse(replies.BAD_ARGUMENT)
        elif not self.refuse_more_messages():
            self.count_message()
            self._reverse_path = parse_path(arg) or _UNREADABLE
            self.say(replies.SENDER_OK)

    async def smtp_RCPT(self, arg: str) -> None:
        """Anybody may be the recipient; those beyond the bound get a copy of their own later."""
        if not self.in_transaction:
            self.refuse(replies.MAIL_FIRST if self._greeted else replies.HELLO_FIRST)
        elif arg[:2].upper() != "TO":
            self.refuse(replies.BAD_ARGUMENT)
        elif len(self._recipients) >= self.options.recipients:
            self.put_off_recipient()
        else:
            self._recipients.append(parse_path(arg) or _UNREADABLE)
            self.say(replies.RECIPIENT_OK)

    async def smtp_DATA(self, arg: str) -> None:
        """Take the content; what is not to be read is not even kept while it comes in."""
        if self.refuse_early_octets():
            return
        reverse_path, recipients = self._reverse_path, tuple(self._recipients)
        if arg:
            self.refuse(replies.BAD_ARGUMENT)
        elif reverse_path is None:
            self.refuse(replies.MAIL_FIRST if self._greeted else replies.HELLO_FIRST)
        elif not recipients:
            self.refuse(replies.NO_RECIPIENTS)
        else:
            envelope = Envelope(reverse_path, recipients)
            octets_max = 0 if self._copies.is_unread(envelope) else self.options.message_size
            content = await self.receive_content(octets_max)
            if content is None:
                return
            mail_id = secrets.token_hex(6)
            if isinstance(content, Reply):
                said = self._without_content(content, octets_max)
            else:
                # A task of its own: a client that vanishes now must not cut short what has been begun.
                task = self._roll.run(self._learn(mail_id, envelope, content))
                said = await asyncio.shield(task)
            if said.ok:
                maillog.copy_taken(mail_id)
            self.say_for(len(recipients), said)
            self.end_transaction()
            if content is replies.CONTENT_BAD_OCTETS:
                self.hang_up(linger=True)

    def _without_content(self, refusal: Reply, octets_max: int) -> Reply:
        """The reply where no content was kept: it would be the same the next time, so the copy is done with, unless it
        was our own trouble."""
        if refusal.transient:
            return refusal
        if refusal is replies.CONTENT_TOO_LARGE and octets_max:
            self._roll.complaints.note("copies above limits.message_size are taken and not remembered")
        return replies.TAKEN

    async def _learn(self, mail_id: str, envelope: Envelope, content: Content) -> Reply:
        arrival = Arrival(
            id=mail_id,
            login=None,
            authenticated=False,
            envelope=envelope,
            content=content,
            arrived=datetime.now(UTC),
        )
        try:
            return await self._copies.learn(arrival, by_list_server=self.client.comes_from(self.options.list_server))
        except Exception as error:  # the flow's own bug; the copy is not worth trying again for ever
            maillog.fault("the flow failed", error, mail_id)
            return replies.TAKEN
        finally:
            content.close()

    def say_for(self, recipients: int, said: Reply) -> None:
        """The reply to the content: SMTP has one for all recipients."""
        self.say(said)


class LmtpTapConnection(TapConnection):
    """The same over LMTP (RFC 2033): LHLO, and a reply for each recipient."""

    VERBS: ClassVar[frozenset[bytes]] = (TapConnection.VERBS - {b"EHLO", b"HELO"}) | {b"LHLO"}

    async def smtp_LHLO(self, arg: str) -> None:
        """EHLO under another name."""
        await self.smtp_EHLO(arg)

    def say_for(self, recipients: int, said: Reply) -> None:
        """RFC 2033, 4.2: one for each RCPT that was accepted."""
        for _ in range(recipients):
            self.say(said)
