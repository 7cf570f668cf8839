"""What `Server` owes to whoever keeps something in PostgreSQL: steps done once, bounded waits, and coming back."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from smtpguard.held import State
from smtpguard.store import Quota, StoreError, connections, migration, server
from smtpguard.store.database import steps_of
from smtpguard.store.postgresql import PostgreSQLStore
from smtpguard.store.server import Connection, Server, rows_of
from tests.ports import free_port
from tests.postgresql import Cluster, Database, fresh_database, required
from tests.store.conftest import LASTS
from tests.store.cutter import Cutter, cutter
from tests.store.test_postgresql import a_later_row, nodes

pytestmark = pytest.mark.slow


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Server]:
    made = await Server.open(url)
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def behind_a_cutter(database: Database) -> AsyncIterator[tuple[Cutter, PostgreSQLStore]]:
    async with cutter(database.port) as line, opened(database.url_at(line.port)) as made:
        yield line, PostgreSQLStore(made)


def scalars(database: Database, statement: str) -> list[object]:
    with database.connected() as connection:
        return [each[0] for each in connection.execute(statement.encode()).fetchall()]


async def test_a_statement_gives_its_rows(postgresql: Database) -> None:
    async with opened(postgresql.url) as made:
        assert await made.run("SELECT %(a)s::bytea AS a, 1 AS b", {"a": b"\x00\xff"}) == [{"a": b"\x00\xff", "b": 1}]
        assert await made.run("DELETE FROM held") == []


async def test_after_close_every_call_is_a_store_error(postgresql: Database) -> None:
    async with opened(postgresql.url) as made:
        pass

    with pytest.raises(StoreError, match="closed"):
        await made.run("SELECT 1")
    with pytest.raises(StoreError, match="closed"):
        async with made.transaction():
            pass


# The schema


async def test_nodes_that_start_together_on_an_empty_database_do_each_step_once(postgresql: Database) -> None:
    made = await asyncio.gather(*(Server.open(postgresql.url) for _ in range(8)))

    for each in made:
        await each.run("SELECT * FROM held")
        await each.close()
    assert scalars(postgresql, "SELECT step FROM schema_steps WHERE name = 'held'") == sorted(
        steps_of("postgresql/held")
    )


async def test_an_older_database_is_upgraded_once_and_keeps_what_it_has(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = a_later_row()
    async with nodes(postgresql) as (store,):
        await store.add(row)
    newest = max(steps_of("postgresql/held"))
    longer = {
        **steps_of("postgresql/held"),
        newest + 1: "ALTER TABLE held ADD COLUMN more INTEGER; -- a comment; with a semicolon",
        newest + 2: "CREATE TABLE more (one TEXT); INSERT INTO more VALUES ('done');",
    }
    monkeypatch.setattr(migration, "steps_of", lambda name: longer if name.endswith("held") else steps_of(name))

    async with nodes(postgresql, 3) as (_, _, store):
        assert await store.find(row.id) == row

    assert scalars(postgresql, "SELECT one FROM more") == ["done"]
    assert scalars(postgresql, "SELECT max(step) FROM schema_steps WHERE name = 'held'") == [newest + 2]


async def test_a_step_that_fails_leaves_nothing_behind(postgresql: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "steps_of", lambda _: {1: "CREATE TABLE half (a TEXT); SELECT nonsense();"})

    with pytest.raises(StoreError, match="nonsense"):
        await Server.open(postgresql.url, schemas=["held"])

    assert scalars(postgresql, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == ["schema_steps"]
    assert scalars(postgresql, "SELECT step FROM schema_steps") == []


async def test_a_newer_database_is_refused_with_words_and_left_alone(postgresql: Database) -> None:
    async with nodes(postgresql):
        pass
    with postgresql.connected() as connection:
        connection.execute("INSERT INTO schema_steps VALUES ('held', 9999, now())")

    with pytest.raises(StoreError, match="newer smtpguard: it has schema 9999 of held, this one knows up to"):
        await Server.open(postgresql.url)
    assert max(scalars(postgresql, "SELECT step FROM schema_steps WHERE name = 'held'")) == 9999


async def test_who_may_not_make_tables_may_use_those_that_are_there(postgresql: Database) -> None:
    async with nodes(postgresql):
        pass
    with postgresql.connected(superuser=True) as connection:
        connection.execute(f"ALTER DATABASE {postgresql.name} OWNER TO postgres")

    async with nodes(postgresql) as (store,):
        assert await store.add(a_later_row())


async def test_who_may_not_make_tables_is_told_so_on_an_empty_database(postgresql: Database) -> None:
    with postgresql.connected(superuser=True) as connection:
        connection.execute(f"ALTER DATABASE {postgresql.name} OWNER TO postgres")

    with pytest.raises(StoreError, match="permission denied for schema public"):
        await Server.open(postgresql.url)


# Opening


@pytest.mark.parametrize(
    "url",
    ["postgresql://a:s3cret@host:notaport/x", "postgresql://a:s3cret@[::1/x", "nonsense s3cret", "host='s3cret"],
)
async def test_an_address_that_cannot_be_read_is_not_quoted(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        await Server.open(url)

    assert "s3cret" not in str(caught.value)


async def test_a_wrong_password_is_told_and_not_quoted(postgresql: Database) -> None:
    with pytest.raises(StoreError, match="password authentication failed") as caught:
        await Server.open(postgresql.url.replace(postgresql.password, "s3cret"))

    assert "s3cret" not in str(caught.value)


async def test_a_server_that_is_not_there_is_a_store_error(postgresql: Database) -> None:
    with pytest.raises(StoreError, match="cannot be reached"):
        await Server.open(postgresql.url_at(free_port()))


async def test_a_server_that_says_nothing_is_a_store_error(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections._ADDRESS, "connect_timeout", 2)
    async with cutter(postgresql.port) as line:
        line.hold_up()

        with pytest.raises(StoreError, match="cannot be reached"):
            await Server.open(postgresql.url_at(line.port))


WITHOUT = """
import asyncio, pkgutil, importlib, sys
for name in ("psycopg",):
    sys.modules[name] = None
