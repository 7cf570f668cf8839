"""What a worker writes down for the others."""

from __future__ import annotations

import os

import pytest

from smtpguard.slots import SLOT_OCTETS, Slots


def test_each_worker_has_a_slot_of_its_own_that_outlives_it() -> None:
    slots = Slots(2)
    child = os.fork()
    if child == 0:
        slots.write(1, b"longer than what follows")
        slots.write(1, b"counted")
        os._exit(0)
    os.waitpid(child, 0)

    assert b"counted" == slots.read(1)
    assert slots.read(0) is None


def test_what_is_half_written_is_not_read() -> None:
    slots = Slots(1)
    slots.write(0, b"counted")
    slots._memory[9:10] = b"X"

    assert slots.read(0) is None


def test_too_much_is_refused_and_spoils_nobody_elses_slot() -> None:
    slots = Slots(2)
    with pytest.raises(ValueError, match="too much"):
        slots.write(0, bytes(SLOT_OCTETS))

    assert slots.read(1) is None
