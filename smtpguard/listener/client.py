"""Who is at the other end of a line: the address that limits, trust and the mail server's log go by."""

from __future__ import annotations

import asyncio
import ipaddress

from smtpguard.listener.options import LOOPBACK, Network, is_within
from smtpguard.upstream.origin import Origin, origin_of

# Whoever has one IPv6 address has its whole /64 (RFC 4291, 2.5.4; RFC 6177).
IPV6_CLIENT_PREFIX = 64


class Client:
    """Behind a balancer that is not who connected. `nameless` are those of whom a balancer gives no address."""

    def __init__(self) -> None:
        self.nameless = False
        self.host = ""
        """The address as text; empty where there is none."""
        self._origin: Origin | None = None
        self._transport: asyncio.BaseTransport | None = None

    @property
    def origin(self) -> Origin | None:
        """Both ends of the client's own connection. Looked at when somebody asks: few do, and it costs."""
        if self._origin is None and self._transport is not None:
            ends = (self._transport.get_extra_info(each) for each in ("peername", "sockname"))
            self._origin = origin_of(*ends)
        return self._origin

    def meet(self, transport: asyncio.BaseTransport) -> None:
        """It connected by `transport`. Whoever is known already stays who he is."""
        if not self.host:
            peer = transport.get_extra_info("peername")
            self.host = str(peer[0]) if isinstance(peer, tuple) else ""
            self._transport = transport

    def meet_at(self, origin: Origin) -> None:
        """It connected from there."""
        self._origin, self.host = origin, str(origin.source)

    def meet_through(self, balancer: Origin, origin: Origin | None) -> None:
        """A balancer connected, for the client at `origin`; None: for itself, or for somebody it has no address of."""
        if origin is not None and origin.source.is_loopback and not balancer.source.is_loopback:
            # Loopback is another machine there. It must not count as this one.
            origin = None
        self.nameless = origin is None
        self.meet_at(origin or balancer)

    def comes_from(self, networks: tuple[Network, ...]) -> bool:
        """True if its address lies in one of `networks`."""
        return is_within(self.host, networks)

    @property
    def is_local(self) -> bool:
        """True if nothing it says leaves this machine on its way to us."""
        return not self.nameless and self.comes_from(LOOPBACK)

    @property
    def counts_as(self) -> str | None:
        """What `connections_per_address` counts by: see `client_key`; None if there is no such bound."""
        return None if self.nameless else client_key(self.host)


def client_key(host: str) -> str | None:
    """The same text for whatever one client may come from: an IPv4 address, or the /64 of an IPv6 address.

    An IPv4 address mapped into IPv6 counts as IPv4. None for what is no IP address.
    """
    if ":" not in host:
        return host or None
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return None
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address.packed, IPV6_CLIENT_PREFIX), strict=False))
