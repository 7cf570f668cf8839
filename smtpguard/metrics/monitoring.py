"""The metrics of one running guard, from its start to its end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from smtpguard import maillog
from smtpguard.config.listeners import MetricsSettings
from smtpguard.metrics.meters import Meters
from smtpguard.metrics.opening import monitoring_door
from smtpguard.metrics.readings import Reading
from smtpguard.metrics.vitals import Vitals
from smtpguard.metrics.worker_readings import WRITE_SECONDS, WorkerReadings
from smtpguard.web.door import WebDoor


class Monitoring:
    """Counts from the moment it is made, until `stop`; `start` opens the place of `said`. A worker of several writes
    down what it counts, in `workers`, and only the one that `leads` opens the port."""

    def __init__(
        self,
        said: MetricsSettings,
        take: Callable[[str], socket.socket],
        workers: WorkerReadings | None = None,
        *,
        leads: bool = True,
    ) -> None:
        self._workers = workers
        self._leads = leads
        self._writing: asyncio.Task[None] | None = None
        self.meters = Meters()
        self._said = said
        self._take = take
        self._door: WebDoor | None = None
        self._lag: asyncio.Task[None] | None = None
        self._observing = ExitStack()
        self._observing.enter_context(maillog.observed_by(self.meters.event))

    @property
    def address(self) -> str | None:
        """Where it is asked, for people; None before `start`."""
        return None if self._door is None else self._door.address

    async def start(self, vitals: Vitals, settings: Callable[[], Reading]) -> None:
        """Open the port; `settings` says what counts of the settings and certificates. Raises OSError."""

        async def read() -> Reading:
            return {**self.meters.values(), **await vitals.values(), **settings()}

        workers = self._workers

        async def read_all() -> Reading:
            own = await read()
            if workers is None:
                return own
            # Before it is told: should this worker die now, its successor goes on from no less than was told.
            workers.write(own)
            return workers.of_all(own)

        if self._leads:
            door = monitoring_door(self._said, read_all, vitals.unready, self._take)
            await door.start()
            self._door = door
        if workers is not None:
            self._writing = asyncio.create_task(_write(workers, read))
        self._lag = asyncio.create_task(self.meters.watch_loop())

    async def stop(self) -> None:
        """Shut the port and count no more."""
        self._observing.close()
        for each in (self._lag, self._writing):
            if each is not None:
                each.cancel()
        if self._door is not None:
            await self._door.stop(0)


async def _write(workers: WorkerReadings, read: Callable[[], Awaitable[Reading]]) -> None:
    while True:
        workers.write(await read())
        await asyncio.sleep(WRITE_SECONDS)
