"""Settings in a running guard: at SIGHUP or when files change they are read again, and what can be used counts from the
next mail on. Who looks after a file that cannot be used is told, and `status.json` says what is in force."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from smtpguard import __version__, maillog
from smtpguard.config.in_force import InForce, Kept, Standing
from smtpguard.config.lists import FOLDER
from smtpguard.config.problems import format_problem
from smtpguard.config.site_texts import TEXTS_FOLDER
from smtpguard.file_letters import FileLetters
from smtpguard.process import clearing_up_later
from smtpguard.status import STATUS_SECONDS, FileStatus, Status, erase_status
from smtpguard.watch import Watch


@dataclass(frozen=True, slots=True)
class Record:
    """What a guard that holds mail keeps about its settings. `waiting`: how many mails wait, None if nobody knows;
    `metrics`: where monitoring asks; `pid`: the process that takes signals for all of it."""

    state_dir: Path
    letters: FileLetters
    waiting: Callable[[], Awaitable[int | None]]
    metrics: str | None = None
    pid: int = field(default_factory=os.getpid)


class Reload:
    """Keeps `standing` what the files of `in_force` say, and hands each new one to `take`.

    Without `record` (a pure relay) nothing is written down and nobody gets a mail.
    """

    def __init__(
        self, in_force: InForce, standing: Standing, take: Callable[[Standing], None], record: Record | None
    ) -> None:
        self._in_force = in_force
        self.standing = standing
        self._take = take
        self._record = record
        self._reading = asyncio.Lock()
        # A lock of its own: a thousand copies take seconds on a slow disk, and the next change must not wait for them.
        self._writing = asyncio.Lock()
        self._started = datetime.now(UTC)
        self._files: dict[str, FileStatus] = {}
        self._date()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def files(self) -> Collection[FileStatus]:
        """Every settings file, and what of it counts."""
        return self._files.values()

    async def start(self) -> None:
        """Say what is not in force, keep copies of what is, and watch the files from now on."""
        self._say_kept(())
        await self._write_down()
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._report())]

    async def stop(self) -> None:
        """Watch no more."""
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._record is not None:
            try:
                await asyncio.to_thread(erase_status, self._record.state_dir)
            except OSError as error:
                maillog.warning("status.json cannot be removed", why=error.strerror)

    async def now(self, *, is_asked_for: bool = True) -> None:
        """Read all files again. Never raises for what is in them. That nothing is new is said to who asked for it."""
        async with self._reading:
            # Not the whole former one: it can go before Python clears up.
            kept, needs_restart = self.standing.kept, self.standing.needs_restart
            with clearing_up_later():
                # In a thread: a thousand lists take half a second, and a disk may not answer.
                self.standing = standing = await asyncio.to_thread(self._renewed)
                if standing.changed or standing.removed:
                    self._take(standing)
            self._date()
            is_new = bool(standing.changed or standing.removed or standing.kept != kept)
            if is_asked_for or is_new:
                self._say(standing, kept, needs_restart)
        if is_asked_for or is_new:
            await self._write_down()

    def _renewed(self) -> Standing:
        """What counts now, with its texts ready to be said."""
        standing = self._in_force.renew()
        if standing.changed or standing.removed:
            standing.texts.prepare(standing.settings.languages)
        return standing

    async def _watch(self) -> None:
        folder = self._in_force.path.parent
        # The folder of texts as well: a new file changes its time.
        watch = Watch(self._in_force.path, folder / FOLDER, lambda: (folder / TEXTS_FOLDER, *self._in_force.named))
        while True:
            try:
                async for _ in watch.changes():
                    await self.now(is_asked_for=False)
            except Exception as error:  # a bug, or a file that went while it was looked at
                maillog.fault("a change of the settings could not be read", error)
                await asyncio.sleep(STATUS_SECONDS)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(STATUS_SECONDS)
            try:
                async with self._writing:
                    await self._tell()
                    await self._write_status()
            except Exception as error:  # likewise
                maillog.fault("status.json could not be written", error)

    def _say(self, standing: Standing, kept: tuple[Kept, ...], needs_restart: tuple[str, ...]) -> None:
        """What is new since those files were `kept` and those keys needed a restart."""
        self._say_kept(kept)
        for name in standing.removed:
            maillog.warning("a settings file was removed; its list is not looked after any more", file=name)
        if standing.needs_restart and standing.needs_restart != needs_restart:
            keys = " ".join(standing.needs_restart)
            maillog.warning("this needs a restart; until then the former values count", keys=keys)
        maillog.settings_read(len(standing.changed), len(standing.removed), len(standing.kept), len(standing.names))

    def _say_kept(self, before: tuple[Kept, ...]) -> None:
        known = {each.name: each.problems for each in before}
        for each in self.standing.kept:
            if known.get(each.name) != each.problems:
                maillog.file_kept(each.name, format_problem(each.problems[0]), len(each.problems) - 1, each.is_new)
        for name in known.keys() - {each.name for each in self.standing.kept}:
            maillog.file_mended(name)

    async def _write_down(self) -> None:
        if self._record is None:
            return
        async with self._writing:
            try:
                await asyncio.to_thread(self._in_force.save)
            except OSError as error:
                what = "no copies of the settings can be kept; a restart needs all files in order"
                maillog.warning(what, why=str(error))
            await self._tell()
            await self._write_status()

    async def _tell(self) -> None:
        standing = self.standing
        if self._record is not None and standing.settings.contact is not None:
            letters = self._record.letters
            await letters.tell(standing.kept, standing.contacts, standing.settings.contact)
            await letters.tell_of_ends(standing.endings)

    async def _write_status(self) -> None:
        record = self._record
        if record is None:
            return
        status = Status(
            __version__,
            record.pid,
            str(self._in_force.path),
            self._started,
            datetime.now(UTC),
            tuple(self._files.values()),
            self.standing.needs_restart,
            await record.waiting(),
            record.metrics,
        )
        try:
            await asyncio.to_thread(status.write, record.state_dir)
        except OSError as error:
            maillog.warning("status.json cannot be written", why=error.strerror)

    def _date(self) -> None:
        """Note since when each file is as it is."""
        standing, now = self.standing, datetime.now(UTC)
        kept = {each.name: each for each in standing.kept}
        files = []
        for name in dict.fromkeys((*standing.names, *kept)):
            broken = kept.get(name)
            problem = "\n".join(map(format_problem, broken.problems)) if broken is not None else None
            former = self._files.get(name)
            as_before = former is not None and former.problem == problem and name not in standing.changed
            since = former.since if former is not None and as_before else now
            files.append(FileStatus(name, broken is None, since, problem, broken is not None and broken.is_new))
        self._files = {each.name: each for each in files}
