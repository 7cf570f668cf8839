"""Every metric that there is: its name, its labels, and all values that a label can have.

The set is closed, so that no word of a mail or of the settings can become a label (THREAT-MODEL T-53): rule, row, list
and choice stand in `smtpguard stats`, by closed weeks. How a held mail was decided has no counter, not even "released"
and "discarded": beside the mail server's log a live one would say whose choice it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import product

from smtpguard import __version__

# Upper bounds of histograms, seconds. A command takes a millisecond or two, a final dot the mail server's disk and
# filters, a store some milliseconds; what is beyond the last has its own bucket.
REPLY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
STORE_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LAG_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Kind(Enum):
    """What Prometheus takes it for."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Across(Enum):
    """What several processes of one guard come to together."""

    SUM = "sum"
    LARGEST = "largest"  # what all of them see alike, or the worst of them
    SMALLEST = "smallest"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. `labels` has each label's name with all its values; `bounds` are those of a histogram."""

    name: str
    kind: Kind
    help: str
    labels: Mapping[str, tuple[str, ...]]
    bounds: tuple[float, ...] = ()
    across: Across = Across.SUM

    @property
    def series(self) -> tuple[tuple[str, ...], ...]:
        """Every combination of label values, in the order of `labels`."""
        return tuple(product(*self.labels.values()))


def _counter(name: str, help_: str, **labels: tuple[str, ...]) -> Family:
    return Family(f"smtpguard_{name}_total", Kind.COUNTER, help_, labels)


def _gauge(name: str, help_: str, across: Across = Across.SUM, **labels: tuple[str, ...]) -> Family:
    return Family(f"smtpguard_{name}", Kind.GAUGE, help_, labels, across=across)


def _histogram(name: str, help_: str, bounds: tuple[float, ...], **labels: tuple[str, ...]) -> Family:
    return Family(f"smtpguard_{name}_seconds", Kind.HISTOGRAM, help_, labels, bounds)


WAYS = ("members", "outbox")
STORES = ("holds", "memory")

INFO = _gauge("info", "This version; always 1.", Across.LARGEST, version=(__version__,))
STARTED = _gauge("start_time_seconds", "When the guard started, seconds since 1970.", Across.SMALLEST)
MAILS = _counter(
    "mails",
    "Members' mails by what became of them: passed (the mail server took it), not_taken (refused in its own words),"
    " held, held_again (came again within a minute), refused, deferred (4xx).",
    outcome=("passed", "not_taken", "held", "held_again", "refused", "deferred"),
)
ENDED = _counter(
    "holds_ended", "Held mails that wait no more: decided by their senders, or expired.", by=("sender", "time")
)
WAITING = _gauge("holds_waiting", "Held mails that wait for an answer; of all nodes together.", Across.LARGEST)
OLDEST = _gauge(
    "holds_oldest_seconds",
    "Since the day, in UTC, on which the oldest of them came: whole days; 0 without any.",
    Across.LARGEST,
)
NOTICES = _counter(
    "notices",
    "Notices to the outbox: taken, refused for good (the mail is refused, too), or failed (the mail is put off).",
    result=("taken", "refused", "failed"),
)
LETTERS_LOST = _counter("letters_lost", "Results and expiry lines that could not be handed over in any try.")
ANSWERS = _counter(
    "answers",
    "Answers by mail or page: done, later, helped (not understood), late (decided already), wrong (no mail waits for"
    " that), ignored (a program's).",
    effect=("done", "later", "helped", "late", "wrong", "ignored"),
)
RELEASES_FAILED = _counter(
    "releases_failed",
    "Confirmed mails that did not go out: refused by the mail server, or put off. They wait on.",
    why=("refused", "deferred"),
)
COPIES = _counter("copies", "Copies that came in by a tap.", outcome=("taken", "deferred"))
REPLY = _histogram(
    "upstream_reply",
    "How long the mail server took to reply to a command, or to content after the final dot.",
    REPLY_BOUNDS,
    way=WAYS,
    to=("command", "content"),
)
UPSTREAM_ERRORS = _counter(
    "upstream_errors",
    "Connections to the mail server: unreachable (none, no TLS, turned away), or lost while a reply was waited for.",
    way=WAYS,
    what=("unreachable", "lost"),
)
UPSTREAM_REFUSALS = _counter(
    "upstream_refusals",
    "Commands and contents that the mail server refused: for now (4xx), or for good (5xx; wrong passwords, too).",
    way=WAYS,
    reply=("4xx", "5xx"),
)
STORE = _histogram(
    "store", "How long one statement or transaction took, the wait for it included.", STORE_BOUNDS, store=STORES
)
STORE_ERRORS = _counter("store_errors", "Statements that the database did not do.", store=STORES)
STORE_UP = _gauge("store_up", "1 if the store of held mail answered within its time, else 0.", Across.SMALLEST)
SWEEP_AGE = _gauge("sweep_age_seconds", "Since the last sweep came to its end: expiry, keys, tidying.", Across.LARGEST)
SESSIONS_OPEN = _gauge("sessions_open", "Clients that are connected, at all listeners.")
SESSIONS = _counter("sessions", "Sessions that have begun.")
TURNED_AWAY = _counter("sessions_turned_away", "Sessions that found no room (limits.connections and per address).")
READS = _counter("settings_reads", "How often settings were read again and something was new, or SIGHUP asked for it.")
FILES = _gauge(
    "settings_files",
    "Settings files: in_force, last_good (broken, its last good version counts), or unused (broken, nothing counts).",
    Across.LARGEST,
    state=("in_force", "last_good", "unused"),
)
NEEDS_RESTART = _gauge("settings_needing_restart", "Keys that were changed and are read at start only.", Across.LARGEST)
CERTIFICATES_KEPT = _counter("certificates_kept", "New certificates, keys or authorities that could not be used.")
CERTIFICATE_END = _gauge(
    "certificate_end_seconds",
    "When the listeners' certificate ends, the one in use, seconds since 1970.",
    Across.SMALLEST,
)
LAG = _histogram("loop_lag", "How late the event loop served a timer of one second.", LAG_BOUNDS)
WARNINGS = _counter("log_warnings", "Warnings in the log, except mail put off.")
FAULTS = _counter("faults", "Bugs: lines in the log with event=fault.")
CPU = Family("process_cpu_seconds_total", Kind.COUNTER, "Processor time, user and system.", {})
MEMORY = Family("process_resident_memory_bytes", Kind.GAUGE, "Memory in use (RSS).", {})
OPEN_FILES = Family("process_open_fds", Kind.GAUGE, "Open files, connections included.", {})
OPEN_FILES_MAX = Family("process_max_fds", Kind.GAUGE, "How many may be open.", {})

FAMILIES = (
    *(INFO, STARTED, MAILS, ENDED, WAITING, OLDEST, NOTICES, LETTERS_LOST, ANSWERS, RELEASES_FAILED, COPIES),
    *(REPLY, UPSTREAM_ERRORS, UPSTREAM_REFUSALS, STORE, STORE_ERRORS, STORE_UP, SWEEP_AGE),
    *(SESSIONS_OPEN, SESSIONS, TURNED_AWAY),
    *(READS, FILES, NEEDS_RESTART, CERTIFICATES_KEPT, CERTIFICATE_END, LAG, WARNINGS, FAULTS),
    *(CPU, MEMORY, OPEN_FILES, OPEN_FILES_MAX),
)
