"""How large contents and small commands share the one thread of the guard.

A piece of 256 KB costs half a millisecond in which nobody else is served, and the next one is there at once. While
others send commands, all large contents together get a budget of octets a second; alone they get everything.
"""

from __future__ import annotations

# Some 0.35 of the thread on a machine where 10 MB cost 12 ms; more than a gigabit line brings.
OCTETS_PER_SECOND = 150e6
# Somebody who was served so lately is probably in the middle of a dialogue.
BESIDE_SECONDS = 0.02
# What is less is no large content, or the end of one.
PIECE_OCTETS = 32 * 1024
# Timers are not finer than this; a shorter rest is owed and taken later.
REST_SECONDS_MIN = 0.001


class Pace:
    """One for a process; times are those of the event loop, in seconds."""

    def __init__(self) -> None:
        self._served = float("-inf")
        self._free = 0.0

    def command(self, now: float) -> None:
        """Somebody's command has been obeyed."""
        self._served = now

    def rest(self, octets: int, now: float) -> float:
        """How long whoever has just moved `octets` of content should leave the thread to others; 0 for not at all."""
        if octets < PIECE_OCTETS or now - self._served > BESIDE_SECONDS:
            return 0.0
        self._free = max(self._free, now) + octets / OCTETS_PER_SECOND
        rest = self._free - now
        return rest if rest >= REST_SECONDS_MIN else 0.0
