"""Lines that strangers cause are few, and nothing of what they stand for is lost."""

from __future__ import annotations

import asyncio

from smtpguard.listener.complaints import Complaints
from tests.logs import caught


def lines(log: str) -> list[str]:
    return [line.partition("event=warning ")[2] for line in log.splitlines()]


async def test_the_first_is_said_at_once_and_the_rest_is_counted() -> None:
    with caught() as log:
        complaints = Complaints()
        for _ in range(1000):
            complaints.note("full")
        complaints.note("no header")
        assert lines(log.getvalue()) == ["what=full", 'what="no header"']
        complaints.close()
        assert lines(log.getvalue())[2:] == ["what=full more=999"]


async def test_after_each_pause_the_count_is_said_and_then_the_next_at_once() -> None:
    with caught() as log:
        complaints = Complaints()
        for _ in range(3):
            complaints.note("full", pause=0.01)
        async with asyncio.timeout(10):
            while complaints.waits:
                await asyncio.sleep(0.005)
        complaints.note("full", pause=0.01)
        complaints.close()
    assert lines(log.getvalue()) == ["what=full", "what=full more=2", "what=full"]


async def test_words_for_the_admin_stand_in_the_first_line_only() -> None:
    with caught() as log:
        complaints = Complaints()
        for _ in range(2):
            complaints.note("refused", remedy="do this")
        complaints.close()
        assert not complaints.waits
    assert lines(log.getvalue()) == ['what=refused remedy="do this"', "what=refused more=1"]
