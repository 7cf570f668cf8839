"""`smtpguard remember`: opens the memory beside a running guard, reads archives into it, and says what came of it."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType

from smtpguard.archives import ArchiveError
from smtpguard.archives.coverage import SILENCE_MAX
from smtpguard.archives.opening import open_archive
from smtpguard.config.binding import nearest
from smtpguard.config.settings import Settings
from smtpguard.databases import SEEDED_SCHEMAS, Databases
from smtpguard.keys import KeyFolder, season_of
from smtpguard.keyshare import KeyShare
from smtpguard.lists import MailingList
from smtpguard.mail.address import parse_address
from smtpguard.policy import Policy
from smtpguard.seeding import Seeding
from smtpguard.store import Memory
from smtpguard.tools.owner import Owner
from smtpguard.tools.progress import Progress
from smtpguard.tools.remembering import Counts, Remembering

# In state_dir.
LOCK = "remember.lock"
ELSEWHERE = "another smtpguard remember is at work on one of the nodes; one that was killed is forgotten in a minute"
STOPPED = "Stopped. What was read is kept: the same command goes on from here."


class AlreadyRunningError(Exception):
    """Somebody else is reading archives into this memory."""


class NothingToRememberError(Exception):
    """What is asked for cannot be; the text says why, and what to do instead."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`lines` for whoever called, `troubles` of archives that could not be read; `stopped` if he has stopped it."""

    lines: tuple[str, ...]
    troubles: tuple[str, ...]
    stopped: bool


def list_named(policy: Policy, name: str) -> MailingList:
    """The list that `name` means: its id, its file, its address or an alias. Raises NothingToRememberError."""
    word = name.strip().lower().removeprefix("lists/").removesuffix(".yaml").removesuffix(".yml")
    address = parse_address(name.strip()) if "@" in name else None
    found = policy.list_of(address) if address is not None else policy.by_id.get(word)
    if found is not None:
        return found
    known = [*policy.by_id, *(each.normal for one in policy.lists for each in one.addresses)]
    near = nearest(word, known)
    hint = f'Did you mean "{near}"?' if near is not None else "smtpguard lists shows them all."
    raise NothingToRememberError(f'there is no list "{name}". {hint}')


class Remember:
    """One call of the command, for the list `mailing_list` of a guard with these settings."""

    def __init__(
        self, settings: Settings, policy: Policy, mailing_list: MailingList, now: datetime, progress: Progress
    ) -> None:
        if settings.remember == "none":
            raise NothingToRememberError(
                "the settings say remember: none, so the guard would not look at it. Write remember: lists"
            )
        if not settings.state_dir.is_dir():
            raise NothingToRememberError(
                f"{settings.state_dir}: there is no such folder; is this the state_dir of your guard?"
                " (--state-dir FOLDER) If no guard has run yet, start it first."
            )
        self._settings = settings
        self._policy = policy
        self._list = mailing_list
        self._now = now
        self._progress = progress

    async def run(self, paths: Sequence[Path]) -> Outcome:
        """Read the archives at `paths`. Raises AlreadyRunningError, StoreError, KeyFolderError, OSError."""
        owner = Owner(self._settings.state_dir)
        async with AsyncExitStack() as ends:
            ends.enter_context(owner.acting())
            ends.enter_context(_alone(self._settings.state_dir / LOCK))
            stops = ends.enter_context(_stoppable())
            databases = await Databases.open(self._settings, lambda: self._now, schemas=SEEDED_SCHEMAS, with_keys=True)
            ends.push_async_callback(databases.close)
            memory = await databases.memory()
            ends.push_async_callback(memory.close)
            archives = await databases.archives()
            ends.push_async_callback(archives.close)
            if not await archives.begin():
                raise AlreadyRunningError(ELSEWHERE)
            season = season_of(self._now.date())
            share = databases.key_share
            keys = _living(KeyFolder(self._settings.key_folder, "public", share), season)
            await archives.forget((await archives.weeks()) - keys.keys())
            remembering = Remembering(
                self._seeding(memory, share),
                archives,
                keys,
                self._list,
                week=season,
                now=self._now,
                bounds=self._policy.bounds,
                stops=stops,
            )
            return await self._read(remembering, paths, owner, stops)

    def _seeding(self, memory: Memory, share: KeyShare | None) -> Seeding:
        folder, kept = self._settings.key_folder, self._settings.memory
        return Seeding(
            memory,
            memory,
            KeyFolder(folder, "memory", share),
            KeyFolder(folder, "private", share),
            KeyFolder(folder, "public", share),
            self._policy,
            mails_kept=kept.private,
            posts_kept=kept.posts,
            clock=lambda: self._now,
        )

    async def _read(
        self, remembering: Remembering, paths: Sequence[Path], owner: Owner, stops: Callable[[], bool]
    ) -> Outcome:
        lines, troubles = [], []
        for path in paths:
            counts = Counts()
            try:
                archive = open_archive(path, owner.aside)
                with self._progress.of(path, archive.size, counts) as tell:
                    await remembering.read(archive, counts, tell)
            except ArchiveError as error:
                troubles.append(f"{path}: {error}")
            counts.stopped = counts.stopped or stops()
            lines.append(f"{path}: {_told(counts, remembering.oldest)}")
            if counts.stopped:
                return Outcome((*lines, STOPPED), tuple(troubles), stopped=True)
        since, last = await remembering.known_since()
        lines.append(f"{self._list.id}: posts are known since {since.isoformat()}.")
        if last is not None and since - last > SILENCE_MAX:
            lines.append(f"What is older ends on {last.isoformat()}, and nothing is known of the time between.")
        return Outcome(tuple(lines), tuple(troubles), stopped=False)


def _told(counts: Counts, oldest: datetime) -> str:
    parts = [f"{counts.posts:,} posts remembered"]
    if counts.earlier:
        parts.append(f"{counts.earlier:,} were already")
    if counts.old:
        parts.append(f"{counts.old:,} are too old to be kept (before {oldest.date().isoformat()})")
    if counts.broken:
        parts.append(f"{counts.broken:,} are no mails and were passed over")
    if counts.unreadable:
        parts.append(f"{counts.unreadable:,} files cannot be opened")
    return ", ".join(parts)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Two at once could keep one post twice. The file stays, as `lock` does. Raises AlreadyRunningError, OSError."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError("another smtpguard remember is at work in this state_dir") from error
        yield
    finally:
        os.close(number)


def _living(folder: KeyFolder, week: str) -> dict[str, bytes]:
    """The keys of all weeks, the present one made if there is none. Raises KeyFolderError."""
    folder.week_key(week, create=True)
    found = {each: folder.week_key(each) for each in folder.weeks()}
    return {each: key for each, key in found.items() if key is not None}


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM, once, ask to stop after this mail; the second time they end the process as always."""
    asked = False
    former = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        for each, handler in former.items():
            signal.signal(each, handler)

    for each in former:
        signal.signal(each, ask)
    try:
        yield lambda: asked
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)
