"""Mails of archives are submitted one after the other to a guard with a memory of its own, which begins empty.

Judged is by the code of `serve`, with the memory that the configuration says (`remember`), its clock that of the mails.
All mails of an archive were sent in the end, so what is held counts as sent by its sender's SEND, and is remembered;
so is what would be refused. Nothing of the guard's own state is opened (T-16): the memory lies in `folder`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from smtpguard.accounts import Directory
from smtpguard.config.settings import Settings
from smtpguard.databases import passing_memory
from smtpguard.examination import examine, unexamined
from smtpguard.figures import Alarm, alarms_of
from smtpguard.mail.address import parse_address
from smtpguard.mail.message import Submission
from smtpguard.mail.parsing import parse_message
from smtpguard.origins import Origins
from smtpguard.past import Known, Past
from smtpguard.policy import Policy
from smtpguard.recollection import Recollection
from smtpguard.tools.replay.gathering import Entry, Gathered, Source
from smtpguard.tools.replay.homes import Homes
from smtpguard.tools.replay.passing_keys import PassingKeys
from smtpguard.tools.replay.posts import author_of
from smtpguard.verdict import Action

# Housekeeping forgets every ten minutes; here it does so when this time has gone by in the archive. Keys live for whole
# weeks, and each question says how far back it goes: until then what is too old takes room, and means nothing.
FORGET_EVERY = timedelta(days=7)
# So many mails are written into the memory at once; until then they count where they wait.
SETTLED_EVERY = 40


# A memory that has not answered is asked again: here nobody waits for it.
ASKED_MAX = 3
# Before any mail.
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


class Unjudged(Enum):
    """Why a mail of an archive is no submission to this guard."""

    NO_LIST = "no list"
    OUTSIDER = "outsider"


class Fate(NamedTuple):
    """What would happen to a mail. `row` decided; `alarms` would hold or refuse it, `observed` are only counted;
    `lists` are the ids of those that it goes to. `complete` is false if the memory did not answer in time."""

    action: Action
    row: str
    alarms: frozenset[Alarm]
    observed: frozenset[Alarm]
    lists: tuple[str, ...]
    complete: bool = True


@dataclass(frozen=True)
class Configuration:
    """What a guard is given: `name` is the site file as named on the command line."""

    name: str
    settings: Settings = field(repr=False)
    policy: Policy = field(repr=False)
    directory: Directory = field(repr=False)

    @property
    def has_tap(self) -> bool:
        """True if posts of people elsewhere become known, by copies."""
        return any(each.kind == "tap" for each in self.settings.listeners)


class Playing:
    """One configuration's guard, whose state is in `folder`. Made by `open`, ended by `close`."""

    def __init__(self, configuration: Configuration, sources: Sequence[Source]) -> None:
        self._configuration = configuration
        self._policy = configuration.policy
        self._homes = Homes(sources, configuration.policy)
        self._now = _BEGIN
        self._forgotten = _BEGIN
        self._unsettled = 0
        self._recollection: Recollection
        self._origins: Origins
        self._past: Past

    @classmethod
    async def open(cls, configuration: Configuration, sources: Sequence[Source], folder: Path) -> Playing:
        """Raises StoreError, KeyFolderError."""
        playing = cls(configuration, sources)
        await playing._begin(folder)
        return playing

    async def _begin(self, folder: Path) -> None:
        settings = self._configuration.settings
        # Never the one that the settings name.
        store = await passing_memory(folder, self._clock)
        self._recollection = Recollection(
            store,
            PassingKeys(),
            PassingKeys(),
            self._statutes,
            remembers=lambda: self._policy.remember.posts,
            posters_kept=lambda: settings.memory.posts,
            clock=self._clock,
        )
        self._origins = Origins(
            store,
            PassingKeys(),
            PassingKeys(),
            self._statutes,
            is_post=self._recollection.is_post,
            mails_kept=lambda: settings.memory.private,
            posts_kept=lambda: settings.memory.posts,
            clock=self._clock,
        )
        self._past = Past(self._recollection, self._origins, self._statutes, self._clock)

    async def submit(self, entry: Entry, octets: bytes) -> Fate | Unjudged:
        """Submit a mail that came in at `entry.when`, not before the one before it. Raises StoreError,
        KeyFolderError."""
        policy = self._policy
        self._now = entry.when
        if self._now - self._forgotten > FORGET_EVERY:
            await self._past.settle()
            await self._recollection.forget()
            await self._origins.forget()
            self._forgotten = self._now
        message = parse_message(octets, policy.bounds)
        homes = dict.fromkeys(each for each in map(self._homes.list_of, entry.homes) if each is not None)
        recipients = tuple(dict.fromkeys((*message.destinations, *(each.address for each in homes))))
        lists = policy.lists_of(recipients)
        if not lists:
            return Unjudged.NO_LIST
        login = author_of(octets, lambda each: policy.list_of(each) is not None)
        author = parse_address(login)
        if author is not None and policy.is_outsider(author):
            if self._configuration.has_tap:
                for each in lists:
                    await self._origins.learn_post(each.id, message, self._now)
            return Unjudged.OUTSIDER
        submission = Submission(
            id="replay",
            account=self._configuration.directory.account(login),
            recipients=recipients,
            message=message,
            arrived=self._now,
            size=len(octets),
        )
        known = await self._recall(submission)
        verdict = unexamined(submission, policy) if known.failed else examine(submission, policy, known.evidence)
        self._past.keep(submission, policy, known)
        self._unsettled += 1
        if self._unsettled >= SETTLED_EVERY:
            await self._past.settle()
            self._unsettled = 0
        return Fate(
            verdict.action,
            verdict.decided_by,
            alarms_of(verdict.findings),
            alarms_of(verdict.observed),
            tuple(each.id for each in lists),
            _is_whole(known),
        )

    async def close(self) -> None:
        """Close the memory."""
        await self._past.close()

    async def _recall(self, submission: Submission) -> Known:
        known = Known()
        for _ in range(ASKED_MAX):
            known = await self._past.recall(submission, self._policy)
            if _is_whole(known):
                break
        return known

    def _clock(self) -> datetime:
        return self._now

    def _statutes(self) -> Policy:
        return self._policy


async def played(configuration: Configuration, gathered: Gathered, folder: Path) -> AsyncIterator[Fate | Unjudged]:
    """The fate of each mail, in order; the memory lies in `folder`, which is empty. Raises StoreError, KeyFolderError,
    OSError."""
    playing = await Playing.open(configuration, [each.source for each in gathered.archives], folder)
    try:
        with gathered.spool.open("rb") as spool:
            for entry in gathered.entries:
                spool.seek(entry.start)
                yield await playing.submit(entry, spool.read(entry.octets))
    finally:
        await playing.close()


def _is_whole(known: Known) -> bool:
    """False if one of the two memories did not answer in time."""
    return known.recalled.complete and known.traced.complete
