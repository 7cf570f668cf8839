"""The PostgreSQL server killed under load, and started again: the guard lives on, and is not told."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable

from tests.postgresql import Cluster
from tests.torture.broken_stores import told, works
from tests.torture.ledger import Account
from tests.torture.site import site
from tests.torture.stores import on_server

SESSIONS = 50
# Somewhere in the first of these the server dies; the rest is for its recovery, which mails come in beside.
BEFORE_SECONDS = 1.2
LOAD_SECONDS = 3.0
RELEASES_HELD = 0.2
ANSWERS = 8

# All of them lose what was not committed, and empty the table that nodes share their keys by.
WAYS: tuple[tuple[str, Callable[[Cluster], None]], ...] = (
    ("SIGQUIT", lambda cluster: cluster.stop(signal.SIGQUIT)),
    ("kill -9 of all its processes", lambda cluster: cluster.kill()),
    ("kill -9 of the first", lambda cluster: cluster.kill(alone=True)),
)


async def server_killed(tries: int, cluster: Cluster) -> Account:
    """In one of WAYS after the other, so often, with one guard."""
    account = Account(f"database server killed, {SESSIONS} sessions")
    async with site(on_server(cluster, keys_by_database=True)) as here:
        await here.start()
        for number in range(tries):
            name, killed = WAYS[number % len(WAYS)]
            begun = len(here.ledger.mails)
            loading = asyncio.create_task(here.load(SESSIONS, LOAD_SECONDS, answers=ANSWERS, held=RELEASES_HELD))
            await asyncio.sleep(random.uniform(0.02, BEFORE_SECONDS))
            await asyncio.to_thread(killed, cluster)
            await asyncio.to_thread(cluster.start)
            await loading
            await works(here, account)
            account.tries += 1
            account.wrong += [
                f"{name}: neither 250 nor 4xx: {mail!r}"
                for mail in list(here.ledger.mails.values())[begun:]
                if not (mail.code == 250 or 400 <= mail.code < 500)
            ]
        account.note = told(here)
        await here.answer_all(account)
        if await here.end() != 0:
            account.wrong.append("no good end")
        await here.judge(account)
    return account
