"""Week keys that are needed only while a replay goes on: in memory, where they cost no waiting for a disk."""

from __future__ import annotations

import secrets

from smtpguard.key_file import KEY_OCTETS


class PassingKeys:
    """The keys of one set (`key_ring.WeeklyKeys`)."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}

    def week_key(self, week: str, create: bool = False) -> bytes | None:
        """The key of the ISO week `week`; if there is none, a new one or None as `create` says."""
        if create and week not in self._keys:
            self._keys[week] = secrets.token_bytes(KEY_OCTETS)
        return self._keys.get(week)

    def weeks(self) -> tuple[str, ...]:
        """The weeks that have a key, oldest first."""
        return tuple(sorted(self._keys))

    def erase_weeks(self, before: str) -> int:
        """Forget the keys of all weeks before `before`; returns how many."""
        old = [each for each in self._keys if each < before]
        for each in old:
            del self._keys[each]
        return len(old)
