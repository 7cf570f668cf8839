"""Whether a guard lives and can take mail, and what stands in it at the moment.

Unready is a guard whose store does not answer, whose sweep has died or whose doors are shut. A mail server that is away
does not make it so. It is away for all nodes at once: were they all unready, members would find a closed port instead
of a 4xx, of which mail programs tell more; their mail is put off either way. Page and sweep go on meanwhile, and an
alert tells that the mail server is away.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

from smtpguard import __version__
from smtpguard.metrics import families
from smtpguard.metrics.readings import Reading, Values
from smtpguard.status import FileStatus
from smtpguard.store import HoldStore, StoreError

# A store that takes longer is as good as away: a hold has a minute and asks it six times.
STORE_SECONDS = 5.0
# What the store said is good for so long, however many ask.
LOOK_SECONDS = 5.0
# A sweep ends every 20 seconds; expiry, the only long part, has 10. After ten minutes it hangs.
SWEEP_AGE_MAX = 600.0
# The age of the oldest hold is told in whole days: by the second it would point at one mail in the log.
DAY_SECONDS = 86_400


class Doors(Protocol):
    """The listeners (listener/server)."""

    @property
    def is_open(self) -> bool: ...
    @property
    def sessions(self) -> int: ...
    @property
    def visits(self) -> int: ...
    @property
    def turned_away(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a guard that holds mail can be asked besides. `sweeps` is the task, `swept` when it last came to an end."""

    store: HoldStore
    sweeps: asyncio.Task[None]
    swept: Callable[[], float | None]


@dataclass(frozen=True, slots=True)
class Look:
    """What the store said: how many wait under each day key, None if it did not answer in time."""

    days: Mapping[date, int] | None
    asked: float


class Vitals:
    """Looks at one guard. `keeping` is None for a pure relay."""

    def __init__(self, doors: Doors, keeping: Keeping | None) -> None:
        self._doors = doors
        self._keeping = keeping
        self._look: Look | None = None
        self._looking = asyncio.Lock()
        self._started = time.time()

    async def unready(self) -> tuple[str, ...]:
        """Why no mail can be taken, in our own words; empty if it can."""
        found = [] if self._doors.is_open else ["not every listener is open"]
        keeping = self._keeping
        if keeping is not None:
            if (await self._looked(keeping)).days is None:
                found.append("the store does not answer")
            swept = keeping.swept()
            if keeping.sweeps.done() or swept is None or time.monotonic() - swept > SWEEP_AGE_MAX:
                found.append("the sweep does not run")
        return tuple(found)

    async def values(self) -> dict[str, Values]:
        """The gauges, and sessions so far."""
        doors, keeping = self._doors, self._keeping
        found: dict[str, Values] = {
            families.INFO.name: {(__version__,): 1},
            families.STARTED.name: {(): self._started},
            families.SESSIONS_OPEN.name: {(): doors.sessions},
            families.SESSIONS.name: {(): doors.visits},
            families.TURNED_AWAY.name: {(): doors.turned_away},
            **_process(),
        }
        if keeping is not None:
            look, swept = await self._looked(keeping), keeping.swept()
            found[families.STORE_UP.name] = {(): int(look.days is not None)}
            if swept is not None:
                found[families.SWEEP_AGE.name] = {(): time.monotonic() - swept}
            if look.days is not None:
                found[families.WAITING.name] = {(): sum(look.days.values())}
                found[families.OLDEST.name] = {(): _oldest(look.days)}
        return found

    async def _looked(self, keeping: Keeping) -> Look:
        async with self._looking:
            now = time.monotonic()
            if self._look is None or now - self._look.asked >= LOOK_SECONDS:
                try:
                    async with asyncio.timeout(STORE_SECONDS):
                        days: Mapping[date, int] | None = await keeping.store.waiting_days()
                except (StoreError, TimeoutError):
                    days = None
                self._look = Look(days, time.monotonic())
            return self._look


def of_settings(files: Collection[FileStatus], needs_restart: int) -> Reading:
    """How many settings files count as they stand."""
    states = [("in_force" if each.ok else "unused" if each.is_new else "last_good") for each in files]
    return {
        families.FILES.name: {(each,): states.count(each) for each in families.FILES.labels["state"]},
        families.NEEDS_RESTART.name: {(): needs_restart},
    }


def of_certificates(end: datetime | None) -> Reading:
    """When that of the listeners ends; nothing without TLS."""
    return {} if end is None else {families.CERTIFICATE_END.name: {(): end.timestamp()}}


def _oldest(days: Mapping[date, int]) -> int:
    waiting = [day for day, number in days.items() if number]
    return max((datetime.now(UTC).date() - min(waiting)).days, 0) * DAY_SECONDS if waiting else 0


def _process() -> dict[str, Values]:
    limit, times = resource.getrlimit(resource.RLIMIT_NOFILE)[0], os.times()
    found: dict[str, Values] = {
        families.CPU.name: {(): times.user + times.system},
        families.OPEN_FILES_MAX.name: {(): limit},
    }
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        found[families.MEMORY.name] = {(): pages * os.sysconf("SC_PAGESIZE")}
        found[families.OPEN_FILES.name] = {(): sum(1 for _ in Path("/proc/self/fd").iterdir())}
    except OSError as error:
        # Just then monitoring must go on: with no file left to open, all that may be are open.
        if error.errno in (errno.EMFILE, errno.ENFILE):
            found[families.OPEN_FILES.name] = {(): limit}
    return found
