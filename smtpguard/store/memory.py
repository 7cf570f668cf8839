"""The memory of rule 12 in one SQLite file of its own: for one node, beside the held mail.

One worker thread writes, and it is not that of the held mail: no hold waits for the memory. Questions are asked where
the mail stands, on a connection that only reads: they take 0.03 ms, a thread twice as much and a place in its row. In
WAL mode no writer holds up a reader; where SQLite says "busy" all the same, the thread asks again and may wait. Posts
come in batches, one transaction each. `synchronous=NORMAL`: a power cut may take the last posts away, and all that
follows is a question that is not asked; a sync for each batch would cost more than the rest together. Nothing here can
be read without the week keys, and they lie elsewhere.
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values are bound

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from smtpguard.policy import Remember
from smtpguard.remembered import Poster, Question, Recollected, RememberedPost
from smtpguard.remembered_mail import Glance, KnownList, MailQuestion, Reader, RememberedMail
from smtpguard.store import StoreError, texts
from smtpguard.store.database import Identity, Synchronous, opened, reading
from smtpguard.store.lists_of_accounts import ListsOfAccounts
from smtpguard.store.worker import BUSY_SECONDS, Clock, committed, in_worker, number_of, time_of

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
# Rows of one statement: SQLite takes 32,766 values in one, a row has ten.
INSERTED_AT_ONCE = 500
# As `marks` makes them.
_LIST_OCTETS = 8

NOTHING_FOUND = Recollected()

Value = TypeVar("Value")

_POST = "week, time, account, lists, together, home, narrowed_to, words"


class SQLiteMemory:
    """`MemoryStore`, `TextStore` and `FiguresStore` in one file. Made by `open`; every method raises StoreError if the
    database refuses."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        reader: sqlite3.Connection,
        identity: Identity,
        worker: ThreadPoolExecutor,
        posted: ListsOfAccounts | None,
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._identity = identity
        self._worker = worker
        self._posted = posted
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        clock: Clock,
        *,
        busy_seconds: float = BUSY_SECONDS,
        synchronous: Synchronous = "NORMAL",
        shared: bool = False,
    ) -> SQLiteMemory:
        """Open the file at `path`, made with mode 0600 in a folder of mode 0700 if it is not there; migrate it.

        `shared`: others write posts there all the time, so that nothing of the table can be kept at hand.
        """
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="memory")

        posted = None if shared else ListsOfAccounts()

        def begin() -> tuple[sqlite3.Connection, sqlite3.Connection, Identity]:
            connection = opened(path, number_of(clock()), busy_seconds, schema="memory", synchronous=synchronous)
            try:
                connection.execute("PRAGMA foreign_keys = ON")
                if posted is not None:
                    posted.read(connection)
                return connection, reading(path), Identity(path)
            except BaseException:
                connection.close()
                raise

        try:
            connection, reader, identity = await in_worker(worker, begin)
        except BaseException:
            worker.shutdown(wait=False)
            raise
        return cls(connection, reader, identity, worker, posted)

    async def ask(self, question: Question) -> Recollected:
        if self._closed:
            raise StoreError("the store is closed")
        same = frozenset(map(_joined, question.same_lists))
        posted = self._posted
        if question.since is not None and posted is not None and not posted.knows_others(question.accounts, same):
            question = replace(question, since=None)
        if question.since is None and not question.links and not question.posters:
            # A file that is gone is not found out by the first who has something to ask.
            self._identity.ensure()
            return NOTHING_FOUND
        asked = question
        return await self._read(lambda connection: _answer(connection, asked))

    async def remember(self, posts: Sequence[RememberedPost], posters: Sequence[Poster]) -> None:
        def write() -> None:
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                _add(connection, posts)
                posted = dict.fromkeys((each.account, one, each.week) for each in posters for one in each.lists)
                _insert(connection, "INSERT OR IGNORE INTO posted", tuple(posted))
            if self._posted is not None:
                self._posted.add((each.account, _joined(each.lists)) for each in posts)

        await committed(self._worker, self._identity, write)

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
                gone += connection.execute(
                    "DELETE FROM posted WHERE (account, list) IN "
                    "(SELECT account, list FROM posted WHERE week < ? LIMIT ?)",
                    (poster_weeks, DELETED_AT_ONCE),
                ).rowcount
            if gone and self._posted is not None:
                self._posted.read(self._connection)
            return gone

        return await committed(self._worker, self._identity, delete)

    async def glances(self, question: MailQuestion) -> Sequence[Glance]:
        return await self._read(lambda connection: texts.glances(connection, question))

    async def mails(self, chosen: Sequence[Glance]) -> Sequence[RememberedMail]:
        return await self._read(lambda connection: texts.mails(connection, chosen))

    async def public_among(self, season: str, fingerprints: Collection[int]) -> frozenset[int]:
        return await self._read(lambda connection: texts.public_among(connection, season, fingerprints))

    async def readers(self, accounts: Sequence[bytes]) -> Sequence[Reader]:
        return await self._read(lambda connection: texts.readers(connection, accounts))

    async def note_readers(self, seen: Sequence[Reader]) -> None:
        def write() -> None:
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                texts.note_readers(connection, seen)

        await committed(self._worker, self._identity, write)

    async def known_lists(self) -> Sequence[KnownList]:
        return await self._read(texts.known_lists)

    async def remember_texts(self, mails: Sequence[RememberedMail], public: Mapping[str, Collection[int]]) -> None:
        def write() -> None:
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                texts.add_mails(connection, mails)
                texts.add_public(connection, public)

        await committed(self._worker, self._identity, write)

    async def note_known(self, lists: Sequence[KnownList]) -> None:
        def write() -> None:
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                texts.note_known(connection, lists)

        await committed(self._worker, self._identity, write)

    async def forget_texts(self, *, mails: datetime, weeks: str, seasons: str, remember: Remember) -> int:
        def delete() -> int:
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                return texts.forget(connection, mails, weeks, seasons, remember, DELETED_AT_ONCE)

        return await committed(self._worker, self._identity, delete)

    async def _read(self, look: Callable[[sqlite3.Connection], Value]) -> Value:
        """What `look` finds, where the mail stands. If the database refuses, the worker finds out what it is, waits if
        it is busy, and says it in words."""
        if self._closed:
            raise StoreError("the store is closed")
        try:
            found = look(self._reader)
        except sqlite3.Error:
            return await committed(self._worker, self._identity, lambda: look(self._connection))
        self._identity.ensure()
        return found

    async def figures(self, week: str) -> bytes | None:
        def look() -> bytes | None:
            row = self._connection.execute("SELECT sealed FROM figures WHERE week = ?", (week,)).fetchone()
            return None if row is None else bytes(row["sealed"])

        return await committed(self._worker, self._identity, look)

    async def keep_figures(self, sealed: Mapping[str, bytes], instead_of: Mapping[str, bytes | None]) -> bool:
        def write() -> bool:
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                there = dict(map(tuple, connection.execute("SELECT week, sealed FROM figures")))
                if any(there.get(week) != instead_of.get(week) for week in sealed):
                    return False
                connection.executemany("INSERT OR REPLACE INTO figures VALUES (?, ?)", sealed.items())
                return True

        return await committed(self._worker, self._identity, write)

    async def all_figures(self) -> Mapping[str, bytes]:
        def look() -> dict[str, bytes]:
            return {
                each["week"]: each["sealed"] for each in self._connection.execute("SELECT week, sealed FROM figures")
            }

        return await committed(self._worker, self._identity, look)

    async def forget_figures(self, before: str) -> int:
        def delete() -> int:
            return self._connection.execute("DELETE FROM figures WHERE week < ?", (before,)).rowcount

        return await committed(self._worker, self._identity, delete)

    async def tidy(self) -> None:
        def empty_log() -> None:
            if self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()["busy"]:
                raise StoreError("somebody else reads the memory: its log could not be emptied")

        await committed(self._worker, self._identity, empty_log)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self._reader.close()
            await in_worker(self._worker, self._connection.close)
        finally:
            self._worker.shutdown(wait=False)


