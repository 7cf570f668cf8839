"""A store of 100,000 held mails: what members feel of it, and how quickly a backlog of expiries goes."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from smtpguard.answers.token import TOKEN_OCTETS, Token
from smtpguard.keys import KeyFolder
from smtpguard.mail.address import parse_address
from smtpguard.mail.message import Account
from smtpguard.safe import Safe
from smtpguard.store.sqlite import SQLiteStore
from tests.notices.samples import crosspost
from tests.torture import ledger
from tests.torture.site import MEMBERS, PATIENCE_SECONDS, Site, site

HELD = 100_000
# What is over by the clock when the guard is started.
DUE = 10_000
CONTENT_OCTETS = 4096
# Codes of mails that wait on, to be answered.
KEPT_CODES = 20
PAGE = "https://check.example.test"
# Several times what it takes; more is a guard that expires nothing.
EXPIRED_WITHIN_SECONDS = 600


@dataclass
class Felt:
    """Times in ms."""

    starts: float = 0.0
    answers: list[float] = field(default_factory=list)
    views: list[float] = field(default_factory=list)
    holds: list[float] = field(default_factory=list)
    noops: list[float] = field(default_factory=list)
    memory: int = 0
    drained: float = 0.0  # seconds until all that was due is gone

    def told(self, due: int) -> str:
        """One line for the table."""
        noops = sorted(self.noops)
        return (
            f"at most: start {self.starts:.0f} ms, answer {max(self.answers):.0f} ms, page {max(self.views):.0f} ms, "
            f"hold {max(self.holds):.0f} ms; "
            f"NOOP beside {due:,} expiries p99 {noops[len(noops) * 99 // 100]:.1f} ms, at most {noops[-1]:.1f} ms, "
            f"all expired after {self.drained:.0f} s, {self.memory >> 20} MB"
        )


async def filled(state: Path, number: int, due: int) -> list[tuple[str, str]]:
    """Seal and store `number` mails, `due` of which are over; mailbox and code of some of the others.

    Without fsync: nothing here has to outlive anything, and it would take an hour.
    """
    state.mkdir(mode=0o700)
    store = await SQLiteStore.open(state / "holds.sqlite3", lambda: datetime.now(UTC))
    safe = Safe(KeyFolder(state / "keys"), secrets.token_bytes)
    codes: list[tuple[str, str]] = []
    loop, now = asyncio.get_running_loop(), datetime.now(UTC)
    await loop.run_in_executor(store._worker, store._connection.execute, "PRAGMA synchronous = OFF")
    wire = b"Subject: Paper 000000\r\n\r\n" + b"words of some length\r\n" * (CONTENT_OCTETS // 22)
    for count in range(number):
        member = MEMBERS[count % len(MEMBERS)]
        mailbox = parse_address(member)
        expires = now + (timedelta(seconds=-1 - count % 60) if count < due else timedelta(hours=72))
        held = replace(
            crosspost(arrived=now - timedelta(hours=1), expires=expires, subject=f"Subject {count}"),
            account=Account(member, mailbox), wire=wire,
        )  # fmt: skip
        token = Token(secrets.token_bytes(TOKEN_OCTETS))
        tagged = safe._tags(held, f"<{count}@example.test>", wire, " ".join(f"w{count}x{each}" for each in range(30)))
        row = safe._seal(held, token, tagged.tags, f"<{count}@check.example.test>", "en")
        await store.add(row)
        await store.mark_held(row.id)
        if count >= number - KEPT_CODES:
            codes.append((member, token.code))
    # A database without one is a new one, and beside keys that are older expiry pauses (T-05).
    await store.sign_of_life()
    await store.close()
    return codes


async def full_store(number: int = HELD, due: int = DUE) -> ledger.Account:
    """The row of the table, with what was measured."""
    account = ledger.Account(f"full store: {number:,} held, {due:,} due")
    felt = Felt()
    async with site(public_url=PAGE, web={"listen": "127.0.0.1:0"}) as here:
        codes = await filled(here.state, number, due)
        begun = time.perf_counter()
        await here.start()
        felt.starts = (time.perf_counter() - begun) * 1000
        page = await _page_of(here)
        for _, code in codes:
            felt.views.append(await _timed(asyncio.to_thread(_view, page, code)))
        for word in ("SEND", "DISCARD"):
            for _ in range(KEPT_CODES // 4):
                felt.answers.append(await _timed(_answer(here, *codes.pop(), word, account)))
        for _ in range(KEPT_CODES // 4):
            felt.holds.append(await _timed(here.submit_one(holds=True)))
        waiting = asyncio.create_task(_until_expired(here, due))
        begun = time.perf_counter()
        felt.noops = await _noops(here, waiting)
        felt.drained = time.perf_counter() - begun
        felt.memory = _memory(here)
        lines = sum(b"expired" in each.content or b"deleted" in each.content for each in here.out.messages)
        await here.end()
        account.tries = len(felt.answers) + len(felt.holds)
        account.integrity += list(here.rows(account).values()).count("expired") != due
        account.lost += max(0, due - lines)
        account.note = felt.told(due)
    return account


async def _timed(work: object) -> float:
    begun = time.perf_counter()
    await work  # type: ignore[misc]
    return (time.perf_counter() - begun) * 1000


async def _page_of(here: Site) -> str:
    """Host and port; the guard says them in its second line."""
    assert here.guard.process.stdout is not None
    line = await here.guard.process.stdout.readline()
    return line.decode().removeprefix("page at ").strip()


def _view(page: str, code: str) -> None:
    """Look at a held mail on the page, as a browser does with the code from the notice."""
    asked = HTTPConnection(page, timeout=PATIENCE_SECONDS)
    header = {"Origin": PAGE, "Content-Type": "application/x-www-form-urlencoded"}
    with closing(asked):
        asked.request("POST", "/show", urlencode({"code": code}), header)
        reply = asked.getresponse()
        shown = reply.read()
    assert reply.status == 200, reply.status
    assert b"words of some length" in shown, "the page shows something else"


async def _answer(here: Site, member: str, code: str, word: str, account: ledger.Account) -> None:
    mail = ledger.Mail(-1, member, holds=True, content=b"")
    if await here.answer(mail, f"mailcheck+{code}@check.example.test", word) != 250:
        account.wrong.append(f"the answer {word} does not work")


async def _noops(here: Site, waiting: asyncio.Task[None]) -> list[float]:
    """How long each NOOP of a member took until what is due is gone."""
    pulse = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.torture.pulse", str(here.guard.ports[0])),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await asyncio.wait([waiting])
    said, _ = await pulse.communicate(b"")  # with nothing at all Python 3.11 leaves its input open
    assert pulse.returncode == 0
    await waiting
    return [*map(float, said.split())]


async def _until_expired(here: Site, due: int) -> None:
    def expired() -> int:
        address = f"file:{here.state}/holds.sqlite3?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as database:
            return int(
                database.execute(
                    "SELECT count(*) FROM held WHERE decided IS NOT NULL AND state = 'expired'"
                ).fetchone()[0]
            )

    async with asyncio.timeout(EXPIRED_WITHIN_SECONDS):
        while await asyncio.to_thread(expired) < due:
            await asyncio.sleep(1)


def _memory(here: Site) -> int:
    for line in Path(f"/proc/{here.guard.process.pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
