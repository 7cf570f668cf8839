"""A few tries of each fault with PostgreSQL as store; `make torture` has many."""

from __future__ import annotations

from functools import partial

import pytest

from smtpguard.store.server import Server
from tests.postgresql import Cluster, Database, SharedCluster, postgresql, postgresql_cluster, required
from tests.torture import kills
from tests.torture.ledger import Account
from tests.torture.servers import server_killed
from tests.torture.site import site
from tests.torture.stores import OnServer, on_server
from tests.torture.test_short import good
from tests.torture.workers import killed_in_releases

__all__ = ["postgresql", "postgresql_cluster"]

# The notice has not gone out, and the mail has.
STEPS = ("hold.committed", "release.sent")


@pytest.mark.slow
async def test_killed_at_random_moments_under_load(postgresql_cluster: SharedCluster) -> None:
    await good(kills.at_random_moments(1, partial(site, on_server(postgresql_cluster, keys_by_database=False))))


@pytest.mark.slow
async def test_killed_at_steps(postgresql_cluster: SharedCluster) -> None:
    await good(kills.at_each_step(1, partial(site, on_server(postgresql_cluster, keys_by_database=True)), STEPS))


@pytest.mark.slow
async def test_workers_killed_before_the_mark_of_a_release(postgresql_cluster: SharedCluster) -> None:
    await good(killed_in_releases(1, partial(site, on_server(postgresql_cluster)), ["release.sent"]))


@pytest.mark.slow
async def test_the_server_killed_under_load() -> None:
    required()
    with Cluster(durable=True) as cluster:
        await good(server_killed(2, cluster))


# ------------------------------------------------------------ what the rows say

SENDING = (
    "INSERT INTO held (id, state, day, created, expires, box, card, claim, claimed_until) "
    "VALUES (sha256(%s), 'sending', CURRENT_DATE, now(), now() + interval '1 day', '', '', %s, "
    "now() + interval '1 hour') RETURNING id"
)
SENT = (
    "UPDATE held SET state = 'sent', decided = clock_timestamp(), day = NULL, created = NULL, expires = NULL, "
    "box = NULL, card = NULL, claim = NULL, claimed_until = NULL WHERE id = %s"
)


async def test_whoever_lives_has_decided_before_the_claims_of_the_dead_lapse(postgresql: Database) -> None:
    await (await Server.open(postgresql.url, schemas=["held"])).close()
    store = OnServer(postgresql, {})
    with postgresql.connected() as connection:
        ids = [bytes(connection.execute(SENDING, (each, each)).fetchall()[0][0]) for each in (b"a", b"b", b"c")]  # type: ignore[arg-type]
        rows = store.look()
        assert rows is not None
        store.died(rows, 0)
        connection.execute(SENT, (ids[0],))

        store.let_claims_lapse()
        connection.execute(SENT, (ids[1],))

        assert {"sent", "sending"} == {each.state for each in (store.look() or {}).values()}
        assert sorted(ids[1:]) == sorted(store.killed_in_sending())


async def test_an_index_that_does_not_fit_its_table_is_not_whole(postgresql: Database) -> None:
    await (await Server.open(postgresql.url)).close()
    account = Account("an index")
    with postgresql.connected(superuser=True) as connection:
        connection.execute("CREATE EXTENSION amcheck")
        connection.execute(SENDING, (b"a", b"a"))
        OnServer(postgresql, {}).states(account)
        assert account.good

        # As if the row had never come into any index.
        connection.execute("UPDATE pg_index SET indisready = false WHERE indrelid = 'held'::regclass")
        connection.execute(SENDING, (b"b", b"b"))
        connection.execute("UPDATE pg_index SET indisready = true WHERE indrelid = 'held'::regclass")

    OnServer(postgresql, {}).states(account)

    assert not account.good
    assert 1 == account.integrity
