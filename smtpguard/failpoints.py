"""Named steps at which a test can kill this process, as a power cut would.

SMTPGUARD_FAIL_AT names one of them; without it `reach` does nothing. Nothing is cleaned up, nothing is flushed: what is
durable at that step is what the next start finds. SMTPGUARD_STOP_AT names one at which it stands still until SIGCONT,
as a machine does that is put to sleep.
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
STOP_VARIABLE = "SMTPGUARD_STOP_AT"

_signals = {VARIABLE: signal.SIGKILL, STOP_VARIABLE: signal.SIGSTOP}
_chosen = {os.environ[each]: number for each, number in _signals.items() if each in os.environ}
if not _chosen.keys() <= set(POINTS):
    # A misspelled point would be a test that cannot fail.
    wrong = " and ".join(each for each in _signals if os.environ.get(each, POINTS[0]) not in POINTS)
    raise SystemExit(f"{wrong} names no step: use one of {', '.join(POINTS)}")


def reach(name: Point) -> None:
    """Say that step `name` is reached; kills or stops this process if the environment asked for it."""
    if name in _chosen:
        os.kill(os.getpid(), _chosen[name])
