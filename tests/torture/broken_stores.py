"""A disk that is full, files that cannot be written, input/output errors, a database that somebody else has locked."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

from tests.torture.ledger import Account
from tests.torture.site import Site, is_root, site
from tests.torture.stores import DATABASES

# Small enough to be filled at once, large enough for two databases.
DISK = "8m"
MENDED_SECONDS = 60.0
SESSIONS = 10


class NotHereError(Exception):
    """This fault cannot be played on this machine; the text says why."""


# ------------------------------------------------------------ faults, each undone at the end of its block


@contextmanager
def full_disk(here: Site) -> Iterator[None]:
    """Not an octet is left on the disk of state_dir."""
    filler = here.state / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        for size in (65536, 512, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def unchangeable_files(here: Site) -> Iterator[None]:
    """The databases, their logs and the folder can be read and not written, not even by root.

    Not so the index of the log, which is mapped memory: the system would kill whoever writes there (SIGBUS).
    """
    paths = [*here.state.glob("*.sqlite3"), *here.state.glob("*.sqlite3-wal"), here.state / "keys", here.state]
    if shutil.which("chattr") is None:
        raise NotHereError("there is no chattr")
    done = subprocess.run(["chattr", "+i", *map(str, paths)], capture_output=True, text=True, check=False)
    try:
        if done.returncode:
            raise NotHereError("this file system cannot make files unchangeable")
        yield
    finally:
        subprocess.run(["chattr", "-i", *map(str, paths)], capture_output=True, check=False)


@contextmanager
def failing_writes(here: Site) -> Iterator[None]:
    """Each write to a file fails (EFBIG, which SQLite takes for an input/output error)."""
    number = here.guard.process.pid
    _, hard = resource.prlimit(number, resource.RLIMIT_FSIZE)
    resource.prlimit(number, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.prlimit(number, resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def locked_databases(here: Site) -> Iterator[None]:
    """Somebody else has the lock of both databases."""
    with ExitStack() as stack:
        for name in DATABASES:
            database = stack.enter_context(closing(sqlite3.connect(here.state / name, isolation_level=None)))
            database.execute("BEGIN IMMEDIATE")
            stack.callback(database.execute, "ROLLBACK")
        yield


@contextmanager
def small_disk(here: Site) -> Iterator[None]:
    """state_dir is a disk of its own."""
    if not is_root():
        raise NotHereError("only root can mount a small disk")
    here.state.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "tmpfs", str(here.state)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        raise NotHereError("no small disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(here.state)], check=True)


@contextmanager
def any_disk(here: Site) -> Iterator[None]:
    """state_dir lies where it lies."""
    yield


FAULTS = {
    "disk full": (full_disk, small_disk, 6.0),
    "database and folder read-only": (unchangeable_files, any_disk, 6.0),
    "input/output errors": (failing_writes, any_disk, 6.0),
    "database locked by another process": (locked_databases, any_disk, 30.0),
}


# ------------------------------------------------------------ what is tried


async def broken_store(name: str, tries: int, seconds: float | None = None) -> Account:
    """One of FAULTS, so often on one guard, for `seconds` each."""
    account = Account(name)
    breaks, disk, lasts = FAULTS[name]
    async with site() as here:
        with ExitStack() as stack:
            try:
                stack.enter_context(disk(here))
                await here.start()
                for _ in range(tries):
                    await _one_try(here, account, name, breaks, lasts if seconds is None else seconds)
                    account.tries += 1
                account.note = told(here)
                await here.answer_all(account)
                if await here.end() != 0:
                    account.wrong.append("no good end")
            except NotHereError as error:
                account.note = f"skipped: {error}"
                return account
            await here.judge(account)
    return account


async def _one_try(here: Site, account: Account, name: str, breaks: object, seconds: float) -> None:
    """Relay, hold and answer while the fault lasts, and as before when it is over, without a restart."""
    await works(here, account)
    begun = len(here.ledger.mails)
    with breaks(here):  # type: ignore[operator]
        loading = asyncio.create_task(here.load(SESSIONS, seconds, answers=2, held=0.3))
        await asyncio.sleep(seconds)
    await loading
    for mail in list(here.ledger.mails.values())[begun:]:
        if not (mail.code == 250 or 400 <= mail.code < 500):
            account.wrong.append(f"{name}: neither 250 nor 4xx: {mail!r}")
    await works(here, account)


async def works(here: Site, account: Account) -> None:
    """A mail is passed, one is held, and answered: at the latest after MENDED_SECONDS."""
    try:
        async with asyncio.timeout(MENDED_SECONDS):
            while (await here.submit_one(holds=False)).code != 250:
                await asyncio.sleep(0.2)
            while (held := await here.submit_one(holds=True)).code != 250:
                await asyncio.sleep(0.2)
            while await here.answer(held, here.ledger.notices(here.out)[held.number]) != 250:
                await asyncio.sleep(0.2)
    except TimeoutError:
        account.wrong.append("does not work again without a restart")


def told(here: Site) -> str:
    mails = here.ledger.mails.values()
    passed = sum(each.code == 250 for each in mails if not each.holds)
    put_off = sum(each.code != 250 for each in mails if not each.holds)
    held = sum(each.code == 250 for each in mails if each.holds)
    not_held = sum(each.code != 250 for each in mails if each.holds)
    return f"clean: {passed} passed, {put_off} 4xx; to be held: {held} held, {not_held} 4xx"
