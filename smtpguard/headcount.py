"""How many clients are inside over all workers of a guard, in memory that they share (`workers`).

Each worker writes its own row alone and reads all of them: no lock, and nobody waits for anybody. A row has the number
of its clients, and how many come from each address, by a keyed hash: no address stands there, and two of one bucket are
counted together. So an address may be thought to have more clients than it has, never fewer. For that it must share the
bucket of one that is full, and of these there can be but forty (`limits.connections` through
`limits.connections_per_address`, at their defaults): one address in 1,600 meets one, while it is full.
"""

from __future__ import annotations

import mmap
from hashlib import blake2b
from secrets import token_bytes

# With 256 KB for each worker; pages that nobody wrote to cost nothing.
BUCKETS = 65_536
_KEY_OCTETS = 16
_NUMBER_OCTETS = 4
# The number of all stands in front of the buckets, on a page of its own row.
_ROW = BUCKETS + 1


class Headcount:
    """The rows of `workers`. To be made before they are forked."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._key = token_bytes(_KEY_OCTETS)
        self._numbers = memoryview(mmap.mmap(-1, workers * _ROW * _NUMBER_OCTETS)).cast("I")

    def row(self, worker: int) -> Row:
        """What the worker of this number counts with."""
        return Row(self._numbers, self._key, worker)

    def clear(self, worker: int) -> None:
        """This worker is dead, and its clients are gone."""
        for place in range(worker * _ROW, (worker + 1) * _ROW):
            if self._numbers[place]:
                self._numbers[place] = 0


class Row:
    """One worker's row, and its eyes on all others."""

    def __init__(self, numbers: memoryview, key: bytes, worker: int) -> None:
        self._numbers = numbers
        self._key = key
        self._own = worker * _ROW

    def enter(self, client: str | None) -> None:
        """A client has come in, from the address `client` if that is counted."""
        self._numbers[self._own] += 1
        if client is not None:
            self._numbers[self._own + self._bucket(client)] += 1

    def leave(self, client: str | None) -> None:
        """A client that came in has gone."""
        self._numbers[self._own] -= 1
        if client is not None:
            self._numbers[self._own + self._bucket(client)] -= 1

    @property
    def inside(self) -> int:
        """How many clients all workers have."""
        return sum(self._numbers[::_ROW])

    def inside_from(self, client: str) -> int:
        """How many of them come from `client`, or from whoever shares its bucket."""
        return sum(self._numbers[self._bucket(client) :: _ROW])

    def _bucket(self, client: str) -> int:
        digest = blake2b(client.encode("utf-8", "surrogateescape"), digest_size=8, key=self._key).digest()
        return 1 + int.from_bytes(digest, "big") % BUCKETS
