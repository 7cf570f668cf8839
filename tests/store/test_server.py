"""What `Server` owes to whoever keeps something in PostgreSQL."""

from __future__ import annotations

import pytest

from smtpguard.store import StoreError
from smtpguard.store.server import Server
from tests.postgresql import Database


async def test_a_statement_gives_its_rows(postgresql: Database) -> None:
    server = await Server.open(postgresql.url)

    rows = await server.run("SELECT %(a)s::bytea AS a, 1 AS b", {"a": b"\x00\xff"})
    none = await server.run("DELETE FROM held")

    assert rows == [{"a": b"\x00\xff", "b": 1}]
    assert none == []
    await server.close()
    with pytest.raises(StoreError, match="closed"):
        await server.run("SELECT 1")
