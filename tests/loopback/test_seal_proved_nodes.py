"""The same proof for several nodes: PostgreSQL's files, its log, what it writes ahead and a base backup (T-04)."""

from __future__ import annotations

import asyncio
import itertools
import re
from pathlib import Path

import pytest

from tests.loopback.canaries import MARK, forms_of, forms_of_code, found, left_by, planted
from tests.loopback.guarded import MEMBERS, Member
from tests.loopback.nodes import Nodes, two_nodes
from tests.loopback.test_seal_proved import GENEROUS, tokens_in
from tests.postgresql import Cluster, Database, fresh_database, required

HOLDS = 200
SECRET = bytes(range(100, 132))
# Pages and segments are mostly empty.
_EMPTY = re.compile(rb"\0{64,}")


async def hold_all(nodes: Nodes) -> None:
    mails = [planted(number) for number in range(HOLDS)]

    async def hold(node: int) -> None:
        member = Member(nodes.guards[node].ports[0])
        await member.login("anna")
        for each in mails[node::2]:
            reply = await member.send(MEMBERS["anna"], each.recipients, each.octets)
            assert "NOT SENT YET" in reply.text
        await member.quit()

    await asyncio.gather(hold(0), hold(1))


async def answer_some(nodes: Nodes) -> None:
    """By DISCARD: what goes out is no secret any more."""
    for notice in nodes.notices()[:20]:
        assert 250 == await nodes.hand_over(notice, "DISCARD", 1)


def files(folder: Path) -> dict[str, bytes]:
    """What the files below `folder` hold, without what is empty."""
    read = ((path, path.read_bytes()) for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): _EMPTY.sub(b"\0", octets) for path, octets in read}


def base_backup(cluster: Cluster) -> Path:
    with cluster.connected() as connection:
        connection.execute("CHECKPOINT")
    backup = cluster.folder / "backup"
    cluster._run("pg_basebackup", f"--dbname={cluster.address}", f"--pgdata={backup}", "--checkpoint=fast", "--no-sync")
    return backup


def ours(database: Database, places: dict[str, bytes]) -> dict[str, bytes]:
    """Of a cluster's files those that codes could get into: our tables, what is written ahead, logs."""
    with database.connected() as connection:
        row = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
    assert row is not None
    return {name: octets for name, octets in places.items() if name.startswith((f"base/{row[0]}/", "pg_wal/", "log"))}


@pytest.mark.slow
async def test_T_04_nothing_of_held_mail_lies_in_the_database_its_log_or_a_base_backup(tmp_path: Path) -> None:
    required()
    with Cluster() as cluster, fresh_database(cluster) as database:
        async with two_nodes(
            tmp_path, database, secret=SECRET, limits=GENEROUS, remember="all", members_informed="2026-10-01",
            log={"level": "debug"},
        ) as nodes:  # fmt: skip
            await hold_all(nodes)
            codes = tokens_in(nodes.out)
            assert HOLDS == len(set(codes))
            await answer_some(nodes)
            here = left_by(nodes.guards[0].process.pid, tmp_path) | left_by(nodes.guards[1].process.pid)
            here |= {f"log {n}": bytes(each.log) for n, each in enumerate(nodes.guards)}
            # The settings, and the secrets that they name, lie where the admin has put them.
            backup = await asyncio.to_thread(base_backup, cluster)
            cluster.stop()
            places = files(cluster.folder / "data"), files(backup), {"log": cluster.log.read_bytes()}
            cluster.start()

        marks, all_codes = list(forms_of(MARK.encode())), list(itertools.chain(*map(forms_of_code, codes)))
        for each in (here, *places):
            assert [] == found(each, iter(marks))
        for each in (here, *(ours(database, one) for one in places)):
            assert each
            assert [] == found(each, iter(all_codes))
        # The looking finds what is there: a row's id, which is no secret, in tables and in what is written ahead.
        with database.connected() as connection:
            row = connection.execute("SELECT id FROM held LIMIT 1").fetchone()
        assert row is not None
        for each in places[:2]:
            assert found(ours(database, each), iter([bytes(row[0])]))  # type: ignore[call-overload]
