"""What happens by the clock: expiry and its one line, keys that are no longer needed, and traces in the files.

Nothing here decides about a mail that somebody may still answer: expiry takes only rows that are due, by the store's
own time, and a step of the wall clock pauses it (SEMANTICS c6).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from smtpguard import maillog
from smtpguard.bulletin import Bulletin
from smtpguard.correspondence import Correspondence
from smtpguard.decisions import Decisions
from smtpguard.failpoints import reach
from smtpguard.held import Card, HeldRow, State
from smtpguard.key_file import KeyFolderError
from smtpguard.keys import KeyElsewhereError, KeyFolder, week_of
from smtpguard.mail.address import Address
from smtpguard.notices.compose import compose_expired, compose_unreadable
from smtpguard.notices.site import Site
from smtpguard.safe import Safe
from smtpguard.store import HoldStore, StoreError

# How often the sweep runs: T-03 wants the files tidy within 60 s of a decision, and a deadline is said to the minute.
SWEEP_SECONDS = 20.0
# Rows that are expired in a row. More follow only when their lines are on their way, not more than SWEEP_ROWS wait: a
# crash takes the lines that wait, and an outbox that is down must not make more of them than it can be tried with.
SWEEP_ROWS = 100
# Rows, and octets, that go in one transaction: the disk is waited for once, and whoever holds a mail waits for that. A
# single row may have more octets.
EXPIRED_TOGETHER = 25
OCTETS_TOGETHER = 1024 * 1024
# So long a sweep expires; then nothing of it is left in the files (T-03), and keys go, before it goes on.
EXPIRY_SECONDS = 10.0
# Between two batches, and between two sweeps where more is due: sessions, and whoever holds a mail, come first.
BATCH_PAUSE = 0.05
# A wall clock that moved this much against the monotonic one, or a guard that was away so long, pauses expiry.
CLOCK_STEP = timedelta(hours=1)
AWAY_MAX = timedelta(hours=24)
EXPIRY_PAUSE = timedelta(hours=1)
# Two nodes that sign at the same time do it in either order; the later one waits for the other some seconds at most.
SIGNS_APART = timedelta(seconds=10)
# A hold that took its day key before midnight may commit after it (timeouts.hold is bounded): the key waits for it.
KEY_GRACE = timedelta(hours=1)
# SEMANTICS c6: a tombstone stays 30 days.
TOMBSTONES = timedelta(days=30)
# A week key serves the tags of waiting mail. It goes when nothing tagged in its week can be waiting any more: the
# longest wait, and a week each for the beginning and the end.
WEEK_KEYS_BEYOND_WAIT = timedelta(days=14)


class Housekeeping:
    """The sweep. `clock` is aware UTC, the time that day keys go by; `sweep_seconds` the pause between two sweeps.
    `beside` are sweeps of others, done at the end of each and at the start. Of several workers, which have a
    `bulletin`, one leads: the others free their own claims at the start, and then do no more than what is in `beside`.
    """

    def __init__(
        self,
        store: HoldStore,
        keys: KeyFolder,
        safe: Safe,
        decisions: Decisions,
        correspondence: Correspondence,
        site: Callable[[], Site],
        contact: Address,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        longest_wait: timedelta = timedelta(days=7),
        sweep_seconds: float = SWEEP_SECONDS,
        beside: Sequence[Callable[[], Awaitable[None]]] = (),
        bulletin: Bulletin | None = None,
        leads: bool = True,
    ) -> None:
        self._store = store
        self._keys = keys
        self._safe = safe
        self._decisions = decisions
        self._correspondence = correspondence
        self._site = site
        self._contact = contact
        self._clock = clock
        self._monotonic = monotonic
        self._week_keys = longest_wait + WEEK_KEYS_BEYOND_WAIT
        self._sweep_seconds = sweep_seconds
        self._beside = beside
        self._bulletin = bulletin
        self._leads = leads
        self._last: tuple[datetime, float] | None = None
        self._paused_until: float | None = None
        self._seen: datetime | None = None
        self._ending = asyncio.Event()
        # By day: why what is due cannot be told and expired for now.
        self._faults: dict[date, KeyFolderError] = {}
        self._swept: float | None = None

    async def start(self) -> None:
        """Once, before mail is taken: claims of a former process lapse; a long absence pauses expiry; what a restored
        database does not know is settled; lost keys are told.

        Raises StoreError if the store does not work, KeyFolderError.
        """
        await self._store.release_claims()
        # Before there is a sign of life: while a guard is not to start, nobody can answer.
        if any((await self._store.waiting_days()).values()):
            await asyncio.to_thread(self._keys.ensure_mounted, week_of(self._clock().date()))
        if self._leads:
            await self._lead()
        else:
            self._follow()
        for each in self._beside:
            await each()
        self._swept = self._monotonic()

    async def _lead(self) -> None:
        if self._bulletin is not None:
            # A leader that died has left it in doubt.
            self._paused_until = self._bulletin.paused_until or None
        new = await self._show_life(first=True)
        await self._meet_nodes()
        days = await asyncio.to_thread(self._keys.days)
        if new and days:
            self._pause("the database is new, the keys are not: if it was lost, put a copy back before keys are erased")
        await self._decisions.settle_all()
        await self._tell_of_lost_keys()

    def swept_at(self) -> float | None:
        """When the last sweep, or the start, came to its end, by `monotonic`."""
        return self._swept

    def _follow(self) -> None:
        """Believe the time as far as the worker does that leads."""
        if self._bulletin is not None:
            now = self._clock()
            self._safe.compare_clocks(now, now + timedelta(seconds=self._bulletin.seconds_apart))
            self._paused_until = self._bulletin.paused_until or None

    def expect_waits_of(self, longest_wait: timedelta) -> None:
        """Mail may wait so long from now on; what was held before may still wait as long as before."""
        self._week_keys = max(self._week_keys, longest_wait + WEEK_KEYS_BEYOND_WAIT)

    async def run(self) -> None:
        """Sweep until `end` or cancelled. A failing store is a line in the log, and another try at the next sweep."""
        more = False
        while not await self._ends_within(min(BATCH_PAUSE, self._sweep_seconds) if more else self._sweep_seconds):
            more = False
            try:
                more = await self.sweep()
                self._swept = self._monotonic()
            except (StoreError, KeyFolderError, OSError) as error:
                maillog.warning("housekeeping did not finish", error=type(error).__name__, why=str(error))

    def end(self) -> None:
        """Expire no more, and let `run` come to its end. Cut off between an expiry and its line, that one would be
        lost.
        """
        self._ending.set()

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        except TimeoutError:
            return False
        return True

    async def sweep(self) -> bool:
        """One round: expire what is due, erase keys nobody needs, leave nothing of decided mail in the files. True if
        more is due than there was time for.

        Raises StoreError, KeyFolderError; for a key that is damaged only when all else is done.
        """
        if not self._leads:
            self._follow()
            for each in self._beside:
                await each()
            return False
        if await self._show_life():
            await self._decisions.settle_all()
        try:
            more = not self.pauses and await self._expire()
        finally:
            # Also if the key folder refuses: T-03 is about what is decided already.
            await self._store.tidy()
        await self._meet_nodes()
        if not self.pauses:
            await self._erase_keys()
            await self._forget()
        for each in self._beside:
            await each()
        self.tell_faults()
        return more

    async def _show_life(self, *, first: bool = False) -> bool:
        """True if the database is an older one than it was (T-05): a copy was put in its place, or a replica that had
        not heard of everything has taken over. It remembers an earlier sign of life than ours, and at the `first` sign
        none at all.
        """
        sign = await self._store.sign_of_life()
        now = self._clock()
        self._safe.compare_clocks(now, sign.now)
        if self._bulletin is not None:
            self._bulletin.seconds_apart = (sign.now - now).total_seconds()
        self._watch_clock(sign.now)
        # Also in mid-run: a store that could not be reached for a day took no answers either.
        if sign.before is not None and sign.now - sign.before > AWAY_MAX and not self.pauses:
            self._pause("the guard was away for more than a day")
        last, self._seen = self._seen, sign.now
        if first:
            return sign.before is None
        if last is None or (sign.before is not None and sign.before >= last):
            return False
        # A long absence is told of for an hour, and has paused all this already.
        if sign.before is None or (last - sign.before > SIGNS_APART and sign.now - sign.before <= AWAY_MAX):
            self._pause("the database is older than it was: keys of mail that it does not know are kept for now")
        return True

    def _watch_clock(self, wall: datetime) -> None:
        """`wall` is the store's time now: what mail expires by."""
        steady = self._monotonic()
        if self._last is not None:
            passed = timedelta(seconds=steady - self._last[1])
            if abs((wall - self._last[0]) - passed) > CLOCK_STEP:
                self._pause("the wall clock was set")
        self._last = wall, steady

    def _pause(self, why: str) -> None:
        self._paused_until = self._monotonic() + EXPIRY_PAUSE.total_seconds()
        if self._bulletin is not None:
            self._bulletin.paused_until = self._paused_until
        maillog.warning("expiry pauses", why=why, minutes=int(EXPIRY_PAUSE.total_seconds() // 60))

    @property
    def pauses(self) -> bool:
        """True while expiry pauses, because the clock is not to be believed."""
        return self._paused_until is not None and self._monotonic() < self._paused_until

    async def expire_due(self) -> int:
        """Expire up to SWEEP_ROWS mails that are due, also while expiry pauses; returns how many went. Those of a day
        whose key is damaged are left: see `tell_faults`."""
        while True:
            rows, known = await self._due(), len(self._faults)
            expired = await self._expire_batch(rows)
            if expired or len(self._faults) == known:
                return len(expired)

    def tell_faults(self) -> None:
        """Raises KeyFolderError if what is due had to be left because of a key; the next call does not know of it."""
        faults, self._faults = list(self._faults.values()), {}
        for each in faults:
            raise each

    async def _due(self) -> list[HeldRow]:
        return await self._store.due(SWEEP_ROWS, self._faults.keys())

    async def _expire(self) -> bool:
        """Batch after batch, for EXPIRY_SECONDS; True if time was over before all was done."""
        latest = self._monotonic() + EXPIRY_SECONDS
        self._faults.clear()
        while True:
            rows = await self._due()
            expired = await self._expire_batch(rows)
            if expired:
                maillog.expired(len(expired))
            if len(rows) < SWEEP_ROWS or self._ending.is_set():
                return False
            await asyncio.sleep(BATCH_PAUSE)
            while self._correspondence.pending > SWEEP_ROWS:
                if self._monotonic() >= latest:
                    return False  # the outbox does not keep up: the next batch comes with the next sweep
                if self._ending.is_set():
                    return False
                await asyncio.sleep(BATCH_PAUSE)
            if self._monotonic() >= latest:
                return True

    async def _expire_batch(self, rows: Sequence[HeldRow]) -> list[HeldRow]:
        """Those of `rows` that expired now, noted beside their keys. A day whose key is damaged becomes a fault."""
        expired: list[HeldRow] = []
        try:
            for day, its in _by_day(rows).items():
                try:
                    await self._expire_of_day(day, its, expired)
                except KeyFolderError as error:
                    self._faults[day] = error
        finally:
            # Also if the store refuses in the middle.
            if expired:
                await self._decisions.note(State.EXPIRED, *expired)
        return expired

    async def _expire_of_day(self, day: date, rows: Sequence[HeldRow], expired: list[HeldRow]) -> None:
        """Expire `rows`, held under the key of `day`, and add them to `expired` as they go."""
        decided = await self._decisions.settled_among(day, [row.id for row in rows])
        left = [row for row in rows if row.id not in decided]
        # A card goes with its row in one transaction, so it is read before. Who got no 250 gets no line.
        cards = await self._safe.open_cards(day, [row for row in left if row.state is not State.ASKING])
        for some in _portions(left):
            if self._ending.is_set():
                return
            lines = {row.id: await self._line(row, cards[row.id]) for row in some if row.id in cards}
            gone = await self._store.expire([row.id for row in some])
            if gone:
                reach("expire.decided")
            # Without waiting in between: who ends now has all of them on their way, or none of these mails expired.
            for row in some:
                if row.id in gone:
                    expired.append(row)
                    if row.id in lines:
                        self._correspondence.send_later(cards[row.id].mailbox, lines[row.id])

    async def _line(self, row: HeldRow, card: Card) -> bytes:
        """What its sender reads of an expiry. Sessions have their turn between two of them."""
        await asyncio.sleep(0)
        assert row.expires is not None  # noqa: S101 - it was due
        head = self._correspondence.letterhead(card.mailbox, in_reply_to=card.notice_id)
        return compose_expired(head, self._site(), card, row.expires, interrupted=row.state is State.SENDING)

    async def _forget(self) -> None:
        """Rows of the past that nobody asks for any more."""
        while await self._store.purge_tombstones(TOMBSTONES):  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(BATCH_PAUSE)
        # A hold that began before midnight may take its count back after it.
        await self._store.forget_notices((self._clock() - KEY_GRACE).date())

    async def _meet_nodes(self) -> None:
        """Keys that were made or erased on other nodes (T-04)."""
        met = await asyncio.to_thread(self._keys.exchange)
        if met.differing:
            maillog.warning(
                "this node has other keys than the others: mail of those days can be answered only where it was held",
                count=met.differing,
            )

    async def _erase_keys(self) -> None:
        """The day key goes with the last decision of its day; nothing of that day opens any more, wherever a copy
        lies.
        """
        if self._safe.clock_is_wrong:
            return
        waiting = await self._store.waiting_days()
        newest_gone = (self._clock() - KEY_GRACE).date()
        await asyncio.to_thread(self._erase, {day for day in waiting if waiting[day]}, newest_gone)

    def _erase(self, waiting: set[date], before: date) -> None:
        # What was decided goes with its key; it is alone if we died in between.
        for day in {*self._keys.days(), *self._keys.decided_days()}:
            if day < before and day not in waiting:
                self._keys.erase_day(day)
        self._keys.erase_weeks(week_of(self._clock().date() - self._week_keys))

    def _gone_among(self, days: set[date]) -> set[date]:
        """Those whose key is lost. One that is with a node that is away comes back with it."""

        def is_gone(day: date) -> bool:
            try:
                return self._keys.day_key(day) is None
            except KeyElsewhereError:
                return False

        return {day for day in days.difference(self._keys.days()) if is_gone(day)}

    async def _tell_of_lost_keys(self) -> None:
        waiting = await self._store.waiting_days()
        lost = sum(waiting[day] for day in await asyncio.to_thread(self._gone_among, set(waiting)))
        if lost:
            maillog.warning("waiting mail cannot be opened: its day keys are missing", count=lost)
            head = self._correspondence.letterhead(self._contact)
            letter = compose_unreadable(head, lost, language=self._site().texts.of(None))
            self._correspondence.send_later(self._contact, letter)


def _by_day(rows: Sequence[HeldRow]) -> dict[date, list[HeldRow]]:
    found: dict[date, list[HeldRow]] = {}
    for row in rows:
        if row.day is not None:  # which waits
            found.setdefault(row.day, []).append(row)
    return found


def _portions(rows: Sequence[HeldRow]) -> Iterator[list[HeldRow]]:
    """As many as go in one transaction."""
    some: list[HeldRow] = []
    octets = 0
    for row in rows:
        if some and (len(some) == EXPIRED_TOGETHER or octets + row.size > OCTETS_TOGETHER):
            yield some
            some, octets = [], 0
        some.append(row)
        octets += row.size
    if some:
        yield some
