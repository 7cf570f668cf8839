"""T-10: what others write to each other changes nothing for a member: not the evidence by which a mail is judged, not
what is stored for it, not how often the memory is read.

Everything else follows from the evidence: verdict, notice and reply are functions of it (tests/test_judgement.py).
"""

from __future__ import annotations

import asyncio
import tempfile
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
from tests.test_origins import MONDAY, OTHER, PLAN, POLICY, House, address

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


async def world(folder: Path, name: str, before: list[Mail | None], last: Mail) -> Seen:
    """`before` in their order, those that are None never written; then what `last` meets."""
    store = await SQLiteMemory.open(folder / name / "memory.sqlite3", lambda: MONDAY)
    try:
        house = House(folder, store)
        await house.look(X, LISTS[:1], "Hello.")  # what is read once by a process, whoever sends first
        for number, each in enumerate(before, 1):
            if each is not None:
                submission = each.submission(house, number)
                house.origins.keep(submission, POLICY, await house.origins.trace(submission, POLICY, Evidence()))
                await house.origins.settle()
        submission = last.submission(house, len(before) + 1)
        statements: list[str] = []
        store._reader.set_trace_callback(lambda text: statements.append(text.partition("WHERE")[0]))
        traced = await house.origins.trace(submission, POLICY, Evidence())
        store._reader.set_trace_callback(None)
        house.origins.keep(submission, POLICY, traced)
        await house.origins.settle()
        week = week_of(MONDAY.date())
        key = KeyFolder(folder / "keys", "private").week_key(week, create=True)
        mine = Marks(week, key).mailbox(f"{X}@example.test")
        rows = store._reader.execute("SELECT * FROM mails WHERE mailbox = ?", (mine.itself,))
        kept = [tuple(each) for each in rows]
        return Seen(traced.evidence, judge(submission, traced.evidence, POLICY), statements, kept)
    finally:
        await store.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=st.lists(mails, max_size=6), last=mails)
def test_T_10_what_others_write_to_each_other_changes_nothing(before: list[Mail], last: Mail) -> None:
    last = replace(last, sender=X)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        without: list[Mail | None] = [each if each.concerns(X) else None for each in before]
        one = asyncio.run(world(folder, "all", list(before), last))
        other = asyncio.run(world(folder, "own", without, last))
    assert one == other
