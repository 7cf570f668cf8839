"""What one worker of a guard works with (`workers`): its sockets, and what all workers share."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from smtpguard.alarms import HOUR_SECONDS
from smtpguard.bulletin import Bulletin
from smtpguard.frequency import Frequency, Rows
from smtpguard.headcount import Headcount, Row
from smtpguard.slots import Slots
from smtpguard.store.claimant import Claimant

MINUTE_SECONDS = 60.0
# What a worker says to the supervisor, each as a line.
READY = "ready"
RELOADED = "reloaded"
ALIVE = "alive"


class Shared:
    """The memory that all workers share; made before they are forked."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.headcount = Headcount(workers)
        self.alarms = Frequency(workers, HOUR_SECONDS)
        self.wrong_codes = Frequency(workers, MINUTE_SECONDS)
        self.bulletin = Bulletin()
        self.readings = Slots(workers)


@dataclass(frozen=True, slots=True)
class Workplace:
    """One worker's; `sockets` are those of each door. Number 0 leads: what is done once for a guard, it does."""

    number: int
    shared: Shared
    sockets: tuple[tuple[socket.socket, ...], ...]
    reports: int

    @property
    def leads(self) -> bool:
        """True for the one that sweeps, writes down what is in force, tells of broken files, and serves the page."""
        return self.number == 0

    @property
    def claimant(self) -> Claimant:
        """Whose claims on held mail its are."""
        return Claimant(self.number, self.shared.workers)

    @property
    def headcount(self) -> Row:
        """Counts who is inside."""
        return self.shared.headcount.row(self.number)

    @property
    def alarms(self) -> Rows:
        """Counts alarms that tell who is a member (T-14)."""
        return self.shared.alarms.rows(self.number)

    @property
    def wrong_codes(self) -> Rows:
        """Counts unknown codes (T-25)."""
        return self.shared.wrong_codes.rows(self.number)

    def report(self, word: str, text: str = "") -> None:
        """Tell the supervisor; it has ended if that fails, and so do we."""
        os.write(self.reports, f"{word} {text}\n".encode())
