"""Gives the sessions their turn while a thread asks the system for many small things.

Each call of the system lets go of the interpreter (GIL) and takes it back microseconds later, before a thread that
waits for it is awake. Such a thread has no right to the next turn: it may ask for one only after it has waited for some
time in which nobody let go (sys.setswitchinterval). So a thousand files, looked at one after the other, kept all
sessions waiting for up to 120 ms.
"""

from __future__ import annotations

import select
import time

# So long one thing follows the other.
WORK_SECONDS = 0.001
# Then nobody else is in the way for so long; a thread wakes up in less than 0.1 ms.
REST_SECONDS = 0.0002


def rest(seconds: float) -> None:
    """Wait. Not by clock_nanosleep, as time.sleep does: under libfaketime, with which the time of a test is moved, it
    fails with EINVAL."""
    select.select((), (), (), seconds)


class Turns:
    """For one thread and one piece of work."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def give(self) -> None:
        """Call it between two small things; rests now and then."""
        if time.perf_counter() - self._since >= WORK_SECONDS:
            rest(REST_SECONDS)
            self._since = time.perf_counter()
