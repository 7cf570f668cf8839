"""T-10: what others write to each other changes nothing for a member: not the evidence by which a mail is judged, not
what is stored for it, not how often the memory is read.

Everything else follows from the evidence: verdict, notice and reply are functions of it (tests/test_judgement.py).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smtpguard.evidence import Evidence
from smtpguard.judgement import judge
from smtpguard.keys import KeyFolder, week_of
from smtpguard.mail.message import ForwardKind, Passage, Submission, Voice
from smtpguard.marks import Marks
from smtpguard.store.memory import SQLiteMemory
from smtpguard.store.postgresql_memory import PostgreSQLMemory
from smtpguard.store.server import Row, Server
from tests.memories import BACKENDS, SCHEMAS, Memory, empty, memory_database
from tests.postgresql import Database, postgresql_cluster
from tests.test_origins import MONDAY, OTHER, PLAN, POLICY, House, address

__all__ = ["memory_database", "postgresql_cluster"]

pytestmark = pytest.mark.slow

X = "xenia"
PEOPLE = (X, "ben", "carla", "dora")
LISTS = ("berlin@lists.example.test", "press@lists.example.test", "council@lists.example.test")
TEXTS = (
    PLAN,
    OTHER,
    "The roof of the boat house is worse than we thought in the summer and nobody has told the others about it yet.",
    "I have asked her whether she wants to stand for the board again and she said that she would rather not this time.",
    "ok",
)


@dataclass(frozen=True)
class Mail:
    """One mail of somebody, as indexes into what is above; `answers` is the mail before it, counted from the end."""

    sender: str
    to: tuple[str, ...]
    text: str
    voice: Voice
    answers: int | None
    hidden: bool

    def concerns(self, who: str) -> bool:
        """False for private mail, and posts of closed lists, of which `who` must not learn."""
        if any("@" in each for each in self.to):
            return self.to != ("council@lists.example.test",)
        return who == self.sender or who in self.to

    def submission(self, house: House, number: int) -> Submission:
        passage = Passage(self.voice, self.text)
        if self.voice is not Voice.OWN:
            kind = ForwardKind.INLINE if self.voice is Voice.FORWARDED else None
            passage = replace(passage, kind=kind, author=address("carla"))
        references = (f"<{number - self.answers}@x>",) if self.answers is not None else ()
        header = self.to[:1] if self.hidden else None
        made = house.submission(
            self.sender, self.to, "Hello.", passage, header=header, references=references, message_id=f"<{number}@x>"
        )
        return replace(made, id=str(number))


people = st.sampled_from(PEOPLE)
mails = st.builds(
    Mail,
    sender=people,
    to=st.one_of(
        st.lists(people, min_size=1, max_size=3, unique=True).map(tuple), st.sampled_from([(each,) for each in LISTS])
    ),
    text=st.sampled_from(TEXTS),
    voice=st.sampled_from((Voice.OWN, Voice.OWN, Voice.QUOTED, Voice.FORWARDED)),
    answers=st.one_of(st.none(), st.integers(1, 3)),
    hidden=st.booleans(),
)  # fmt: skip


@dataclass
class Seen:
    """All that one could tell two worlds apart by."""

    evidence: Evidence
    verdict: object
    statements: list[str]
    rows: list[tuple[object, ...]]


class Watched:
    """A memory that tells what is asked of its database, and what lies in it."""

    def __init__(self, memory: Memory, server: Server | None) -> None:
        self.memory = memory
        self._server = server
        self.statements: list[str] = []

    @classmethod
    async def open(cls, folder: Path, database: Database | None) -> Watched:
        """A memory with nothing in it: in a file in `folder`, or in `database`."""
        if database is None:
            return cls(await SQLiteMemory.open(folder / "memory.sqlite3", lambda: MONDAY), None)
        empty(database)
        server = await Server.open(database.url, schemas=SCHEMAS)
        return cls(PostgreSQLMemory(server), server)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note every question of the block, without its values."""
        if isinstance(self.memory, SQLiteMemory):
            self.memory._reader.set_trace_callback(lambda text: self.statements.append(text.partition("WHERE")[0]))
            yield
            self.memory._reader.set_trace_callback(None)
            return
        assert self._server is not None
        run = self._server.run

        async def noted(statement: str, *more: object, **named: object) -> list[Row]:
            self.statements.append(statement)
            return await run(statement, *more, **named)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self._server, "run", noted)
            yield

    async def mails_of(self, mailbox: bytes) -> list[tuple[object, ...]]:
        """The rows of one mailbox."""
        if isinstance(self.memory, SQLiteMemory):
            rows = self.memory._reader.execute("SELECT * FROM mails WHERE mailbox = ?", (mailbox,))
            return [tuple(each) for each in rows]
        assert self._server is not None
        found = await self._server.run("SELECT * FROM mails WHERE mailbox = %s", (mailbox,))
        return sorted(tuple(each.values()) for each in found)

    async def close(self) -> None:
        await self.memory.close()
        if self._server is not None:
            await self._server.close()


async def world(folder: Path, database: Database | None, name: str, before: list[Mail | None], last: Mail) -> Seen:
    """`before` in their order, those that are None never written; then what `last` meets."""
    store = await Watched.open(folder / name, database)
    try:
        house = House(folder, store.memory)
        await house.look(X, LISTS[:1], "Hello.")  # what is read once by a process, whoever sends first
        for number, each in enumerate(before, 1):
            if each is not None:
                submission = each.submission(house, number)
                house.origins.keep(submission, POLICY, await house.origins.trace(submission, POLICY, Evidence()))
                await house.origins.settle()
        submission = last.submission(house, len(before) + 1)
        with store.watching():
            traced = await house.origins.trace(submission, POLICY, Evidence())
        house.origins.keep(submission, POLICY, traced)
        await house.origins.settle()
        week = week_of(MONDAY.date())
        key = KeyFolder(folder / "keys", "private").week_key(week, create=True)
        kept = await store.mails_of(Marks(week, key).mailbox(f"{X}@example.test").itself)
        return Seen(traced.evidence, judge(submission, traced.evidence, POLICY), store.statements, kept)
    finally:
        await store.close()


@pytest.fixture(scope="module", params=BACKENDS)
def database(request: pytest.FixtureRequest) -> Database | None:
    """None for SQLite."""
    return None if request.param == "sqlite" else request.getfixturevalue("memory_database")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=st.lists(mails, max_size=6), last=mails)
def test_T_10_what_others_write_to_each_other_changes_nothing(
    database: Database | None, before: list[Mail], last: Mail
) -> None:
    last = replace(last, sender=X)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        without: list[Mail | None] = [each if each.concerns(X) else None for each in before]
        one = asyncio.run(world(folder, database, "all", list(before), last))
        other = asyncio.run(world(folder, database, "own", without, last))
    assert one == other
    assert one.statements or {*last.to} == {X}  # a mail to oneself alone is not looked at
