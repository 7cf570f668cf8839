"""What is counted while the guard works: a dictionary and a few histograms, filled where outcomes are final anyway.

Mails, notices and answers are counted where their line goes to the log (maillog), mail servers where a reply is waited
for (upstream/target), stores around their methods. Nothing is counted if nobody asks for metrics.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import Counter
from threading import Lock
from typing import Any, TypeVar, cast

from smtpguard.metrics import families
from smtpguard.metrics.families import Family
from smtpguard.metrics.readings import Histogram, Labels, Values
from smtpguard.store import StoreError

Store = TypeVar("Store")

# How often the event loop's lag is looked at. Each look wakes the process; a second is what monitoring can see at all.
LAG_SECONDS = 1.0

Series = tuple[Family, Labels]

# Event and subject of a line of the log, and what it counts for.
_EVENTS: dict[tuple[str, str], tuple[Series, ...]] = {
    ("passed", "mail"): ((families.MAILS, ("passed",)),),
    ("not-taken", "mail"): ((families.MAILS, ("not_taken",)),),
    ("held", "mail"): ((families.MAILS, ("held",)), (families.NOTICES, ("taken",))),
    ("held-again", "mail"): ((families.MAILS, ("held_again",)),),
    ("refused", "mail"): ((families.MAILS, ("refused",)),),
    ("refused", "notice"): ((families.MAILS, ("refused",)), (families.NOTICES, ("refused",))),
    ("deferred", "mail"): ((families.MAILS, ("deferred",)),),
    ("deferred", "notice"): ((families.MAILS, ("deferred",)), (families.NOTICES, ("failed",))),
    ("deferred", "answer"): ((families.ANSWERS, ("later",)),),
    ("deferred", "release"): ((families.RELEASES_FAILED, ("deferred",)),),
    ("deferred", "copy"): ((families.COPIES, ("deferred",)),),
    ("copy-taken", "mail"): ((families.COPIES, ("taken",)),),
    ("answered", "done"): ((families.ANSWERS, ("done",)),),
    ("answered", "later"): ((families.ANSWERS, ("later",)),),
    ("answered", "help"): ((families.ANSWERS, ("helped",)),),
    ("answered", "gone"): ((families.ANSWERS, ("late",)),),
    ("answered", "lost"): ((families.ANSWERS, ("late",)),),
    ("answered", "unknown"): ((families.ANSWERS, ("wrong",)),),
    ("answered", "ignored"): ((families.ANSWERS, ("ignored",)),),
    # Which of both a sender has chosen is nobody's business.
    ("released", "mail"): ((families.ENDED, ("sender",)),),
    ("discarded", "mail"): ((families.ENDED, ("sender",)),),
    ("expired", "mail"): ((families.ENDED, ("time",)),),
    ("release-refused", "mail"): ((families.RELEASES_FAILED, ("refused",)),),
    ("letter-lost", "mail"): ((families.LETTERS_LOST, ()),),
    ("settings-read", "mail"): ((families.READS, ()),),
    ("certificate-kept", "mail"): ((families.CERTIFICATES_KEPT, ()),),
    ("warning", "mail"): ((families.WARNINGS, ()),),
    ("fault", "mail"): ((families.FAULTS, ()),),
}
_COUNTED = {family.name: family for counted in _EVENTS.values() for family, _ in counted}


class Meters:
    """The counters of one process."""

    def __init__(self) -> None:
        self._events: Counter[tuple[str, Labels]] = Counter()
        # A line may go to the log from a thread, where two additions at once could lose one.
        self._lock = Lock()
        self.members = UpstreamMeter()
        self.outbox = UpstreamMeter()
        self.stores = {name: StoreMeter() for name in families.STORES}
        self._lag = Histogram(families.LAG_BOUNDS)

    def event(self, name: str, of: str, times: int) -> None:
        """A line goes to the log (`maillog.observed_by`)."""
        with self._lock:
            for family, labels in _EVENTS.get((name, of), ()):
                self._events[family.name, labels] += times

    async def watch_loop(self) -> None:
        """Look at the event loop's lag until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            self._lag.add(max(loop.time() - due, 0))

    def values(self) -> dict[str, Values]:
        """All counters so far, by the name of their family."""
        ways = {"members": self.members, "outbox": self.outbox}
        found: dict[str, Values] = {
            name: {labels: self._events[name, labels] for labels in family.series} for name, family in _COUNTED.items()
        }
        found[families.REPLY.name] = {
            (way, to): getattr(meter, to).spread() for way, meter in ways.items() for to in ("command", "content")
        }
        found[families.UPSTREAM_ERRORS.name] = {
            (way, what): meter.errors[what] for way, meter in ways.items() for what in ("unreachable", "lost")
        }
        found[families.UPSTREAM_REFUSALS.name] = {
            (way, reply): meter.refusals[reply] for way, meter in ways.items() for reply in ("4xx", "5xx")
        }
        found[families.STORE.name] = {(name,): each.latency.spread() for name, each in self.stores.items()}
        found[families.STORE_ERRORS.name] = {(name,): each.errors for name, each in self.stores.items()}
        found[families.LAG.name] = {(): self._lag.spread()}
        return found


class UpstreamMeter:
    """How one way to a mail server fares (upstream/target.Meter)."""

    def __init__(self) -> None:
        self.command = Histogram(families.REPLY_BOUNDS)
        self.content = Histogram(families.REPLY_BOUNDS)
        self.errors: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()

    def replied(self, seconds: float, code: int, *, content: bool) -> None:
        """A reply came."""
        (self.content if content else self.command).add(seconds)
        if code >= 400:
            self.refusals["4xx" if code < 500 else "5xx"] += 1

    def unreachable(self) -> None:
        """No connection."""
        self.errors["unreachable"] += 1

    def lost(self) -> None:
        """A connection broke."""
        self.errors["lost"] += 1


class StoreMeter:
    """How one store fares."""

    def __init__(self) -> None:
        self.latency = Histogram(families.STORE_BOUNDS)
        self.errors = 0


def measured(store: Store, meter: StoreMeter) -> Store:
    """`store`, each of whose questions is counted by `meter`."""
    return cast(Store, _Measured(store, meter))


class _Measured:
    """Stands for a store; its methods are wrapped when they are first asked for."""

    def __init__(self, store: Any, meter: StoreMeter) -> None:
        self._store = store
        self._meter = meter

    def __getattr__(self, name: str) -> Any:
        method, meter = getattr(self._store, name), self._meter
        if not inspect.iscoroutinefunction(method):
            return method

        async def counted(*arguments: Any, **named: Any) -> Any:
            begun = time.monotonic()
            try:
                return await method(*arguments, **named)
            except StoreError:
                meter.errors += 1
                raise
            finally:
                meter.latency.add(time.monotonic() - begun)

        setattr(self, name, counted)
        return counted
