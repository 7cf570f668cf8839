"""T-05: an older copy of the database is put back. Nothing goes out twice, nothing is decided a second time."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from smtpguard.app import Application
from smtpguard.held import State
from smtpguard.store.worker import number_of
from smtpguard.tools.expire import expiring
from tests.logs import caught
from tests.loopback.guarded import ALL, BERLIN, House, body, charge, guarded

pytestmark = pytest.mark.slow

# Sweeps come only when a test says so; a copy of the files is then whole.
NEVER = 3600.0


class Copied:
    """A house whose database can be copied and put back, as an admin would do it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._state = house.folder / "state"
        self._copy = house.folder / "copy"

    def copy(self) -> None:
        """The files of the running guard, with its log."""
        self._copy.mkdir(exist_ok=True)
        for path in self._state.glob("holds.sqlite3*"):
            shutil.copy2(path, self._copy)

    async def put_back(self, *, without_keys: bool = False) -> None:
        """Stop the guard, put the copy in the place of its database, and start it again."""
        await self.house.application.stop()
        for path in self._state.glob("holds.sqlite3*"):
            path.unlink()
        for path in self._copy.iterdir():
            shutil.copy2(path, self._state)
        if without_keys:
            for path in (self._state / "keys").glob("day-*"):
                path.unlink()
        self.house.application = Application(charge(self.house.folder / "smtpguard.yaml"), sweep_seconds=NEVER)
        await self.house.application.start()

    async def sweep(self) -> None:
        """One round of the housekeeping."""
        keeper = self.house.application._keeper
        assert keeper is not None
        await keeper.housekeeping.sweep()


@asynccontextmanager
async def copied(folder: Path, **changes: Any) -> AsyncIterator[Copied]:
    async with guarded(folder, sweep_seconds=NEVER, **changes) as house:
        yield Copied(house)


async def held(place: Copied, number: int = 1, **parts: Any) -> EmailMessage:
    reply = await place.house.submit("anna", [BERLIN, ALL], **parts)
    assert "NOT SENT YET" in reply.text
    return await place.house.letter(number)


@pytest.mark.parametrize(
    ("choice", "others", "went_out", "state"),
    [
        ("SEND", ("SEND", "DISCARD"), 1, "sent"),
        ("ONLY 1", ("SEND",), 1, "sent"),
        ("DISCARD", ("SEND", "ONLY 1"), 0, "discarded"),
        ("BACK", ("SEND", "BACK"), 0, "discarded"),
    ],
)
async def test_T_05_what_was_decided_is_not_decided_again_after_an_older_database_was_restored(
    tmp_path: Path, choice: str, others: tuple[str, ...], went_out: int, state: str
) -> None:
    async with copied(tmp_path) as place:
        house = place.house
        notice = await held(place)
        place.copy()
        assert 250 == (await house.answer("anna", notice, choice)).code
        await house.letter(2)
        restored = number_of(datetime.now(UTC))
        with caught() as log:
            await place.put_back()

        assert "mail waited in it that had been decided" in log.getvalue()
        assert "count=1" in log.getvalue()
        # The tombstone is what it was; its time is not that of the restore.
        assert [state] == house.states()
        assert house.rows()[0]["decided"] < restored
        for number, other in enumerate(others, 3):
            assert 250 == (await house.answer("anna", notice, other)).code
            told = body(await house.letter(number))
            assert "already done" in told
            assert {"sent": "sent", "discarded": "thrown away"}[state] in told
        assert went_out == len(house.released())
        assert [state] == house.states()


async def test_T_05_a_copy_that_is_put_back_again_and_again_sends_nothing(tmp_path: Path) -> None:
    async with copied(tmp_path) as place:
        house = place.house
        notice = await held(place)
        place.copy()
        assert 250 == (await house.answer("anna", notice, "SEND")).code
        for _ in range(3):
            await place.put_back()
            assert 250 == (await house.answer("anna", notice, "SEND")).code

        assert 1 == len(house.released())


async def test_T_05_what_was_not_decided_waits_on_after_a_restore_and_can_be_answered(tmp_path: Path) -> None:
    async with copied(tmp_path) as place:
        house = place.house
        decided, waiting = await held(place, subject="One"), await held(place, 2, subject="Two")
        place.copy()
        assert 250 == (await house.answer("anna", decided, "DISCARD")).code
        await place.put_back()

        assert ["discarded", "held"] == house.states()
        assert 250 == (await house.answer("anna", waiting, "SEND")).code
        assert [b"Subject: Two"] == [each.content.split(b"\r\n")[2] for each in house.released()]


