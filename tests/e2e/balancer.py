"""A TCP balancer in front of several guards: connections in turn, no sticky sessions, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.loopback.links import Link

SECONDS = 60.0  # for the beginning and the end of one


@contextmanager
def balancer(port: int, *behind: int) -> Iterator[None]:
    """Passes what comes to `port` on to the ports `behind`, one after the other."""
    link, loop = Link(behind), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="balancer")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(link.start(port), loop).result(SECONDS)
        yield
        asyncio.run_coroutine_threadsafe(link.stop(), loop).result(SECONDS)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)
        loop.close()
