"""Gives the sessions their turn while a thread asks the system for many small things.

Each call of the system lets go of the interpreter (GIL) and takes it back microseconds later, before a thread that
waits for it is awake. Such a thread has no right to the next turn: it may ask for one only after it has waited for some
time in which nobody let go (sys.setswitchinterval). So a thousand files, looked at one after the other, kept all
sessions waiting for up to 120 ms.
"""

from __future__ import annotations

import time

# So long one thing follows the other.
WORK_SECONDS = 0.002
# Then nobody else is in the way for so long, and the 0.05 ms that Linux adds: enough for a thread to wake up.
REST_SECONDS = 0.0001


class Turns:
    """For one thread and one piece of work."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def give(self) -> None:
        """Call it between two small things; sleeps now and then."""
        if time.perf_counter() - self._since >= WORK_SECONDS:
            time.sleep(REST_SECONDS)
            self._since = time.perf_counter()
