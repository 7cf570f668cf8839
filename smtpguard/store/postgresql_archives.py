"""What has been read of which archive, in the database of several nodes.

Whoever reads has a row to himself until a time that every batch moves on: it lapses when he is killed. Two at once
could keep one post twice.
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values are bound

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from smtpguard.store import StoreError
from smtpguard.store.archives import FIELDS, ReadArchive, archive_of, days_of, row_of
from smtpguard.store.server import Row, Server

# A batch takes a second, seldom more than a few. After this a new `smtpguard remember` goes on where a killed one was.
READING_LASTS = timedelta(minutes=1)
_NONCE_OCTETS = 16

# The database's own clock: those of the nodes may differ.
_BEGIN = """
    INSERT INTO archive_reader (only_row, nonce, until) VALUES (1, %(nonce)s, now() + %(lasts)s)
    ON CONFLICT (only_row) DO UPDATE SET nonce = excluded.nonce, until = excluded.until
    WHERE archive_reader.until < now() OR archive_reader.nonce = excluded.nonce
    RETURNING nonce"""
_GO_ON = "UPDATE archive_reader SET until = now() + %(lasts)s WHERE nonce = %(nonce)s"
_END = "DELETE FROM archive_reader WHERE nonce = %(nonce)s"
_FIND = (
    f"SELECT {FIELDS} FROM archives WHERE (week, mark) IN (SELECT * FROM unnest(%(weeks)s::text[], %(marks)s::bytea[]))"
)
_DAYS = "SELECT days FROM archives WHERE (week, list) IN (SELECT * FROM unnest(%(weeks)s::text[], %(lists)s::bytea[]))"
_NOTE = f"""
    INSERT INTO archives ({FIELDS})
    SELECT * FROM unnest(%(weeks)s::text[], %(marks)s::bytea[], %(lists)s::bytea[], %(positions)s::bigint[],
        %(taken)s::bigint[], %(samples)s::bytea[], %(last)s::bigint[], %(posts)s::bigint[], %(days)s::bytea[])
    ON CONFLICT (week, mark) DO UPDATE SET list = excluded.list, position = excluded.position, taken = excluded.taken,
        sample = excluded.sample, last = excluded.last, posts = excluded.posts, days = excluded.days"""
_COLUMNS = ("weeks", "marks", "lists", "positions", "taken", "samples", "last", "posts", "days")


class PostgreSQLArchives:
    """`ArchiveStore` in the database of `server`, which whoever has opened it closes (schema "memory"). Every method
    raises StoreError if the database refuses."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._reader = {"nonce": secrets.token_bytes(_NONCE_OCTETS), "lasts": READING_LASTS}

    async def begin(self) -> bool:
        return bool(await self._server.run(_BEGIN, self._reader, again=True))

    async def weeks(self) -> frozenset[str]:
        return frozenset(each["week"] for each in await self._run("SELECT DISTINCT week FROM archives"))

    async def find(self, marks: Mapping[str, Sequence[bytes]]) -> Sequence[ReadArchive]:
        asked = [(week, mark) for week, some in marks.items() for mark in some]
        values = {"weeks": [week for week, _ in asked], "marks": [mark for _, mark in asked]}
        return [archive_of(each) for each in await self._run(_FIND, values)]

    async def days(self, lists: Iterable[tuple[str, bytes]]) -> frozenset[int]:
        asked = list(lists)
        values = {"weeks": [week for week, _ in asked], "lists": [mark for _, mark in asked]}
        return frozenset(day for each in await self._run(_DAYS, values) for day in days_of(each["days"]))

    async def note(self, archives: Sequence[ReadArchive]) -> None:
        # One statement changes a row once: of a piece that is there twice, the last counts.
        rows = sorted({(each.week, each.mark): row_of(each) for each in archives}.values())
        values = {name: [row[place] for row in rows] for place, name in enumerate(_COLUMNS)}

        async def write(connection: Any) -> None:
            if not (await connection.execute(_GO_ON, self._reader)).rowcount:
                raise StoreError("another smtpguard remember has gone on with these archives meanwhile")
            if rows:
                await connection.execute(_NOTE, values)

        await self._server.perform(write, again=True)

    async def forget(self, weeks: Collection[str]) -> None:
        if weeks:
            await self._run("DELETE FROM archives WHERE week = ANY (%(weeks)s::text[])", {"weeks": sorted(weeks)})

    async def close(self) -> None:
        await self._run(_END, self._reader)

    async def _run(self, statement: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        return await self._server.run(statement, values or {}, again=True)
