"""Readings in Prometheus' text format. The one place where a registry is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from smtpguard.metrics.families import FAMILIES, Family, Kind
from smtpguard.metrics.readings import Reading, Spread, Values

# The format that every version of Prometheus reads.
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class ReadingCollector(Collector):
    """Collects whatever `read` gives: this process, or several together (`readings.together`)."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Each family that has a value. Raises ValueError for a label value that families.py does not know."""
        reading = self._read()
        for family in FAMILIES:
            values = reading.get(family.name, {})
            if not values.keys() <= set(family.series):
                raise ValueError(f"{family.name} has a label value that nobody declared")
            if values:
                yield _metric(family, values)


def _metric(family: Family, values: Values) -> Metric:
    labels = tuple(family.labels)
    if family.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(family.name, family.help, labels=labels)
        bounds = [*map(floatToGoString, family.bounds), "+Inf"]
        for each, value in values.items():
            assert isinstance(value, Spread)  # noqa: S101 - readings.Histogram made it
            histogram.add_metric(each, list(zip(bounds, accumulate(value.buckets), strict=True)), value.sum)
        return histogram
    kind = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=labels)
    for each, value in values.items():
        assert not isinstance(value, Spread)  # noqa: S101 - likewise
        metric.add_metric(each, value)
    return metric


def registry(read: Callable[[], Reading]) -> CollectorRegistry:
    """A registry of our own: the library's default one would tell of the Python in use and count the process twice."""
    made = CollectorRegistry(auto_describe=False)
    made.register(ReadingCollector(read))
    return made


def exposition(reading: Reading) -> bytes:
    """All metrics as Prometheus reads them."""
    return bytes(generate_latest(registry(lambda: reading)))
