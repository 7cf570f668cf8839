"""Both memories together: what one knows, the other may need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from smtpguard.keys import KeyFolder
from smtpguard.past import Past
from smtpguard.recollection import Recollection
from smtpguard.store.memory import SQLiteMemory
from tests.test_origins import MONDAY, OTHER, PLAN, POLICY, House

COUNCIL = "council@lists.example.test"


class Both(House):
    """Origins, and a recollection over the same store."""

    def __init__(self, folder: Path, store: SQLiteMemory) -> None:
        super().__init__(folder, store)
        # Its file names no reader.
        self.policy = replace(POLICY, lists=tuple(replace(each, readers=frozenset()) for each in POLICY.lists))
        recollection = Recollection(
            store, KeyFolder(self.folder, "memory"), KeyFolder(self.folder, "posted"), lambda: self.policy,
            clock=lambda: self.now, write_seconds=0.01,
        )  # fmt: skip
        self.past = Past(recollection, self.origins, lambda: self.policy, lambda: self.now)

    async def post(self, sender: str, text: str) -> None:
        submission = self.submission(sender, [COUNCIL], text)
        self.past.keep(submission, self.policy, await self.past.recall(submission, self.policy))
        await self.past.settle()


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Both]:
    made = Both(tmp_path, await SQLiteMemory.open(tmp_path / "state" / "memory.sqlite3", lambda: MONDAY))
    yield made
    await made.past.close()


async def test_T_13_who_has_posted_to_a_closed_list_reads_it_also_when_he_writes_to_persons(both: Both) -> None:
    await both.post("anna", PLAN)
    await both.post("ben", OTHER)
    for name, reads in (("ben", True), ("carla", False)):
        submission = both.submission(name, ["dora"], PLAN)
        known = (await both.past.recall(submission, both.policy)).evidence.known
        assert [each.mail.list_id for each in known] == (["council"] if reads else [])
