"""Named steps at which a test can kill this process, as a power cut would.

SMTPGUARD_FAIL_AT names one of them; without it `reach` does nothing. Nothing is cleaned up, nothing is flushed: what is
durable at that step is what the next start finds.
"""

from __future__ import annotations

import os
import signal
from typing import Literal, get_args

Point = Literal[
    "hold.sealed",
    "hold.committed",
    "hold.noticed",
    "hold.marked",
    "release.claimed",
    "release.sending",
    "release.sent",
    "release.noted",
    "release.decided",
    "expire.decided",
    "relay.before_end",
    "relay.replied",
    "memory.before_write",
    "memory.written",
    "remember.kept",
    "remember.noted",
]
POINTS: tuple[Point, ...] = get_args(Point)

VARIABLE = "SMTPGUARD_FAIL_AT"

_chosen = os.environ.get(VARIABLE)
if _chosen is not None and _chosen not in POINTS:
    # A misspelled point would be a test that cannot fail.
    raise SystemExit(f"{VARIABLE} names no step: use one of {', '.join(POINTS)}")


def reach(name: Point) -> None:
    """Say that step `name` is reached; kills this process (SIGKILL) if the environment asked for it."""
    if name == _chosen:
        os.kill(os.getpid(), signal.SIGKILL)
