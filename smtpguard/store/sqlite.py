"""The store of held mail in one SQLite file: for one node, also with several processes on it.

One worker thread owns the connection; every call is one transaction in it. `synchronous=FULL` in WAL mode makes each
commit survive a power cut. `secure_delete` and `tidy` make sure that nothing of a decided mail stays in the files
(THREAT-MODEL T-03). Time is the clock that `open` was given, kept as microseconds since 1970, UTC.
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values are bound

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from smtpguard.held import HeldRow, State
from smtpguard.store import ASKING_COUNTS, FOUND_MAX, Claim, LifeSign, Quota, StoreError
from smtpguard.store.claimant import ALONE, Claimant
from smtpguard.store.database import Identity, opened
from smtpguard.store.held_rows import COLUMNS, FORGOTTEN, WAITING, claim_of, row_of, values_of
from smtpguard.store.worker import BUSY_SECONDS, MICROSECOND, Clock, Value, committed, in_worker, number_of, time_of

# Who was away for longer, or whose clock has made such a step, is told of it for so long: expiry pauses meanwhile.
_AWAY = timedelta(hours=24)
_AWAY_TOLD = timedelta(hours=1)
# Tombstones that go in one transaction, some 10 ms: whoever holds a mail meanwhile waits for them.
PURGED_MAX = 1000

_UNCLAIMED = "(claim IS NULL OR claimed_until <= :now)"
_COLUMNS = ", ".join(["decided", *COLUMNS])
_BOXLESS = _COLUMNS.replace(" box,", " NULL AS box,")
_TOMBSTONE = f"state = :state, decided = :now, {FORGOTTEN}"


class SQLiteStore:
    """`HoldStore` in one file. Made by `open`; every method raises StoreError if the database refuses, or if its files
    are no longer those that were opened.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        identity: Identity,
        worker: ThreadPoolExecutor,
        clock: Clock,
        busy_seconds: float,
        claimant: Claimant = ALONE,
    ) -> None:
        self._claimant = claimant
        self._connection = connection
        self._identity = identity
        self._worker = worker
        self._clock = clock
        self._busy_seconds = busy_seconds
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        clock: Clock,
        *,
        busy_seconds: float = BUSY_SECONDS,
        beside: Sequence[Path] = (),
        claimant: Claimant = ALONE,
    ) -> SQLiteStore:
        """Open the file at `path`, made with mode 0600 in a folder of mode 0700 if it is not there; migrate it.

        `clock` gives the time now, aware; `beside` are more files that must stay what they are, such as the lock of the
        folder. Raises StoreError also if others can get at the file or its folder, or if a newer smtpguard has written
        it.
        """
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

        def begin() -> tuple[sqlite3.Connection, Identity]:
            # The migration has made log and index by now; both stay as long as this connection.
            return opened(path, number_of(clock()), busy_seconds), Identity(path, beside)

        try:
            connection, identity = await in_worker(worker, begin)
        except BaseException:
            worker.shutdown(wait=False)
            raise
        return cls(connection, identity, worker, clock, busy_seconds, claimant)

    async def add(self, row: HeldRow, within: Quota | None = None) -> bool:
        values = values_of(row)
        values["day"] = values["day"].isoformat()
        for name in ("created", "expires"):
            values[name] = number_of(values[name])
        condition, bounds = ("TRUE", {}) if within is None else _room(within)
        places = _places(values)
        rows = await self._execute(
            f"INSERT INTO held ({', '.join(values)}) SELECT {places} WHERE {condition} RETURNING id", values | bounds
        )
        return bool(rows)

    async def count_notice(self, asker: bytes, day: date) -> int:
        rows = await self._execute(
            "INSERT INTO notices (asker, day, count) VALUES (:asker, :day, 1) "
            "ON CONFLICT (asker) DO UPDATE SET count = count + 1 RETURNING count",
            {"asker": asker, "day": day.isoformat()},
        )
        return int(rows[0]["count"]) - 1

    async def take_back_notice(self, asker: bytes, day: date) -> None:
        await self._execute(
            "UPDATE notices SET count = count - 1 WHERE asker = :asker AND day = :day AND count > 0",
            {"asker": asker, "day": day.isoformat()},
        )

    async def forget_notices(self, before: date) -> int:
        rows = await self._execute(
            "DELETE FROM notices WHERE day < :before RETURNING day", {"before": before.isoformat()}
        )
        return len(rows)

    async def mark_held(self, hold_id: bytes) -> bool:
        rows = await self._execute(
            "UPDATE held SET state = 'held' WHERE id = :id AND state = 'asking' RETURNING id", {"id": hold_id}
        )
        return bool(rows)

    async def drop(self, hold_id: bytes) -> None:
        # Only `asking`: in any other state somebody has answered, so the notice has been read after all.
        await self._execute("DELETE FROM held WHERE id = :id AND state = 'asking'", {"id": hold_id})

    async def find(self, hold_id: bytes) -> HeldRow | None:
        rows = await self._execute(
            f"SELECT {_COLUMNS}, expires <= :now AND {_UNCLAIMED} AS late FROM held WHERE id = :id", {"id": hold_id}
        )
        if not rows:
            return None
        if rows[0]["late"]:
            # Nobody has swept it up yet; it is told as it will be told later.
            late = _row(rows[0])
            return HeldRow(hold_id, State.EXPIRED, day=late.day, decided=late.expires)
        return _row(rows[0])

    async def find_resend(self, tags: Sequence[bytes]) -> HeldRow | None:
        if not tags:
            return None
        names = _named("tag", tags)
        rows = await self._execute(
            f"SELECT {_COLUMNS} FROM held WHERE tag_resend IN ({_places(names)}) "
            f"AND {WAITING} AND expires > :now ORDER BY created DESC, rowid DESC LIMIT 1",
            names,
        )
        return _row(rows[0]) if rows else None

    async def waiting_subjects(self) -> frozenset[tuple[str, bytes, bytes]]:
        def read() -> frozenset[tuple[str, bytes, bytes]]:
            # Made here, one by one: 100,000 of them would keep the sessions waiting. One word for each week is enough.
            cursor = self._connection.execute(
                "SELECT DISTINCT week, tag_account, tag_subject FROM held WHERE tag_subject IS NOT NULL"
            )
            cursor.row_factory = None
            return frozenset((sys.intern(week), account, subject) for week, account, subject in cursor)

        return await self._committed(read)

    async def find_of_account(self, account: bytes, subject: bytes) -> list[HeldRow]:
        rows = await self._execute(
            f"SELECT {_BOXLESS} FROM held WHERE tag_account = :account AND tag_subject = :subject "
            f"AND {WAITING} AND expires > :now AND {_UNCLAIMED} ORDER BY created DESC, rowid DESC LIMIT {FOUND_MAX}",
            {"account": account, "subject": subject},
        )
        return [_row(each) for each in rows]

    async def claim(self, hold_id: bytes, lasts: timedelta) -> Claim | None:
        nonce = self._claimant.nonce()
        rows = await self._execute(
            "UPDATE held SET claim = :nonce, claimed_until = :until "
            f"WHERE id = :id AND {WAITING} AND expires > :now AND {_UNCLAIMED} RETURNING state, answers",
            {"id": hold_id, "nonce": nonce, "lasts": lasts},
        )
        return claim_of(hold_id, nonce, rows[0]) if rows else None

    async def renew(self, claim: Claim, lasts: timedelta) -> bool:
        return await self._move(claim, "claimed_until = :until", "claimed_until > :now", lasts=lasts)

    async def give_back(self, claim: Claim) -> None:
        await self._move(claim, "claim = NULL, claimed_until = NULL")

    async def mark_sending(self, claim: Claim, answers: bytes = b"") -> bool:
        # Lapsed is lost here, even if nobody has taken it over: from now on two could send.
        change = "state = 'sending', answers = :answers"
        return await self._move(claim, change, f"{WAITING} AND claimed_until > :now", answers=answers or None)

    async def unmark_sending(self, claim: Claim) -> bool:
        return await self._move(claim, "state = 'held', answers = NULL", "state = 'sending'")

    async def decide(self, claim: Claim, state: State) -> bool:
        # What has happened is written down as long as nobody else has the claim, even if it has lapsed meanwhile.
        if state.waiting:
            raise ValueError("a decision is sent, discarded, expired or replaced")
        return await self._move(claim, _TOMBSTONE, WAITING, state=state.value)

    async def replace(self, hold_id: bytes) -> bool:
        rows = await self._execute(
            f"UPDATE held SET {_TOMBSTONE} "
            f"WHERE id = :id AND {WAITING} AND expires > :now AND {_UNCLAIMED} RETURNING id",
            {"id": hold_id, "state": State.REPLACED.value},
        )
        return bool(rows)

    async def settle(self, hold_id: bytes, state: State, when: datetime) -> bool:
        if state.waiting:
            raise ValueError("a decision is sent, discarded, expired or replaced")
        rows = await self._execute(
            f"UPDATE held SET {_TOMBSTONE.replace(':now', ':when')} WHERE id = :id AND {WAITING} RETURNING id",
            {"id": hold_id, "state": state.value, "when": number_of(when)},
        )
        return bool(rows)

    async def count_help(self, hold_id: bytes) -> int:
        rows = await self._execute(
            f"UPDATE held SET helps = helps + 1 WHERE id = :id AND {WAITING} RETURNING helps", {"id": hold_id}
        )
        return int(rows[0]["helps"]) - 1 if rows else 0

    async def waiting_ids(self, accounts: Sequence[bytes] | None = None) -> list[bytes]:
        names = _named("account", accounts or ())
        among = "" if accounts is None else f"AND tag_account IN ({_places(names)}) "
        rows = await self._execute(f"SELECT id FROM held WHERE {WAITING} {among}ORDER BY created, rowid", names)
        return [each["id"] for each in rows]

    async def expire_now(self, hold_id: bytes) -> bool:
        rows = await self._execute(
            f"UPDATE held SET {_TOMBSTONE} WHERE id = :id AND {WAITING} AND {_UNCLAIMED} RETURNING id",
            {"id": hold_id, "state": State.EXPIRED.value},
        )
        return bool(rows)

    async def due(self, limit: int, besides: Collection[date] = ()) -> list[HeldRow]:
        days = _named("day", [each.isoformat() for each in besides])
        rows = await self._execute(
            f"SELECT {_BOXLESS} FROM held WHERE {WAITING} AND expires <= :now AND {_UNCLAIMED} "
            f"AND day NOT IN ({_places(days)}) ORDER BY expires, rowid LIMIT :limit",
            days | {"limit": limit},
        )
        return [_row(each) for each in rows]

    async def expire(self, hold_ids: Sequence[bytes]) -> frozenset[bytes]:
        ids = _named("id", hold_ids)
        rows = await self._execute(
            f"UPDATE held SET {_TOMBSTONE} "
            f"WHERE id IN ({_places(ids)}) AND {WAITING} AND expires <= :now AND {_UNCLAIMED} RETURNING id",
            ids | {"state": State.EXPIRED.value},
        )
        return frozenset(each["id"] for each in rows)

    async def waiting_days(self) -> dict[date, int]:
        # Only waiting rows have a day, as only they have tags (schema/0001.sql).
        rows = await self._execute("SELECT day, count(*) AS waiting FROM held WHERE day IS NOT NULL GROUP BY day", {})
        return {date.fromisoformat(each["day"]): each["waiting"] for each in rows}

    async def release_claims(self) -> int:
        is_lapsed, values = self._claimant.formers()
        rows = await self._execute(
            f"UPDATE held SET claim = NULL, claimed_until = NULL WHERE claim IS NOT NULL AND {is_lapsed} RETURNING id",
            values,
        )
        return len(rows)

    async def purge_tombstones(self, older_than: timedelta) -> int:
        rows = await self._execute(
            "DELETE FROM held WHERE rowid IN "
            "(SELECT rowid FROM held WHERE decided <= :now - :age ORDER BY decided LIMIT :limit) RETURNING id",
            {"age": older_than // MICROSECOND, "limit": PURGED_MAX},
        )
        return len(rows)

    async def sign_of_life(self) -> LifeSign:
        def exchange() -> LifeSign:
            now = number_of(self._clock())
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                row = connection.execute("SELECT seen, away_since, back FROM sign_of_life").fetchone()
                seen, away_since, back = row or (None, None, None)
                if seen is not None and now - seen > _AWAY // MICROSECOND:
                    away_since, back = seen, now
                connection.execute(
                    "INSERT OR REPLACE INTO sign_of_life (only_row, seen, away_since, back) VALUES (1, ?, ?, ?)",
                    (now, away_since, back),
                )
            told = back is not None and 0 <= now - back < _AWAY_TOLD // MICROSECOND
            return LifeSign(time_of(now), time_of(away_since if told else seen))

        return await self._committed(exchange)

    async def tidy(self) -> None:
        rows = await self._execute("PRAGMA wal_checkpoint(TRUNCATE)", {})
        if rows[0]["busy"]:
            raise StoreError("somebody else reads the database: its log could not be emptied")

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            await in_worker(self._worker, self._connection.close)
        finally:
            self._worker.shutdown(wait=False)

    async def _move(self, claim: Claim, change: str, condition: str = "TRUE", **values: Any) -> bool:
        """Change the row if `claim` is still the one on it; False if not."""
        values |= {"id": claim.id, "nonce": claim.nonce}
        rows = await self._execute(
            f"UPDATE held SET {change} WHERE id = :id AND claim = :nonce AND {condition} RETURNING id", values
        )
        return bool(rows)

    async def _execute(self, statement: str, values: dict[str, Any]) -> list[sqlite3.Row]:
        """Run one statement as one transaction. It sees :now, and :until if `values` has `lasts`."""

        def run() -> list[sqlite3.Row]:
            # The time is taken in the worker: a call may have waited for those before it.
            now = self._clock()
            lasts = values.get("lasts")
            times = {"now": number_of(now), "until": number_of(now + lasts) if lasts is not None else None}
            return self._connection.execute(statement, values | {"lasts": None} | times).fetchall()

        return await self._committed(run)

    async def _committed(self, transaction: Callable[[], Value]) -> Value:
        """What `transaction` gives, run as one. Calls that wait for a lock wait for it together: each for all of
        `busy_seconds`, one after the other, would let the last of 50 sessions wait for minutes.
        """
        latest = time.monotonic() + self._busy_seconds

        def run() -> Value:
            left = max(0.0, latest - time.monotonic())
            self._connection.execute(f"PRAGMA busy_timeout = {int(left * 1000)}")
            return transaction()

        return await committed(self._worker, self._identity, run)


def _named(name: str, values: Iterable[Any]) -> dict[str, Any]:
    """Each of `values` under a name of its own."""
    return {f"{name}{number}": each for number, each in enumerate(values)}


def _places(names: Iterable[str]) -> str:
    return ", ".join(f":{name}" for name in names)


def _room(within: Quota) -> tuple[str, dict[str, Any]]:
    """The condition that one more mail fits, and its values."""
    accounts = _named("account", within.accounts)
    waiting = (
        f"FROM held WHERE tag_account IN ({_places(accounts)}) AND {WAITING} AND expires > :now AND id IS NOT :besides "
        "AND (state <> 'asking' OR created > :now - :asking_counts)"
    )
    condition = f"(SELECT count(*) {waiting}) < :holds AND (SELECT coalesce(sum(size), 0) {waiting}) + :size <= :octets"
    asking = {"asking_counts": ASKING_COUNTS // MICROSECOND}
    return condition, accounts | asking | {"holds": within.holds, "octets": within.octets, "besides": within.besides}


def _row(row: sqlite3.Row) -> HeldRow:
    return row_of(row, date.fromisoformat, time_of)
