"""A few thousand octets of each worker of a guard that all others can read, in memory that they share (`workers`)."""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterator

# The metrics of one process take a tenth; pages that nobody wrote to cost nothing.
SLOT_OCTETS = 128 * 1024
# Number, length and check sum: whoever reads while somebody writes sees that.
_HEAD = struct.Struct("=QII")
# Written in turns: of whoever is cut off while he writes, or sleeps then, the text before still stands.
_HALVES = 2
# Whoever looks at one half, sleeps, and looks at the other while that is written, looks again.
_TRIES = 5


class Slots:
    """One for each of `workers`. To be made before they are forked; what stands in a slot outlives its worker."""

    def __init__(self, workers: int) -> None:
        self.count = workers
        self._memory = mmap.mmap(-1, workers * _HALVES * SLOT_OCTETS)

    def write(self, number: int, octets: bytes) -> None:
        """Put `octets` into the slot of this number, which nobody else writes to. Raises ValueError if it is small."""
        if len(octets) > SLOT_OCTETS - _HEAD.size:
            raise ValueError("this is too much for a slot")
        writings = max((each for each, _ in self._whole(number)), default=0) + 1
        begin = self._begin(number, writings % _HALVES)
        self._memory[begin + _HEAD.size : begin + _HEAD.size + len(octets)] = octets
        self._memory[begin : begin + _HEAD.size] = _HEAD.pack(writings, len(octets), zlib.crc32(octets))

    def read(self, number: int) -> bytes | None:
        """What was written there last, and whole; None if nothing was."""
        for _ in range(_TRIES):
            if found := list(self._whole(number)):
                return max(found)[1]
        return None

    def _whole(self, number: int) -> Iterator[tuple[int, bytes]]:
        """What stands there, each with how many were written up to it."""
        for half in range(_HALVES):
            begin = self._begin(number, half)
            writings, length, check = _HEAD.unpack_from(self._memory, begin)
            octets = self._memory[begin + _HEAD.size : begin + _HEAD.size + min(length, SLOT_OCTETS - _HEAD.size)]
            if octets and zlib.crc32(octets) == check:
                yield writings, octets

    @staticmethod
    def _begin(number: int, half: int) -> int:
        return (number * _HALVES + half) * SLOT_OCTETS
