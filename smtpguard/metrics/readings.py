"""What all metrics are at a moment, as a value: made in each process, summed up over processes, then printed.

A reading is plain numbers under names from `families`, so that it can go from one process to another as it is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from smtpguard.metrics.families import FAMILIES, Across, Family, Kind

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """A histogram's numbers: how many fell into each bucket (the last has no bound), and the sum of all, in seconds."""

    buckets: tuple[int, ...]
    sum: float


# What a family's series are; one that is not known at present has none.
Values = Mapping[Labels, float | Spread]
Reading = Mapping[str, Values]


class Histogram:
    """Counts seconds into buckets; `add` is quick, and for the event loop's thread."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def spread(self) -> Spread:
        """The numbers so far."""
        return Spread(tuple(self._counts), self._sum)


def together(readings: Sequence[Reading]) -> Reading:
    """What several processes of one guard are as a whole."""
    return {each.name: _of_family(each, [one.get(each.name, {}) for one in readings]) for each in FAMILIES}


def _of_family(family: Family, parts: Iterable[Values]) -> Values:
    found: dict[Labels, list[float | Spread]] = {}
    for part in parts:
        for labels, value in part.items():
            found.setdefault(labels, []).append(value)
    return {labels: _as_one(family, values) for labels, values in found.items()}


def _as_one(family: Family, values: Sequence[float | Spread]) -> float | Spread:
    if family.kind is Kind.HISTOGRAM:
        spreads = [each for each in values if isinstance(each, Spread)]
        buckets = tuple(map(sum, zip(*(each.buckets for each in spreads), strict=True)))
        return Spread(buckets, sum(each.sum for each in spreads))
    numbers = [each for each in values if not isinstance(each, Spread)]
    match family.across:
        case Across.LARGEST:
            return max(numbers)
        case Across.SMALLEST:
            return min(numbers)
        case _:
            return sum(numbers)
