"""The metrics of one running guard, from its start to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

from smtpguard import maillog
from smtpguard.config.listeners import MetricsSettings
from smtpguard.metrics.meters import Meters
from smtpguard.metrics.opening import monitoring_door
from smtpguard.metrics.readings import Reading
from smtpguard.metrics.vitals import Vitals
from smtpguard.web.door import WebDoor


class Monitoring:
    """Counts from the moment it is made, until `stop`; `start` opens the port of `said`."""

    def __init__(self, said: MetricsSettings) -> None:
        self.meters = Meters()
        self._said = said
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

        door = monitoring_door(self._said, read, vitals.unready)
        await door.start()
        self._door = door
        self._lag = asyncio.create_task(self.meters.watch_loop())

    async def stop(self) -> None:
        """Shut the port and count no more."""
        self._observing.close()
        if self._lag is not None:
            self._lag.cancel()
        if self._door is not None:
            await self._door.stop(0)
