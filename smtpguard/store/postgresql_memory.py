"""The memory in a PostgreSQL database that several nodes share, beside the held mail.

Every question is one statement, so it sees one moment and costs one round trip; how many statements there are does not
depend on what is found (T-10). Nothing of the tables is kept at hand: what one node has written, the other finds at its
next question. Batches are one statement each, with arrays; whatever is written may be written twice, so a statement of
which nobody knows whether it was done is done again.

Deleted rows stay in WAL, in base backups and in the tables until the server clears up; that they cannot be read there
is the work of the week keys (T-04).
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values are bound

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from smtpguard.policy import Remember
from smtpguard.remembered import Poster, Question, Recollected, RememberedPost
from smtpguard.remembered_mail import Glance, KnownList, MailQuestion, Reader, RememberedMail
from smtpguard.store import StoreError, postgresql_texts
from smtpguard.store.memory import COMPARED_MAX, EXAMINED_MAX, POSTED_MAX, THREAD_POSTS_MAX, THREAD_TOLD_MAX
from smtpguard.store.server import Row, Server
from smtpguard.store.texts import mail_of
from smtpguard.store.worker import number_of, time_of

# Rows that one statement deletes: nobody waits behind it, but the server ends what takes 10 s.
DELETED_AT_ONCE = 5000
NOTHING_FOUND = Recollected()

# As `marks` makes them.
_LIST_OCTETS = 8
# The id of a post: its time, moved so that numbers before 1970 sort before the others, its place in the batch, chance.
_TIME_OCTETS, _PLACE_OCTETS, _CHANCE_OCTETS = 8, 2, 6
_TIME_BASE = 1 << 63
_PLACES = 1 << 8 * _PLACE_OCTETS

# The parts of an answer, each as rows of the same form; only those that are asked for are put together.
_EARLIER = f"""
    SELECT 'earlier' AS part, id, week, account, lists, together, home, narrowed_to, words, fingerprints
    FROM posts WHERE id IN (
        SELECT id FROM (
            SELECT one.id, one.lists FROM unnest(%(accounts)s::bytea[]) AS asked(account)
            CROSS JOIN LATERAL (
                SELECT id, lists FROM posts WHERE posts.account = asked.account AND id >= %(since)s
                ORDER BY id DESC LIMIT {EXAMINED_MAX}
            ) AS one
            ORDER BY one.id DESC LIMIT {EXAMINED_MAX}
        ) AS examined
        WHERE lists <> ALL (%(same)s::bytea[]) ORDER BY id DESC LIMIT {COMPARED_MAX}
    )"""
# The oldest post of the thread, which has the home, and what was decided or written by the account since.
_THREAD = f"""
    WITH oldest AS (
        SELECT one.post FROM unnest(%(links)s::bytea[]) AS asked(mark)
        CROSS JOIN LATERAL (
            SELECT post FROM links WHERE links.mark = asked.mark AND post >= %(thread_since)s ORDER BY post LIMIT 1
        ) AS one
        ORDER BY one.post LIMIT 1
    ), newest AS (
        SELECT DISTINCT one.post FROM unnest(%(links)s::bytea[]) AS asked(mark)
        CROSS JOIN LATERAL (
            SELECT post FROM links WHERE links.mark = asked.mark AND post >= %(thread_since)s
            ORDER BY post DESC LIMIT {THREAD_POSTS_MAX}
        ) AS one
        ORDER BY one.post DESC LIMIT {THREAD_POSTS_MAX}
    ), told AS (
        SELECT id FROM posts
        WHERE id IN (SELECT post FROM newest) AND id > (SELECT post FROM oldest)
        AND (length(together) > 0 OR narrowed_to IS NOT NULL
             OR (id > %(recent_since)s AND account = ANY (%(accounts)s::bytea[])))
        ORDER BY id DESC LIMIT {THREAD_TOLD_MAX}
    )
    SELECT 'thread' AS part, id, week, account, lists, together, home, narrowed_to, words, ''::bytea AS fingerprints
    FROM posts WHERE id IN (SELECT post FROM oldest UNION ALL SELECT id FROM told)"""
_POSTED = f"""
    SELECT 'posted' AS part, ''::bytea AS id, week, account, list AS lists, ''::bytea AS together, NULL::bytea AS home,
        NULL::bytea AS narrowed_to, 0 AS words, ''::bytea AS fingerprints
    FROM posted WHERE account = ANY (%(posters)s::bytea[]) LIMIT {POSTED_MAX}"""

_REMEMBER = """
    WITH new AS (
        INSERT INTO posts (id, week, account, lists, together, home, narrowed_to, words, fingerprints)
        SELECT * FROM unnest(%(ids)s::bytea[], %(weeks)s::text[], %(accounts)s::bytea[], %(lists)s::bytea[],
            %(together)s::bytea[], %(homes)s::bytea[], %(narrowed)s::bytea[], %(words)s::int[], %(texts)s::bytea[])
        ON CONFLICT DO NOTHING
    ), linked AS (
        INSERT INTO links (mark, post) SELECT * FROM unnest(%(marks)s::bytea[], %(posts)s::bytea[])
        ON CONFLICT DO NOTHING
    )
    INSERT INTO posted (account, list, week)
    SELECT * FROM unnest(%(posters)s::bytea[], %(posted_to)s::bytea[], %(poster_weeks)s::text[])
    ON CONFLICT DO NOTHING"""

# A row that goes is not emptied besides: one statement changes a row once.
_FORGET = f"""
    WITH gone AS (
        DELETE FROM posts WHERE id IN (
            (SELECT id FROM posts WHERE id < %(posts)s ORDER BY id LIMIT {DELETED_AT_ONCE})
            UNION
            (SELECT id FROM posts WHERE week < %(weeks)s LIMIT {DELETED_AT_ONCE})
        ) RETURNING id
    ), loose AS (
        DELETE FROM links WHERE post IN (SELECT id FROM gone)
    ), emptied AS (
        UPDATE posts SET words = 0, fingerprints = ''::bytea WHERE id IN (
            SELECT id FROM posts WHERE words > 0 AND id < %(texts)s AND id >= %(posts)s AND week >= %(weeks)s
            ORDER BY id LIMIT {DELETED_AT_ONCE}
        ) RETURNING id
    ), strange AS (
        DELETE FROM posted WHERE (account, list) IN (
            SELECT account, list FROM posted WHERE week < %(poster_weeks)s LIMIT {DELETED_AT_ONCE}
        ) RETURNING account
    )
    SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM emptied) + (SELECT count(*) FROM strange) AS count"""

# Where somebody else has written meanwhile there is no row; what this very call has written before, it finds again.
_KEEP_FIGURES = """
    INSERT INTO figures (week, sealed) VALUES (%(week)s, %(sealed)s)
    ON CONFLICT (week) DO UPDATE SET sealed = excluded.sealed
    WHERE figures.sealed = excluded.sealed OR figures.sealed = %(former)s
    RETURNING week"""


class PostgreSQLMemory:
    """`MemoryStore`, `TextStore` and `FiguresStore` in the database of `server`, which whoever has opened it closes
    (schema "memory"). Every method raises StoreError if the database refuses."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._closed = False

    async def ask(self, question: Question) -> Recollected:
        parts = []
        if question.accounts and question.since is not None:
            parts.append(_EARLIER)
        if question.links and question.thread_since is not None:
            parts.append(_THREAD)
        if question.posters:
            parts.append(_POSTED)
        if not parts:
            return NOTHING_FOUND
        statement = " UNION ALL ".join(f"({each})" for each in parts)
        return _recollected(await self._run(statement, _values(question)))

    async def remember(self, posts: Sequence[RememberedPost], posters: Sequence[Poster]) -> None:
        numbered = [(_id_of(post.when, place), post) for place, post in enumerate(posts)]
        links = [(mark, number) for number, post in numbered for mark in post.links]
        # In one order: two nodes that write the same do not wait for each other.
        posted = sorted({(each.account, one): each.week for each in posters for one in each.lists}.items())
        values = {
            "ids": [number for number, _ in numbered],
            "weeks": [each.week for each in posts],
            "accounts": [each.account for each in posts],
            "lists": [_joined(each.lists) for each in posts],
            "together": [_joined(each.together) for each in posts],
            "homes": [each.home for each in posts],
            "narrowed": [each.narrowed_to for each in posts],
            "words": [each.words for each in posts],
            "texts": [each.fingerprints for each in posts],
            "marks": [mark for mark, _ in links],
            "posts": [number for _, number in links],
            "posters": [account for (account, _), _ in posted],
            "posted_to": [one for (_, one), _ in posted],
            "poster_weeks": [week for _, week in posted],
        }
        await self._run(_REMEMBER, values)

    async def forget(self, *, texts: datetime, posts: datetime, weeks: str, poster_weeks: str) -> int:
        values = {"texts": _begin(texts), "posts": _begin(posts), "weeks": weeks, "poster_weeks": poster_weeks}
        return int((await self._run(_FORGET, values))[0]["count"])

    async def glances(self, question: MailQuestion) -> Sequence[Glance]:
        if not question.mailboxes or (question.messages is not None and not question.messages):
            return ()
        rows = await self._run(*postgresql_texts.glances(question))
        return [Glance._make(each.values()) for each in rows]

    async def mails(self, chosen: Sequence[Glance]) -> Sequence[RememberedMail]:
        if not chosen:
            return ()
        return [mail_of(each) for each in await self._run(*postgresql_texts.mails(chosen))]

    async def public_among(self, season: str, fingerprints: Collection[int]) -> frozenset[int]:
        found: set[int] = set()
        for statement in postgresql_texts.public_among(season, fingerprints):
            found.update(each["fingerprint"] for each in await self._run(*statement))
        return frozenset(found)

    async def readers(self, accounts: Sequence[bytes]) -> Sequence[Reader]:
        rows = await self._run(postgresql_texts.READERS, {"accounts": list(accounts)})
        return tuple(Reader(each["week"], each["account"], each["list"]) for each in rows)

    async def note_readers(self, seen: Sequence[Reader]) -> None:
        if seen:
            await self._run(*postgresql_texts.note_readers(seen))

    async def known_lists(self) -> Sequence[KnownList]:
        rows = await self._run(postgresql_texts.KNOWN_LISTS)
        return tuple(KnownList(each["season"], each["list"], time_of(each["time"])) for each in rows)

    async def remember_texts(self, mails: Sequence[RememberedMail], public: Mapping[str, Collection[int]]) -> None:
        if mails or any(public.values()):
            await self._run(*postgresql_texts.remember(mails, public))

    async def note_known(self, lists: Sequence[KnownList]) -> None:
        if lists:
            await self._run(*postgresql_texts.note_known(lists))

    async def forget_texts(self, *, mails: datetime, weeks: str, seasons: str, remember: Remember) -> int:
        statement = postgresql_texts.forget(mails, weeks, seasons, remember, DELETED_AT_ONCE)
        return int((await self._run(*statement))[0]["count"])

    async def figures(self, week: str) -> bytes | None:
        rows = await self._run("SELECT sealed FROM figures WHERE week = %(week)s", {"week": week})
        return bytes(rows[0]["sealed"]) if rows else None

    async def keep_figures(self, sealed: Mapping[str, bytes], instead_of: Mapping[str, bytes | None]) -> bool:
        self._ensure_open()

        async def write(connection: Any) -> None:
            for week, octets in sorted(sealed.items()):
                values = {"week": week, "sealed": octets, "former": instead_of.get(week)}
                if not (await connection.execute(_KEEP_FIGURES, values)).rowcount:
                    raise _OvertakenError

        try:
            await self._server.perform(write, again=True)
        except _OvertakenError:
            return False
        return True

    async def forget_figures(self, before: str) -> int:
        rows = await self._run("DELETE FROM figures WHERE week < %(before)s RETURNING week", {"before": before})
        return len(rows)

    async def all_figures(self) -> Mapping[str, bytes]:
        return {each["week"]: bytes(each["sealed"]) for each in await self._run("SELECT week, sealed FROM figures")}

    async def tidy(self) -> None:
        """Nothing: what is deleted, the server clears up by itself, and in WAL and backups nobody can (T-04)."""

    async def close(self) -> None:
        self._closed = True

    async def _run(self, statement: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        self._ensure_open()
        return await self._server.run(statement, values or {}, again=True)

    def _ensure_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")


class _OvertakenError(Exception):
    """Somebody else has written these figures meanwhile."""


def _values(question: Question) -> dict[str, Any]:
    """What is asked for; a part that is not asked has no place in the statement."""
    values: dict[str, Any] = {"accounts": list(question.accounts)}
    if question.since is not None:
        values |= {"since": _begin(question.since), "same": [_joined(each) for each in question.same_lists]}
    if question.thread_since is not None:
        recent = question.recent_since
        values |= {
            "links": list(question.links),
            "thread_since": _begin(question.thread_since),
            # The first id of the next microsecond: what was written at this very moment is not after it.
            "recent_since": None if recent is None else _id_begin(number_of(recent) + 1),
        }
    return values | {"posters": list(question.posters)}


def _recollected(rows: Sequence[Row]) -> Recollected:
    earlier = [each for each in rows if each["part"] == "earlier"]
    thread = [each for each in rows if each["part"] == "thread"]
    posted = [each for each in rows if each["part"] == "posted"]
    return Recollected(
        tuple(_post(each) for each in sorted(earlier, key=_id, reverse=True)),
        tuple(_post(each) for each in sorted(thread, key=_id)),
        tuple(Poster(each["week"], each["account"], (each["lists"],)) for each in posted),
    )


def _post(row: Row) -> RememberedPost:
    return RememberedPost(
        week=row["week"],
        when=time_of(int.from_bytes(row["id"][:_TIME_OCTETS], "big") - _TIME_BASE),
        account=row["account"],
        lists=_parted(row["lists"]),
        together=_parted(row["together"]),
        home=row["home"],
        narrowed_to=row["narrowed_to"],
        words=row["words"],
        fingerprints=row["fingerprints"],
    )


def _id(row: Row) -> bytes:
    return bytes(row["id"])


def _id_of(when: datetime, place: int) -> bytes:
    octets = (place % _PLACES).to_bytes(_PLACE_OCTETS, "big")
    return _id_begin(number_of(when)) + octets + secrets.token_bytes(_CHANCE_OCTETS)


def _begin(when: datetime) -> bytes:
    """No post of this time or later has an id before this one, and no earlier post one after it."""
    return _id_begin(number_of(when))


def _id_begin(number: int) -> bytes:
    return (number + _TIME_BASE).to_bytes(_TIME_OCTETS, "big")


def _joined(marks: Sequence[bytes]) -> bytes:
    return b"".join(marks)


def _parted(marks: bytes) -> tuple[bytes, ...]:
    return tuple(marks[start : start + _LIST_OCTETS] for start in range(0, len(marks), _LIST_OCTETS))
