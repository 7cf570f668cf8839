"""The sockets of a door, before anybody listens at them: one for each worker of a guard, at the same address."""

from __future__ import annotations

import socket


def bound(host: str, port: int, workers: int) -> tuple[tuple[socket.socket, ...], ...]:
    """For each of `workers` the sockets that listen at `host` and `port`; 0 takes a free one. A name may mean several
    addresses. The system deals clients out among those that listen (SO_REUSEPORT, socket(7)).

    Raises OSError if an address cannot be had, also if another guard has it.
    """
    first: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            first.append(_bound(family, address, shares=False))
    except OSError:
        for each in first:
            each.close()
        raise
    own = tuple(first)
    for each in own:
        # Only now: another guard of this user at this address would have let us in.
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return (own, *(bound_like(own) for _ in range(workers - 1)))


def bound_like(sockets: tuple[socket.socket, ...]) -> tuple[socket.socket, ...]:
    """More sockets at the addresses of these. Raises OSError."""
    return tuple(_bound(each.family, each.getsockname(), shares=True) for each in sockets)


def _addresses(host: str, port: int) -> list[tuple[int, tuple[object, ...]]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bound(family: int, address: tuple[object, ...], *, shares: bool) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # Who writes [::] means everybody; any other address means itself.
            everybody = address[0] == "::" and socket.has_dualstack_ipv6()
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if everybody else 1)
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened
