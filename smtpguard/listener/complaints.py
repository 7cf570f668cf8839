"""Lines in the log that a stranger can cause: one at once, then one in a while that says how many there were."""

from __future__ import annotations

import asyncio

from smtpguard import maillog

# Often enough to see an attack while it lasts, seldom enough for a log that is read.
PAUSE_SECONDS = 10.0
# What an admin has to mend, and no client can; said again until it is mended.
REMINDER_SECONDS = 3600.0


class Complaints:
    """At most one line for each reason in its pause. Reasons are our own words, so there are few."""

    def __init__(self) -> None:
        self._pauses: dict[str, asyncio.TimerHandle] = {}
        self._suppressed: dict[str, int] = {}

    @property
    def waits(self) -> bool:
        """True while some reason is in its pause."""
        return bool(self._pauses)

    def note(self, what: str, *, pause: float = PAUSE_SECONDS, **values: object) -> None:
        """Log `what`, or count it if it was logged less than `pause` seconds ago."""
        if what in self._pauses:
            self._suppressed[what] = self._suppressed.get(what, 0) + 1
        else:
            maillog.warning(what, **values)
            self._wait(what, pause)

    def close(self) -> None:
        """Log what was counted and not said yet."""
        for what, pause in self._pauses.items():
            pause.cancel()
            self._sum_up(what)
        self._pauses.clear()

    def _wait(self, what: str, pause: float) -> None:
        self._pauses[what] = asyncio.get_running_loop().call_later(pause, self._look, what, pause)

    def _look(self, what: str, pause: float) -> None:
        del self._pauses[what]
        if self._sum_up(what):
            self._wait(what, pause)

    def _sum_up(self, what: str) -> bool:
        more = self._suppressed.pop(what, 0)
        if more:
            maillog.warning(what, more=more)
        return bool(more)
