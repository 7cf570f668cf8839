"""How many clients are inside, over several workers."""

from __future__ import annotations

import os

import pytest

from smtpguard import headcount
from smtpguard.headcount import Headcount

OFFICE = "192.0.2.1"


def test_all_workers_are_counted_together_and_addresses_apart() -> None:
    counted = Headcount(3)
    first, second = counted.row(0), counted.row(2)

    first.enter(OFFICE)
    second.enter(OFFICE)
    second.enter(None)

    assert 3 == first.inside == counted.row(1).inside
    assert 2 == first.inside_from(OFFICE)
    assert 0 == first.inside_from("192.0.2.2")
    second.leave(OFFICE)
    second.leave(None)
    assert (1, 1) == (first.inside, second.inside_from(OFFICE))


def test_the_clients_of_a_dead_worker_are_gone_and_nobody_elses() -> None:
    counted = Headcount(2)
    child = os.fork()
    if child == 0:
        counted.row(1).enter(OFFICE)
        os._exit(0)
    os.waitpid(child, 0)
    counted.row(0).enter(OFFICE)
    assert (2, 2) == (counted.row(0).inside, counted.row(0).inside_from(OFFICE))

    counted.clear(1)

    assert (1, 1) == (counted.row(0).inside, counted.row(0).inside_from(OFFICE))


def test_addresses_of_one_bucket_count_too_much_and_never_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headcount, "BUCKETS", 1)
    counted = Headcount(1).row(0)

    counted.enter(OFFICE)
    counted.enter("192.0.2.2")

    assert 2 == counted.inside_from(OFFICE)
