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

MAILS = 1_000_000 // 175
A_MAIL = 175  # fingerprints
OF_A_MEMBER = 100  # mails in a month
SENDER = "robin@example.test"  # as `load` logs in
AT_ONCE = 1000


def member_of(number: int) -> str:
    """The address of a member; 0 is the account that sends."""
    return f"member{number}@example.test" if number else SENDER


async def fill(state: Path, *, mails: int = MAILS, of_a_member: int = OF_A_MEMBER) -> None:
    """Write them below `state`, under keys that the guard will find; the account that sends has as many as others."""
    chance = random.Random(14)
    now = datetime.now(UTC)
    state.mkdir(mode=0o700)
    keys = KeyFolder(state / "keys", "private")
    store = await SQLiteMemory.open(state / "memory.sqlite3", lambda: now)
    ring: dict[str, Marks] = {}
    waiting = []
    for number in range(mails):
        when = now - timedelta(seconds=chance.uniform(0, 29 * 86400))
        week = week_of(when.date())
        if week not in ring:
            ring[week] = Marks(week, keys.week_key(week, create=True))
        member = member_of(number // of_a_member)
        box = ring[week].mailbox(member)
        texts = os.urandom(A_MAIL * 4)
        waiting.append(RememberedMail(week, when, box.itself, os.urandom(8), message=os.urandom(8), fingerprints=texts))
        if len(waiting) >= AT_ONCE:
            await store.remember_texts(waiting, {})
            waiting = []
    await store.remember_texts(waiting, {})
    await store.close()
