"""The week keys of the memory, at hand while they live: every mail to a list needs the marks of each week.

The folder says which weeks live. Keys that are erased here are forgotten here at once; those that somebody else erases,
at the next week or start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from smtpguard.marks import Marks


class WeeklyKeys(Protocol):
    """Where the keys of one set lie: a key folder. Every method raises KeyFolderError, and may wait for the disk."""

    def week_key(self, week: str, create: bool = False) -> bytes | None:
        """The key of the ISO week `week`; if there is none, a new one or None as `create` says."""

    def weeks(self) -> tuple[str, ...]:
        """The weeks that have a key, oldest first."""

    def erase_weeks(self, before: str) -> int:
        """Erase the keys of all weeks before `before`; returns how many."""


class KeyRing:
    """The marks of all weeks that have a key in `keys`. Every method raises KeyFolderError."""

    def __init__(self, keys: WeeklyKeys) -> None:
        self._keys = keys
        self._current: str | None = None
        self._marks: dict[str, Marks] = {}
        self._changing = asyncio.Lock()

    async def marks(self, week: str) -> Mapping[str, Marks]:
        """Marks by their week, the oldest first; those of `week`, the present one, are made if there are none."""
        if self._current != week:
            async with self._changing:
                if self._current != week:
                    self._marks = await asyncio.to_thread(self._load, week)
                    self._current = week
        return self._marks

    def refresh(self) -> None:
        """Look into the folder at the next question: another process may have made keys of earlier weeks."""
        self._current = None

    async def erase(self, before: str) -> None:
        """Erase the keys of all weeks before `before` ("2026-W47"): nothing kept under them can be used any more."""
        async with self._changing:
            await asyncio.to_thread(self._keys.erase_weeks, before)
            self._marks = {week: each for week, each in self._marks.items() if week >= before}
            if self._current not in self._marks:
                self._current = None

    def _load(self, current: str) -> dict[str, Marks]:
        self._keys.week_key(current, create=True)
        found = {week: self._marks.get(week) for week in self._keys.weeks()}
        keys = {week: self._keys.week_key(week) for week, marks in found.items() if marks is None}
        made = {week: Marks(week, key) for week, key in keys.items() if key is not None}
        return {week: marks or made[week] for week, marks in found.items() if marks is not None or week in made}
