"""What a door is told at start: where it listens, whom it lets in, and its bounds."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from smtpguard.upstream.connection import Target

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MIB = 1024 * 1024
# RFC 5321, 4.5.3.2.7: a server waits at least 5 minutes for the next command.
IDLE_SECONDS = 300.0
# RFC 5321, 4.5.3.2.5: 3 minutes for each piece of content.
DATA_IDLE_SECONDS = 180.0
LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


class Kind(Enum):
    """What a door is for."""

    SUBMISSION = "submission"
    ANSWERS = "answers"


class Protocol(Enum):
    """What is spoken on the answers door: SMTP (RFC 5321) or LMTP (RFC 2033)."""

    SMTP = "smtp"
    LMTP = "lmtp"


class Tls(Enum):
    """None, by STARTTLS (RFC 3207), or from the first octet on (RFC 8314)."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


class AuthWithoutTls(Enum):
    """Who may log in before TLS is active."""

    NEVER = "never"
    LOOPBACK = "loopback"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """One door. Times in seconds, sizes in octets.

    `port` 0 takes a free one. `target` is the mail server behind a submission door; `context` is needed with TLS;
    `spool` is the folder of temporary files, None for the system's own place; `trust` are the networks that an answers
    door lets in; `hostname` is the name it greets with (a submission door greets as its mail server does).
    """

    host: str
    port: int
    kind: Kind = Kind.SUBMISSION
    target: Target | None = None
    tls: Tls = Tls.NONE
    context: ssl.SSLContext | None = None
    auth_required: bool = True
    auth_without_tls: AuthWithoutTls = AuthWithoutTls.LOOPBACK
    message_size: int = 25 * MIB
    idle: float = IDLE_SECONDS
    data_idle: float = DATA_IDLE_SECONDS
    spool: Path | None = None
    trust: tuple[Network, ...] = LOOPBACK
    protocol: Protocol = Protocol.SMTP
    hostname: str = "localhost"

    def __post_init__(self) -> None:
        if self.kind is Kind.SUBMISSION and self.target is None:
            raise ValueError("a submission door needs a mail server behind it")
        if self.tls is not Tls.NONE and self.context is None:
            raise ValueError("TLS needs a certificate")


def is_within(host: str, networks: tuple[Network, ...]) -> bool:
    """True if the peer address `host` lies in one of `networks`; an IPv4 address mapped into IPv6 counts as IPv4."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
