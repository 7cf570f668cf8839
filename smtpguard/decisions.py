"""Decisions outlive the database (THREAT-MODEL T-05): they are kept beside the day keys, too, and go with them.

Whatever copy of the database is put back, what was decided is not decided again and nothing is sent twice. A row that
waits though it was decided becomes the tombstone that it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime

from smtpguard import maillog
from smtpguard.decided_file import Decision
from smtpguard.held import HeldRow, State
from smtpguard.key_file import KeyFolderError
from smtpguard.keys import KeyFolder
from smtpguard.store import HoldStore

# Seconds between two tries to keep what could not be kept: a full disk is mended in minutes.
RETRY_SECONDS = 2.0
# Decisions that wait for a key folder which refuses. More are given up: they are in the database all the same.
UNKEPT_MAX = 10_000

_Decided = tuple[date, bytes, Decision]


class Decisions:
    """What was decided, as the key folder tells it. `clock` is aware."""

    def __init__(
        self,
        store: HoldStore,
        keys: KeyFolder,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._unkept: list[_Decided] = []
        self._retrying: asyncio.Task[None] | None = None

    async def note(self, state: State, *rows: HeldRow) -> None:
        """`state` was decided on `rows`, which waited: kept durably on return, or tried on in the background. Never
        raises: the decision stands.
        """
        decision = Decision(state, self._clock())
        decided = [(row.day, row.id, decision) for row in rows if row.day is not None]
        left, error = await asyncio.to_thread(self._keep, decided)
        if error is not None:
            maillog.warning("what was decided could not be kept beside the day key yet", why=str(error))
            self._unkept = [*self._unkept, *left][:UNKEPT_MAX]
            if self._retrying is None or self._retrying.done():
                self._retrying = asyncio.create_task(self._keep_on())

    async def settled(self, row: HeldRow) -> Decision | None:
        """What was decided on a waiting row in a copy of the database that knew; then it waits no more. None if
        nothing was. Raises StoreError, KeyFolderError.
        """
        return None if row.day is None else (await self.settled_among(row.day, (row.id,))).get(row.id)

    async def settled_among(self, day: date, ids: Collection[bytes]) -> Mapping[bytes, Decision]:
        """The same of several waiting rows of `day`, by id."""
        decided = await asyncio.to_thread(self._keys.decisions_among, day, ids)
        for id_, decision in decided.items():
            await self._store.settle(id_, decision.state, decision.when)
        return decided

    async def settle_all(self) -> int:
        """Settle all waiting rows that were decided before; returns how many. Raises StoreError, KeyFolderError."""
        waiting = await self._store.waiting_days()
        decided = await asyncio.to_thread(self._decided, [day for day, count in waiting.items() if count])
        found = 0
        for id_ in await self._store.waiting_ids() if decided else ():
            decision = decided.get(id_)
            if decision is not None and await self._store.settle(id_, decision.state, decision.when):
                found += 1
        if found:
            maillog.warning("the database is an older copy: mail waited in it that had been decided", count=found)
        return found

    async def close(self) -> None:
        """At the end: what could not be kept by now is only in the database."""
        if self._retrying is not None:
            self._retrying.cancel()
            await asyncio.gather(self._retrying, return_exceptions=True)

    def _decided(self, days: list[date]) -> dict[bytes, Decision]:
        decided: dict[bytes, Decision] = {}
        for day in days:
            decided |= self._keys.decisions(day)
        return decided

    def _keep(self, decided: list[_Decided]) -> tuple[list[_Decided], KeyFolderError | None]:
        """Keep these; those that could not be kept, and why. One day whose key is damaged keeps no other from it."""
        left: list[_Decided] = []
        fault: KeyFolderError | None = None
        for day in {each[0] for each in decided}:
            its = [each for each in decided if each[0] == day]
            try:
                self._keys.note_decided(day, [(id_, decision) for _, id_, decision in its])
            except KeyFolderError as error:
                left += its
                fault = error
        return left, fault

    async def _keep_on(self) -> None:
        while self._unkept:
            await asyncio.sleep(self._retry_seconds)
            trying = self._unkept
            left, _ = await asyncio.to_thread(self._keep, trying)
            # What came meanwhile stands behind.
            self._unkept = [*left, *self._unkept[len(trying) :]]
