"""The guard's own mail on its way out: notices at once, results and expiry lines with a few tries.

A notice is part of a hold and is sent while the client waits; whether it was taken decides. The short mails after an
answer are not worth a queue of our own (the mail server has one): they get a few tries in this process and are then
given up, with a line in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from smtpguard import maillog
from smtpguard.mail.address import Address
from smtpguard.mail.content import stuffed
from smtpguard.mail.reply import Reply
from smtpguard.notices.letter import Letterhead
from smtpguard.upstream import Carrier, Outbox, Outcome, Transmission, UpstreamError

# Seconds before each further try of a short mail: a mail server that restarts is back within minutes.
RETRY_SECONDS = (2.0, 30.0, 300.0)
# Short mails that may wait for a try at once; more means that the outbox is down for good. A few KB each.
PENDING_MAX = 1000
# Connections for them at one time. Postfix takes 50 of one client, and the notices of new holds want some.
AT_ONCE_MAX = 20


class Correspondence:
    """Sends the guard's own mail through the outbox.

    `new_id` gives the unique part of a Message-ID; `retry_seconds` are the pauses between tries.
    """

    def __init__(
        self,
        outbox: Outbox,
        guard: Address,
        new_id: Callable[[], str],
        retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self._outbox = outbox
        self.guard = guard
        self._new_id = new_id
        self._retry_seconds = tuple(retry_seconds)
        self._pending: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(AT_ONCE_MAX)

    @property
    def pending(self) -> int:
        """How many short mails wait to be sent or tried again."""
        return len(self._pending)

    def letterhead(self, to: Address, reply_to: str | None = None, in_reply_to: str | None = None) -> Letterhead:
        """The head of a new mail to `to`, with a Message-ID in the guard domain and the present date."""
        message_id = f"<{self._new_id()}@{self.guard.domain}>"
        return Letterhead(self.guard, message_id, datetime.now(UTC), to, reply_to, in_reply_to)

    async def open(self) -> Carrier:
        """A connection for one mail of the guard's own. Raises UpstreamError."""
        return await self._outbox.open()

    @property
    def can_require_tls(self) -> bool:
        """True if the outbox offered REQUIRETLS the last time; False if it was never asked."""
        return self._outbox.can_require_tls

    async def try_outbox(self) -> None:
        """Connect and log in once, so that it is known what the outbox offers. Raises UpstreamError."""
        carrier = await self.open()
        await carrier.close()

    async def send(self, to: Address, letter: bytes, *, requires_tls: bool = False) -> Reply:
        """Send now, once; the mail server's last word. Raises UpstreamError as `send_with` does."""
        carrier = await self.open()
        try:
            return (await self.send_with(carrier, to, letter, requires_tls=requires_tls)).final
        finally:
            await carrier.close()

    async def send_with(
        self,
        carrier: Carrier,
        to: Address,
        letter: bytes,
        before_end: Callable[[], Awaitable[bool]] | None = None,
        *,
        requires_tls: bool = False,
    ) -> Outcome:
        """Send over an open connection, with the null reverse-path: nothing shall come back (RFC 3834, 3.3).

        What tells of a mail that `requires_tls` goes like that mail (RFC 8689, 5). Raises UpstreamError if the line
        breaks, or if that is not offered.
        """
        parameters = "" if to.normal.isascii() else " SMTPUTF8"
        if requires_tls:
            if "REQUIRETLS" not in carrier.extensions:
                raise UpstreamError("the outbox does not offer REQUIRETLS")
            parameters += " REQUIRETLS"
        wire = stuffed(letter)
        mail = Transmission(f"FROM:<>{parameters}", (f"TO:<{to.local_part}@{to.domain}>",), lambda: (wire,))
        return await carrier.transmit(mail, before_end)

    def send_later(self, to: Address, letter: bytes, *, requires_tls: bool = False) -> None:
        """Send in the background, with a few tries; gives up with a line in the log."""
        if len(self._pending) >= PENDING_MAX:
            maillog.letter_lost("too many are waiting")
            return
        task = asyncio.create_task(self._tries(to, letter, requires_tls))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _tries(self, to: Address, letter: bytes, requires_tls: bool) -> None:
        reply: Reply | None = None
        for pause in (0.0, *self._retry_seconds):
            await asyncio.sleep(pause)
            try:
                async with self._turns:
                    reply = await self.send(to, letter, requires_tls=requires_tls)
            except UpstreamError as error:
                reply = error.reply
                if error.after_end:
                    break
                continue
            if reply.ok:
                return
            if reply.permanent:
                break
        maillog.letter_lost("refused or not reachable", reply)

    def close_later(self, carrier: Carrier) -> None:
        """Say QUIT and close without making anybody wait for the mail server's goodbye."""
        task = asyncio.create_task(carrier.close())
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def settle(self, seconds: float) -> None:
        """At the end: wait up to `seconds` for what is on its way; then give it up, with a line for each."""
        if self._pending:
            await asyncio.wait(set(self._pending), timeout=seconds)
        for task in set(self._pending):
            maillog.letter_lost("the guard ends")
            task.cancel()
