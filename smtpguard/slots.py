"""A few thousand octets of each worker of a guard that all others can read, in memory that they share (`workers`)."""

from __future__ import annotations

import mmap
import struct
import zlib

# The metrics of one process take a tenth; pages that nobody wrote to cost nothing.
SLOT_OCTETS = 128 * 1024
# Length and check sum: whoever reads while somebody writes sees that, and looks again.
_HEAD = struct.Struct("=II")
_TRIES = 5


class Slots:
    """One for each of `workers`. To be made before they are forked; what stands in a slot outlives its worker."""

    def __init__(self, workers: int) -> None:
        self.count = workers
        self._memory = mmap.mmap(-1, workers * SLOT_OCTETS)

    def write(self, number: int, octets: bytes) -> None:
        """Put `octets` into the slot of this number, which nobody else writes to. Raises ValueError if it is small."""
        if len(octets) > SLOT_OCTETS - _HEAD.size:
            raise ValueError("this is too much for a slot")
        begin = number * SLOT_OCTETS
        self._memory[begin + _HEAD.size : begin + _HEAD.size + len(octets)] = octets
        self._memory[begin : begin + _HEAD.size] = _HEAD.pack(len(octets), zlib.crc32(octets))

    def read(self, number: int) -> bytes | None:
        """What was written there last; None if nothing was, or if it could not be read for writing."""
        begin = number * SLOT_OCTETS
        for _ in range(_TRIES):
            length, check = _HEAD.unpack_from(self._memory, begin)
            octets = self._memory[begin + _HEAD.size : begin + _HEAD.size + min(length, SLOT_OCTETS - _HEAD.size)]
            if octets and zlib.crc32(octets) == check:
                return octets
        return None
