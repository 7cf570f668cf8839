"""The doors that mail comes in by, and what they ask of the flow behind them."""

from __future__ import annotations

from typing import Protocol

from smtpguard.mail.address import Address
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.envelope import Envelope
from smtpguard.mail.reply import Reply
from smtpguard.upstream import Arriving, Upstream


class MailFlow(Protocol):
    """What a door asks of the guard. Each method gives the reply to the content; none raises for a message's sake."""

    def takes_answers_at(self, address: Address) -> bool:
        """True for the guard's own address, with or without a code: `mailcheck@` and `mailcheck+CODE@` its domain."""

    def takes_letters_at(self, address: Address) -> bool:
        """True for postmaster@ and abuse@ of the guard domain (RFC 5321, 4.5.1; RFC 2142): they go on to `contact`."""

    def can_read(self, address: Address | None) -> bool:
        """False for a recipient that must not go up, for the mail server might read another mailbox in it than we.

        `address` is None where none could be read. A guard that judges nothing reads everything.
        """

    def can_require_tls(self) -> bool:
        """True if whatever the flow sends of a member's mail by itself can go by REQUIRETLS (RFC 8689)."""

    def judges(self) -> bool:
        """False for a pure relay: content may go up by `relay` while it still comes in."""

    async def relay(self, mail_id: str, content: Arriving, upstream: Upstream) -> Reply:
        """Content that nobody looks at, its MAIL and RCPTs already at the upstream. Raises BrokenOffError."""

    async def submit(self, arrival: Arrival, upstream: Upstream) -> Reply:
        """A member's mail, its MAIL and accepted RCPTs already at the upstream: judge it, pass, hold or refuse it."""

    def not_alone(self, login: str | None, reverse_path: Address | None) -> Reply:
        """The 5xx for a mail to the guard's own address and to others, in the member's language (90-16, T-26)."""

    async def answer(self, arrival: Arrival, upstream: Upstream) -> Reply:
        """A mail to the guard's own address alone, submitted by a member (the upstream's transaction is still open)."""

    async def deliver_answer(self, arrival: Arrival) -> Reply:
        """A mail for the guard domain that the mail server handed on: an answer, or a letter to postmaster@ or abuse@.

        All recipients of one Arrival are of one sort; the door splits a mixed one.
        """


class CopyFlow(Protocol):
    """What a tap asks. Neither raises, and no reply is a 5xx."""

    def is_unread(self, envelope: Envelope) -> bool:
        """True for a copy of which not even the header is looked at: its content is thrown away while it comes in."""

    async def learn(self, arrival: Arrival, *, by_list_server: bool) -> Reply:
        """A copy that the mail server or, `by_list_server`, the list manager handed on: the reply to its content."""
