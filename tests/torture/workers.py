"""kill -9 of one worker after the other, under load: the others go on, and its place is taken."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

from tests.torture.ledger import Account
from tests.torture.site import PATIENCE_SECONDS, site

SESSIONS = 50
WORKERS = 3
# From a kill to the next. Sessions that came to the dead worker are gone; new ones take their place.
ALIVE_SECONDS = 1.2


async def killed_under_load(tries: int) -> Account:
    """So often, in one and the same guard."""
    account = Account(f"kill -9 of one of {WORKERS} workers, {SESSIONS} sessions")
    served = 0
    async with site(workers=WORKERS) as here:
        await here.start()
        supervisor = here.guard.process.pid
        for number in range(tries):
            before = sum(mail.code == 250 for mail in here.ledger.mails.values())
            loading = asyncio.create_task(here.load(SESSIONS, ALIVE_SECONDS))
            await asyncio.sleep(random.uniform(0.02, ALIVE_SECONDS))
            victim = random.choice(_children(supervisor))
            os.kill(victim, signal.SIGKILL)
            await loading
            await _until_back(here.guard.log, WORKERS + number + 1)
            account.tries += 1
            served += sum(mail.code == 250 for mail in here.ledger.mails.values()) > before
        if served < tries:
            account.wrong.append(f"nothing was taken while a worker was dead, {tries - served} times")
        await here.answer_all(account)
        code = await here.end()
        if code != 0:
            account.wrong.append(f"the guard ended with {code}")
        here.ledger.allow_told_copies(here.out)
        await here.judge(account)
        second = sum(mail.copies - 1 for mail in here.ledger.mails.values())
        if second > tries * SESSIONS:
            account.wrong.append(f"{second} mails were told to have perhaps gone out already")
        held = sum(mail.holds and mail.code == 250 for mail in here.ledger.mails.values())
        account.note = f"{held} held; {second} killed between dot and mark"
    return account


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def _until_back(log: bytearray, starts: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while log.count(b"event=started") < starts:
            await asyncio.sleep(0.02)
