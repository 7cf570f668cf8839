"""Counting what the guard did, told once: an outcome is final > it is counted in memory > written, sealed, in batches.

No mail waits for this and none is lost by it: what cannot be written is a line in the log and another try. If the
process dies, the outcomes of the last half second are not counted. Several nodes add to the same figures: who finds
that another has written meanwhile adds to those. The figures of a week lie sealed under a key in the
key folder, so that neither the database nor a backup of it tells what one mail was held for (THREAT-MODEL T-02, T-53).

A held mail is counted when its outcome is known. An answer opens it and shows what it was held for; at its expiry
nothing does. So a hold is counted at once as one without an answer, in the week in which its time will be over, and an
answer takes that back.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from smtpguard import maillog
from smtpguard.figures import (
    CELLS_MAX,
    Alarm,
    Cell,
    FiguresError,
    Outcome,
    added,
    alarms_of,
    closes,
    figures_from_octets,
    figures_to_octets,
    span_begin,
)
from smtpguard.held import HeldMail, HeldRow, State
from smtpguard.key_file import KeyFolderError
from smtpguard.keys import KeyFolder, week_of
from smtpguard.seal import NONCE_OCTETS, SealError, open_figures, seal_figures
from smtpguard.store import FiguresStore, StoreError
from smtpguard.verdict import Finding, Verdict
from smtpguard.writer import WRITE_SECONDS, Writer

# After its last moment a week may still change for so long: a release under way, a batch not yet written.
CLOSING = timedelta(hours=1)
# A year and the week in which it began; the rest of a span goes with it.
KEPT = timedelta(weeks=53)
# Weeks whose counts are kept in memory: the present one, and those in which waiting mail expires.
WEEKS_AT_HAND = 12
# Nodes that count at the same moment are in each other's way a few times at most; then it is tried later.
TRIES = 5


class _Written(NamedTuple):
    """The figures of a week in the store: their octets, None if there are none, and what is in them."""

    sealed: bytes | None
    counts: dict[Cell, int]


class Counting:
    """Counts outcomes. `keys` are week keys of its own; `random_octets` gives n octets fit for nonces."""

    def __init__(
        self,
        store: FiguresStore,
        keys: KeyFolder,
        random_octets: Callable[[int], bytes],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        write_seconds: float = WRITE_SECONDS,
    ) -> None:
        self._store = store
        self._keys = keys
        self._random = random_octets
        self._clock = clock
        self._new: dict[str, Counter[Cell]] = {}
        self._written: dict[str, _Written] = {}
        self._writing = asyncio.Lock()
        self._writer = Writer(self._write_all, lambda: bool(self._new), "figures", seconds=write_seconds)
        self._swept: str | None = None

    def passed(self, verdict: Verdict) -> None:
        """The mail server has taken a mail; what is only observed alarmed nobody but us."""
        self._count(alarms_of(verdict.observed), Outcome.OBSERVED)

    def refused(self, verdict: Verdict) -> None:
        """The mail went back to its sender at once."""
        self._count(alarms_of(verdict.findings), Outcome.REFUSED)
        self.passed(verdict)

    def held(self, verdict: Verdict, expires: datetime) -> None:
        """The notice is known to be taken; the mail waits until `expires`."""
        self._add(_week(expires), alarms_of(verdict.findings), Outcome.NO_ANSWER, 1)
        self.passed(verdict)

    def replaced(self, findings: Iterable[Finding], former: HeldRow) -> None:
        """A second copy, which has these findings, has taken the place of `former` (12-15): they are the same mail."""
        self._decided(alarms_of(findings), Outcome.REPLACED, former)

    def answered(self, row: HeldRow, held: HeldMail, outcome: Outcome) -> None:
        """An answer has been done; `row` as it was before."""
        self._decided(alarms_of(held.findings), outcome, row)

    async def sweep(self) -> None:
        """Once a week: note that this week is counted, and erase what is too old. Never raises: it is tried again."""
        now = self._clock()
        week = _week(now)
        if week == self._swept:
            return
        oldest = week_of(oldest_kept(now))
        try:
            await asyncio.to_thread(self._keys.erase_weeks, oldest)
            await self._store.forget_figures(oldest)
            self._new.setdefault(week, Counter())
            await self._write_all()
        except (StoreError, KeyFolderError, OSError) as error:
            maillog.warning("figures of former weeks could not be looked after", error=type(error).__name__)
            return
        self._swept = week

    async def settle(self) -> None:
        """Write what waits to be written, once."""
        await self._writer.settle()

    def _decided(self, alarms: frozenset[Alarm], outcome: Outcome, row: HeldRow) -> None:
        self._count(alarms, outcome)
        # A mail whose notice may not have arrived was never counted as waiting.
        if row.expires is None or row.state is State.ASKING:
            return
        week = _week(row.expires)
        if closed_at(week) > self._clock():
            self._add(week, alarms, Outcome.NO_ANSWER, -1)

    def _count(self, alarms: frozenset[Alarm], outcome: Outcome) -> None:
        self._add(_week(self._clock()), alarms, outcome, 1)

    def _add(self, week: str, alarms: frozenset[Alarm], outcome: Outcome, number: int) -> None:
        if not alarms:
            return
        counts = self._new.setdefault(week, Counter())
        for each in alarms:
            cell = Cell(each.list, each.row, outcome)
            if cell in counts or len(counts) < CELLS_MAX:
                counts[cell] += number
        self._writer.begin()

    async def _write_all(self) -> None:
        """Raises StoreError, KeyFolderError; what was counted waits on then."""
        async with self._writing:
            await self._write_new()

    async def _write_new(self) -> None:
        new, self._new = self._new, {}
        try:
            for _ in range(TRIES):
                if await self._is_written(new):
                    break
            else:
                raise StoreError("other nodes write their figures all the time")
        except BaseException:
            for week, counts in new.items():
                self._new.setdefault(week, Counter()).update(counts)
            raise
        for week in sorted(self._written)[:-WEEKS_AT_HAND]:
            del self._written[week]

    async def _is_written(self, new: Mapping[str, Counter[Cell]]) -> bool:
        """Add `new` to what is written. False if another node was quicker: then it is to be looked at again."""
        former = {week: await self._of(week) for week in new}
        total = {week: added(former[week].counts, counts) for week, counts in new.items()}
        sealed = await asyncio.to_thread(self._sealed, total)
        if not await self._store.keep_figures(sealed, {week: each.sealed for week, each in former.items()}):
            for week in new:
                self._written.pop(week, None)
            return False
        self._written |= {week: _Written(sealed[week], total[week]) for week in new}
        return True

    async def _of(self, week: str) -> _Written:
        """The figures of `week` as they are written. What does not open any more is as good as lost."""
        if week in self._written:
            return self._written[week]
        sealed = await self._store.figures(week)
        if sealed is None:
            return _Written(None, {})
        key = await asyncio.to_thread(self._keys.week_key, week)
        try:
            return _Written(sealed, {} if key is None else opened(sealed, week, key))
        except FiguresError:
            maillog.warning("the figures of this week do not open; counting begins afresh", week=week)
            return _Written(sealed, {})

    def _sealed(self, weeks: Mapping[str, dict[Cell, int]]) -> dict[str, bytes]:
        return {
            week: seal_figures(
                figures_to_octets(counts),
                week=week,
                week_key=self._keys.week_key(week, create=True),
                nonce=self._random(NONCE_OCTETS),
            )
            for week, counts in weeks.items()
        }


def oldest_kept(now: datetime) -> date:
    """The Monday from which on figures are kept at `now`."""
    return span_begin((now.astimezone(UTC) - KEPT).date())


def closed_at(week: str) -> datetime:
    """When the figures of an ISO week do not change any more."""
    return datetime.combine(closes(week), time(), UTC) + CLOSING


def _week(moment: datetime) -> str:
    """The ISO week of a moment, in UTC."""
    return week_of(moment.astimezone(UTC).date())


def opened(sealed: bytes, week: str, key: bytes) -> dict[Cell, int]:
    """The counts of a week out of their seal. Raises FiguresError if they do not open or cannot be read."""
    try:
        return figures_from_octets(open_figures(sealed, week=week, week_key=key))
    except SealError as error:
        raise FiguresError("the seal of the figures did not open") from error
