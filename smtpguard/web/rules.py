"""The rules page as it is served: made in a thread, and once for many who ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from smtpguard.config.settings import Settings
from smtpguard.policy import Policy
from smtpguard.rules_page.rules import rules_pages

# Exceptions end at midnight, and a reload is seen at once; a thousand lists take seconds to compare.
FRESH_SECONDS = 300


class RulesPages:
    """The rules in force; `standing` gives the settings and the policy that count now."""

    def __init__(
        self,
        standing: Callable[[], tuple[Settings, Policy]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._standing = standing
        self._now = now
        self._making = asyncio.Lock()
        self._made: tuple[Settings, Policy, datetime, Mapping[str, str]] | None = None

    async def text(self, name: str) -> str:
        """The page `name`: index.html or rules.txt."""
        async with self._making:
            settings, policy = self._standing()
            now = self._now()
            made = self._made
            if made is None or made[0] is not settings or made[1] is not policy or not _fresh(made[2], now, policy):
                pages = await asyncio.to_thread(rules_pages, settings, policy, now, own_page=True)
                made = self._made = (settings, policy, now, pages)
            return made[3][name]


def _fresh(made: datetime, now: datetime, policy: Policy) -> bool:
    """True on the day it was made for, and only for a while: the wall clock may have been wrong."""
    same_day = made.astimezone(policy.zone).date() == now.astimezone(policy.zone).date()
    return same_day and abs((now - made).total_seconds()) <= FRESH_SECONDS
