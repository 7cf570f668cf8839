"""What the first worker of a guard tells the others, in memory that they share (`workers`): how far time is to be
believed. It alone looks at the store's clock and at its signs of life."""

from __future__ import annotations

import mmap

_NUMBERS = 2
_NUMBER_OCTETS = 8


class Bulletin:
    """To be made before the workers are forked; one writes, all read."""

    def __init__(self) -> None:
        self._numbers = memoryview(mmap.mmap(-1, _NUMBERS * _NUMBER_OCTETS)).cast("d")

    @property
    def paused_until(self) -> float:
        """Until when expiry pauses, by the monotonic clock, which all processes share; 0: it does not."""
        return float(self._numbers[0])

    @paused_until.setter
    def paused_until(self, moment: float) -> None:
        self._numbers[0] = moment

    @property
    def seconds_apart(self) -> float:
        """How far the clocks of this machine and of the store are apart."""
        return float(self._numbers[1])

    @seconds_apart.setter
    def seconds_apart(self, seconds: float) -> None:
        self._numbers[1] = seconds
