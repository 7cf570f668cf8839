"""What the memory is in a file: whose it is, what happens to it, and what is at hand of it."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from smtpguard.store import StoreError
from smtpguard.store.memory import SQLiteMemory
from tests.store.conftest import HOUR, NOW, SetClock
from tests.store.remembered import ALL, ANNA, BEN, BERLIN, PRESS, asks, post


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "memory.sqlite3"


@pytest.fixture
async def memory(file: Path, clock: SetClock) -> AsyncIterator[SQLiteMemory]:
    opened = await SQLiteMemory.open(file, clock)
    yield opened
    await opened.close()


async def test_it_is_there_after_a_restart_and_only_for_its_owner(file: Path, clock: SetClock) -> None:
    for _ in range(2):
        opened = await SQLiteMemory.open(file, clock)
        await opened.remember([post()], [])
        await opened.close()
        await opened.close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT count(*) FROM posts").fetchone() == (2,)
    connection.close()
    with pytest.raises(StoreError, match="closed"):
        await opened.ask(asks())


async def test_a_file_that_was_taken_away_is_noticed(memory: SQLiteMemory, file: Path) -> None:
    file.unlink()
    with pytest.raises(StoreError, match="removed"):
        await memory.remember([post()], [])


async def test_a_file_of_a_newer_smtpguard_is_left_alone(file: Path, clock: SetClock) -> None:
    await (await SQLiteMemory.open(file, clock)).close()
    connection = sqlite3.connect(file)
    connection.execute("INSERT INTO schema_version VALUES (9999, 0)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="newer"):
        await SQLiteMemory.open(file, clock)


async def test_12_12_what_is_at_hand_of_accounts_is_right_after_writing_forgetting_and_a_restart(
    file: Path, clock: SetClock
) -> None:
    memory = await SQLiteMemory.open(file, clock)
    to_berlin = asks(same_lists=((BERLIN,),))
    await memory.remember([post(), post(account=BEN, lists=(PRESS,))], [])
    assert (await memory.ask(asks(accounts=(ANNA,), same_lists=((BERLIN,),)))).earlier == ()
    assert [each.account for each in (await memory.ask(to_berlin)).earlier] == [BEN]
    await memory.close()

    again = await SQLiteMemory.open(file, clock)
    assert [each.account for each in (await again.ask(to_berlin)).earlier] == [BEN]
    await again.remember([post(lists=(ALL,), when=NOW + HOUR)], [])
    assert [each.lists for each in (await again.ask(to_berlin)).earlier] == [(ALL,), (PRESS,)]
    await again.forget(texts=NOW, posts=NOW + HOUR, weeks="2026-W01", poster_weeks="2026-W01")
    assert [each.lists for each in (await again.ask(to_berlin)).earlier] == [(ALL,)]
    await again.close()


async def test_where_very_many_have_posted_all_questions_are_asked(
    memory: SQLiteMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smtpguard.store.lists_of_accounts.PAIRS_MAX", 3)
    await memory.remember([post(account=b"member-%05d" % number) for number in range(5)], [])
    await memory.remember([post(lists=(PRESS,))], [])
    assert [each.lists for each in (await memory.ask(asks(same_lists=((BERLIN,),)))).earlier] == [(PRESS,)]


async def test_who_is_forgotten_is_not_at_hand_either(memory: SQLiteMemory) -> None:
    await memory.remember([post(account=BEN, lists=(PRESS,))], [])
    assert memory._posted.knows_others((BEN,), frozenset((BERLIN,)))
    await memory.forget(texts=NOW + HOUR, posts=NOW + HOUR, weeks="2026-W01", poster_weeks="2026-W01")
    assert not memory._posted.knows_others((BEN,), frozenset((BERLIN,)))
