"""kill -9 of one worker after the other, under load: the others go on, and its place is taken."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.processes import state_of
from tests.torture.ledger import Account, asks_again
from tests.torture.site import PATIENCE_SECONDS, Site, Sites, site
from tests.torture.stores import Rows

SESSIONS = 50
WORKERS = 3
# From a kill to the next. Sessions that came to the dead worker are gone; new ones take their place.
ALIVE_SECONDS = 1.2
# Those of a release; behind the third the mail server has the mail, and nothing of ours says so.
STEPS = ("release.claimed", "release.sending", "release.sent", "release.noted", "release.decided")
# Many answers, so that there is always one on its way.
ANSWERS = 8
RELEASES_HELD = 0.5
# Tries with one guard: a worker that dies again and again rests, each time for longer (supervisor.REST_SECONDS).
DEATHS_MAX = 10


async def killed_under_load(tries: int, sites: Sites = site) -> Account:
    """At random moments, so often, on one and the same store."""
    account = Account(f"kill -9 of one of {WORKERS} workers, {SESSIONS} sessions")
    served = 0
    async with sites(workers=WORKERS) as here:
        for number in range(tries):
            await _started(here, number, account)
            before = sum(mail.code == 250 for mail in here.ledger.mails.values())
            loading = asyncio.create_task(here.load(SESSIONS, ALIVE_SECONDS))
            await asyncio.sleep(random.uniform(0.02, ALIVE_SECONDS))
            victim = random.choice(_children(here.guard.process.pid))
            await _kill(here, victim, await here.stopped(victim))
            await loading
            here.store.let_claims_lapse()
            await _until_back(here.guard.log)
            account.tries += 1
            served += sum(mail.code == 250 for mail in here.ledger.mails.values()) > before
        if served < tries:
            account.wrong.append(f"nothing was taken while a worker was dead, {tries - served} times")
        await _at_last(here, account)
    return account


async def killed_in_releases(tries: int, sites: Sites = site, steps: Sequence[str] = STEPS) -> Account:
    """At each step of a release, so often: what nobody may ever do twice unasked, done in the worst moments."""
    account = Account(f"kill -9 of one of {WORKERS} workers at each of {len(steps)} steps of a release")
    notes = []
    for step in steps:
        async with sites(workers=WORKERS) as here:
            for number in range(tries):
                await _started(here, number, account, stop_at=step)
                await _killed_at(step, here, account)
                here.store.let_claims_lapse()
                await _until_back(here.guard.log)
                account.tries += 1
            await _at_last(here, account)
            notes.append(f"{step}: {account.note}")
    account.note = "; ".join(notes)
    return account


async def _killed_at(step: str, here: Site, account: Account) -> None:
    """Whoever comes to `step` stands still: one of them dies there, the others go on."""
    latest = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    loading = asyncio.create_task(here.load(2 * ANSWERS, ALIVE_SECONDS, answers=ANSWERS, held=RELEASES_HELD))
    killed = False
    while not (killed and loading.done()):
        if loading.done():
            loading = asyncio.create_task(here.load(2 * ANSWERS, ALIVE_SECONDS, answers=ANSWERS, held=RELEASES_HELD))
        if asyncio.get_running_loop().time() > latest:
            account.wrong.append(f"{step}: not reached")
            killed = True
        for each in _stopped(here):
            rows = None if killed else await here.all_told()
            if rows is None:
                _go_on(each)
            else:
                await _kill(here, each, rows)
                killed = True
        await asyncio.sleep(0.01)
    await loading


async def _kill(here: Site, pid: int, rows: Rows) -> None:
    """Kill this worker, which stands still; what it has in `sending` may come once more."""
    deaths = here.guard.log.count(b"a worker has ended")
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while here.guard.log.count(b"a worker has ended") == deaths:
            await asyncio.sleep(0.02)
    number = int(re.findall(rb'what="a worker has ended" worker=(\d+)', here.guard.log)[-1])
    here.store.died(rows, number)


async def _started(here: Site, number: int, account: Account, **how: str) -> None:
    """Before try `number`: the guard is there, and none of its workers has died so often that it rests for long."""
    if number % DEATHS_MAX:
        return
    if number:
        await _end(here, account)
    await here.start(**how)


async def _end(here: Site, account: Account) -> None:
    async with _nobody_stands_still(here):
        code = await here.end()
    if code != 0:
        account.wrong.append(f"the guard ended with {code}")


async def _at_last(here: Site, account: Account) -> None:
    async with _nobody_stands_still(here):
        await here.answer_all(account)
    await _end(here, account)
    await here.judge(account)
    mails = here.ledger.mails.values()
    deaths = sum(mail.copies - 1 for mail in mails)
    account.note = (
        f"{sum(mail.holds and mail.code == 250 for mail in mails)} held; {deaths} killed in `sending`, "
        f"{here.ledger.twice(here.out)} of them sent again by another word, "
        f"{sum(map(asks_again, here.out.messages))} letters asked for one"
    )


@asynccontextmanager
async def _nobody_stands_still(here: Site) -> AsyncIterator[None]:
    async def let_go_on() -> None:
        while True:
            for each in _stopped(here):
                _go_on(each)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(let_go_on())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _stopped(here: Site) -> list[int]:
    with suppress(OSError):  # it has ended
        if here.serving is not None:
            return [each for each in _children(here.guard.process.pid) if state_of(each) == "T"]
    return []


def _go_on(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def _until_back(log: bytearray) -> None:
    """Wait until the place of each that has died is taken."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while log.count(b"event=started") < WORKERS + log.count(b"a worker has ended"):
            await asyncio.sleep(0.02)
