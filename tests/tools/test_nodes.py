"""`smtpguard remember` and `smtpguard stats` where the memory lies in a database that several nodes share."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result

from smtpguard.counting import Counting
from smtpguard.exits import UNAVAILABLE
from smtpguard.keys import KeyFolder
from smtpguard.store.postgresql_archives import PostgreSQLArchives
from smtpguard.store.postgresql_memory import PostgreSQLMemory
from smtpguard.store.server import Server
from smtpguard.tools import commands
from smtpguard.verdict import Action, Finding, Verdict
from tests.archives.posts import NOW, mboxrd, posts
from tests.memories import SCHEMAS, empty, memory_database
from tests.postgresql import Database, postgresql_cluster
from tests.tools.site import run

__all__ = ["memory_database", "postgresql_cluster"]

pytestmark = pytest.mark.slow

LATER = datetime(2026, 12, 9, 12, 0, tzinfo=UTC)


@pytest.fixture
def database(memory_database: Database) -> Database:
    empty(memory_database)
    return memory_database


@pytest.fixture
def state(site: Path, database: Database) -> Path:
    """The state_dir of a node, with a site file that names the database."""
    address = site.parent / "store-url"
    address.write_text(f"{database.url}\n")
    address.chmod(0o600)
    site.write_text(f"{site.read_text()}store: {{kind: postgresql, url_file: store-url}}\n")
    folder = site.parent.parent / "state"
    folder.mkdir(mode=0o700)
    return folder


def called(site: Path, state: Path, command: str, *more: str | Path) -> Result:
    return run(command, "--config", site, "--state-dir", state, *more)


def in_database(database: Database, work: Callable[[Server], Awaitable[None]]) -> None:
    async def done() -> None:
        server = await Server.open(database.url, schemas=SCHEMAS)
        try:
            await work(server)
        finally:
            await server.close()

    asyncio.run(done())


def count(database: Database, table: str) -> int:
    with database.connected() as connection:
        found = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert found is not None
    return int(str(found[0]))


def test_an_archive_is_read_into_the_database_once_whichever_node_is_asked(
    site: Path, state: Path, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_now", lambda: NOW)
    archive = tmp_path / "berlin.mbox"
    archive.write_bytes(mboxrd(posts(30)))

    first = called(site, state, "remember", "--list", "berlin", archive)
    again = called(site, state, "remember", "--list", "berlin", archive)

    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout == f"{archive}: 30 posts remembered\nberlin: posts are known since 2026-11-02.\n"
    assert "0 posts remembered, 30 were already\n" in again.stdout
    assert count(database, "posts") == 30
    assert count(database, "public_texts") > 30
    assert not list(state.glob("*.sqlite3"))


def test_two_nodes_do_not_read_archives_at_once(site: Path, state: Path, database: Database, tmp_path: Path) -> None:
    archive = tmp_path / "berlin.mbox"
    archive.write_bytes(mboxrd(posts(1)))

    async def elsewhere(server: Server) -> None:
        assert await PostgreSQLArchives(server).begin()

    in_database(database, elsewhere)
    found = called(site, state, "remember", "--list", "berlin", archive)

    assert found.exit_code == UNAVAILABLE
    assert "another smtpguard remember is at work on one of the nodes" in found.stderr
    assert count(database, "posts") == 0


def test_the_figures_of_all_nodes_are_shown_together(
    site: Path, state: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_now", lambda: LATER)
    observed = Verdict(Action.PASS, observed=(Finding("12-02", "crosspost", lists=("berlin",)),))
    before = datetime(2026, 12, 2, 12, 0, tzinfo=UTC)

    async def counted(server: Server) -> None:
        for _ in range(2):
            keys = KeyFolder(state / "keys", "counted")
            counting = Counting(PostgreSQLMemory(server), keys, os.urandom, clock=lambda: before)
            for _ in range(30):
                counting.passed(observed)
            await counting.settle()

    in_database(database, counted)
    found = called(site, state, "stats", "--format", "json")

    assert (found.exit_code, found.stderr) == (0, "")
    (line,) = json.loads(found.stdout)["lines"]
    assert (line["list"], line["row"], line["total"]["observed"]) == ("berlin", "12-02", 60)


def test_a_database_that_does_not_answer_is_said_in_words_without_its_password(
    site: Path, state: Path, tmp_path: Path
) -> None:
    (site.parent / "store-url").write_text("postgresql://smtpguard:geheim@127.0.0.1:1/nothing\n")
    archive = tmp_path / "berlin.mbox"
    archive.write_bytes(mboxrd(posts(1)))

    for found in (called(site, state, "stats"), called(site, state, "remember", "--list", "berlin", archive)):
        assert found.exit_code == UNAVAILABLE
        assert "the database cannot be reached" in found.stderr
        assert "geheim" not in found.stderr
