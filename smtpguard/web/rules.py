"""The rules page as it is served, in the visitor's language: made in a thread, and once for many who ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.requests import Request

from smtpguard.config.settings import Settings
from smtpguard.notices.languages import Language
from smtpguard.notices.site import Site
from smtpguard.policy import Policy
from smtpguard.rules_page.facts import Facts, facts_of
from smtpguard.rules_page.pages import RulesPage, rules_page

# Exceptions end at midnight, and a reload is seen at once; a thousand lists take seconds to compare.
FRESH_SECONDS = 300
# Languages in which the page is kept at hand: a thousand lists make a megabyte.
LANGUAGES_KEPT_MAX = 8
# RFC 5646, 4.4.1: what a language tag needs at most.
TAG_CHARACTERS_MAX = 35


@dataclass(slots=True)
class _Made:
    """What has been told of these settings, and when; `pages` by language, the oldest first."""

    settings: Settings
    policy: Policy
    when: datetime
    facts: Facts
    pages: dict[Language, RulesPage] = field(default_factory=dict)

    def tells(self, settings: Settings, policy: Policy, now: datetime) -> bool:
        """True on the day it was made for, and only for a while: the wall clock may have been wrong."""
        if self.settings is not settings or self.policy is not policy:
            return False
        same_day = self.when.astimezone(policy.zone).date() == now.astimezone(policy.zone).date()
        return same_day and abs((now - self.when).total_seconds()) <= FRESH_SECONDS


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
        self._made: _Made | None = None

    async def page(self, language: Language) -> RulesPage:
        """The page in `language`."""
        async with self._making:
            settings, policy = self._standing()
            now, made = self._now(), self._made
            if made is None or not made.tells(settings, policy, now):
                facts = await asyncio.to_thread(facts_of, settings, policy, now)
                made = self._made = _Made(settings, policy, now, facts)
            if (page := made.pages.get(language)) is None:
                link = f"/rules.txt?lang={language.tag}"
                page = await asyncio.to_thread(rules_page, made.facts, language, link)
                if len(made.pages) >= LANGUAGES_KEPT_MAX:
                    del made.pages[next(iter(made.pages))]
                made.pages[language] = page
            return page

    def languages(self, site: Site) -> list[Language]:
        """Those that the organisation has named, in its order."""
        found = [site.texts.of(code) for code in self._standing()[0].languages]
        return list(dict.fromkeys(found))


def wished(request: Request, site: Site) -> Language | None:
    """The language in the address ("?lang=de"); None without one, and for one that we have no texts for."""
    code = request.query_params.get("lang", "")
    return site.texts.known(code) if 0 < len(code) <= TAG_CHARACTERS_MAX else None
