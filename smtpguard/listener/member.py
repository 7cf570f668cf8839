"""A member's own session with the mail server, as the flow sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

from smtpguard.mail.reply import Reply
from smtpguard.upstream import Carrier, UpstreamError
from smtpguard.upstream.connection import Connection
from smtpguard.upstream.outbox import ConnectionCarrier
from smtpguard.upstream.transaction import deliver, deliver_arriving


class MemberUpstream:
    """The upstream side of one session.

    `is_open` is true while a transaction may be open there: MAIL went up, and neither RSET nor content since.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.is_open = False

    @property
    def extensions(self) -> frozenset[str]:
        """Keywords of the mail server's last EHLO answer, upper-case."""
        return frozenset(self._connection.extensions)

    async def reset(self) -> None:
        """Give up the open transaction, if there is one. Never raises: a dead mail server has no transaction."""
        if self.is_open:
            self.is_open = False
            await self._connection.reset()

    async def deliver(self, pieces: Callable[[], Iterable[bytes]]) -> Reply:
        """DATA, the content and the final dot. Raises UpstreamError if no reply comes, or no transaction is open."""
        if not self.is_open:
            raise UpstreamError("no transaction is open")
        self.is_open = False
        return await deliver(self._connection, pieces())

    async def deliver_arriving(self, pieces: AsyncIterator[bytes]) -> Reply:
        """The same for content that is still on its way in. Raises UpstreamError and BrokenOffError."""
        if not self.is_open:
            raise UpstreamError("no transaction is open")
        self.is_open = False
        return await deliver_arriving(self._connection, pieces)

    def carrier(self) -> Carrier:
        """This session as a way out for a release; the open transaction must have been given up."""
        return ConnectionCarrier(self._connection, lasting=True)
