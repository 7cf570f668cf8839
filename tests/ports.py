"""Free loopback ports, and waiting for somebody to answer on one."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import cycle

HOST = "127.0.0.1"
HOST_6 = "::1"

# Below 32768, where Linux begins to hand out ports for outgoing connections: a port found free here stays free.
FIRST, LAST = 20_000, 32_000
PAUSE = 0.05  # seconds between two tries


def _deck() -> list[int]:
    """Ports in an order of this process alone; of tests that run at the same time, each process has its own."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = list(range(FIRST + own, LAST, processes))
    # Not the generator that everybody shares, which a test may have seeded.
    random.SystemRandom().shuffle(ports)
    return ports


# None comes again before all others: whoever has been given one may not listen yet.
_NEXT = cycle(_deck())


def _has_ipv6() -> bool:
    """True if this machine's own IPv6 address can be listened on; in some containers it cannot."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((HOST_6, 0))
    except OSError:
        return False
    return True


HAS_IPV6 = _has_ipv6()


def free_ports(count: int) -> list[int]:
    """`count` ports on which nobody listens; what was given once is not given again."""
    found: list[int] = []
    while len(found) < count:
        port = next(_NEXT)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        found.append(port)
    return found


def free_port() -> int:
    """One of them."""
    [port] = free_ports(1)
    return port


def wait_until(what: str, holds: Callable[[], bool], seconds: float) -> None:
    """Look again and again until `holds()`. Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(PAUSE)


def free_address(*ports: int) -> str:
    """One of this machine's own IPv4 addresses, at which nobody listens on `ports`, which may be any.

    Raises OSError where somebody listens on one of them at every address.
    """
    address = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
    with ExitStack() as bound:
        for port in ports:
            bound.enter_context(socket.socket()).bind((address, port))
    return address


def answers(port: int, host: str = HOST) -> bool:
    """True if something accepts connections on this port."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
