"""The schema of a PostgreSQL database, in numbered steps: schema/postgresql/NAME/0001.sql and so on, only added to.

Nodes that start together do each step once: whoever inserts its number first does it, and the others wait for him at
that row. So no lock is needed that an engine which only speaks PostgreSQL's language may lack.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from psycopg import errors

from smtpguard.store import StoreError
from smtpguard.store.connections import Connection
from smtpguard.store.database import steps_of

# Nodes that start together get into each other's way a few times at most, and then one of them has done it.
TRIES = 20
_PAUSE_SECONDS = 0.25
# CREATE ... IF NOT EXISTS still fails if another has just made the same; the other two are what all engines retry.
_IN_EACH_OTHERS_WAY = (
    errors.UniqueViolation,
    errors.DuplicateTable,
    errors.DuplicateObject,
    errors.SerializationFailure,
    errors.DeadlockDetected,
)


async def migrate(connection: Connection, schemas: Sequence[str]) -> None:
    """Bring the database to the newest step of each of `schemas`. `connection` commits by itself.

    Raises StoreError if a newer smtpguard has written to it, and psycopg.Error.
    """
    for left in reversed(range(TRIES)):
        try:
            versions = await _versions(connection)
            for schema in schemas:
                await _migrate(connection, schema, versions.get(schema, 0))
        except _IN_EACH_OTHERS_WAY:
            if not left:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return


async def _versions(connection: Connection) -> dict[str, int]:
    # Asked first: who may not create tables may still use them.
    asked = "SELECT name, max(step) AS step FROM schema_steps GROUP BY name"
    try:
        rows = await (await connection.execute(asked)).fetchall()
    except errors.UndefinedTable:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_steps ("
            "name TEXT NOT NULL, step INTEGER NOT NULL, applied TIMESTAMPTZ NOT NULL, PRIMARY KEY (name, step))"
        )
        return {}
    return {str(each["name"]): int(each["step"]) for each in rows}


async def _migrate(connection: Connection, schema: str, version: int) -> None:
    try:
        steps = steps_of(f"postgresql/{schema}")
    except FileNotFoundError:
        return  # nothing of it is kept in PostgreSQL
    newest = max(steps)
    if version > newest:
        raise StoreError(
            f"the database was written by a newer smtpguard: it has schema {version} of {schema}, "
            f"this one knows up to {newest}"
        )
    for number in sorted(each for each in steps if each > version):
        async with connection.transaction():
            done = await connection.execute(
                "INSERT INTO schema_steps (name, step, applied) VALUES (%s, %s, now()) "
                "ON CONFLICT (name, step) DO NOTHING RETURNING step",
                (schema, number),
            )
            if await done.fetchone() is not None:
                await connection.execute(steps[number].encode())
