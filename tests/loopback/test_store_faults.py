"""A store or a key folder that fails for a while: nothing is lost, and the next answer works."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from smtpguard import holding
from tests.logs import caught
from tests.loopback.guarded import ALL, BERLIN, House, body, guarded


@contextmanager
def broken_moves_to(house: House, state: str) -> Iterator[None]:
    """While this lasts, no row can become `state`."""
    with broken(house, f"UPDATE ON held WHEN NEW.state = '{state}'"):
        yield


@contextmanager
def broken(house: House, move: str) -> Iterator[None]:
    """While this lasts, the store refuses `move`."""
    database = sqlite3.connect(house.folder / "state" / "holds.sqlite3", isolation_level=None)
    database.execute(f"CREATE TRIGGER broken BEFORE {move} BEGIN SELECT RAISE(FAIL, 'broken'); END")
    try:
        yield
    finally:
        database.execute("DROP TRIGGER broken")
        database.close()


async def until(house: House, states: list[str], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while house.states() != states:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(("state", "word"), [("sending", "SEND"), ("discarded", "DISCARD"), ("discarded", "BACK")])
async def test_a_fault_in_one_answer_does_not_keep_the_next_away(tmp_path: Path, state: str, word: str) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        with broken_moves_to(house, state):
            assert 451 == (await house.answer("anna", notice, word)).code

        assert 250 == (await house.answer("anna", notice, word)).code
        assert house.states() in (["sent"], ["discarded"])


@pytest.mark.slow
async def test_a_release_that_could_not_be_written_down_is_not_said_to_wait_and_not_repeated(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        with broken_moves_to(house, "sent"):
            first = await house.answer("anna", notice, "SEND")
            second = await house.answer("anna", notice, "SEND")

        assert (451, True) == (first.code, "may have gone out" in first.text)
        assert 451 == second.code
        await until(house, ["sent"])
        assert 250 == (await house.answer("anna", notice, "SEND")).code
        assert "it was sent" in body(await house.letter(2))
        assert 1 == len(house.released())


async def test_an_answer_is_put_off_while_the_key_folder_is_away(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        keys = tmp_path / "state" / "keys"
        keys.rename(tmp_path / "elsewhere")
        assert 451 == (await house.answer("anna", notice, "SEND")).code
        assert 451 == (await house.submit("ben", [BERLIN, ALL])).code
        (tmp_path / "elsewhere").rename(keys)

        assert 250 == (await house.answer("anna", notice, "SEND")).code
        assert 1 == len(house.released())


async def test_a_right_code_whose_day_key_is_lost_is_told_so(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        for key in (tmp_path / "state" / "keys").glob("day-*"):
            key.unlink()
        reply = await house.answer("anna", notice, "SEND")

        assert (550, True) == (reply.code, "cannot be opened any more" in reply.text)
        assert [] == house.released()


async def test_90_08_a_row_that_could_not_be_dropped_with_its_notice_takes_no_place_for_long(tmp_path: Path) -> None:
    limits = {"holds_per_account": 1, "notices_per_account_and_day": 1}
    async with guarded(tmp_path, sweep_seconds=0.05, limits=limits) as house:
        house.out.on("RCPT", reply=b"451 4.3.0 not now\r\n", times=1)
        with broken(house, "DELETE ON held"):
            assert 451 == (await house.submit("anna", [BERLIN, ALL], subject="One")).code
            assert ["asking"] == house.states()
        await until(house, [])

        assert 250 == (await house.submit("anna", [BERLIN, ALL], subject="Two")).code


async def test_a_hold_that_cannot_be_undone_keeps_its_client_no_longer_than_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "UNDO_SECONDS", 0.1)
    async with guarded(tmp_path, sweep_seconds=0.05) as house:
        house.out.on("RCPT", then="stall", times=1)
        submitting = asyncio.create_task(house.submit("anna", [BERLIN, ALL]))
        await house.out.wait_for_command(b"RCPT")
        locker = sqlite3.connect(tmp_path / "state" / "holds.sqlite3", isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        with caught() as log:
            house.out.sessions[-1].close()
            assert 451 == (await submitting).code
        assert "could not be dropped yet" in log.getvalue()
        assert ["asking"] == house.states()
        locker.close()

        await until(house, [])
