"""Who asks: whether a form is our own page's, and from which address."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import Request

Network = IPv4Network | IPv6Network

# Proxies in a row that add an address each; further ones are not looked at.
FORWARDS_MAX = 20
# What one household or one server is given at least (RFC 6177, 2): who counts single addresses counts nothing.
_SHARED_PREFIX = 64


def is_own_form(request: Request, origin: str) -> bool:
    """True for a form that was sent by a page of `origin` (THREAT-MODEL T-23): scheme, host and port, as browsers say.

    Origin is asked first, and "null" is nobody's; a browser without it says so in Sec-Fetch-Site. Host is not asked:
    whoever makes a request chooses it.
    """
    origins = request.headers.getlist("origin")
    if origins:
        return origins == [origin]
    return request.headers.getlist("sec-fetch-site") == ["same-origin"]


def client_of(request: Request, proxies: Sequence[Network]) -> str | None:
    """Whom requests and wrong codes are counted for, see `told_client`."""
    host = request.client.host if request.client is not None else None
    return told_client(host, request.headers.getlist("x-forwarded-for"), proxies)


def told_client(host: str | None, forwarded: Sequence[str], proxies: Sequence[Network]) -> str | None:
    """The client's address, or for IPv6 its network; None for a proxy that does not tell for whom it asks.

    `host` is who is connected, None for a socket of the file system, which only a web server on this machine opens.
    `forwarded` are the lines of X-Forwarded-For. They count where they come from `proxies` or by that socket; then the
    last address in them that is no proxy's.
    """
    peer = None if host is None else _address(host)
    if peer is None or _is_among(peer, proxies):
        told = ",".join(forwarded).split(",")[-FORWARDS_MAX:]
        for each in reversed(told):
            address = _address(each.strip())
            if address is None:
                break
            peer = address
            if not _is_among(address, proxies):
                break
    if peer is None or _is_among(peer, proxies):
        return None
    if isinstance(peer, IPv6Address):
        return str(IPv6Network((int(peer), _SHARED_PREFIX), strict=False))
    return str(peer)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _is_among(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in each for each in networks)
