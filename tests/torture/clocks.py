"""A wall clock that is set, while the guard runs and while it does not: nothing waiting is lost by it."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from smtpguard.housekeeping import SWEEP_SECONDS
from tests.e2e.stack.programs import FAKETIME
from tests.torture.ledger import WAITING, Account
from tests.torture.site import Site, site

JUMPS = {"-1 day": timedelta(days=-1), "+30 days": timedelta(days=30)}
# Two sweeps and a bit: what they would throw away is gone then.
SWEPT_SECONDS = 2 * SWEEP_SECONDS + 5
HELD = 20


@contextmanager
def wall_clock(file: Path) -> Iterator[None]:
    """Processes started in this block have their time of day from `file`."""
    shifted = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "FAKETIME_DISABLE_SHM": "1",
    }
    before = {name: os.environ.get(name) for name in shifted}
    os.environ.update(shifted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def set_clock(file: Path, by: timedelta) -> None:
    """Shift the time of day by so much, at once; a reader sees the old line or the new one."""
    new = file.with_name(file.name + ".new")
    new.write_text(f"{int(by.total_seconds()):+d}\n")
    new.replace(file)


async def clock_jumps(name: str, seconds: float = SWEPT_SECONDS) -> Account:
    """The clock is set by JUMPS[name] and after a while set right: while the guard runs, and while it does not."""
    account = Account(f"clock set by {name}")
    if not FAKETIME.exists():
        account.note = "skipped: libfaketime is missing (make e2e-deps)"
        return account
    async with site() as here:
        file = here.folder / "clock"
        set_clock(file, timedelta(0))
        with wall_clock(file):
            await here.start()
            for running in (True, False):
                await _held(here)
                await _set(here, file, JUMPS[name], running=running)
                await asyncio.sleep(seconds)
                await _held(here)
                await _expect_all_waiting(here, account, f"{name}, running: {running}")
                # Whoever starts it anew in doubt must not make it believe the clock.
                await here.end()
                await here.start()
                await asyncio.sleep(seconds)
                await _expect_all_waiting(here, account, f"{name}, running: {running}, started anew")
                await _set(here, file, timedelta(0), running=running)
                account.tries += 1
            await asyncio.sleep(seconds / 2)
            await here.answer_all(account)
            await here.end()
        await here.judge(account)
    return account


async def _set(here: Site, file: Path, by: timedelta, *, running: bool) -> None:
    if not running:
        await here.end()
    set_clock(file, by)
    if not running:
        await here.start()


async def _held(here: Site) -> None:
    for _ in range(HELD):
        await here.submit_one(holds=random.random() < 0.8)


async def _expect_all_waiting(here: Site, account: Account, when: str) -> None:
    """Nothing of what was answered 250 is over before its time."""
    over = [each for each in here.rows(account).values() if each not in WAITING]
    if over:
        account.lost += len(over)
        account.wrong.append(f"{when}: {sorted(over)}")
