"""The metrics of several workers as those of one guard (`workers`): each writes its own down, the leading one sums up.

Counters never go back, though workers die: whoever takes a dead one's place goes on from what that had counted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from smtpguard.metrics.families import FAMILIES, Kind
from smtpguard.metrics.readings import Labels, Reading, Spread, Values, together
from smtpguard.slots import Slots

# How often each writes; so old may be what is told of the others.
WRITE_SECONDS = 1.0
# Whoever has not written for so long is dead or hangs: its counters count, its sessions and memory do not.
STALE_SECONDS = 10.0

_LASTING = frozenset(each.name for each in FAMILIES if each.kind is not Kind.GAUGE)


class WorkerReadings:
    """For the worker `number`. `clock` is the same to all processes."""

    def __init__(self, slots: Slots, number: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._number = number
        self._clock = clock
        self._former = _lasting(self._of(number))

    def write(self, own: Reading) -> None:
        """Tell the others."""
        whole = together([self._former, own])
        self._slots.write(self._number, _octets(whole, self._clock()))

    def of_all(self, own: Reading) -> Reading:
        """What the guard is as a whole."""
        others = (each for each in range(self._slots.count) if each != self._number)
        return together([self._former, own, *map(self._of, others)])

    def _of(self, number: int) -> Reading:
        octets = self._slots.read(number)
        if octets is None:
            return {}
        said = json.loads(octets)
        reading = {name: _values(values) for name, values in said["families"].items()}
        return reading if self._clock() - said["when"] < STALE_SECONDS else _lasting(reading)


def _lasting(reading: Reading) -> Reading:
    """The counters and histograms of it."""
    return {name: values for name, values in reading.items() if name in _LASTING}


def _octets(reading: Reading, when: float) -> bytes:
    families = {name: [[labels, _plain(each)] for labels, each in values.items()] for name, values in reading.items()}
    return json.dumps({"when": when, "families": families}).encode("ascii")


def _plain(value: float | Spread) -> Any:
    return [value.buckets, value.sum] if isinstance(value, Spread) else value


def _values(plain: list[Any]) -> Values:
    found: Mapping[Labels, float | Spread] = {
        tuple(labels): Spread(tuple(value[0]), value[1]) if isinstance(value, list) else value
        for labels, value in plain
    }
    return found
