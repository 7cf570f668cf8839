"""A running guard and whoever asks it as monitoring does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.loopback.guarded import House, guarded
from tests.web.site import PageSite

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


class Monitor(PageSite):
    """Prometheus, as far as the guard sees it."""

    async def samples(self) -> Samples:
        """All samples by name and labels."""
        return samples_of((await self.get("/metrics")).text)

    async def value(self, name: str, **labels: str) -> float:
        """One sample."""
        return (await self.samples())[f"smtpguard_{name}", frozenset(labels.items())]


def samples_of(text: str) -> Samples:
    """All samples of an exposition by name and labels."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, f"{key} stands there twice"
            found[key] = sample.value
    return found


@asynccontextmanager
async def monitored(folder: Path, **changes: Any) -> AsyncIterator[tuple[House, Monitor]]:
    """A guard with a port for monitoring; `changes` replace keys of smtpguard.yaml."""
    async with guarded(folder, **{"metrics": {"listen": "127.0.0.1:0"}, **changes}) as house:
        address = house.application.metrics
        assert address is not None
        yield house, Monitor(int(address.rpartition(":")[2]))
