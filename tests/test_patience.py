"""The lazy timer goes off when somebody waited too long, and only then."""

from __future__ import annotations

import asyncio

from smtpguard.patience import Patience


async def expiry(seconds: float) -> tuple[Patience, asyncio.Future[float]]:
    loop = asyncio.get_running_loop()
    gone_off: asyncio.Future[float] = loop.create_future()
    begun = loop.time()
    patience = Patience(loop, lambda: gone_off.set_result(loop.time() - begun))
    patience.start(seconds)
    return patience, gone_off


async def test_it_goes_off_once_the_time_has_passed() -> None:
    _, gone_off = await expiry(0.05)

    assert await gone_off >= 0.04


async def test_what_is_seen_begins_the_wait_anew() -> None:
    patience, gone_off = await expiry(0.1)
    asyncio.get_running_loop().call_later(0.06, patience.seen)  # before it goes off, however busy the machine

    assert await gone_off >= 0.14


async def test_nobody_waits_while_it_is_suspended() -> None:
    patience, gone_off = await expiry(0.02)
    patience.suspend()
    await asyncio.sleep(0.06)
    assert not gone_off.done()
    patience.start(0.02)

    assert await gone_off >= 0.07


async def test_a_shorter_wait_after_a_longer_one_is_kept() -> None:
    patience, gone_off = await expiry(60)
    patience.suspend()
    patience.start(0.02)

    assert await gone_off < 30


async def test_stopped_it_never_goes_off() -> None:
    patience, gone_off = await expiry(0.01)
    patience.stop()
    await asyncio.sleep(0.03)

    assert not gone_off.done()
