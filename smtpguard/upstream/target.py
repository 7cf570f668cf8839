"""Where a mail server is, how it is spoken to, and how long it is waited for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from smtpguard.tls_context import Context

Opened = TypeVar("Opened")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. RFC 5321, 4.5.3.2 asks for 5 minutes a command and 10 for the final dot; TCP and TLS together: 30 s."""

    connect: float = 30
    reply: float = 300
    final: float = 600


class Meter(Protocol):
    """Hears how a mail server fares; asked often, so it only counts."""

    def replied(self, seconds: float, code: int, *, content: bool) -> None:
        """A reply came `seconds` after its command or, `content`, after the final dot. `code` is 200 to 599."""

    def unreachable(self) -> None:
        """No connection, no TLS, or turned away at the greeting."""

    def lost(self) -> None:
        """A connection broke, fell silent or talked garbage while a reply was waited for."""


class Locator(Protocol):
    """Finds out where the mail server is, each time that a connection is opened."""

    async def connect(self, target: Target, opener: Callable[..., Awaitable[Opened]]) -> Opened:
        """Call `opener(found, seconds=...)` with targets that need no locator until one connects, for at most so long.

        Raises UpstreamError if none does.
        """


@dataclass(frozen=True, slots=True)
class Target:
    """Where the mail server is and how it is spoken to. `tls` is none, starttls or implicit (RFC 8314); `host` is a
    name or an IP address (IPv6 without brackets) and is also the name that the certificate must bear.

    `address` is where to connect to, if that is not to be found by `host`; `proof` looks at the handshake (an
    ssl.SSLObject) where the `context` does not, and raises UpstreamError. With a `locator` the rest is what it goes by.
    """

    host: str
    port: int
    tls: str = "none"
    context: Context | None = field(default=None, repr=False)
    timeouts: Timeouts = Timeouts()
    address: str | None = None
    proof: Callable[[Any], None] | None = field(default=None, repr=False)
    locator: Locator | None = field(default=None, repr=False)
    client_address: str = "none"
    """How the mail server learns where a member's connection comes from: none, xclient or proxy."""
    meter: Meter | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.client_address not in ("none", "xclient", "proxy"):
            raise ValueError(f"client_address is none, xclient or proxy, not {self.client_address!r}")
        if self.tls not in ("none", "starttls", "implicit"):
            raise ValueError(f"tls is none, starttls or implicit, not {self.tls!r}")
        if self.tls != "none" and self.context is None:
            raise ValueError("TLS needs a context")
