"""A memory of private mail as that of an organisation that has used it for a month: what `remember: all` looks into."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from smtpguard.keys import KeyFolder, week_of
from smtpguard.marks import Marks
from smtpguard.remembered_mail import RememberedMail
from smtpguard.store.memory import SQLiteMemory

FINGERPRINTS = 1_000_000
A_MAIL = 175
OF_A_MEMBER = 100  # mails in a month
SENDER = "robin@example.test"  # as `load` logs in


async def fill(state: Path) -> None:
    """Write them below `state`, under keys that the guard will find; the account that sends has as many as others."""
    chance = random.Random(14)
    now = datetime.now(UTC)
    state.mkdir(mode=0o700)
    keys = KeyFolder(state / "keys", "private")
    store = await SQLiteMemory.open(state / "memory.sqlite3", lambda: now)
    ring: dict[str, Marks] = {}
    mails = []
    for number in range(FINGERPRINTS // A_MAIL):
        when = now - timedelta(seconds=chance.uniform(0, 29 * 86400))
        week = week_of(when.date())
        if week not in ring:
            ring[week] = Marks(week, keys.week_key(week, create=True))
        member = SENDER if number < OF_A_MEMBER else f"member{number // OF_A_MEMBER}@example.test"
        box = ring[week].mailbox(member)
        texts = os.urandom(A_MAIL * 4)
        mails.append(RememberedMail(week, when, box.itself, os.urandom(8), message=os.urandom(8), fingerprints=texts))
    await store.remember_texts(mails, {})
    await store.close()
