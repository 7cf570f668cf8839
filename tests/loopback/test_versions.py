"""A guard that meets a database which a newer version has upgraded: at its start, and while it runs."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from smtpguard.exits import UNAVAILABLE
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, MEMBERS, PASSWORDS, XCLIENT, Member, Submitted, mail, write_config
from tests.loopback.nodes import two_nodes
from tests.loopback.serving import serving
from tests.postgresql import Database, postgresql, postgresql_cluster
from tests.several_nodes import node_settings, put_credentials

__all__ = ["postgresql", "postgresql_cluster"]

pytestmark = pytest.mark.slow

SECRET = bytes(range(32))
NEWER = 9999


@dataclass(frozen=True)
class Site:
    """A guard's settings, and its two mail servers."""

    config: Path
    up: FakeUpstream
    out: FakeUpstream

    async def send(self, port: int, to: list[str], subject: str) -> Submitted:
        member = Member(port)
        try:
            await member.login("anna")
            return await member.send(MEMBERS["anna"], to, mail("anna", to, subject=subject))
        finally:
            await member.quit()

    async def refused(self) -> str:
        """What `serve` says when it does not start for want of a database that it can use."""
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-m", "smtpguard", "serve", "--config", str(self.config)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (UNAVAILABLE, "") == (done.returncode, done.stdout)
        return str(done.stderr)


@asynccontextmanager
async def site(folder: Path, **changes: Any) -> AsyncIterator[Site]:
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        yield Site(write_config(folder, up, out, **changes), up, out)


async def test_a_file_of_a_newer_version_is_named_and_left_alone_with_what_waits_in_it(tmp_path: Path) -> None:
    async with site(tmp_path) as guard:
        async with serving(guard.config) as running:
            assert "NOT SENT YET" in (await guard.send(running.ports[0], [BERLIN, ALL], "one")).text

        for name in ("holds", "memory"):
            file = tmp_path / "state" / f"{name}.sqlite3"
            in_file(file, f"INSERT INTO schema_version VALUES ({NEWER}, 0)")
            said = await guard.refused()
            assert f"{file}: the database was written by a newer smtpguard: it has schema {NEWER}, " in said
            in_file(file, f"DELETE FROM schema_version WHERE version = {NEWER}")

        async with serving(guard.config) as running:
            assert "NOT SENT YET" in (await guard.send(running.ports[0], [BERLIN, ALL], "two")).text
        assert [("held",), ("held",)] == in_file(tmp_path / "state" / "holds.sqlite3", "SELECT state FROM held")


async def test_a_shared_database_of_a_newer_version_is_named_and_left_alone(
    tmp_path: Path, postgresql: Database
) -> None:
    put_credentials(tmp_path, postgresql.url, SECRET)
    async with site(tmp_path, **node_settings()) as guard:
        async with serving(guard.config) as running:
            assert "NOT SENT YET" in (await guard.send(running.ports[0], [BERLIN, ALL], "one")).text

        for name in ("held", "memory", "shared"):
            with postgresql.connected() as connection:
                connection.execute("INSERT INTO schema_steps VALUES (%s, %s, now())", (name, NEWER))
            said = await guard.refused()
            assert f"the database was written by a newer smtpguard: it has schema {NEWER} of {name}, " in said
            with postgresql.connected() as connection:
                connection.execute("DELETE FROM schema_steps WHERE step = %s", (NEWER,))

        async with serving(guard.config) as running:
            assert "NOT SENT YET" in (await guard.send(running.ports[0], [BERLIN, ALL], "two")).text
        with postgresql.connected() as connection:
            assert [("held",), ("held",)] == connection.execute("SELECT state FROM held").fetchall()


async def test_nodes_that_run_while_a_newer_one_changes_the_tables_lose_nothing(
    tmp_path: Path, postgresql: Database
) -> None:
    async with two_nodes(tmp_path, postgresql, secret=SECRET) as nodes:
        assert "NOT SENT YET" in (await nodes.submit([BERLIN, ALL], subject="before")).text
        with postgresql.connected() as connection:
            connection.execute("INSERT INTO schema_steps VALUES ('held', %s, now())", (NEWER,))
            # As harsh as a step can be: nothing that an older node writes fits.
            connection.execute("ALTER TABLE held RENAME COLUMN card TO papers")

        for node in range(2):
            held = await nodes.submit([BERLIN, ALL], node=node, subject=f"meanwhile {node}")
            assert 451 == held.code
            assert 250 == (await nodes.submit([BERLIN], node=node, subject=f"passed {node}")).code
            answered = await nodes.answer(await nodes.notice(), "SEND", node=node)
            assert 451 == answered.code
        assert 2 == len(nodes.up.messages)
        assert [] == nodes.released()

        with postgresql.connected() as connection:
            connection.execute("ALTER TABLE held RENAME COLUMN papers TO card")
        assert 250 == (await nodes.answer(await nodes.notice(), "SEND")).code
        assert 1 == len(nodes.released())


def in_file(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchall()
