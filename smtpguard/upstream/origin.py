"""Where a member's connection comes from, told to the mail server: by XCLIENT or by a PROXY header.

Without it all members come from the guard's one address, and what the mail server does by address (limits, fail2ban,
its log) hits everybody at once.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Origin:
    """One TCP connection: where it came from and where it arrived, as its first server saw it."""

    source: IPAddress
    source_port: int
    destination: IPAddress
    destination_port: int

    @property
    def proxy_header(self) -> bytes:
        """The header of the PROXY protocol, version 1 (HAProxy's proxy-protocol.txt, 2.1), which all servers know.

        Both addresses must be of one family there. Where they are not, nobody listened at the destination as it would
        have to be written, and the source's is what counts: the destination becomes the unspecified address.
        """
        destination = self.destination
        if destination.version != self.source.version:
            destination = type(self.source)(0)
        words = f"TCP{4 if self.source.version == 4 else 6} {self.source} {destination}"
        return f"PROXY {words} {self.source_port} {self.destination_port}\r\n".encode("ascii")

    def xclient(self, offered: Collection[str]) -> bytes | None:
        """The XCLIENT command with those attributes that are `offered` (upper case); None if ADDR is not among them.

        Postfix's XCLIENT_README: an IPv6 address has a prefix, and without NAME the guard's own name would go on
        standing beside the member's address, where an access table could take it for the member's.
        """
        if "ADDR" not in offered:
            return None
        prefix = "IPV6:" if self.source.version == 6 else ""
        values = {
            "NAME": "[UNAVAILABLE]",
            "REVERSE_NAME": "[UNAVAILABLE]",
            "ADDR": f"{prefix}{self.source}",
            "PORT": str(self.source_port),
        }
        return b" ".join([b"XCLIENT", *(f"{n}={v}".encode("ascii") for n, v in values.items() if n in offered)])


def ip_address(host: str) -> IPAddress | None:
    """The address in `host`, without a zone; IPv4 mapped into IPv6 is IPv4 (RFC 4291, 2.5.5.2). None if it is none."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def origin_of(source: object, destination: object) -> Origin | None:
    """The origin of a connection by the names that sockets give its ends; None if they are not of TCP over IP."""
    ends: list[tuple[IPAddress, int]] = []
    for name in (source, destination):
        if not isinstance(name, tuple) or len(name) < 2:
            return None
        address = ip_address(str(name[0]))
        if address is None:
            return None
        ends.append((address, int(name[1])))
    return Origin(*ends[0], *ends[1])
