"""What a door is told at start: where it listens, whom it lets in, and its bounds."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from smtpguard.tls_context import Context, in_force
from smtpguard.upstream.target import Target

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MIB = 1024 * 1024
# RFC 5321, 4.5.3.2.7: a server waits at least 5 minutes for the next command.
IDLE_SECONDS = 300.0
# RFC 5321, 4.5.3.2.5: 3 minutes for each piece of content.
DATA_IDLE_SECONDS = 180.0
# RFC 5321, 4.5.3.1.8 asks for 100 at least; Postfix takes 1,000 (smtpd_recipient_limit) and splits larger mail itself.
RECIPIENTS_MAX = 1_000
# Each costs two file descriptors and some 20 KB; an organisation's members do not come near it.
CONNECTIONS_MAX = 2_000
# One member's programs open five or ten, an office behind one address some dozens; one client must not take them all.
CONNECTIONS_PER_ADDRESS_MAX = 50
# No program sends so many in one go, a stolen password does. Whoever really means it connects again.
MESSAGES_PER_SESSION_MAX = 1_000
# Own refusals in one session; a dictionary attack or a program gone mad ends here.
ERRORS_PER_SESSION_MAX = 20
# RFC 5321, 6.3: a loop is known by its Received fields; a bound "normally at least 100" meets no honest mail.
RECEIVED_FIELDS_MAX = 100
LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


class Kind(Enum):
    """What a door is for."""

    SUBMISSION = "submission"
    FILTER = "filter"
    ANSWERS = "answers"
    TAP = "tap"


class Protocol(Enum):
    """What is spoken on an answers door or a tap: SMTP (RFC 5321) or LMTP (RFC 2033)."""

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

    `port` 0 takes a free one; `passed` is the name of a socket that is open already, which counts instead of both.
    `target` is the mail server behind a submission or filter door; `context` is needed with TLS; `spool` is the folder
    of temporary files, None for the system's own place; `trust` are the networks that an answers or filter door or a
    tap lets in, and `list_server` those from which a tap takes list posts as public;
    `trusted_networks` may send by a submission door without a login (90-06);
    `received_by` is the front whose Received field names the account, None where it says so by XCLIENT; `hostname` is
    the name that an answers door or a tap greets with (the others greet as their mail server does);
    `proxy_protocol` are the networks of balancers, whose connections begin with a PROXY header.
    `connections` and `connections_per_address` are counted over all doors. With `reuse_port` several processes of one
    user may listen at the same address (SO_REUSEPORT); the kernel deals clients out among them.
    """

    host: str
    port: int
    kind: Kind = Kind.SUBMISSION
    target: Target | None = None
    tls: Tls = Tls.NONE
    context: Context | None = None
    auth_required: bool = True
    auth_without_tls: AuthWithoutTls = AuthWithoutTls.LOOPBACK
    message_size: int = 25 * MIB
    idle: float = IDLE_SECONDS
    data_idle: float = DATA_IDLE_SECONDS
    spool: Path | None = None
    trust: tuple[Network, ...] = LOOPBACK
    protocol: Protocol = Protocol.SMTP
    hostname: str = "localhost"
    recipients: int = RECIPIENTS_MAX
    connections: int = CONNECTIONS_MAX
    connections_per_address: int = CONNECTIONS_PER_ADDRESS_MAX
    messages_per_session: int = MESSAGES_PER_SESSION_MAX
    errors_per_session: int = ERRORS_PER_SESSION_MAX
    received_fields: int = RECEIVED_FIELDS_MAX
    proxy_protocol: tuple[Network, ...] = ()
    reuse_port: bool = False
    trusted_networks: tuple[Network, ...] = ()
    received_by: str | None = None
    list_server: tuple[Network, ...] = ()
    passed: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in (Kind.ANSWERS, Kind.TAP) and self.target is None:
            raise ValueError("a door for sending needs a mail server behind it")
        if self.tls is not Tls.NONE and self.context is None:
            raise ValueError("TLS needs a certificate")

    @property
    def tls_context(self) -> ssl.SSLContext:
        """For a handshake that begins now. Raises ValueError if there is none."""
        return in_force(self.context)


def is_within(host: str, networks: tuple[Network, ...]) -> bool:
    """True if the peer address `host` lies in one of `networks`; an IPv4 address mapped into IPv6 counts as IPv4."""
    address = _address(host)
    return address is not None and any(address in network for network in networks)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
