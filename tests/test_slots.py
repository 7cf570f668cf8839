"""What a worker writes down for the others."""

from __future__ import annotations

import os
import time

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


def test_of_what_is_half_written_the_text_before_still_stands() -> None:
    slots = Slots(1)
    slots.write(0, b"counted once")
    slots.write(0, b"counted twice")
    at = slots._memory.find(b"counted twice")
    slots._memory[at : at + 1] = b"X"

    assert b"counted once" == slots.read(0)

    slots.write(0, b"counted thrice")

    assert b"counted thrice" == slots.read(0)


def test_a_reader_always_finds_a_text_while_somebody_writes() -> None:
    slots = Slots(1)
    texts = [b"A" * 60_000, b"B" * 60_000]
    slots.write(0, texts[0])
    child = os.fork()
    if child == 0:
        for number in range(400):
            slots.write(0, texts[number % 2])
            time.sleep(0.001)
        os._exit(0)
    try:
        for _ in range(2_000):
            assert slots.read(0) in texts
    finally:
        os.waitpid(child, 0)


def test_too_much_is_refused_and_spoils_nobody_elses_slot() -> None:
    slots = Slots(2)
    with pytest.raises(ValueError, match="too much"):
        slots.write(0, bytes(SLOT_OCTETS))

    assert slots.read(1) is None
