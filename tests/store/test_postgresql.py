"""What the PostgreSQL store owes beyond the contract: several nodes, durability, a server that comes and goes, and a
server's log without values."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql

from smtpguard.held import HeldRow, State
from smtpguard.store import LifeSign, Quota, StoreError
from smtpguard.store.postgresql import PostgreSQLStore
from smtpguard.store.server import Server
from tests.postgresql import Database
from tests.store.conftest import HOUR, LASTS, NOW, DatabaseClock, a_row

pytestmark = pytest.mark.slow


def a_later_row(**changes: object) -> HeldRow:
    """A row that waits by the real clock."""
    return a_row(**({"created": datetime.now(UTC), "expires": NOW + timedelta(days=36500)} | changes))


@asynccontextmanager
async def nodes(database: Database, number: int = 1) -> AsyncIterator[list[PostgreSQLStore]]:
    opened = [PostgreSQLStore(await Server.open(database.url)) for _ in range(number)]
    try:
        yield opened
    finally:
        for each in opened:
            await each.close()


async def test_of_two_hundred_claims_from_two_nodes_one_wins_every_time(postgresql: Database) -> None:
    async with nodes(postgresql, 2) as (one, two):
        for _ in range(5):
            row = a_later_row()
            await one.add(row)

            claims = await asyncio.gather(*((one if number % 2 else two).claim(row.id, LASTS) for number in range(200)))

            (winner,) = [each for each in claims if each is not None]
            assert await one.mark_sending(winner)
            assert await two.decide(winner, State.SENT)


async def test_of_many_decisions_on_one_claim_one_is_written(postgresql: Database) -> None:
    async with nodes(postgresql, 2) as (one, two):
        row = a_later_row()
        await one.add(row)
        claim = await one.claim(row.id, LASTS)
        assert claim is not None

        done = await asyncio.gather(*((one if number % 2 else two).decide(claim, State.SENT) for number in range(50)))

        assert sum(done) == 1


async def test_a_node_that_starts_leaves_the_claims_of_others_alone(postgresql: Database) -> None:
    async with nodes(postgresql, 2) as (one, two):
        row = a_later_row()
        await one.add(row)
        claim = await one.claim(row.id, LASTS)
        assert claim is not None

        assert await two.release_claims() == 0

        assert await two.claim(row.id, LASTS) is None
        assert await one.mark_sending(claim)


async def test_after_a_day_without_any_node_each_that_comes_back_is_told_for_a_while(
    postgresql: Database, database_clock: DatabaseClock
) -> None:
    async with nodes(postgresql, 3) as (one, two, three):
        assert await one.sign_of_life() == LifeSign(NOW, None)
        database_clock.pass_by(30 * HOUR)
        back = database_clock.now

        assert await two.sign_of_life() == LifeSign(back, NOW)
        assert await one.sign_of_life() == LifeSign(back, NOW)
        database_clock.pass_by(HOUR / 2)
        assert (await three.sign_of_life()).before == NOW
        database_clock.pass_by(HOUR / 2)
        assert await one.sign_of_life() == LifeSign(back + HOUR, back + HOUR / 2)


async def test_quotas_of_several_accounts_at_once_hold_between_nodes(postgresql: Database) -> None:
    async with nodes(postgresql, 2) as (one, two):
        tags = [a_row().tags for _ in range(4)]
        rows = [a_later_row(tags=tags[number % 4]) for number in range(80)]
        # Two week keys: the tags of one account come in any order.
        other = [os.urandom(32) for _ in range(4)]

        async def add(number: int) -> bool:
            mine = tags[number % 4]
            assert mine is not None
            accounts = [mine.account, other[number % 4]]
            if number % 3:
                accounts.reverse()
            return await (one if number % 7 else two).add(rows[number], Quota(accounts, holds=5, octets=10**9))

        stored = await asyncio.gather(*(add(number) for number in range(80)))

        assert [sum(stored[first::4]) for first in range(4)] == [5] * 4
        assert len(await one.waiting_ids()) == 20


async def test_no_account_tag_stays_behind_from_a_quota(postgresql: Database) -> None:
    async with nodes(postgresql) as (store,):
        row = a_later_row()
        assert row.tags is not None
        quota = Quota([row.tags.account], holds=1, octets=10**9)
        assert await store.add(row, quota)
        assert not await store.add(a_later_row(tags=row.tags), quota)
        with pytest.raises(StoreError):
            await store.add(row, replace(quota, holds=9))
        assert await store.replace(row.id)

    with postgresql.connected() as connection:
        assert connection.execute("SELECT count(*) FROM adding").fetchone() == (0,)


async def test_T_02_in_clear_lie_id_state_times_size_and_tags_and_no_other_column(postgresql: Database) -> None:
    async with nodes(postgresql):
        pass
    with postgresql.connected() as connection:
        columns = {
            each[0]
            for each in connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'held'"
            )
        }

    tags = {"week", "tag_resend", "tag_account", "tag_message", "tag_subject", "sketch"}
    clear = {"id", "state", "day", "created", "expires", "decided", "size", "helps", "claim", "claimed_until"}
    assert columns == {"box", "card", "answers"} | tags | clear


@pytest.mark.parametrize("column", ["box", "card", "tag_resend", "tag_account", "sketch", "claim", "answers"])
async def test_T_02_the_database_itself_refuses_a_tombstone_with_anything_left(
    postgresql: Database, column: str
) -> None:
    async with nodes(postgresql) as (store,):
        row = a_later_row()
        await store.add(row)
        await store.replace(row.id)

    with postgresql.connected() as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(sql.SQL("UPDATE held SET {} = '\\x00'").format(sql.Identifier(column)))


async def test_T_04_a_decision_empties_the_row_at_once(postgresql: Database) -> None:
    async with nodes(postgresql) as (store,):
        row = a_later_row()
        await store.add(row)
        assert await store.expire_now(row.id)
        await store.tidy()

    with postgresql.connected() as connection:
        found = connection.execute("SELECT * FROM held").fetchall()
    assert len(found) == 1
    assert sorted(str(type(each).__name__) for each in found[0] if each not in (None, 0)) == [
        "bytes",
        "datetime",
        "str",
    ]


async def test_a_commit_is_durable_whatever_the_servers_default(postgresql: Database) -> None:
    with postgresql.connected() as connection:
        for setting in ("synchronous_commit = off", "default_transaction_isolation = 'repeatable read'"):
            connection.execute(f"ALTER DATABASE {postgresql.name} SET {setting}")
    server = await Server.open(postgresql.url)

    found = {}
    for name in ("synchronous_commit", "default_transaction_isolation", "statement_timeout", "lock_timeout"):
        found[name] = (await server.run(f"SELECT current_setting('{name}') AS value"))[0]["value"]
    await server.close()

    assert found == {
        "synchronous_commit": "on",
        "default_transaction_isolation": "read committed",
        "statement_timeout": "10s",
        "lock_timeout": "5s",
    }


async def test_a_stricter_default_than_durable_is_left(postgresql: Database) -> None:
    with postgresql.connected() as connection:
        connection.execute(f"ALTER DATABASE {postgresql.name} SET synchronous_commit = remote_apply")
    server = await Server.open(postgresql.url)

    assert await server.run("SHOW synchronous_commit") == [{"synchronous_commit": "remote_apply"}]
    await server.close()


async def test_a_statement_that_fails_puts_no_value_into_the_servers_log(postgresql: Database) -> None:
    with postgresql.connected(superuser=True) as connection:
        connection.execute(f"ALTER DATABASE {postgresql.name} SET log_parameter_max_length_on_error = -1")
    secret, canary = os.urandom(24), os.urandom(24)
    async with nodes(postgresql) as (store,):
        row = a_later_row(box=secret)
        await store.add(row)
        with pytest.raises(StoreError) as caught:
            await store.add(replace(row, box=secret))
    # The same by a session that does not care is seen, so the search finds what there is to find.
    with postgresql.connected() as connection, pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(
            "INSERT INTO held (id, state, day, created, expires, box, card) "
            "VALUES (%s, 'asking', now(), now(), now(), %s, '')",
            (row.id, canary),
        )

    log = postgresql.log.read_text(errors="replace")
    assert canary.hex() in log
    assert secret.hex() not in log
    assert str(caught.value) == "the database refused: UniqueViolation held_pkey"
