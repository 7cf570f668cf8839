"""The metrics of several workers as those of one guard."""

from __future__ import annotations

import pytest

from smtpguard.config.listeners import MetricsSettings
from smtpguard.metrics import families
from smtpguard.metrics.meters import Meters
from smtpguard.metrics.monitoring import Monitoring
from smtpguard.metrics.readings import Reading, Spread
from smtpguard.metrics.vitals import Vitals
from smtpguard.metrics.worker_readings import STALE_SECONDS, WorkerReadings
from smtpguard.slots import Slots
from tests.metrics.site import Monitor


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def reading(passed: int, sessions: int) -> Reading:
    """Of one process."""
    meters = Meters()
    meters.event("passed", "mail", passed)
    meters.members.replied(0.002, 250, content=True)
    return {**meters.values(), families.SESSIONS_OPEN.name: {(): sessions}}


def told(all_: Reading) -> tuple[object, object]:
    """Mails passed, and open sessions."""
    return all_[families.MAILS.name][("passed",)], all_[families.SESSIONS_OPEN.name].get(())


def test_all_workers_are_summed_up_histograms_as_well() -> None:
    slots, clock = Slots(3), Clock()
    leader, other = WorkerReadings(slots, 0, clock), WorkerReadings(slots, 2, clock)
    other.write(reading(5, 1))

    whole = leader.of_all(reading(2, 3))

    assert (7, 4) == told(whole)
    content = whole[families.REPLY.name][("members", "content")]
    assert isinstance(content, Spread)
    assert 2 == sum(content.buckets)


def test_a_dead_workers_counters_are_gone_on_with_and_its_sessions_are_not() -> None:
    slots, clock = Slots(2), Clock()
    leader = WorkerReadings(slots, 0, clock)
    WorkerReadings(slots, 1, clock).write(reading(5, 9))
    clock.now += STALE_SECONDS
    assert (7, 3) == told(leader.of_all(reading(2, 3)))

    successor = WorkerReadings(slots, 1, clock)
    successor.write(reading(1, 2))

    assert (8, 5) == told(leader.of_all(reading(2, 3)))


def test_a_leader_goes_on_from_what_the_former_one_had_counted() -> None:
    slots, clock = Slots(2), Clock()
    WorkerReadings(slots, 0, clock).write(reading(5, 9))

    assert (6, 2) == told(WorkerReadings(slots, 0, clock).of_all(reading(1, 2)))


class Doors:
    """A listener at which nobody is."""

    is_open = True
    sessions = visits = turned_away = 0


async def test_whatever_a_leader_has_told_its_successor_goes_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtpguard.metrics.monitoring.WRITE_SECONDS", 3600.0)
    monkeypatch.setattr("smtpguard.metrics.pages.FRESH_SECONDS", 0.0)
    slots = Slots(2)
    said = MetricsSettings.model_validate({"listen": "127.0.0.1:0"})
    monitoring = Monitoring(said, pytest.fail, WorkerReadings(slots, 0))
    await monitoring.start(Vitals(Doors(), None), dict)
    try:
        address = monitoring.address
        assert address is not None
        monitor = Monitor(int(address.rpartition(":")[2]))
        assert 0 == await monitor.value("mails_total", outcome="passed")
        monitoring.meters.event("passed", "mail", 5)
        assert 5 == await monitor.value("mails_total", outcome="passed")
    finally:
        await monitoring.stop()

    assert (5, None) == told(WorkerReadings(slots, 0).of_all({}))
