"""A guard as a process, its mail server, outbox and store, which outlive it, and members at work."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, XCLIENT, write_config
from tests.loopback.serving import Serving, start
from tests.loopback.working import until_stopped
from tests.torture.ledger import WAITING, Account, Ledger, Mail, is_own, is_unsure, number_of, row_id
from tests.torture.stores import Rows, Store, Stores, files

# No bound shall be met: faults are what is tried here.
LIMITS = {
    "connections": 3000,
    "connections_per_address": 3000,
    "holds_per_account": 10_000,
    "notices_per_account_and_day": 10_000,
}
MEMBERS = [f"member{number}@example.test" for number in range(200)]
PASSWORD = "torture"
HELD_SHARE = 0.05
# What a process has written has come by then, and it has come on by a few letters.
PAUSE_SECONDS = 0.05
PAUSES_MAX = 200
# What a session may take on a machine with much else to do; more is a hang.
PATIENCE_SECONDS = 90.0
# How often the mail server brings what it has until it must be rid of it.
QUEUE_RUNS = 20
GONE = (OSError, asyncio.IncompleteReadError, EOFError)


class Session:
    """One connection of a member."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, member: str | None) -> Session:
        """Connect, say EHLO and log in. Raises OSError, EOFError."""
        session = cls(*await asyncio.open_connection("127.0.0.1", port))
        try:
            await session.reply()
            await session.ask(b"EHLO client.example.test")
            if member is not None:
                token = base64.b64encode(f"\0{member}\0{PASSWORD}".encode())
                assert await session.ask(b"AUTH PLAIN " + token) in (235, 421, 451, 454), "not logged in"
        except BaseException:
            session.close()
            raise
        return session

    async def reply(self) -> int:
        """The code of the next reply. Raises EOFError if the guard is gone."""
        while True:
            line = await self._reader.readuntil(b"\n")
            if line[3:4] != b"-":
                return int(line[:3])

    async def ask(self, line: bytes) -> int:
        """The code of the reply to one command."""
        self._writer.write(line + b"\r\n")
        return await self.reply()

    async def send(self, sender: str, recipients: Sequence[str], content: bytes) -> int:
        """The code that the content got, or the first refusal before it."""
        lines = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{each}>" for each in recipients), "DATA"]
        for line in lines:
            code = await self.ask(line.encode())
            if code >= 400:
                await self.ask(b"RSET")
                return code
        self._writer.write(content + b".\r\n")
        return await self.reply()

    def close(self) -> None:
        """Go without a word."""
        self._writer.transport.abort()


