"""The mail server behind us, as the flow sees it: a member's own session (`Upstream`), the guard's way (`Outbox`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from smtpguard.mail.reply import Reply


class UpstreamError(Exception):
    """The mail server could not be asked, or died while being asked.

    `reply` is its last word (a 421, a refused greeting), None if the line broke or it talked garbage. `after_end` is
    true when the final dot had been sent, so that the message may have been taken.
    """

    def __init__(self, what: str, *, reply: Reply | None = None, after_end: bool = False) -> None:
        super().__init__(what)
        self.reply = reply
        self.after_end = after_end


@dataclass(frozen=True, slots=True)
class Transmission:
    """One mail to send: arguments of MAIL and RCPT as they go on the wire (`FROM:<a@b> RET=HDRS`, `TO:<c@d>`), and
    content in wire form without the final dot. `required` are the indexes of recipients without which nothing may be
    sent."""

    mail: str
    rcpts: tuple[str, ...]
    pieces: Callable[[], Iterable[bytes]]
    required: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the mail server said. `rcpts` has one reply for each recipient asked; `final` decides.

    `final` is the reply that ended it: of MAIL, of the RCPT that stopped it, of DATA, or of the content. `sent` is true
    if that was a 2xx to the content.
    """

    mail: Reply
    rcpts: tuple[Reply, ...]
    final: Reply
    sent: bool


class BrokenOffError(Exception):
    """Content that is still on its way in will not come to its end. `reply` is what its client gets, None if it is
    gone."""

    def __init__(self, reply: Reply | None) -> None:
        super().__init__("content broken off")
        self.reply = reply


class Arriving(Protocol):
    """Content that is still on its way in."""

    @property
    def size(self) -> int:
        """Octets that have come so far, in wire form."""

    def pieces(self) -> AsyncIterator[bytes]:
        """The wire form as it comes, to be read once. Raises BrokenOffError."""


class Carrier(Protocol):
    """An open connection, ready for MAIL, that carries one mail."""

    @property
    def extensions(self) -> frozenset[str]:
        """Keywords of the server's last EHLO answer, upper-case."""

    async def transmit(self, mail: Transmission, before_end: Callable[[], Awaitable[bool]] | None = None) -> Outcome:
        """Send `mail`. `before_end` is awaited when all but the final dot is sent; if it says False, the connection is
        closed without the dot and UpstreamError is raised.

        A recipient refused that is in `required`, or any 4xx for a recipient, or no recipient accepted: RSET, nothing
        sent, and the Outcome says so. Raises UpstreamError if the line breaks (`after_end`: whether after the dot).
        """

    async def close(self) -> None:
        """Say QUIT if that is still possible, and close."""


class Outbox(Protocol):
    """The guard's own way to the mail server: for notices and results, and for releases."""

    @property
    def can_require_tls(self) -> bool:
        """True if the last connection had checked TLS, and REQUIRETLS was offered in it; False if there was none."""

    async def open(self, login: str | None = None) -> Carrier:
        """Connect; `login` is the account a release is sent for, None for the guard's own mail.

        Raises UpstreamError if that is not possible now.
        """


class Upstream(Protocol):
    """The upstream side of one member's session, in which MAIL and the accepted RCPTs have gone up already."""

    async def reset(self) -> None:
        """Give up the open transaction (RSET). Never raises: a dead upstream has no transaction."""

    async def deliver(self, pieces: Callable[[], Iterable[bytes]]) -> Reply:
        """DATA, the content and the final dot; the upstream's reply to the content, or to DATA if that was no 354.

        Raises UpstreamError if the line breaks before the reply.
        """

    async def deliver_arriving(self, pieces: AsyncIterator[bytes]) -> Reply:
        """The same for content that is still on its way in; the final dot is sent when `pieces` have come to their end.

        Raises UpstreamError, and BrokenOffError, which leaves the upstream without a message and closes the line to it.
        """

    def carrier(self) -> Carrier:
        """This member's own authenticated session as a way out for a release (`release: session`)."""

    @property
    def extensions(self) -> frozenset[str]:
        """Keywords of the upstream's last EHLO answer, upper-case."""


__all__ = ["Arriving", "BrokenOffError", "Carrier", "Outbox", "Outcome", "Transmission", "Upstream", "UpstreamError"]
