"""How often something happened lately, over several workers."""

from __future__ import annotations

import os

from smtpguard.alarms import Alarms
from smtpguard.answering import WrongCodes
from smtpguard.frequency import SLICES, Frequency
from smtpguard.mail.message import Account

HOUR = 3600.0
ANNA = b"anna"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_happens_to_one_name_is_counted_by_all_and_to_others_not() -> None:
    frequency = Frequency(3, HOUR, Clock())
    first, last = frequency.rows(0), frequency.rows(2)

    first.add(ANNA)
    last.add(ANNA)

    assert 2 == first.count(ANNA) == frequency.rows(1).count(ANNA)
    assert 0 == first.count(b"ben")


def test_nothing_is_forgotten_before_its_time_and_all_of_it_soon_after() -> None:
    clock = Clock()
    frequency = Frequency(2, HOUR, clock)
    rows = frequency.rows(1)
    rows.add(ANNA)

    clock.now += HOUR - 1
    assert 1 == frequency.rows(0).count(ANNA)
    clock.now += HOUR / 12 + 1
    assert 0 == frequency.rows(0).count(ANNA)


def test_a_slice_begins_anew_when_its_turn_comes_round() -> None:
    clock = Clock()
    rows = Frequency(1, HOUR, clock).rows(0)
    rows.add(ANNA)
    clock.now += SLICES * HOUR / 12

    rows.add(b"ben")

    assert 0 == rows.count(ANNA)
    assert 1 == rows.count(b"ben")


def test_what_came_to_nothing_is_taken_back_once_and_only_where_it_was_added() -> None:
    clock = Clock()
    frequency = Frequency(2, HOUR, clock)
    first, second = frequency.rows(0), frequency.rows(1)
    first.add(ANNA)
    clock.now += HOUR / 2
    first.add(ANNA)
    second.take_back(ANNA)
    assert 2 == first.count(ANNA)

    first.take_back(ANNA)
    clock.now += HOUR / 2 + HOUR / 12

    # The later one was taken back, and the earlier one is over.
    assert 0 == first.count(ANNA)


def test_another_process_counts_with_it_and_what_it_counted_outlives_it() -> None:
    frequency = Frequency(2, HOUR)
    child = os.fork()
    if child == 0:
        frequency.rows(1).add(ANNA)
        os._exit(0)
    assert (child, 0) == os.waitpid(child, 0)

    assert 1 == frequency.rows(0).count(ANNA)


def test_alarms_are_bounded_over_all_workers() -> None:
    frequency = Frequency(2, HOUR, Clock())
    one, other = Alarms(shared=frequency.rows(0)), Alarms(shared=frequency.rows(1))
    anna, ben = Account("anna"), Account("ben")

    assert [True, True, False] == [each.take(anna, 2) for each in (one, other, one)]
    assert other.take(ben, 2)
    other.give_back(anna)
    assert one.take(anna, 2)
    assert not other.take(anna, 2)


def test_unknown_codes_are_bounded_over_all_workers() -> None:
    frequency = Frequency(2, 60.0, Clock())
    one, other = WrongCodes(frequency.rows(0)), WrongCodes(frequency.rows(1))

    assert [False, False, True] == [each.too_many("anna", 2) for each in (one, other, one)]
    assert not other.too_many("ben", 2)