class Site:
    """The guard, which can be started and killed, and what outlives it."""

    def __init__(self, folder: Path, store: Store, up: FakeUpstream, out: FakeUpstream, config: Path) -> None:
        self.folder = folder
        self.store = store
        self.up = up
        self.out = out
        self.config = config
        self.ledger = Ledger()
        self.serving: Serving | None = None
        # Answers that the mail server has not got rid of yet, and brings again as they are.
        self.queue: list[tuple[Mail, str, bytes]] = []
        self.faults = 0

    @property
    def state(self) -> Path:
        """The folder of the guard's databases and keys."""
        return self.folder / "state"

    @property
    def guard(self) -> Serving:
        """The running guard."""
        assert self.serving is not None
        return self.serving

    async def start(self, **how: Any) -> None:
        """Start the guard; `how` as in `serving.start`."""
        self.serving = await start(self.config, **how)

    async def kill(self) -> None:
        """kill -9."""
        with suppress(ProcessLookupError):
            self.guard.process.kill()
        await self.gone()

    async def stopped(self, pid: int) -> Rows:
        """Stop a process of the guard's at this moment, or at the next at which `all_told` says what the rows are."""
        for _ in range(PAUSES_MAX):
            os.kill(pid, signal.SIGSTOP)
            await until_stopped(pid)
            rows = await self.all_told()
            if rows is not None:
                return rows
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(PAUSE_SECONDS)
        return {}  # the ledger sees who was not told

    async def all_told(self) -> Rows | None:
        """The rows, as the guard has them now; None if a mail has gone out twice and its sender has not been told yet.
        Short mails wait in memory: who dies now takes that letter with him."""
        await asyncio.sleep(PAUSE_SECONDS)
        rows = self.store.look()
        if rows is None or self.ledger.untold(self.out, {id_: each.state for id_, each in rows.items()}):
            return None
        return rows

    async def gone(self) -> int:
        """Wait until the guard has ended; its exit code."""
        code = await self.guard.ended(PATIENCE_SECONDS)
        await self.guard._reader  # type: ignore[attr-defined]
        self.faults += self.guard.log.count(b"event=fault") + self.guard.log.count(b"Traceback")
        self.serving = None
        return code

    async def end(self) -> int:
        """SIGTERM; the exit code."""
        self.guard.process.terminate()
        return await self.gone()

    # ------------------------------------------------------------ what members do

    async def submit(self, mail: Mail, session: Session) -> int:
        """Send it as what it is; the code."""
        recipients = [BERLIN, ALL] if mail.holds else [BERLIN]
        mail.code = await session.send(mail.member, recipients, mail.content)
        return mail.code

    async def submit_one(self, *, holds: bool) -> Mail:
        """One new mail in a session of its own. It is not in the ledger's way if the guard dies."""
        mail = self.new(holds=holds)
        with suppress(*GONE):
            session = await Session.open(self.guard.ports[0], mail.member)
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self.submit(mail, session)
            finally:
                session.close()
        return mail

    def new(self, *, holds: bool, member: str | None = None) -> Mail:
        """A new mail of this member, or of some member."""
        recipients = [BERLIN, ALL] if holds else [BERLIN]
        return self.ledger.new(member or random.choice(MEMBERS), recipients, holds=holds)

    async def answer(self, mail: Mail, address: str, word: str = "SEND", *, handed_on: bool = False) -> int:
        """Answer a notice, in a session of the member's own or by the mail server; the code, 0 if none."""
        content = self.ledger.new_answer(mail, address, word)
        if handed_on:
            return await self.bring(mail, address, content)
        return await self._answer(mail, address, content, self.guard.ports[0], mail.member)

    async def bring(self, mail: Mail, address: str, content: bytes) -> int:
        """An answer by the mail server, which keeps it unless it is told 2xx or 5xx; the code, 0 if none."""
        code = await self._answer(mail, address, content, self.guard.ports[1], None)
        if not 200 <= code < 300 and code < 500:
            self.queue.append((mail, address, content))
        return code

    async def _answer(self, mail: Mail, address: str, content: bytes, port: int, member: str | None) -> int:
        with suppress(*GONE):
            session = await Session.open(port, member)
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    code = await session.send(mail.member, [address], content)
                    mail.answered = max(mail.answered, code) if code == 250 else mail.answered or code
                    return code
            finally:
                session.close()
        return 0

    def unanswered(self) -> list[tuple[Mail, str]]:
        """Mails whose notice was taken and that nobody has answered with a 250."""
        notices = self.ledger.notices(self.out)
        mails = ((self.ledger.mails[number], address) for number, address in notices.items())
        return [(mail, address) for mail, address in mails if mail.answered != 250]

    async def load(self, sessions: int, seconds: float, *, answers: int = 3, held: float = HELD_SHARE) -> None:
        """So many sessions at once for so long, or until the guard dies; `answers` of them answer notices."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + seconds
        answering: set[int] = set()

        async def sends() -> None:
            member = random.choice(MEMBERS)
            session = await Session.open(self.guard.ports[0], member)
            try:
                while loop.time() < latest:
                    await self.submit(self.new(holds=random.random() < held, member=member), session)
            finally:
                session.close()

        async def answers_on() -> None:
            while loop.time() < latest and self.serving is not None:
                if self.queue and random.random() < 0.5:
                    if await self.bring(*self.queue.pop(random.randrange(len(self.queue)))) == 0:
                        return
                    continue
                waiting = [each for each in self.unanswered() if each[0].number not in answering]
                if not waiting:
                    await asyncio.sleep(0.02)
                    continue
                mail, address = random.choice(waiting)
                answering.add(mail.number)
                code = await self.answer(mail, address, handed_on=random.random() < 0.5)
                answering.discard(mail.number)
                if code == 0:
                    return

        async def until_gone(work: Callable[[], Awaitable[None]]) -> None:
            with suppress(*GONE):
                async with asyncio.timeout(seconds + PATIENCE_SECONDS):
                    await work()

        work = [sends] * (sessions - answers) + [answers_on] * answers
        await asyncio.gather(*(until_gone(each) for each in work))

    async def answer_all(self, account: Account) -> None:
        """SEND for everything that still waits, so that each must be at the outbox in the end. The mail server brings
        what it has; who is told that a mail may have gone out looks, and if it has not, answers again."""
        self.store.let_claims_lapse()
        for _ in range(QUEUE_RUNS):
            queue, self.queue = self.queue, []
            for each in queue:
                await self.bring(*each)
            if not self.queue:
                break
            await asyncio.sleep(0.2)
        account.wrong += [f"the mail server is not rid of an answer: {mail!r}" for mail, _, _ in self.queue]
        rows, there = self.rows(account), {number_of(each) for each in self.out.arrived if not is_own(each)}
        unsure = {number_of(each) for each in self.out.messages if is_unsure(each)} - there
        for number, address in self.ledger.notices(self.out).items():
            mail = self.ledger.mails[number]
            if rows.get(row_id(address)) not in WAITING or (mail.answered == 250 and number not in unsure):
                continue
            for _ in range(20):
                if await self.answer(mail, address) == 250:
                    break
                await asyncio.sleep(0.2)
            else:
                account.wrong.append(f"no answer works: {mail!r}")

    # ------------------------------------------------------------ what the store says

    def rows(self, account: Account) -> dict[bytes, str]:
        """States by id."""
        return self.store.states(account)

    async def settle(self) -> None:
        """Until nothing is under way at the mail server, at the outbox and, if the guard has ended, in the store."""
        for each in (self.up, self.out):
            with suppress(TimeoutError):
                await each.wait_until(lambda each=each: not each.open_sessions, 30)  # type: ignore[misc]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.serving is None and self.store.is_at_work():
                await asyncio.sleep(PAUSE_SECONDS)

    async def judge(self, account: Account, rows: Mapping[bytes, str] | None = None) -> None:
        """Count what became of all mails; the guard has ended or does nothing."""
        await self.settle()
        for each in self.store.killed_in_sending():
            self.ledger.allow_copies_of({each}, self.out)
        self.ledger.judge(account, self.up, self.out, self.rows(account) if rows is None else rows)
        if self.faults:
            account.wrong.append(f"{self.faults} faults in the log")


@asynccontextmanager
async def site(stores: Stores = files, **changes: Any) -> AsyncIterator[Site]:
    """A site that is not started yet; `changes` as in `write_config`."""
    passwords = dict.fromkeys(MEMBERS, PASSWORD)
    async with FakeUpstream(users=passwords, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        with tempfile.TemporaryDirectory(prefix="torture-") as name:
            folder = Path(name)
            async with stores(folder) as store:
                limits = {**LIMITS, **changes.pop("limits", {})}
                config = write_config(folder, up, out, limits=limits, **store.settings, **changes)
                place = Site(folder, store, up, out, config)
                try:
                    yield place
                finally:
                    if place.serving is not None:
                        await place.kill()


# `site` with the store that is tried.
Sites = Callable[..., AbstractAsyncContextManager[Site]]


def is_root() -> bool:
    """True if file systems can be mounted, perhaps."""
    return os.geteuid() == 0