async def test_T_05_a_mail_that_a_newer_copy_replaced_is_replaced_after_a_restore(tmp_path: Path) -> None:
    async with copied(tmp_path) as place:
        house = place.house
        await held(place)
        with sqlite3.connect(tmp_path / "state" / "holds.sqlite3") as connection:
            # 12-15: a copy within a minute would only be told that the first one waits.
            connection.execute("UPDATE held SET created = created - 120000000")
        connection.close()
        place.copy()
        newer = await held(place, 2)
        assert ["held", "replaced"] == house.states()
        await place.put_back()

        assert ["replaced"] == house.states()
        assert 550 == (await house.answer("anna", newer, "SEND")).code  # the copy never knew of it
        assert [] == house.released()


async def test_T_05_an_expired_mail_is_told_once_though_the_database_forgot(tmp_path: Path) -> None:
    async with copied(tmp_path, defaults={"expires": "1s"}) as place:
        house = place.house
        await held(place)
        place.copy()
        while house.states() == ["held"]:
            await place.sweep()
        await house.letter(2)
        await place.put_back()
        await place.sweep()

        assert ["expired"] == house.states()
        assert 2 == len(house.own_mail())


async def test_T_05_a_mail_that_an_admin_dropped_stays_dropped(tmp_path: Path) -> None:
    async with copied(tmp_path) as place:
        house = place.house
        notice = await held(place)
        place.copy()
        async with expiring(charge(tmp_path / "smtpguard.yaml").settings) as work:
            assert 1 == (await work.drop(await work.of_all())).gone
        await place.put_back()

        assert ["expired"] == house.states()
        assert 250 == (await house.answer("anna", notice, "SEND")).code
        assert [] == house.released()


async def test_T_05_a_mail_that_an_admin_dropped_when_it_was_due_is_told_to_nobody_after_a_restore(
    tmp_path: Path,
) -> None:
    async with copied(tmp_path, defaults={"expires": "1s"}) as place:
        house = place.house
        await held(place)
        place.copy()
        async with expiring(charge(tmp_path / "smtpguard.yaml").settings) as work:
            (hold_id,) = await work.of_all()
            while (await work._store.find(hold_id)).state is not State.EXPIRED:  # type: ignore[union-attr]
                await asyncio.sleep(0.05)
            assert 1 == (await work.drop([hold_id])).gone
        await place.put_back()
        await place.sweep()
        # Whatever comes later has overtaken nothing.
        await held(place, 2, subject="Another")

        assert ["expired", "held"] == house.states()
        assert 2 == len(house.own_mail())


async def test_T_05_without_its_day_key_a_restored_hold_is_void_counted_and_told_to_the_contact(tmp_path: Path) -> None:
    async with copied(tmp_path) as place:
        house = place.house
        notice = await held(place)
        place.copy()
        assert 250 == (await house.answer("anna", notice, "SEND")).code
        await house.letter(2)
        with caught() as log:
            await place.put_back(without_keys=True)
            letter = await house.letter(3)
        reply = await house.answer("anna", notice, "SEND")

        assert "count=1" in log.getvalue()
        assert b"it@example.test" in house.out.messages[-1].rcpts[0]
        assert "cannot\nbe opened or sent any more" in body(letter)
        assert 550 == reply.code
        assert "cannot be opened" in reply.text
        assert 1 == len(house.released())


async def test_T_05_what_was_decided_goes_with_the_day_key(tmp_path: Path) -> None:
    async with copied(tmp_path) as place:
        house = place.house
        notice = await held(place)
        keys = tmp_path / "state" / "keys"
        (key,) = keys.glob("day-*.key")
        yesterday = key.name.replace(key.name[4:14], "2026-11-01")
        assert 250 == (await house.answer("anna", notice, "SEND")).code
        (beside,) = keys.glob("day-*.decided")
        assert 0o600 == beside.stat().st_mode & 0o777
        # As if the day were over.
        key.rename(keys / yesterday)
        beside.rename(keys / yesterday.replace(".key", ".decided"))
        await place.sweep()

        assert [] == list(keys.glob("day-2026-11-01*"))
