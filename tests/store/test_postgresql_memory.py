"""What several nodes that share the memory in one database see and do."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from smtpguard.counting import Counting, opened
from smtpguard.figures import Cell, Outcome
from smtpguard.keys import KeyFolder, week_of
from smtpguard.policy import Remember
from smtpguard.remembered import Poster
from smtpguard.remembered_mail import MailQuestion
from smtpguard.store import StoreError
from smtpguard.store.postgresql_memory import PostgreSQLMemory
from smtpguard.store.server import Server
from smtpguard.verdict import Action, Finding, Verdict
from tests.memories import SCHEMAS, Memory, Place
from tests.postgresql import Database
from tests.store.conftest import HOUR, NOW
from tests.store.remembered import ANNA, BEN, BERLIN, BOX, DAY, PRESS, asks, mail, post

NODES = 2


pytestmark = [pytest.mark.slow, pytest.mark.parametrize("place", ["postgresql"], indirect=True)]


@pytest.fixture
async def nodes(place: Place) -> list[Memory]:
    return [await place.open() for _ in range(NODES)]


async def test_12_12_a_post_to_another_list_is_found_by_the_node_that_has_not_written_it(nodes: list[Memory]) -> None:
    one, other = nodes
    await one.remember([post(account=ANNA)], [])
    to_berlin = asks(accounts=(ANNA,), same_lists=((BERLIN,),))
    assert (await other.ask(to_berlin)).earlier == ()

    await one.remember([post(account=ANNA, lists=(PRESS,))], [])

    assert [each.lists for each in (await other.ask(to_berlin)).earlier] == [(PRESS,)]
    await other.forget(texts=NOW + HOUR, posts=NOW + HOUR, weeks="2026-W01", poster_weeks="2026-W01")
    assert (await one.ask(to_berlin)).earlier == ()


async def test_posts_that_nodes_write_at_one_moment_are_all_there(nodes: list[Memory]) -> None:
    await asyncio.gather(*(each.remember([post(account=BEN)] * 30, []) for each in nodes for _ in range(5)))

    found = await nodes[0].ask(asks(accounts=(BEN,)))

    assert len(found.earlier) == 25
    gone = [await nodes[1].forget(texts=NOW, posts=NOW + HOUR, weeks="", poster_weeks="")]
    assert gone == [30 * 5 * NODES]


async def test_nodes_that_write_and_sweep_the_same_at_once_lose_nothing_and_are_not_refused(
    nodes: list[Memory],
) -> None:
    chance = random.Random(3)
    mails = [mail(when=NOW - timedelta(seconds=number)) for number in range(40)]
    old = [mail(when=NOW - 50 * DAY) for _ in range(200)]
    numbers = list(range(3000))
    posters = [Poster("2026-W47", b"%012d" % number, (BERLIN, PRESS)) for number in range(100)]
    await nodes[0].remember_texts(old, {"2026-W14": range(3000)})

    async def work(memory: Memory) -> None:
        for _ in range(4):
            await memory.remember_texts(chance.sample(mails, 40), {"2026-W40": chance.sample(numbers, 3000)})
            await memory.remember([], chance.sample(posters, 100))
            await memory.forget_texts(mails=NOW - 30 * DAY, weeks="2026-W01", seasons="2026-W27", remember=Remember.ALL)

    await asyncio.gather(*(work(each) for each in nodes for _ in range(2)))

    assert len(await nodes[1].glances(MailQuestion((BOX,), NOW - 99 * DAY))) == 40
    assert await nodes[1].public_among("2026-W40", numbers) == frozenset(numbers)
    assert await nodes[0].public_among("2026-W14", numbers) == frozenset()


async def test_nodes_that_count_at_once_add_to_each_others_figures(nodes: list[Memory], tmp_path: Path) -> None:
    keys = KeyFolder(tmp_path / "keys", "counted")
    counters = [Counting(each, keys, os.urandom, clock=lambda: NOW, write_seconds=0.001) for each in nodes]
    observed = Verdict(Action.PASS, observed=(Finding("12-02", "crosspost", lists=("berlin",)),))

    async def count(counting: Counting) -> None:
        for _ in range(20):
            counting.passed(observed)
            await counting.settle()

    await asyncio.gather(*map(count, counters))
    for each in counters:
        await each.settle()

    week = week_of(NOW.date())
    sealed, key = await nodes[0].figures(week), keys.week_key(week)
    assert sealed is not None
    assert key is not None
    assert opened(sealed, week, key) == {Cell("berlin", "12-02", Outcome.OBSERVED): 20 * NODES}


async def test_figures_of_which_nobody_knows_whether_they_were_written_are_not_taken_for_those_of_others(
    nodes: list[Memory],
) -> None:
    for former in (None, b"former"):
        sealed = {"2026-W47": os.urandom(8)}
        if former is not None:
            await nodes[0].keep_figures({"2026-W47": former}, {"2026-W47": await nodes[0].figures("2026-W47")})
        known = {"2026-W47": former}
        assert await nodes[0].keep_figures(sealed, known)
        assert await nodes[0].keep_figures(sealed, known)
        assert not await nodes[0].keep_figures({"2026-W47": b"other"}, known)


async def test_the_memory_goes_on_after_the_server_has_ended_its_connections(
    nodes: list[Memory], memory_database: Database
) -> None:
    await nodes[0].remember([post()], [])
    memory_database.end_connections()

    assert len((await nodes[0].ask(asks())).earlier) == 1
    await nodes[1].remember([post()], [])
    assert len((await nodes[0].ask(asks())).earlier) == 2


async def test_what_is_written_twice_is_there_once_and_a_second_post_is_a_second_post(nodes: list[Memory]) -> None:
    kept = mail()
    for each in nodes:
        await each.remember_texts([kept], {"2026-W40": [1]})
        await each.remember([post()], [])

    assert len(await nodes[0].glances(MailQuestion((BOX,), NOW - DAY))) == 1
    assert len((await nodes[0].ask(asks())).earlier) == 2


class Counted(Server):
    """Tells which statements were sent."""

    statements: list[str]

    async def run(self, statement, values=(), **more):  # type: ignore[no-untyped-def]
        self.statements.append(statement)
        return await super().run(statement, values, **more)


@pytest.fixture
async def counted(place: Place) -> AsyncIterator[Counted]:
    assert place.url is not None
    server = await Counted.open(place.url, schemas=SCHEMAS)
    assert isinstance(server, Counted)
    server.statements = []
    yield server
    await server.close()


async def test_T_10_every_question_is_one_statement_and_the_same_whatever_is_found(counted: Counted) -> None:
    memory = PostgreSQLMemory(counted)

    async def asked() -> list[str]:
        counted.statements.clear()
        await memory.ask(asks(links=(b"message-1---",), posters=(ANNA,), same_lists=((PRESS,),)))
        await memory.glances(MailQuestion((BOX,), NOW - DAY))
        await memory.public_among("2026-W40", range(3000))
        await memory.readers([ANNA])
        return list(counted.statements)

    empty = await asked()
    await memory.remember([post(lists=(number.to_bytes(8, "big"),)) for number in range(200)], [])
    await memory.remember_texts(
        [mail(), mail(when=NOW - HOUR), replace(mail(), mailbox=b"others--")], {"2026-W40": [5]}
    )

    assert await asked() == empty
    assert len(empty) == 4


async def test_a_database_that_is_gone_is_said_in_words(place: Place) -> None:
    memory = await place.open()
    assert isinstance(memory, PostgreSQLMemory)
    await memory._server.close()
    with pytest.raises(StoreError):
        await memory.ask(asks())
    with pytest.raises(StoreError):
        await memory.keep_figures({"2026-W47": b""}, {})
