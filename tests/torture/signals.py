"""SIGTERM with sessions open, SIGHUP all the time."""

from __future__ import annotations

import asyncio
import random
import signal

from tests.torture.ledger import Account
from tests.torture.site import Sites, site

SESSIONS = 50
RELOAD_SECONDS = 0.1


async def ended_under_load(tries: int, sites: Sites = site) -> Account:
    """SIGTERM at a random moment, with sessions at every stage: a good end, and every 250 is one."""
    account = Account(f"SIGTERM with {SESSIONS} open sessions")
    async with sites() as here:
        for _ in range(tries):
            await here.start()
            loading = asyncio.create_task(here.load(SESSIONS, 30))
            await asyncio.sleep(random.uniform(0.3, 1.2))
            code = await here.end()
            if code != 0:
                account.wrong.append(f"the guard ended with {code}")
            await loading
            account.tries += 1
        await here.start()
        await here.answer_all(account)
        await here.end()
        await here.judge(account)
        account.note = f"{sum(each.code == 250 for each in here.ledger.mails.values())} answered 250"
    return account


async def reloaded_under_load(seconds: float) -> Account:
    """SIGHUP every 100 ms: nobody notices."""
    account = Account("SIGHUP every 100 ms under load")
    async with site() as here:
        await here.start()
        loading = asyncio.create_task(here.load(SESSIONS, seconds))
        while not loading.done():
            here.guard.process.send_signal(signal.SIGHUP)
            account.tries += 1
            await asyncio.sleep(RELOAD_SECONDS)
        await loading
        for mail in here.ledger.mails.values():
            if mail.code != 250:
                account.wrong.append(f"not 250: {mail!r}")
        reloads = here.guard.log.count(b"event=reloaded")
        await here.answer_all(account)
        await here.end()
        await here.judge(account)
        account.note = f"{reloads} reloads"
    return account
