"""The store of held mail in PostgreSQL: for several nodes, none of which needs to know of the others.

Every move is one statement, and the row decides who was first. Time is the database's own, so that clocks of nodes need
not agree: `clock_timestamp()` in moves, the time when the row is looked at after whatever wait for another's lock;
`now()` where an index is asked. Commits are durable whatever the server's default (`server`).

Sealed bytes of decided mail stay in the server's log, archive and backups; no statement can take them out again. That
the day key goes is what makes them worthless (THREAT-MODEL T-04), so `tidy` has nothing to do here.
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values are bound

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from smtpguard.held import HeldRow, State
from smtpguard.store import ASKING_COUNTS, FOUND_MAX, Claim, LifeSign, Quota
from smtpguard.store.held_rows import COLUMNS, FORGOTTEN, WAITING, claim_of, row_of, values_of
from smtpguard.store.server import Connection, Row, Server, rows_of

_NONCE_OCTETS = 16
# Tombstones that one call removes: the first one after a long absence must not run into the time-out of a statement.
_PURGED_MAX = 10_000
# All nodes away for so long: nobody could answer meanwhile, and expiry pauses for an hour (SEMANTICS c6). Every node
# that looks within the second time is told of it; it ends before the first one's pause, lest that begin anew.
_AWAY = timedelta(hours=24)
_AWAY_TOLD = timedelta(minutes=55)

_UNCLAIMED = "(claim IS NULL OR claimed_until <= clock_timestamp())"
# All others are octets.
_TYPES = {
    "state": "text",
    "day": "date",
    "created": "timestamptz",
    "expires": "timestamptz",
    "size": "bigint",
    "week": "text",
    "helps": "integer",
}
_COLUMNS = ", ".join(["decided", *COLUMNS])
_BOXLESS = _COLUMNS.replace(" box,", " NULL::bytea AS box,")
_PLACES = (f"%({name})s::{_TYPES.get(name, 'bytea')}" for name in COLUMNS)
_INSERT = f"INSERT INTO held ({', '.join(COLUMNS)}) SELECT {', '.join(_PLACES)}"
_OF_ACCOUNT = (
    f"FROM held WHERE tag_account = ANY(%(accounts)s::bytea[]) AND {WAITING} AND expires > now() "
    "AND id IS DISTINCT FROM %(besides)s::bytea "
    "AND (state <> 'asking' OR created > now() - %(asking_counts)s::interval)"
)
_ROOM = (
    f"(SELECT count(*) {_OF_ACCOUNT}) < %(holds)s "
    f"AND (SELECT coalesce(sum(size), 0) {_OF_ACCOUNT}) + %(size)s <= %(octets)s"
)
_TOMBSTONE = f"state = %(state)s, decided = clock_timestamp(), {FORGOTTEN}"
_UNTIL = "clock_timestamp() + %(lasts)s::interval"


class PostgreSQLStore:
    """`HoldStore` in a database that several nodes share. `server` has its schema "held"; who opened it closes it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def add(self, row: HeldRow, within: Quota | None = None) -> bool:
        values = values_of(row)
        if within is None:
            return bool(await self._server.run(f"{_INSERT} RETURNING id", values))
        accounts = sorted(set(within.accounts))
        values |= {
            "accounts": accounts,
            "holds": within.holds,
            "octets": within.octets,
            "besides": within.besides,
            "asking_counts": ASKING_COUNTS,
        }

        async def in_turn(connection: Connection) -> bool:
            # In one order, so that no two wait for each other. What was committed before our turn is seen afterwards.
            await rows_of(
                connection, "INSERT INTO adding (account) SELECT unnest(%(accounts)s::bytea[]) ORDER BY 1", values
            )
            stored = await rows_of(connection, f"{_INSERT} WHERE {_ROOM} RETURNING id", values)
            await rows_of(connection, "DELETE FROM adding WHERE account = ANY(%(accounts)s::bytea[])", values)
            return bool(stored)

        return await self._server.perform(in_turn)

    async def count_notice(self, asker: bytes, day: date) -> int:
        rows = await self._server.run(
            "INSERT INTO notices (asker, day, count) VALUES (%(asker)s, %(day)s, 1) "
            "ON CONFLICT (asker) DO UPDATE SET count = notices.count + 1 RETURNING count",
            {"asker": asker, "day": day},
        )
        return int(rows[0]["count"]) - 1

    async def take_back_notice(self, asker: bytes, day: date) -> None:
        await self._server.run(
            "UPDATE notices SET count = count - 1 WHERE asker = %(asker)s AND day = %(day)s AND count > 0",
            {"asker": asker, "day": day},
        )

    async def forget_notices(self, before: date) -> int:
        return len(await self._server.run("DELETE FROM notices WHERE day < %(before)s RETURNING 1", {"before": before}))

    async def mark_held(self, hold_id: bytes) -> bool:
        rows = await self._server.run(
            "UPDATE held SET state = 'held' WHERE id = %(id)s AND state = 'asking' RETURNING 1",
            {"id": hold_id},
            again=True,
        )
        return bool(rows)

    async def drop(self, hold_id: bytes) -> None:
        # Only `asking`: in any other state somebody has answered, so the notice has been read after all.
        await self._server.run("DELETE FROM held WHERE id = %(id)s AND state = 'asking'", {"id": hold_id}, again=True)

    async def find(self, hold_id: bytes) -> HeldRow | None:
        rows = await self._read(
            f"SELECT {_COLUMNS}, expires <= clock_timestamp() AND {_UNCLAIMED} AS late FROM held WHERE id = %(id)s",
            {"id": hold_id},
        )
        if not rows:
            return None
        if rows[0]["late"]:
            # Nobody has swept it up yet; it is told as it will be told later.
            late = _row(rows[0])
            return HeldRow(hold_id, State.EXPIRED, day=late.day, decided=late.expires)
        return _row(rows[0])

    async def find_resend(self, tags: Sequence[bytes]) -> HeldRow | None:
        rows = await self._read(
            f"SELECT {_COLUMNS} FROM held WHERE tag_resend = ANY(%(tags)s::bytea[]) "
            f"AND {WAITING} AND expires > now() ORDER BY created DESC, id LIMIT 1",
            {"tags": list(tags)},
        )
        return _row(rows[0]) if rows else None

    async def waiting_subjects(self) -> frozenset[tuple[str, bytes, bytes]]:
        rows = await self._read(
            "SELECT week, tag_account, tag_subject FROM held WHERE tag_account IS NOT NULL AND tag_subject IS NOT NULL"
        )
        # In a thread: of a hundred thousand it takes as long as a session should not wait.
        return await asyncio.to_thread(
            lambda: frozenset((each["week"], each["tag_account"], each["tag_subject"]) for each in rows)
        )

    async def find_of_account(self, account: bytes, subject: bytes) -> list[HeldRow]:
        rows = await self._read(
            f"SELECT {_BOXLESS} FROM held WHERE tag_account = %(account)s AND tag_subject = %(subject)s "
            f"AND {WAITING} AND expires > now() AND {_UNCLAIMED} ORDER BY created DESC, id LIMIT {FOUND_MAX}",
            {"account": account, "subject": subject},
        )
        return [_row(each) for each in rows]

    async def claim(self, hold_id: bytes, lasts: timedelta) -> Claim | None:
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        # A connection that broke may have claimed it for us already: with our nonce it is ours.
        rows = await self._server.run(
            f"UPDATE held SET claim = %(nonce)s, claimed_until = {_UNTIL} WHERE id = %(id)s AND {WAITING} "
            f"AND expires > clock_timestamp() AND ({_UNCLAIMED} OR claim = %(nonce)s) RETURNING state, answers",
            {"id": hold_id, "nonce": nonce, "lasts": lasts},
            again=True,
        )
        return claim_of(hold_id, nonce, rows[0]) if rows else None

    async def renew(self, claim: Claim, lasts: timedelta) -> bool:
        return await self._move(
            claim, f"claimed_until = {_UNTIL}", "claimed_until > clock_timestamp()", {"lasts": lasts}, again=True
        )

    async def give_back(self, claim: Claim) -> None:
        await self._move(claim, "claim = NULL, claimed_until = NULL", again=True)

    async def mark_sending(self, claim: Claim, answers: bytes = b"") -> bool:
        # Lapsed is lost here, even if nobody has taken it over: from now on two could send.
        return await self._move(
            claim,
            "state = 'sending', answers = %(answers)s::bytea",
            f"{WAITING} AND claimed_until > clock_timestamp()",
            {"answers": answers or None},
            again=True,
        )

    async def unmark_sending(self, claim: Claim) -> bool:
        return await self._move(claim, "state = 'held', answers = NULL", "state = 'sending'")

    async def decide(self, claim: Claim, state: State) -> bool:
        # What has happened is written down as long as nobody else has the claim, even if it has lapsed meanwhile.
        if state.waiting:
            raise ValueError("a decision is sent, discarded, expired or replaced")
        return await self._move(claim, _TOMBSTONE, WAITING, {"state": state.value})

    async def replace(self, hold_id: bytes) -> bool:
        return await self._end(hold_id, State.REPLACED, "expires > clock_timestamp()")

    async def settle(self, hold_id: bytes, state: State, when: datetime) -> bool:
        if state.waiting:
            raise ValueError("a decision is sent, discarded, expired or replaced")
        rows = await self._server.run(
            f"UPDATE held SET {_TOMBSTONE.replace('clock_timestamp()', '%(when)s')} WHERE id = %(id)s AND {WAITING} "
            "RETURNING id",
            {"id": hold_id, "state": state.value, "when": when},
        )
        return bool(rows)

    async def count_help(self, hold_id: bytes) -> int:
        rows = await self._server.run(
            f"UPDATE held SET helps = helps + 1 WHERE id = %(id)s AND {WAITING} RETURNING helps", {"id": hold_id}
        )
        return int(rows[0]["helps"]) - 1 if rows else 0

    async def waiting_ids(self, accounts: Sequence[bytes] | None = None) -> list[bytes]:
        among = "" if accounts is None else "AND tag_account = ANY(%(accounts)s::bytea[]) "
        rows = await self._read(
            f"SELECT id FROM held WHERE {WAITING} {among}ORDER BY created, id", {"accounts": list(accounts or ())}
        )
        return [each["id"] for each in rows]

    async def expire_now(self, hold_id: bytes) -> bool:
        return await self._end(hold_id, State.EXPIRED)

    async def due(self, limit: int, besides: Collection[date] = ()) -> list[HeldRow]:
        rows = await self._read(
            f"SELECT {_BOXLESS} FROM held WHERE {WAITING} AND expires <= now() AND {_UNCLAIMED} "
            "AND day <> ALL(%(besides)s::date[]) ORDER BY expires, id LIMIT %(limit)s",
            {"limit": limit, "besides": list(besides)},
        )
        return [_row(each) for each in rows]

    async def expire(self, hold_ids: Sequence[bytes]) -> frozenset[bytes]:
        # In one order, so that two nodes that sweep at the same time do not wait for each other's rows.
        rows = await self._server.run(
            f"UPDATE held SET {_TOMBSTONE} WHERE id IN (SELECT id FROM held WHERE id = ANY(%(ids)s::bytea[]) "
            f"AND {WAITING} ORDER BY id FOR UPDATE) AND {WAITING} AND {_UNCLAIMED} "
            "AND expires <= clock_timestamp() RETURNING id",
            {"ids": list(hold_ids), "state": State.EXPIRED.value},
        )
        return frozenset(each["id"] for each in rows)

    async def waiting_days(self) -> dict[date, int]:
        # Only waiting rows have a day, as only they have tags (the schema's checks).
        rows = await self._read("SELECT day, count(*) AS waiting FROM held WHERE day IS NOT NULL GROUP BY day")
        return {each["day"]: int(each["waiting"]) for each in rows}

    async def release_claims(self) -> int:
        """Nothing, 0: another node may be sending at this moment under a claim. A dead node's claims lapse by their
        time; until then an answer is told to come again."""
        return 0

    async def purge_tombstones(self, older_than: timedelta) -> int:
        """At most 10,000 in one call; the next sweep goes on."""
        rows = await self._server.run(
            "DELETE FROM held WHERE id IN "
            f"(SELECT id FROM held WHERE decided <= now() - %(age)s::interval LIMIT {_PURGED_MAX}) RETURNING 1",
            {"age": older_than},
        )
        return len(rows)

    async def sign_of_life(self) -> LifeSign:
        """Write that a node lives now, whichever.

        If all nodes had been away for a day, every node that asks soon after the first one's return gets the time
        before that: else only the first would pause its expiry, and the second expire what the first spares.
        """
        since = "now() - sign_of_life.seen > %(away)s::interval"
        rows = await self._server.run(
            "INSERT INTO sign_of_life (only_row, seen) VALUES (1, now()) ON CONFLICT (only_row) DO UPDATE SET "
            f"away_since = CASE WHEN {since} THEN sign_of_life.seen ELSE sign_of_life.away_since END, "
            f"back = CASE WHEN {since} THEN now() ELSE sign_of_life.back END, "
            "seen_before = sign_of_life.seen, seen = now() "
            "RETURNING seen AS now, "
            "CASE WHEN back <= now() AND back > now() - %(told)s::interval THEN away_since ELSE seen_before END "
            "AS before",
            {"away": _AWAY, "told": _AWAY_TOLD},
        )
        return LifeSign(rows[0]["now"].astimezone(UTC), _time(rows[0]["before"]))

    async def tidy(self) -> None:
        """Nothing: what PostgreSQL keeps in its log and backups no statement removes; the day key answers that."""

    async def close(self) -> None:
        await self._server.close()

    async def _read(self, statement: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        return await self._server.run(statement, values or {}, again=True)

    async def _move(
        self,
        claim: Claim,
        change: str,
        condition: str = "TRUE",
        values: Mapping[str, Any] | None = None,
        *,
        again: bool = False,
    ) -> bool:
        """Change the row if `claim` is still the one on it; False if not."""
        rows = await self._server.run(
            f"UPDATE held SET {change} WHERE id = %(id)s AND claim = %(nonce)s AND {condition} RETURNING 1",
            {"id": claim.id, "nonce": claim.nonce, **(values or {})},
            again=again,
        )
        return bool(rows)

    async def _end(self, hold_id: bytes, state: State, condition: str = "TRUE") -> bool:
        """Make a tombstone of a waiting row that nobody decides; False if there is none."""
        rows = await self._server.run(
            f"UPDATE held SET {_TOMBSTONE} "
            f"WHERE id = %(id)s AND {WAITING} AND {_UNCLAIMED} AND {condition} RETURNING 1",
            {"id": hold_id, "state": state.value},
        )
        return bool(rows)


def _row(row: Row) -> HeldRow:
    return row_of(row, _day, _time)


def _day(day: date) -> date:
    return day


def _time(time: datetime | None) -> datetime | None:
    return None if time is None else time.astimezone(UTC)
