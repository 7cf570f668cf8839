"""Workers that do not lead: what they leave to the one that does, and what they learn from it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from smtpguard.bulletin import Bulletin
from smtpguard.held import State
from smtpguard.housekeeping import Housekeeping
from smtpguard.key_file import KeyFolderError
from tests.notices.samples import SITE
from tests.test_housekeeping import CONTACT, Premises, premises


class Workers:
    """The housekeeping of workers over one store; `looked` counts what each does beside."""

    def __init__(self, here: Premises) -> None:
        self._here = here
        self.bulletin = Bulletin()
        self.looked = 0

    def one(self, *, leads: bool) -> Housekeeping:
        """That of one more worker."""
        here = self._here
        return Housekeeping(
            here.store, here.keys, here.safe, here.decisions, here.correspondence, lambda: SITE, CONTACT,
            clock=lambda: here.clock.wall, monotonic=lambda: here.clock.steady, sweep_seconds=0.01,
            beside=(self._look,), bulletin=self.bulletin, leads=leads,
        )  # fmt: skip

    async def _look(self) -> None:
        self.looked += 1


async def test_who_follows_expires_nothing_erases_nothing_and_does_what_is_beside(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        workers = Workers(here)
        follower = workers.one(leads=False)
        await follower.start()
        row = await here.hold(hours=1)
        here.clock.go(days=2)

        days = here.keys.days()
        assert not await follower.sweep()

        assert [row.id] == [each.id for each in await here.store.due(9)]
        assert days == here.keys.days()
        assert 2 == workers.looked
        await workers.one(leads=True).sweep()
        assert State.EXPIRED is await here.state(row)


async def test_who_follows_signs_no_life_so_that_the_leader_sees_what_the_database_has_forgotten(
    tmp_path: Path,
) -> None:
    async with premises(tmp_path) as here:
        workers = Workers(here)
        await here.hold()
        await workers.one(leads=False).start()

        leader = workers.one(leads=True)
        await leader.start()

        assert leader.pauses  # the database is new, and the keys are not


async def test_time_that_the_leader_does_not_believe_nobody_believes(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        workers = Workers(here)
        leader, follower = workers.one(leads=True), workers.one(leads=False)
        await leader.sweep()
        here.clock.set(hours=2)
        here.clock.go(seconds=20)
        await leader.sweep()
        assert leader.pauses
        assert not follower.pauses

        await follower.sweep()

        assert follower.pauses
        # Nor does a leader that takes the place of a dead one.
        next_leader = workers.one(leads=True)
        await next_leader.start()
        assert next_leader.pauses
        here.clock.go(hours=1, minutes=1)
        assert not any(each.pauses for each in (leader, follower, next_leader))


async def test_where_the_leader_finds_the_clocks_apart_nobody_seals(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        workers = Workers(here)
        follower = workers.one(leads=False)
        workers.bulletin.seconds_apart = timedelta(hours=2).total_seconds()
        await follower.sweep()
        with pytest.raises(KeyFolderError, match="apart"):
            await here.hold()

        workers.bulletin.seconds_apart = 0
        await follower.sweep()
        await here.hold()