import smtpguard
for each in pkgutil.walk_packages(smtpguard.__path__, "smtpguard."):
    if each.name not in ("smtpguard.__main__", "smtpguard.store.migration", "smtpguard.store.connections"):
        importlib.import_module(each.name)
from smtpguard.store import StoreError
from smtpguard.store.server import Server
try:
    asyncio.run(Server.open("postgresql://127.0.0.1/x"))
except StoreError as error:
    print(error)
"""


@pytest.mark.slow
def test_without_psycopg_everything_can_be_imported_and_opening_says_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], check=False, capture_output=True, text=True, timeout=120)

    assert "pip install 'smtpguard[postgresql]'" in done.stdout, done.stderr


# A server that comes and goes


async def test_after_its_connections_were_ended_the_next_call_works(postgresql: Database) -> None:
    row = a_later_row()
    async with nodes(postgresql) as (store,):
        await store.add(row)
        for number in range(2):
            await asyncio.gather(*(store.find(row.id) for _ in range(20)))
            postgresql.end_connections()

            # Not one of those that may be done twice.
            assert await store.count_help(row.id) == number


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_server_that_is_down_is_a_store_error_and_works_again_when_it_is_back(how: signal.Signals) -> None:
    required()
    with Cluster() as cluster, fresh_database(cluster) as database:
        async with opened(database.url) as made:
            store = PostgreSQLStore(made)
            row = a_later_row()
            await store.add(row)
            claim = await store.claim(row.id, LASTS)
            assert claim is not None

            cluster.stop(how)
            for _ in range(3):
                with pytest.raises(StoreError):
                    await made.run("SELECT 1", seconds=0.5)
            cluster.start()

            assert await store.mark_sending(claim)
            assert await store.decide(claim, State.SENT)
            found = await store.find(row.id)
            assert found is not None
            assert found.state is State.SENT


@pytest.mark.slow
async def test_calls_while_the_line_is_cut_again_and_again_work_or_are_store_errors(postgresql: Database) -> None:
    async with behind_a_cutter(postgresql) as (line, store):
        stored, unsure = [], []
        progress = asyncio.Event()

        async def add() -> None:
            while line.cuts < 10:
                row = a_later_row()
                try:
                    await store.add(row)
                    stored.append(row.id)
                    progress.set()
                except StoreError:
                    unsure.append(row.id)

        adding = [asyncio.create_task(add()) for _ in range(3)]
        while line.cuts < 10:
            progress.clear()
            await progress.wait()
            await asyncio.sleep(random.uniform(0, 0.02))
            line.cut()
        await asyncio.gather(*adding)

        there = set(await store.waiting_ids())
        assert there >= set(stored)
        assert there <= set(stored) | set(unsure)


@pytest.mark.parametrize("heard", [False, True])
async def test_a_claim_whose_line_is_cut_is_taken_all_the_same_and_by_one(postgresql: Database, heard: bool) -> None:
    async with behind_a_cutter(postgresql) as (line, store), nodes(postgresql) as (other,):
        row = a_later_row()
        await store.add(row)
        line.cut_at(b"SET claim", heard=heard)

        claim = await store.claim(row.id, LASTS)

        assert line.cuts == 1
        assert claim is not None
        assert await other.claim(row.id, LASTS) is None
        line.cut_at(b"'sending'", heard=heard)
        assert await store.mark_sending(claim)
        assert line.cuts == 2
        assert await other.decide(claim, State.SENT)


@pytest.mark.parametrize("heard", [False, True])
async def test_a_decision_whose_line_is_cut_is_unknown_and_can_be_written_again(
    postgresql: Database, heard: bool
) -> None:
    async with behind_a_cutter(postgresql) as (line, store):
        row = a_later_row()
        await store.add(row)
        claim = await store.claim(row.id, LASTS)
        assert claim is not None
        line.cut_at(b"decided = ", heard=heard)

        with pytest.raises(StoreError, match="cannot be reached"):
            await store.decide(claim, State.SENT)

        assert await store.decide(claim, State.SENT) is not heard
        found = await store.find(row.id)
        assert found is not None
        assert found.state is State.SENT


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("heard", [False, True])
async def test_a_new_row_whose_line_is_cut_is_there_or_not_and_can_be_dropped(
    postgresql: Database, heard: bool, within: bool
) -> None:
    async with behind_a_cutter(postgresql) as (line, store), nodes(postgresql) as (other,):
        row = a_later_row()
        assert row.tags is not None
        quota = Quota([row.tags.account], holds=2, octets=10**9) if within else None
        line.cut_at(b"COMMIT" if within else b"INSERT INTO held", heard=heard)

        with pytest.raises(StoreError):
            await store.add(row, quota)

        assert (await other.find(row.id) is not None) is heard
        await store.drop(row.id)
        assert await other.find(row.id) is None


@pytest.mark.parametrize("marker", [b"INSERT INTO adding", b"INSERT INTO held", b"DELETE FROM adding"])
async def test_a_line_cut_in_mid_transaction_leaves_nothing_and_blocks_nobody(
    postgresql: Database, marker: bytes
) -> None:
    async with behind_a_cutter(postgresql) as (line, store), nodes(postgresql) as (other,):
        row = a_later_row()
        assert row.tags is not None
        quota = Quota([row.tags.account], holds=1, octets=10**9)
        line.cut_at(marker, heard=True)

        with pytest.raises(StoreError):
            await store.add(row, quota)

        assert await other.waiting_ids() == []
        assert await other.add(row, quota)


# Bounded waits


async def test_a_line_that_is_held_up_ends_the_call_in_time_and_the_next_one_works(postgresql: Database) -> None:
    async with behind_a_cutter(postgresql) as (line, store):
        made = store._server
        await made.run("SELECT 1")
        line.hold_up()

        with pytest.raises(StoreError, match="did not answer in time"):
            await made.run("SELECT 1", seconds=0.3)
        with pytest.raises(StoreError, match="cannot be reached"):
            await made.run("SELECT 1", seconds=0.3)
        line.go_on()

        assert await made.run("SELECT 1 AS one") == [{"one": 1}]


async def test_a_call_that_nobody_waits_for_any_more_ends_in_time(postgresql: Database) -> None:
    async with opened(postgresql.url) as made:
        asleep = asyncio.create_task(made.run("SELECT pg_sleep(60)"))
        with postgresql.connected(superuser=True) as connection:
            while not connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
            ).fetchone():
                await asyncio.sleep(0.01)

            asleep.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asleep

            running = connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
            )
            assert running.fetchone() is None
        assert await made.run("SELECT 1 AS one") == [{"one": 1}]


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections._SETTINGS, "lock_timeout", "150ms")
    monkeypatch.setitem(connections._SETTINGS, "statement_timeout", "4s")


@pytest.mark.usefixtures("short_waits")
async def test_a_locked_row_is_a_store_error_and_passes(postgresql: Database) -> None:
    async with nodes(postgresql) as (store,):
        row = a_later_row()
        await store.add(row)
        with postgresql.connected() as connection, connection.transaction():
            connection.execute("SELECT 1 FROM held FOR UPDATE")

            with pytest.raises(StoreError, match="lock timeout"):
                await store.claim(row.id, LASTS)

        assert await store.claim(row.id, LASTS) is not None


@pytest.mark.usefixtures("short_waits")
async def test_an_account_whose_turn_does_not_come_is_a_store_error_and_passes(postgresql: Database) -> None:
    async with nodes(postgresql) as (store,):
        row = a_later_row()
        assert row.tags is not None
        quota = Quota([row.tags.account], holds=1, octets=10**9)
        with postgresql.connected() as connection, connection.transaction():
            connection.execute("INSERT INTO adding VALUES (%s)", (row.tags.account,))
            with pytest.raises(StoreError, match="lock timeout"):
                await store.add(row, quota)
            connection.execute("DELETE FROM adding")

        assert await store.add(row, quota)


@pytest.mark.usefixtures("short_waits")
async def test_a_statement_that_takes_too_long_is_ended_by_the_server(postgresql: Database) -> None:
    async with opened(postgresql.url) as made:
        with pytest.raises(StoreError, match="statement timeout"):
            await made.run("SELECT pg_sleep(60)")


async def test_when_all_connections_are_taken_a_call_waits_only_for_a_time(postgresql: Database) -> None:
    async with opened(postgresql.url) as made:
        free, taken = asyncio.Event(), 0

        async def take() -> None:
            nonlocal taken
            async with made.transaction():
                taken += 1
                await free.wait()

        taking = [asyncio.create_task(take()) for _ in range(connections.CONNECTIONS_MAX)]
        while taken < connections.CONNECTIONS_MAX:
            await asyncio.sleep(0.01)

        with pytest.raises(StoreError, match="connections to the database are busy"):
            await made.run("SELECT 1", seconds=0.2)
        free.set()
        await asyncio.gather(*taking)
        assert await made.run("SELECT 1 AS one") == [{"one": 1}]


async def test_a_server_that_became_read_only_is_left_for_the_one_that_writes(postgresql: Database) -> None:
    async with nodes(postgresql) as (store,):
        with postgresql.connected(superuser=True) as connection:
            connection.execute(f"ALTER DATABASE {postgresql.name} SET default_transaction_read_only = on")
        postgresql.end_connections()
        with pytest.raises(StoreError, match="read-only"):
            await store.add(a_later_row())
        with postgresql.connected(superuser=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER DATABASE {postgresql.name} RESET default_transaction_read_only")

        assert await store.add(a_later_row())


# Others at the same time


async def test_serializable_work_that_the_server_gives_up_is_done_again(postgresql: Database) -> None:
    async with opened(postgresql.url) as one, opened(postgresql.url) as two:
        await one.run("CREATE TABLE numbers (number INTEGER)")

        async def work(connection: Connection) -> int:
            rows = await rows_of(connection, "SELECT coalesce(max(number), 0) + 1 AS next FROM numbers")
            await rows_of(connection, "INSERT INTO numbers VALUES (%(next)s)", rows[0])
            return int(rows[0]["next"])

        given = await asyncio.gather(*(each.perform(work, serializable=True) for each in (one, two) * 3))

        assert sorted(given) == [1, 2, 3, 4, 5, 6]


async def test_work_is_not_tried_for_ever(postgresql: Database) -> None:
    tried = 0

    async def work(connection: Connection) -> None:
        nonlocal tried
        tried += 1
        await connection.execute("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$")

    async with opened(postgresql.url) as made:
        with pytest.raises(StoreError, match="SerializationFailure"):
            await made.perform(work)

    assert tried == server.TRIES


async def test_what_a_transaction_did_is_undone_if_its_block_raises(postgresql: Database) -> None:
    async with nodes(postgresql) as (store,):
        row = a_later_row()
        await store.add(row)

        async def work() -> None:
            async with store._server.transaction(serializable=True) as connection:
                await connection.execute("DELETE FROM held")
                raise KeyError

        with pytest.raises(KeyError):
            await work()

        assert await store.find(row.id) == row


# The cluster of the tests themselves


INTERRUPTED = """
import os, signal
from pathlib import Path
from tests.postgresql import postgresql, postgresql_cluster

def test_that_is_killed(postgresql):
    folder = postgresql.log.parent
    pid = (folder / "data" / "postmaster.pid").read_text().split()[0]
    Path(os.environ["TOLD"]).write_text(f"{pid} {folder}")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_the_server_of_a_run_that_was_killed_ends_and_its_files_go(tmp_path: Path) -> None:
    required()
    (tmp_path / "test_killed.py").write_text(INTERRUPTED)
    told = tmp_path / "told"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'base'}",
         "-c", "/dev/null", str(tmp_path / "test_killed.py")],
        check=False, capture_output=True, text=True, timeout=120,
        env={**{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
             "TOLD": str(told), "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stdout
    pid, folder = told.read_text().split(" ", 1)

    end = time.monotonic() + 60
    while (Path("/proc", pid).exists() or Path(folder).exists()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path("/proc", pid).exists()
    assert not Path(folder).exists()
