"""A thread that asks the system for many small things gives others their turn."""

from __future__ import annotations

import pytest

from smtpguard import turns
from smtpguard.turns import REST_SECONDS, WORK_SECONDS, Turns


class Clock:
    """Nothing passes but what is worked and rested."""

    def __init__(self) -> None:
        self.now = 100.0
        self.rested: list[float] = []

    def perf_counter(self) -> float:
        return self.now

    def rest(self, seconds: float) -> None:
        self.now += seconds
        self.rested.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(turns, "time", found)
    monkeypatch.setattr(turns, "rest", found.rest)
    return found


def test_after_so_much_work_there_is_a_rest_and_then_work_again(clock: Clock) -> None:
    given = Turns()
    for _ in range(100):
        clock.now += WORK_SECONDS / 10
        given.give()
    assert 8 <= len(clock.rested) <= 10
    assert {REST_SECONDS} == set(clock.rested)


def test_little_work_is_not_interrupted(clock: Clock) -> None:
    given = Turns()
    for _ in range(9):
        clock.now += WORK_SECONDS / 10
        given.give()
    assert not clock.rested
