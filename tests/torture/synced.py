"""What the system is told before a held mail is answered 250: the log of the database is on the disk by then."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.loopback.serving import Serving
from tests.torture.ledger import Account
from tests.torture.site import PATIENCE_SECONDS, Site, site

TRACED = "trace=fsync,fdatasync,write,pwrite64,sendto,sendmsg,writev"
_LOG = "holds.sqlite3-wal>"
_DONE = re.compile(r"<\.\.\. (?:fsync|fdatasync) resumed>")
_REPLY = '"250 2.0.0 NOT SENT YET'
# `Reply-To` is in the head of each notice.
_NOTICE = "Reply-To: "


async def synced_before_the_250(holds: int) -> Account:
    """So many holds one after the other, and what strace has seen."""
    account = Account("fsync before the 250 of a held mail")
    if shutil.which("strace") is None:
        account.note = "skipped: strace is missing (make e2e-deps)"
        return account
    async with site() as here:
        trace = here.folder / "trace"
        await _start_traced(here, trace)
        for _ in range(holds):
            await here.submit_one(holds=True)
        # strace passes no signal on to whom it traces; the guard is its only child.
        children = Path(f"/proc/{here.guard.process.pid}/task/{here.guard.process.pid}/children").read_text("ascii")
        await (await asyncio.create_subprocess_exec("kill", "-TERM", *children.split())).wait()
        await here.gone()
        with trace.open(encoding="utf-8", errors="replace") as lines:
            found = list(unsynced(lines))
        account.tries = len(found)
        account.lost += sum(found)
        if len(found) != holds:
            account.wrong.append(f"{len(found)} replies were seen, not {holds}")
        account.note = f"{len(found) - sum(found)} of {holds}"
        await here.judge(account)
    return account


async def _start_traced(here: Site, trace: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        "strace", "-f", "-y", "-s", "600", "-e", TRACED, "-o", str(trace),
        sys.executable, "-m", "smtpguard", "serve", "--config", str(here.config),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, cwd=here.folder,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        line = (await process.stdout.readline()).decode()
    here.serving = Serving(process, [int(word) for word in line.split()[3:]])
    here.serving._reader = asyncio.create_task(asyncio.sleep(0))  # type: ignore[attr-defined]


def unsynced(lines: Iterable[str]) -> Iterator[bool]:
    """For each 250 of a held mail: True if the log was not on the disk by then, or when the notice went out."""
    syncing: set[str] = set()
    dirty, noticed_dirty, written = False, False, False
    for line in lines:
        thread = line.partition(" ")[0]
        if _LOG in line and ("write" in line.partition("(")[0]):
            dirty, written = True, True
        elif _LOG in line and "sync(" in line:
            if "unfinished" in line:
                syncing.add(thread)
            else:
                dirty = False
        elif _DONE.search(line) and thread in syncing:
            syncing.discard(thread)
            dirty = False
        elif _REPLY in line:
            yield dirty or noticed_dirty or not written
            dirty, noticed_dirty, written = False, False, False
        elif _NOTICE in line:
            noticed_dirty = dirty or not written
