"""A mail server as our client, on a door with no mail server behind it: what the doors for answers and copies share."""

from __future__ import annotations

import asyncio

from smtpguard import replies
from smtpguard.listener.connection import ClientConnection
from smtpguard.listener.options import ListenerOptions
from smtpguard.listener.roll import Roll
from smtpguard.mail.envelope import Path
from smtpguard.mail.reply import Reply


class HandoverConnection(ClientConnection):
    """Greeting, hello and RSET; only networks named in `trust` are let in, and nobody logs in."""

    def __init__(self, options: ListenerOptions, roll: Roll, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(options, roll, loop)
        self._greeted = False
        self._reverse_path: Path | None = None

    @property
    def in_transaction(self) -> bool:
        """True between MAIL and the reply to its content."""
        return self._reverse_path is not None

    async def greet(self) -> bool:
        """Only those named in `trust` are let in."""
        if not self.client.comes_from(self.options.trust):
            self.say(self.to_strangers())
            return False
        self.say(Reply.of(220, f"{self.options.hostname} ESMTP smtpguard"))
        return True

    def to_strangers(self) -> Reply:
        """The first and last word to whoever is not let in."""
        return replies.STRANGER

    def counted_as(self) -> str | None:
        """The mail server may open as many connections as it likes; strangers are counted until they are gone."""
        return None if self.client.comes_from(self.options.trust) else super().counted_as()

    def forget(self) -> None:
        """Nothing said so far counts."""
        self._greeted = False
        self.end_transaction()

    def end_transaction(self) -> None:
        """Back to before MAIL."""
        self._reverse_path = None

    def extensions(self) -> list[str]:
        """What the EHLO answer offers beside STARTTLS."""
        return ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]

    async def smtp_EHLO(self, arg: str) -> None:
        """What this door can do."""
        if not arg:
            self.refuse(replies.BAD_ARGUMENT)
            return
        self.end_transaction()
        self._greeted = True
        lines = self.extensions()
        if self.offers_tls:
            lines.append("STARTTLS")
        self.say(Reply.of(250, self.options.hostname, *lines))

    async def smtp_HELO(self, arg: str) -> None:
        """Without extensions."""
        if not arg:
            self.refuse(replies.BAD_ARGUMENT)
            return
        self.end_transaction()
        self._greeted = True
        self.say(Reply.of(250, self.options.hostname))

    async def smtp_RSET(self, arg: str) -> None:
        """Back to before MAIL."""
        if arg:
            self.refuse(replies.BAD_ARGUMENT)
            return
        self.end_transaction()
        self.say(replies.OK)
