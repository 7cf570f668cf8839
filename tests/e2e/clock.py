"""Time that has gone by: the environment in which a program believes that it is later."""

from __future__ import annotations

from datetime import timedelta

from tests.e2e.stack.programs import FAKETIME


def later(by: timedelta) -> dict[str, str]:
    """Shifts the time of day. Timeouts stay as they are, and so do the times of files.

    A guard that is ended and started again in this environment finds its state as it would be then. `time.sleep` fails
    in it (the library knows no clock_nanosleep to a point in time); a served guard only needs it where its database is
    locked by somebody else.
    """
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME": f"+{int(by.total_seconds())}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",  # its older name
        "NO_FAKE_STAT": "1",
        "FAKETIME_DISABLE_SHM": "1",  # nothing is left in /dev/shm
    }
