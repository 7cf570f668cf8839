"""The memory of rule 12 in one SQLite file of its own: for one node, beside the held mail.

One worker thread owns the connection, and it is not that of the held mail: no hold waits for the memory. Posts come in
batches, one transaction each. `synchronous=NORMAL`: a power cut may take the last posts away, and all that follows is
a question that is not asked; a sync for each batch would cost more than the rest together. Nothing here can be read
without the week keys, and they lie elsewhere.
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values are bound

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from smtpguard.remembered import Poster, Question, Recollected, RememberedPost
from smtpguard.store import StoreError
from smtpguard.store.database import Identity, opened
from smtpguard.store.worker import BUSY_SECONDS, Clock, Value, in_worker, number_of, time_of

# Posts of one account that are looked at, those of the last days: who writes more to lists is a program.
EXAMINED_MAX = 100
# Posts whose text is compared: each costs some 0.05 ms.
COMPARED_MAX = 25
# Posts of one thread that are looked at, the newest, and of those the ones that decided something or are the account's
# own: a heated thread has some hundred.
THREAD_POSTS_MAX = 500
THREAD_TOLD_MAX = 50
# Lists that one account has posted to, in all weeks.
POSTED_MAX = 2000
# Rows that one sweep deletes in one transaction: posts wait behind it.
DELETED_AT_ONCE = 1000
# As `marks` makes them.
_LIST_OCTETS = 8

_POST = "week, time, account, lists, together, home, narrowed_to, words"


class SQLiteMemory:
    """`MemoryStore` in one file. Made by `open`; every method raises StoreError if the database refuses."""

    def __init__(self, connection: sqlite3.Connection, identity: Identity, worker: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._identity = identity
        self._worker = worker
        self._closed = False

    @classmethod
    async def open(cls, path: Path, clock: Clock, *, busy_seconds: float = BUSY_SECONDS) -> SQLiteMemory:
        """Open the file at `path`, made with mode 0600 in a folder of mode 0700 if it is not there; migrate it."""
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="memory")

        def begin() -> tuple[sqlite3.Connection, Identity]:
            connection = opened(path, number_of(clock()), busy_seconds, schema="memory", synchronous="NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            return connection, Identity(path)

        try:
            connection, identity = await in_worker(worker, begin)
        except BaseException:
            worker.shutdown(wait=False)
            raise
        return cls(connection, identity, worker)

    async def ask(self, question: Question) -> Recollected:
        def answer() -> Recollected:
            return Recollected(self._earlier(question), self._thread(question), self._posted_to(question))

        return await self._committed(answer)

    async def remember(self, posts: Sequence[RememberedPost], posters: Sequence[Poster]) -> None:
        def write() -> None:
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                for post in posts:
                    _add(connection, post)
                connection.executemany(
                    "INSERT OR IGNORE INTO posted VALUES (?, ?, ?)",
                    [(each.account, one, each.week) for each in posters for one in each.lists],
                )

        await self._committed(write)

    async def forget(self, *, texts: datetime, posts: datetime, weeks: str, poster_weeks: str) -> int:
        def delete() -> int:
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                gone = connection.execute(
                    "DELETE FROM posts WHERE id IN "
                    "(SELECT id FROM posts WHERE time < ? OR week < ? ORDER BY time LIMIT ?)",
                    (number_of(posts), weeks, DELETED_AT_ONCE),
                ).rowcount
                gone += connection.execute(
                    "UPDATE posts SET words = 0, fingerprints = x'' WHERE id IN "
                    "(SELECT id FROM posts WHERE time < ? AND words > 0 ORDER BY time LIMIT ?)",
                    (number_of(texts), DELETED_AT_ONCE),
                ).rowcount
                gone += connection.execute("DELETE FROM posted WHERE week < ?", (poster_weeks,)).rowcount
                return gone

        return await self._committed(delete)

    async def tidy(self) -> None:
        def empty_log() -> None:
            if self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()["busy"]:
                raise StoreError("somebody else reads the memory: its log could not be emptied")

        await self._committed(empty_log)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            await in_worker(self._worker, self._connection.close)
        finally:
            self._worker.shutdown(wait=False)

    def _earlier(self, question: Question) -> tuple[RememberedPost, ...]:
        """Posts of the account with a text, but those to the same lists alone, which are nothing new (12-16)."""
        if not question.accounts or question.since is None:
            return ()
        # The index alone tells which rows are worth reading: a text is kilobytes.
        chosen = (
            "SELECT id FROM (SELECT id, time, lists FROM posts INDEXED BY posts_by_account "
            f"WHERE account IN ({_places(question.accounts)}) AND time >= ? ORDER BY time DESC LIMIT {EXAMINED_MAX}) "
            f"WHERE lists NOT IN ({_places(question.same_lists)}) ORDER BY time DESC LIMIT {COMPARED_MAX}"
        )
        values = (*question.accounts, number_of(question.since), *map(_joined, question.same_lists))
        rows = self._connection.execute(
            f"SELECT {_POST}, fingerprints FROM posts WHERE id IN ({chosen}) ORDER BY time DESC", values
        )
        return tuple(_post(each, each["fingerprints"]) for each in rows)

    def _thread(self, question: Question) -> tuple[RememberedPost, ...]:
        """The oldest post, which has the home, and what was decided or written by the account since."""
        if not question.links or question.thread_since is None:
            return ()
        linked = f"SELECT post FROM links WHERE mark IN ({_places(question.links)})"
        since = number_of(question.thread_since)
        oldest = self._connection.execute(
            f"SELECT id, {_POST} FROM posts WHERE id IN ({linked}) AND time >= ? ORDER BY id LIMIT 1",
            (*question.links, since),
        ).fetchone()
        if oldest is None:
            return ()
        recent = number_of(question.recent_since) if question.recent_since is not None else None
        rows = self._connection.execute(
            f"SELECT {_POST} FROM posts WHERE id IN ({linked} ORDER BY post DESC LIMIT {THREAD_POSTS_MAX}) "
            "AND id > ? AND time >= ? AND (length(together) > 0 OR narrowed_to IS NOT NULL "
            f"OR (time > ? AND account IN ({_places(question.accounts)}))) ORDER BY id DESC LIMIT {THREAD_TOLD_MAX}",
            (*question.links, oldest["id"], since, recent, *question.accounts),
        ).fetchall()
        return (_post(oldest), *map(_post, reversed(rows)))

    def _posted_to(self, question: Question) -> tuple[Poster, ...]:
        if not question.posters:
            return ()
        rows = self._connection.execute(
            f"SELECT week, account, list FROM posted WHERE account IN ({_places(question.posters)}) LIMIT {POSTED_MAX}",
            question.posters,
        )
        return tuple(Poster(each["week"], each["account"], (each["list"],)) for each in rows)

    async def _committed(self, transaction: Callable[[], Value]) -> Value:
        """What `transaction` gives, if the files are still those that others find under their names."""

        def run() -> Value:
            value = transaction()
            self._identity.ensure()
            return value

        return await in_worker(self._worker, run)


def _add(connection: sqlite3.Connection, post: RememberedPost) -> None:
    number = connection.execute(
        f"INSERT INTO posts ({_POST}, fingerprints) VALUES ({_places(range(9))})",
        (
            post.week,
            number_of(post.when),
            post.account,
            _joined(post.lists),
            _joined(post.together),
            post.home,
            post.narrowed_to,
            post.words,
            post.fingerprints,
        ),
    ).lastrowid
    connection.executemany("INSERT OR IGNORE INTO links VALUES (?, ?)", [(each, number) for each in post.links])


def _post(row: sqlite3.Row, fingerprints: bytes = b"") -> RememberedPost:
    return RememberedPost(
        week=row["week"],
        when=time_of(row["time"]),
        account=row["account"],
        lists=_parted(row["lists"]),
        together=_parted(row["together"]),
        home=row["home"],
        narrowed_to=row["narrowed_to"],
        words=row["words"],
        fingerprints=fingerprints,
    )


def _places(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)


def _joined(marks: Iterable[bytes]) -> bytes:
    return b"".join(marks)


def _parted(marks: bytes) -> tuple[bytes, ...]:
    return tuple(marks[start : start + _LIST_OCTETS] for start in range(0, len(marks), _LIST_OCTETS))
