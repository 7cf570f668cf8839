"""A member's own session with the mail server, as the flow sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from smtpguard.mail.reply import Reply
from smtpguard.upstream import Carrier, Outcome, Transmission, UpstreamError
from smtpguard.upstream.connection import Connection
from smtpguard.upstream.transaction import deliver, transmit


class MemberUpstream:
    """The upstream side of one session.

    `is_open` is true while a transaction is open there: MAIL was accepted, and neither RSET nor content went up since.
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

    def carrier(self) -> Carrier:
        """This session as a way out for a release; the open transaction must have been given up."""
        return SessionCarrier(self._connection)


class SessionCarrier:
    """Carries a mail over a session that belongs to a client; closing it leaves that session open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def extensions(self) -> frozenset[str]:
        """Keywords of the mail server's last EHLO answer, upper-case."""
        return frozenset(self._connection.extensions)

    async def transmit(self, mail: Transmission, before_end: Callable[[], Awaitable[bool]] | None = None) -> Outcome:
        """By the rules of `Carrier.transmit`."""
        return await transmit(self._connection, mail, before_end)

    async def close(self) -> None:
        """Nothing to close: the session is the member's."""
