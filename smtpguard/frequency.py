"""How often something happened lately, counted over all workers of a guard, in memory that they share (`workers`).

Each worker writes its own rows alone and reads all of them, without a lock. Time goes by in slices; a row is one slice
of one worker, and begins anew when its turn comes round again. What is counted stands there by a keyed hash: two names
of one bucket are counted together, and a slice counts as long as any of it does. So something may be thought to have
happened more often than it has, never less often.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable, Iterator
from hashlib import blake2b
from secrets import token_bytes

# Names that are counted at one time are some dozens, those whose bound is near a few.
BUCKETS = 16_384
# The window, and one more for the slice that is under way.
SLICES = 13
_KEY_OCTETS = 16
_NUMBER_OCTETS = 4
# The slice's number by the clock, counted from 1, stands in front of its buckets; 0: never used.
_ROW = BUCKETS + 1
_EMPTY = memoryview(bytes(BUCKETS * _NUMBER_OCTETS)).cast("I")


class Frequency:
    """What happened within the last `seconds`, up to a twelfth more; for `workers`, and to be made before they are
    forked. `clock` gives seconds, the same to all processes."""

    def __init__(self, workers: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.key = token_bytes(_KEY_OCTETS)
        self.slice_seconds = seconds / (SLICES - 1)
        self.clock = clock
        self.numbers = memoryview(mmap.mmap(-1, workers * SLICES * _ROW * _NUMBER_OCTETS)).cast("I")

    def rows(self, worker: int) -> Rows:
        """What the worker of this number counts with. They outlive it: what has happened has happened."""
        return Rows(self, worker)


class Rows:
    """One worker's rows, and its eyes on all others."""

    def __init__(self, frequency: Frequency, worker: int) -> None:
        self._all = frequency
        self._own = worker * SLICES * _ROW

    def add(self, name: bytes) -> None:
        """It has happened to `name` once more."""
        numbers, now = self._all.numbers, self._now()
        row = self._own + now % SLICES * _ROW
        if numbers[row] != now:
            # The buckets first: whoever looks meanwhile finds an old slice, or an empty new one.
            if numbers[row]:
                numbers[row] = 0
                numbers[row + 1 : row + _ROW] = _EMPTY
            numbers[row] = now
        numbers[row + self._bucket(name)] += 1

    def take_back(self, name: bytes) -> None:
        """The last time that this worker added it came to nothing."""
        numbers, bucket = self._all.numbers, self._bucket(name)
        own = (row for row in self._lately() if self._own <= row < self._own + SLICES * _ROW)
        for row in sorted(own, key=lambda each: numbers[each], reverse=True):
            if numbers[row + bucket]:
                numbers[row + bucket] -= 1
                return

    def count(self, name: bytes) -> int:
        """How often it happened to `name`, to all workers together."""
        bucket = self._bucket(name)
        return sum(self._all.numbers[row + bucket] for row in self._lately())

    def _lately(self) -> Iterator[int]:
        numbers, now = self._all.numbers, self._now()
        return (row for row in range(0, len(numbers), _ROW) if now - SLICES < numbers[row] <= now)

    def _now(self) -> int:
        return int(self._all.clock() / self._all.slice_seconds) + 1

    def _bucket(self, name: bytes) -> int:
        return 1 + int.from_bytes(blake2b(name, digest_size=8, key=self._all.key).digest(), "big") % BUCKETS
