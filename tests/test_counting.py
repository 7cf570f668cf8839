"""What the guard did is counted behind the mail's back, sealed, and never in its way: a real database, real keys."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from smtpguard.counting import CLOSING, KEPT, Counting, closed_at, oldest_kept, opened
from smtpguard.figures import SPAN_WEEKS, Cell, Counts, Outcome
from smtpguard.held import HeldMail, HeldRow, State
from smtpguard.keys import KeyFolder, week_of
from smtpguard.store.memory import SQLiteMemory
from smtpguard.verdict import Action, Finding, Verdict
from tests.logs import caught
from tests.notices.samples import crosspost

# Wednesday of 2026-W48.
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
FRIDAY, NEXT_WEEK = NOW + timedelta(days=2), NOW + timedelta(days=6)
CROSSPOST = (Finding("12-02", "crosspost", lists=("berlin", "press")),)
HOLD = Verdict(Action.HOLD, CROSSPOST, "12-02")


@dataclass
class Place:
    """Counting and what it works with."""

    folder: Path
    memory: SQLiteMemory
    keys: KeyFolder
    counting: Counting
    now: datetime = NOW

    def begun_again(self) -> Counting:
        """As another process would count here."""
        self.counting = Counting(self.memory, self.keys, os.urandom, clock=lambda: self.now, write_seconds=0.01)
        return self.counting

    async def counted(self, week: str = "2026-W48") -> Counts:
        """What is written, looked at after everything has been."""
        await self.counting.settle()
        sealed = await self.memory.figures(week)
        key = self.keys.week_key(week)
        return {} if sealed is None or key is None else opened(sealed, week, key)

    def file(self) -> Path:
        return self.folder / "memory.sqlite3"


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Place]:
    state = folder / "state"
    memory = await SQLiteMemory.open(state / "memory.sqlite3", lambda: NOW, busy_seconds=0.05)
    keys = KeyFolder(state / "keys", "counted")
    here = Place(state, memory, keys, Counting(memory, keys, os.urandom))
    here.begun_again()
    try:
        yield here
    finally:
        await memory.close()


def row(expires: datetime = FRIDAY, state: State = State.HELD) -> HeldRow:
    return HeldRow(bytes(32), state, expires=expires)


def held(expires: datetime = FRIDAY) -> HeldMail:
    return crosspost(arrived=NOW, expires=expires, findings=CROSSPOST)


def both(outcome: Outcome, number: int = 1) -> Counts:
    return {Cell("berlin", "12-02", outcome): number, Cell("press", "12-02", outcome): number}


# ---------------------------------------------------------------- what counts where


async def test_a_mail_that_is_only_observed_counts_for_each_list_of_its_finding(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        here.counting.passed(Verdict(Action.PASS, observed=CROSSPOST))
        here.counting.passed(Verdict(Action.PASS))

        assert both(Outcome.OBSERVED) == await here.counted()


async def test_what_is_refused_counts_and_what_it_would_only_have_been_observed_for_as_well(tmp_path: Path) -> None:
    hidden = Finding("12-10", "hidden_list", lists=("club",))
    async with place(tmp_path) as here:
        here.counting.refused(Verdict(Action.REFUSE, CROSSPOST, "12-02", observed=(hidden,)))

        assert {**both(Outcome.REFUSED), Cell("club", "12-10", Outcome.OBSERVED): 1} == await here.counted()


async def test_a_held_mail_counts_as_unanswered_in_the_week_of_its_expiry_until_it_is_answered(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        here.counting.held(HOLD, NEXT_WEEK)
        here.counting.held(HOLD, NEXT_WEEK)
        assert ({}, both(Outcome.NO_ANSWER, 2)) == (await here.counted(), await here.counted("2026-W49"))

        here.counting.answered(row(NEXT_WEEK), held(NEXT_WEEK), Outcome.CONFIRMED)

        assert both(Outcome.CONFIRMED) == await here.counted()
        assert both(Outcome.NO_ANSWER) == await here.counted("2026-W49")


async def test_each_outcome_takes_the_place_of_no_answer(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        for outcome in (Outcome.ONE_LIST, Outcome.DISCARDED, Outcome.BACK):
            here.counting.held(HOLD, FRIDAY)
            here.counting.answered(row(), held(), outcome)
        here.counting.held(HOLD, FRIDAY)
        here.counting.replaced(CROSSPOST, row())

        expected = [Outcome.ONE_LIST, Outcome.DISCARDED, Outcome.BACK, Outcome.REPLACED]
        assert {cell: 1 for each in expected for cell in both(each)} == await here.counted()


async def test_a_mail_whose_notice_was_not_known_to_be_taken_takes_no_other_out_of_the_count(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        here.counting.held(HOLD, FRIDAY)
        here.counting.answered(row(state=State.ASKING), held(), Outcome.CONFIRMED)

        assert {**both(Outcome.NO_ANSWER), **both(Outcome.CONFIRMED)} == await here.counted()


async def test_T_53_the_figures_of_a_closed_week_change_no_more(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        here.counting.held(HOLD, FRIDAY)
        here.now = closed_at("2026-W48")
        assert datetime(2026, 11, 30, 0, 0, tzinfo=UTC) + CLOSING == here.now
        here.counting.answered(row(), held(), Outcome.CONFIRMED)

        assert both(Outcome.NO_ANSWER) == await here.counted()
        assert both(Outcome.CONFIRMED) == await here.counted("2026-W49")


# ---------------------------------------------------------------- how it is kept


async def test_T_53_neither_list_nor_rule_nor_number_can_be_read_without_the_key(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        here.counting.held(HOLD, FRIDAY)
        await here.counting.settle()
        first = await here.memory.figures("2026-W48")
        files = b"".join(each.read_bytes() for each in here.folder.iterdir() if each.is_file())
        for _ in range(30):
            here.counting.passed(Verdict(Action.PASS, observed=CROSSPOST))
        await here.counting.settle()
        second = await here.memory.figures("2026-W48")

    assert first is not None
    assert second is not None
    assert b"2026-W48" in files
    for word in (b"berlin", b"press", b"12-02", b"no_answer"):
        assert word not in files
    assert len(first) == len(second)


async def test_what_was_counted_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        for _ in range(3):
            here.counting.held(HOLD, FRIDAY)
            await here.counting.settle()
            here.begun_again()

        assert both(Outcome.NO_ANSWER, 3) == await here.counted()


async def test_what_was_counted_is_written_by_itself(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        here.counting.passed(Verdict(Action.PASS, observed=CROSSPOST))
        async with asyncio.timeout(30):
            while await here.memory.figures("2026-W48") is None:
                await asyncio.sleep(0.01)


async def test_many_outcomes_are_one_transaction(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        watching = sqlite3.connect(here.file())
        for _ in range(500):
            here.counting.passed(Verdict(Action.PASS, observed=CROSSPOST))
        before = watching.execute("PRAGMA data_version").fetchone()
        assert await here.memory.figures("2026-W48") is None
        await here.counting.settle()
        after = watching.execute("PRAGMA data_version").fetchone()
        watching.close()

        assert both(Outcome.OBSERVED, 500) == await here.counted()
        assert after[0] - before[0] == 1


async def test_a_database_that_refuses_is_one_line_in_the_log_and_nothing_is_lost(tmp_path: Path) -> None:
    with caught() as log:
        async with place(tmp_path) as here:
            blocker = sqlite3.connect(here.file(), isolation_level=None)
            blocker.execute("BEGIN IMMEDIATE")
            for _ in range(3):
                here.counting.held(HOLD, FRIDAY)
                await here.counting.settle()
            blocker.execute("ROLLBACK")
            blocker.close()

            assert both(Outcome.NO_ANSWER, 3) == await here.counted()

    assert 1 == log.getvalue().count("figures cannot be written")
    assert "12-02" not in log.getvalue()
    assert "berlin" not in log.getvalue()


async def test_a_sweep_that_cannot_work_is_a_line_in_the_log_and_is_done_by_the_next(tmp_path: Path) -> None:
    with caught() as log:
        async with place(tmp_path) as here:
            blocker = sqlite3.connect(here.file(), isolation_level=None)
            blocker.execute("BEGIN IMMEDIATE")
            await here.counting.sweep()
            blocker.execute("ROLLBACK")
            blocker.close()
            assert await here.memory.figures("2026-W48") is None
            await here.counting.sweep()

            assert await here.memory.figures("2026-W48") is not None

    assert 1 == log.getvalue().count("could not be looked after")


async def test_a_week_whose_key_is_gone_is_counted_afresh(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        here.counting.held(HOLD, FRIDAY)
        await here.counting.settle()
        here.keys.erase_weeks("2027-W01")
        here.keys.week_key("2026-W48", create=True)
        with caught() as log:
            here.begun_again().passed(Verdict(Action.PASS, observed=CROSSPOST))

            assert both(Outcome.OBSERVED) == await here.counted()

    assert "do not open" in log.getvalue()


async def test_a_week_in_which_nothing_happened_is_noted_as_counted(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        await here.counting.sweep()

        assert await here.memory.figures("2026-W48") is not None
        assert {} == await here.counted()


async def test_figures_and_their_keys_go_after_a_year_and_at_most_a_span_more(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        start = here.now
        here.counting.held(HOLD, FRIDAY)
        await here.counting.settle()
        here.now = start + KEPT
        await here.counting.sweep()
        assert both(Outcome.NO_ANSWER) == await here.counted()

        here.now = start + KEPT + timedelta(weeks=SPAN_WEEKS)
        await here.counting.sweep()

        assert await here.memory.figures("2026-W48") is None
        assert "2026-W48" not in here.keys.weeks()
        assert week_of(here.now.date()) in here.keys.weeks()
        assert oldest_kept(here.now) > start.date()