def _answer(connection: sqlite3.Connection, question: Question) -> Recollected:
    return Recollected(_earlier(connection, question), _thread(connection, question), _posted_to(connection, question))


def _earlier(connection: sqlite3.Connection, question: Question) -> tuple[RememberedPost, ...]:
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
    rows = connection.execute(
        f"SELECT {_POST}, fingerprints FROM posts WHERE id IN ({chosen}) ORDER BY time DESC", values
    )
    return tuple(_post(each, each["fingerprints"]) for each in rows)


def _thread(connection: sqlite3.Connection, question: Question) -> tuple[RememberedPost, ...]:
    """The oldest post, which has the home, and what was decided or written by the account since."""
    if not question.links or question.thread_since is None:
        return ()
    linked = f"SELECT post FROM links WHERE mark IN ({_places(question.links)})"
    since = number_of(question.thread_since)
    oldest = connection.execute(
        f"SELECT id, {_POST} FROM posts WHERE id IN ({linked}) AND time >= ? ORDER BY time, id LIMIT 1",
        (*question.links, since),
    ).fetchone()
    if oldest is None:
        return ()
    recent = number_of(question.recent_since) if question.recent_since is not None else None
    rows = connection.execute(
        f"SELECT {_POST} FROM posts WHERE id IN ({linked} ORDER BY post DESC LIMIT {THREAD_POSTS_MAX}) "
        "AND id != ? AND time >= ? AND (length(together) > 0 OR narrowed_to IS NOT NULL "
        f"OR (time > ? AND account IN ({_places(question.accounts)}))) "
        f"ORDER BY time DESC, id DESC LIMIT {THREAD_TOLD_MAX}",
        (*question.links, oldest["id"], since, recent, *question.accounts),
    ).fetchall()
    return (_post(oldest), *map(_post, reversed(rows)))


def _posted_to(connection: sqlite3.Connection, question: Question) -> tuple[Poster, ...]:
    if not question.posters:
        return ()
    rows = connection.execute(
        f"SELECT week, account, list FROM posted WHERE account IN ({_places(question.posters)}) LIMIT {POSTED_MAX}",
        question.posters,
    )
    return tuple(Poster(each["week"], each["account"], (each["list"],)) for each in rows)


def _add(connection: sqlite3.Connection, posts: Sequence[RememberedPost]) -> None:
    first = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM posts").fetchone()[0]
    numbered = list(enumerate(posts, first))
    rows = [
        (
            number,
            post.week,
            number_of(post.when),
            post.account,
            _joined(post.lists),
            _joined(post.together),
            post.home,
            post.narrowed_to,
            post.words,
            post.fingerprints,
        )
        for number, post in numbered
    ]
    _insert(connection, f"INSERT INTO posts (id, {_POST}, fingerprints)", rows)
    links = [(each, number) for number, post in numbered for each in post.links]
    _insert(connection, "INSERT OR IGNORE INTO links", links)


def _insert(connection: sqlite3.Connection, into: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Many rows with one statement: around each one SQLite lets the other threads have their turn, and waits for its
    own again."""
    for start in range(0, len(rows), INSERTED_AT_ONCE):
        some = rows[start : start + INSERTED_AT_ONCE]
        places = ", ".join([f"({_places(some[0])})"] * len(some))
        connection.execute(f"{into} VALUES {places}", [value for row in some for value in row])


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
