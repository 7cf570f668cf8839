"""kill -9, at random moments under load and at every named step."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

from smtpguard.failpoints import POINTS
from tests.torture.ledger import Account
from tests.torture.site import HELD_SHARE, PATIENCE_SECONDS, Site, Sites, site

SESSIONS = 50
# The guard is at work all this time; a start takes about as long.
ALIVE_SECONDS = 1.2
# Each of these dies by itself within the sweep's 20 s, so that many wait side by side.
SIDE_BY_SIDE = 4
# tests/tools/test_remember.py kills `smtpguard remember`, which is another program.
STEPS = tuple(each for each in POINTS if not each.startswith("remember."))


async def at_random_moments(
    tries: int, sites: Sites = site, alive: float = ALIVE_SECONDS, held: float = HELD_SHARE
) -> Account:
    """Under load, so often, on one and the same store; each guard lives at most `alive` seconds."""
    account = Account(f"kill -9 at random moments, {SESSIONS} sessions")
    async with sites() as here:
        for _ in range(tries):
            await here.start()
            loading = asyncio.create_task(here.load(SESSIONS, 10 * alive, held=held))
            await asyncio.sleep(random.uniform(0.02, alive))
            await here.stopped(here.guard.process.pid)
            await here.kill()
            await loading
            account.tries += 1
            await _after_death(here, account)
        await _at_last(here, account)
        if here.store.note:
            account.fault += f", {here.store.note}"
        second = sum(mail.copies - 1 for mail in here.ledger.mails.values())
        held = sum(mail.holds and mail.code == 250 for mail in here.ledger.mails.values())
        account.note = f"{held} held; {second} killed between dot and mark"
    return account


async def at_each_step(tries: int, sites: Sites = site, steps: Sequence[str] = STEPS) -> Account:
    """Every named step, so often each."""
    account = Account(f"kill -9 at each of {len(steps)} steps")
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(step: str) -> None:
        async with turns:
            await _killed_at(step, account, sites)

    await asyncio.gather(*(one(step) for _ in range(tries) for step in steps))
    return account


async def _killed_at(step: str, account: Account, sites: Sites) -> None:
    expires = {"defaults": {"expires": "1s"}} if step.startswith("expire.") else {}
    async with sites(**expires) as here:
        await here.start(fail_at=step)
        loading = asyncio.create_task(here.load(6, 60, answers=0 if expires else 2, held=0.5 if not expires else 0.2))
        if expires:
            await _first_held(here)
            loading.cancel()
        try:
            code = await here.gone()
        except TimeoutError:
            account.wrong.append(f"{step}: not reached; {_states(here, account)}; {here.guard.log[-1000:].decode()}")
            loading.cancel()
            await here.kill()
            code = -9
        await asyncio.gather(loading, return_exceptions=True)
        if code != -9:
            account.wrong.append(f"{step}: the guard ended with {code}")
        account.tries += 1
        await _after_death(here, account)
        if expires:
            for mail in here.ledger.mails.values():
                mail.word = "EXPIRED" if mail.holds else ""
            if "expired" not in here.rows(account).values():
                account.wrong.append(f"{step}: nothing has expired")
            await here.judge(account)
        else:
            await _at_last(here, account)


async def _first_held(here: Site) -> None:
    """Until something waits that can expire."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not any(each.holds and each.code == 250 for each in here.ledger.mails.values()):
            await asyncio.sleep(0.05)


def _states(here: Site, account: Account) -> str:
    counted = Counter(here.rows(account).values())
    return ", ".join(f"{number} {state}" for state, number in sorted(counted.items()))


async def _after_death(here: Site, account: Account) -> None:
    await here.settle()
    here.store.let_claims_lapse()
    here.ledger.allow_second_copies(here.rows(account), here.out)


async def _at_last(here: Site, account: Account) -> None:
    """Everything that waits is answered, and then each must be where it belongs."""
    await here.start()
    await here.answer_all(account)
    await here.end()
    await here.judge(account)
