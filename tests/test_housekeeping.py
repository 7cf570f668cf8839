"""What happens by the clock, with a clock in the test's hand: a real store, real keys, a mail server over a socket."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from smtpguard import housekeeping
from smtpguard.answers.token import Token
from smtpguard.config.sections import HOLD_MAX
from smtpguard.correspondence import Correspondence
from smtpguard.decisions import Decisions
from smtpguard.held import HeldRow, State
from smtpguard.holding import UNDO_SECONDS
from smtpguard.housekeeping import (
    EXPIRED_TOGETHER,
    EXPIRY_SECONDS,
    KEY_GRACE,
    OCTETS_TOGETHER,
    SWEEP_ROWS,
    Housekeeping,
    _portions,
)
from smtpguard.key_file import KeyFolderError
from smtpguard.keys import KeyFolder, week_of
from smtpguard.safe import CLOCKS_APART_MAX, Safe
from smtpguard.store import StoreError
from smtpguard.store.sqlite import SQLiteStore
from smtpguard.upstream.outbox import OutboxLogin, SubmissionOutbox
from smtpguard.upstream.target import Target
from tests.logs import caught
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import body, parsed
from tests.notices.samples import SITE, address, crosspost

MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CONTACT = address("it@example.org")


@dataclass
class Clock:
    """The wall clock and the monotonic one; they go together until somebody sets the wall clock."""

    wall: datetime = MONDAY
    steady: float = 1000.0

    def go(self, **span: float) -> None:
        self.wall += timedelta(**span)
        self.steady += timedelta(**span).total_seconds()

    def set(self, **step: float) -> None:
        """The wall clock is set; no time passes."""
        self.wall += timedelta(**step)


class Premises:
    """The housekeeping and all that it works with."""

    def __init__(self, folder: Path, store: SQLiteStore, out: FakeUpstream, clock: Clock) -> None:
        self.folder = folder
        self.store = store
        self.out = out
        self.clock = clock
        self.keys = KeyFolder(folder / "keys")
        self._random = 0
        self.safe = Safe(self.keys, self._octets, self._today)
        self.decisions = Decisions(store, self.keys, lambda: clock.wall)
        outbox = SubmissionOutbox(Target("127.0.0.1", out.port), login=OutboxLogin.NONE, hello_name="check.example.org")
        self.correspondence = Correspondence(outbox, address("mailcheck@check.example.org"), self._id, ())
        self.keeping = self.made()
        self._tokens = 0

    def made(self, sweep_seconds: float = 0.01, monotonic: Callable[[], float] | None = None) -> Housekeeping:
        """A housekeeping as a new process would make it."""
        return Housekeeping(
            self.store, self.keys, self.safe, self.decisions, self.correspondence, lambda: SITE, CONTACT,
            clock=lambda: self.clock.wall, monotonic=monotonic or (lambda: self.clock.steady),
            sweep_seconds=sweep_seconds,
        )  # fmt: skip

    def _octets(self, number: int) -> bytes:
        self._random += 1
        return self._random.to_bytes(number, "big")

    def _today(self) -> date:
        return self.clock.wall.date()

    def _id(self) -> str:
        self._random += 1
        return f"letter.{self._random}"

    async def hold(self, state: State = State.HELD, **expires: float) -> HeldRow:
        """A mail held now; `expires` is a span (72 hours if none is given)."""
        self._tokens += 1
        token = Token(self._tokens.to_bytes(32, "big"))
        now = self.clock.wall
        held = crosspost(arrived=now, expires=now + timedelta(**(expires or {"hours": 72})), subject="Secret subject")
        tags = (await self.safe.tags(held, f"<{self._tokens}@example.org>")).tags
        row = await self.safe.seal(held, token, tags, notice_id="<notice@check.example.org>", language="en")
        await self.store.add(replace(row, created=now))
        if state is not State.ASKING:
            await self.store.mark_held(row.id)
        if state is State.SENDING:
            claim = await self.store.claim(row.id, timedelta(minutes=1))
            assert claim is not None
            await self.store.mark_sending(claim)
            await self.store.give_back(claim)
        return row

    async def state(self, row: HeldRow) -> State | None:
        """What the row's state is, looked at as a tombstone would be; None if it is gone."""
        found = await self.store.find(row.id)
        return None if found is None else found.state

    async def decided(self, row: HeldRow) -> bool:
        """True if its decision is kept beside the day key (T-05)."""
        assert row.day is not None
        return await asyncio.to_thread(self.keys.decision, row.day, row.id) is not None

    async def waiting(self) -> int:
        """How many rows wait, due or not."""
        return sum((await self.store.waiting_days()).values())

    async def discard(self, row: HeldRow) -> None:
        claim = await self.store.claim(row.id, timedelta(minutes=1))
        assert claim is not None
        assert await self.store.decide(claim, State.DISCARDED)

    async def letters(self, number: int) -> list[EmailMessage]:
        """Exactly `number` letters of ours, once all that is under way has arrived."""
        await self.correspondence.settle(10)
        assert number == len(self.out.messages)
        return [parsed(each) for each in self.out.messages]


@asynccontextmanager
async def premises(folder: Path, clock: Clock | None = None) -> AsyncIterator[Premises]:
    clock = clock or Clock()
    state = folder / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    async with FakeUpstream() as out:
        store = await SQLiteStore.open(state / "holds.sqlite3", lambda: clock.wall)
        place = Premises(state, store, out, clock)
        try:
            yield place
        finally:
            await place.correspondence.settle(10)
            await store.close()


# ---------------------------------------------------------------- expiry


async def test_90_14_what_is_due_is_deleted_and_its_sender_told_once_in_one_line(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        await here.hold(hours=72)
        here.clock.go(hours=71, minutes=59)
        await here.keeping.sweep()
        assert 1 == await here.waiting()

        for _ in range(3):
            here.clock.go(minutes=1)
            await here.keeping.sweep()
        (line,) = await here.letters(1)

    assert "anna@example.org" == line["To"].addresses[0].addr_spec
    assert "<notice@check.example.org>" == line["In-Reply-To"]
    assert (
        "Your mail of Mon 23 Nov, 13:00 was not sent. We had no answer by Thu 26 Nov, 13:00 and have deleted it."
        == body(line).strip()
    )
    assert "Secret" not in str(line)


async def test_a_row_without_a_250_goes_without_a_line(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        row = await here.hold(State.ASKING, minutes=1)
        here.clock.go(minutes=2)
        await here.keeping.sweep()

        await here.letters(0)
        assert State.EXPIRED is await here.state(row)


async def test_a_row_whose_release_was_cut_off_says_so_when_it_expires(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        await here.hold(State.SENDING, minutes=1)
        here.clock.go(minutes=2)
        await here.keeping.sweep()

        (line,) = await here.letters(1)
        assert "may have gone out" in " ".join(body(line).split())


async def test_a_row_that_somebody_is_deciding_does_not_expire_under_his_hands(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        row = await here.hold(minutes=10)
        here.clock.go(minutes=9)
        claim = await here.store.claim(row.id, timedelta(minutes=5))
        assert claim is not None
        here.clock.go(minutes=2)
        await here.keeping.sweep()
        assert 1 == await here.waiting()

        assert await here.store.decide(claim, State.SENT)
        await here.keeping.sweep()
        await here.letters(0)
        assert State.SENT is await here.state(row)


@pytest.mark.slow
async def test_a_backlog_goes_in_one_sweep_batch_after_batch_and_all_are_told(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        for _ in range(2 * SWEEP_ROWS + 5):
            await here.hold(minutes=1)
        here.clock.go(minutes=2)
        with caught() as log:
            more = await here.keeping.sweep()

        await here.letters(2 * SWEEP_ROWS + 5)
        assert (False, 0) == (more, await here.waiting())
    assert [f"count={SWEEP_ROWS}"] * 2 + ["count=5"] == [line.split()[-1] for line in log.getvalue().splitlines()]


@pytest.mark.slow
async def test_lines_that_cannot_be_sent_yet_hold_up_a_backlog_and_none_is_lost(tmp_path: Path) -> None:
    number = 3 * SWEEP_ROWS
    async with premises(tmp_path) as here:
        here.out.on("greeting", then="stall")
        for _ in range(number):
            await here.hold(minutes=1)
        here.clock.go(minutes=2)
        sweeping = asyncio.create_task(here.keeping.sweep())
        async with asyncio.timeout(30):
            while await here.waiting() > number - 2 * SWEEP_ROWS:
                await asyncio.sleep(0.01)
        here.clock.go(seconds=EXPIRY_SECONDS + 1)
        more = await sweeping
        assert (False, SWEEP_ROWS) == (more, await here.waiting())
        assert 20 == here.out.connections
        here.out.go_on()
        await here.keeping.sweep()

        await here.letters(number)
        assert 0 == await here.waiting()


@pytest.mark.slow
async def test_a_sweep_out_of_time_leaves_keys_and_files_in_order_and_says_that_more_is_due(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        for _ in range(2 * SWEEP_ROWS):
            await here.hold(minutes=1)
        here.clock.go(minutes=2)
        # Time passes while it works.
        here.keeping = here.made(monotonic=itertools.count(here.clock.steady, EXPIRY_SECONDS).__next__)
        with caught() as log:
            more = await here.keeping.sweep()
        assert (True, SWEEP_ROWS) == (more, await here.waiting())
        assert 0 == (tmp_path / "state" / "holds.sqlite3-wal").stat().st_size
        assert 1 == len(log.getvalue().splitlines())


async def test_a_guard_that_ends_in_mid_sweep_loses_no_line(tmp_path: Path) -> None:
    async with premises(tmp_path) as place:
        rows = [await place.hold() for _ in range(60)]
        place.clock.go(hours=73)
        running = asyncio.create_task(place.keeping.run())
        while await place.waiting() == len(rows):
            await asyncio.sleep(0)
        place.keeping.end()
        await asyncio.wait_for(running, 30)

        gone = [each for each in rows if await place.decided(each)]
        assert 0 < len(gone) < len(rows)
        assert len(gone) == len(rows) - await place.waiting()
        await place.letters(len(gone))


async def test_a_store_that_refuses_in_mid_sweep_loses_no_line_of_what_has_expired(tmp_path: Path) -> None:
    number = 2 * EXPIRED_TOGETHER + 5
    async with premises(tmp_path) as place:
        rows = [await place.hold(minutes=1, seconds=each) for each in range(number)]
        place.clock.go(minutes=3)
        with closing(sqlite3.connect(tmp_path / "state" / "holds.sqlite3", isolation_level=None)) as database:
            database.execute(
                f"CREATE TRIGGER broken BEFORE UPDATE ON held WHEN OLD.id = x'{rows[EXPIRED_TOGETHER + 3].id.hex()}' "
                "BEGIN SELECT RAISE(ABORT, 'broken'); END"
            )
            with pytest.raises(StoreError):
                await place.keeping.sweep()
            await place.letters(EXPIRED_TOGETHER)
            assert [each < EXPIRED_TOGETHER for each in range(number)] == [await place.decided(row) for row in rows]
            assert number - EXPIRED_TOGETHER == await place.waiting()
            database.execute("DROP TRIGGER broken")
        database.close()
        await place.keeping.sweep()

        await place.letters(number)


def test_large_mails_expire_in_few_octets_at_a_time() -> None:
    sizes = [1, 2, OCTETS_TOGETHER, 5, 3 * OCTETS_TOGETHER, *[10] * (EXPIRED_TOGETHER + 1)]
    rows = [HeldRow(bytes(32), State.HELD, size=each) for each in sizes]

    assert [2, 1, 1, 1, EXPIRED_TOGETHER, 1] == [len(each) for each in _portions(rows)]


async def test_T_53_the_line_of_an_expiry_is_a_number(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        await here.hold(minutes=1)
        here.clock.go(minutes=2)
        with caught("debug") as log:
            await here.keeping.sweep()
            await here.letters(1)

    (line,) = log.getvalue().splitlines()
    assert line.endswith(" level=info id=- event=expired count=1")


# ---------------------------------------------------------------- clocks


@pytest.mark.parametrize("step", [61, 60 * 24 * 30, -61, -60 * 24 * 30])
async def test_a_step_of_the_wall_clock_over_an_hour_pauses_expiry_for_an_hour(tmp_path: Path, step: int) -> None:
    async with premises(tmp_path) as here:
        await here.keeping.sweep()
        with caught() as log:
            here.clock.set(minutes=step)
            await here.hold(seconds=1)  # due whatever the clock says now
            here.clock.go(seconds=20)
            await here.keeping.sweep()
            here.clock.go(minutes=59)
            await here.keeping.sweep()
            assert 1 == await here.waiting()
            here.clock.go(minutes=1)
            await here.keeping.sweep()

        assert 0 == await here.waiting()
        await here.letters(1)
    assert 1 == log.getvalue().count('what="expiry pauses" why="the wall clock was set" minutes=60')


async def test_a_clock_that_is_set_right_again_within_the_hour_costs_no_mail(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        row = await here.hold(hours=72)
        await here.keeping.sweep()
        here.clock.set(days=30)
        here.clock.go(seconds=20)
        await here.keeping.sweep()
        here.clock.set(days=-30)
        for _ in range(200):
            here.clock.go(seconds=30)
            await here.keeping.sweep()

        assert State.HELD is await here.state(row)
        await here.letters(0)


@pytest.mark.parametrize("step", [59, -59])
async def test_a_small_step_pauses_nothing(tmp_path: Path, step: int) -> None:
    async with premises(tmp_path) as here:
        await here.keeping.sweep()
        here.clock.set(minutes=step)
        await here.hold(seconds=1)
        here.clock.go(seconds=20)
        with caught() as log:
            await here.keeping.sweep()

        await here.letters(1)
    assert "expiry pauses" not in log.getvalue()


async def test_a_long_pause_between_sweeps_is_no_step(tmp_path: Path) -> None:
    # A machine that slept, or a sweep that took long: both clocks have gone on together.
    async with premises(tmp_path) as here:
        await here.hold(hours=1)
        await here.keeping.sweep()
        here.clock.go(hours=20)
        await here.keeping.sweep()

        await here.letters(1)


async def test_a_store_that_could_not_be_reached_for_a_day_pauses_expiry_too(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        await here.keeping.start()
        await here.hold(hours=1)
        here.clock.go(hours=25)  # no sweep came through meanwhile, so nobody could answer

        with caught() as log:
            await here.keeping.sweep()
            here.clock.go(minutes=59)
            await here.keeping.sweep()
        assert 1 == await here.waiting()
        assert 1 == log.getvalue().count("the guard was away for more than a day")

        here.clock.go(minutes=1)
        await here.keeping.sweep()
        assert 0 == await here.waiting()


@pytest.mark.parametrize(("away", "pauses"), [(23, False), (25, True), (24 * 60, True)])
async def test_a_start_after_more_than_a_day_away_pauses_expiry(tmp_path: Path, away: int, pauses: bool) -> None:
    async with premises(tmp_path) as here:
        await here.keeping.start()
        await here.hold(hours=1)
        await here.keeping.sweep()
        here.clock.go(hours=away)

        with caught() as log:
            here.keeping = here.made()
            await here.keeping.start()
            await here.keeping.sweep()
        assert (1 if pauses else 0) == await here.waiting()
        assert ("the guard was away for more than a day" in log.getvalue()) == pauses

        here.clock.go(minutes=61)
        await here.keeping.sweep()
        assert 0 == await here.waiting()
        await here.letters(1)


@pytest.mark.parametrize("running", [True, False])
async def test_a_restart_while_the_clock_is_in_doubt_does_not_make_it_believed(tmp_path: Path, running: bool) -> None:
    async with premises(tmp_path) as here:
        await here.keeping.start()
        await here.hold()
        await here.keeping.sweep()
        here.clock.set(days=30)
        for _ in range(2):
            if running:
                await here.keeping.sweep()
            here.keeping = here.made()
            await here.keeping.start()
            here.clock.go(minutes=25)
            await here.keeping.sweep()
            assert 1 == await here.waiting()
        # Set right again in time.
        here.clock.set(days=-30)
        await here.keeping.sweep()
        assert 1 == await here.waiting()


async def test_a_clock_in_doubt_erases_no_keys_and_forgets_no_decisions(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        await here.keeping.sweep()
        row = await here.hold()
        await here.discard(row)
        days, weeks = here.keys.days(), here.keys.weeks()
        assert days
        assert weeks
        here.clock.set(days=40)
        await here.keeping.sweep()

        assert (days, weeks) == (here.keys.days(), here.keys.weeks())
        assert State.DISCARDED is await here.state(row)
        here.clock.go(minutes=61)
        await here.keeping.sweep()
        assert ((), ()) == (here.keys.days(), here.keys.weeks())
        assert await here.state(row) is None


async def test_the_very_first_start_is_no_absence(tmp_path: Path) -> None:
    with caught() as log:
        async with premises(tmp_path) as here:
            await here.keeping.start()

    assert "" == log.getvalue()


async def test_claims_of_a_former_process_lapse_at_the_start(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        row = await here.hold()
        assert await here.store.claim(row.id, timedelta(hours=10))
        assert await here.store.claim(row.id, timedelta(hours=10)) is None
        await here.keeping.start()

        assert await here.store.claim(row.id, timedelta(hours=10))


# ---------------------------------------------------------------- keys


async def test_holds_whose_day_key_is_lost_are_counted_logged_and_mailed_as_a_number(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        for _ in range(3):
            await here.hold()
        here.clock.go(days=1)
        await here.hold()
        here.keys.erase_day(MONDAY.date())
        with caught() as log:
            await here.keeping.start()
        (letter,) = await here.letters(1)

    assert "it@example.org" == letter["To"].addresses[0].addr_spec
    assert "3 waiting mails cannot be opened any more" == letter["Subject"]
    assert "anna" not in str(letter)
    assert (
        'level=warning id=- event=warning what="waiting mail cannot be opened: its day keys are missing" count=3'
        in log.getvalue()
    )


async def test_an_empty_folder_where_keys_should_be_is_no_key_folder_until_somebody_says_so(tmp_path: Path) -> None:
    # A mount point before the disk is there.
    folder = tmp_path / "state" / "keys"
    async with premises(tmp_path) as here:
        await here.hold()
        folder.rename(tmp_path / "disk")
        folder.mkdir(mode=0o700)
    async with premises(tmp_path) as here:
        with pytest.raises(KeyFolderError, match="is empty, but mail waits whose keys belong there"):
            await here.keeping.start()
        assert [] == list(folder.iterdir())
        folder.rmdir()
        (tmp_path / "disk").rename(folder)
        await here.keeping.start()
        await here.letters(0)
        for key in folder.iterdir():
            key.unlink()
        (folder / "lost").touch()
        await here.keeping.start()
        await here.letters(1)


async def test_a_restored_database_without_a_key_folder_starts_and_starts_again(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        await here.hold()
    shutil.rmtree(tmp_path / "state" / "keys")
    for _ in range(2):
        async with premises(tmp_path) as here:
            await here.keeping.start()
            await here.letters(1)


async def test_an_empty_key_folder_where_nothing_waits_is_a_first_start(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "keys").mkdir(mode=0o700)
    async with premises(tmp_path) as here:
        await here.keeping.start()
        await here.hold()


async def test_no_lost_key_no_letter(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        await here.hold()
        await here.keeping.start()

        await here.letters(0)


async def test_a_hold_without_its_key_still_goes_at_its_time_and_nobody_is_guessed(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        row = await here.hold(hours=1)
        here.keys.erase_day(MONDAY.date())
        here.clock.go(hours=2)
        await here.keeping.sweep()

        assert State.EXPIRED is await here.state(row)
        await here.letters(0)


async def test_the_day_key_goes_with_the_last_decision_of_an_old_day(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        one, other = await here.hold(), await here.hold()
        here.clock.go(days=1)
        await here.keeping.sweep()
        assert (MONDAY.date(),) == here.keys.days()
        await here.discard(one)
        await here.keeping.sweep()
        assert (MONDAY.date(),) == here.keys.days()
        await here.discard(other)
        await here.keeping.sweep()

        assert () == here.keys.days()
        assert [] == list((tmp_path / "state" / "keys").glob("day-*"))


async def test_the_day_key_goes_with_the_last_expiry_after_its_line_was_made(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        await here.hold(hours=72)
        here.clock.go(hours=73)
        await here.keeping.sweep()

        assert () == here.keys.days()
        await here.letters(1)


async def test_the_key_of_the_present_day_stays_though_nothing_waits(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        await here.discard(await here.hold())
        await here.keeping.sweep()

        assert (MONDAY.date(),) == here.keys.days()


@pytest.mark.parametrize(("minutes", "left"), [(0, 1), (30, 1), (59, 1), (60, 0), (61, 0)])
async def test_the_key_of_yesterday_stays_for_an_hour_after_midnight(tmp_path: Path, minutes: int, left: int) -> None:
    # A hold that took its key before midnight may commit after it.
    async with premises(tmp_path) as here:
        await here.discard(await here.hold())
        here.clock.go(hours=12, minutes=minutes)
        await here.keeping.sweep()

        assert left == len(here.keys.days())


def test_no_hold_can_last_until_its_day_key_goes() -> None:
    # By whatever clock: this node's may be so far from the one that erases the key.
    assert HOLD_MAX + timedelta(seconds=UNDO_SECONDS) + CLOCKS_APART_MAX < KEY_GRACE


async def test_a_hold_begun_before_midnight_and_committed_after_it_keeps_its_key(tmp_path: Path) -> None:
    async with premises(tmp_path, Clock(MONDAY.replace(hour=23, minute=59, second=50))) as here:
        held = crosspost(arrived=here.clock.wall, expires=here.clock.wall + timedelta(hours=72))
        tags = (await here.safe.tags(held, None)).tags
        token = Token(bytes(32))
        row = await here.safe.seal(held, token, tags, notice_id="<n@check.example.org>", language="en")
        here.clock.go(seconds=30)
        await here.keeping.sweep()
        await here.store.add(row)
        here.clock.go(hours=30)
        await here.keeping.sweep()
        found = await here.store.find(row.id)

        assert found is not None
        assert held == await here.safe.open(found, token)


async def test_keys_of_days_in_the_future_stay(tmp_path: Path) -> None:
    # The clock was a day ahead when something was held, and was set right.
    async with premises(tmp_path) as here:
        here.clock.set(days=1)
        row = await here.hold()
        await here.discard(row)
        here.clock.set(days=-1)
        await here.keeping.sweep()

        assert (date(2026, 11, 24),) == here.keys.days()


async def test_week_keys_stay_as_long_as_mail_of_their_week_may_wait_and_then_go(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        for weeks in range(8):
            here.keys.week_key(week_of((MONDAY + timedelta(weeks=weeks)).date()), create=True)
        here.clock.go(weeks=7)
        await here.keeping.sweep()

        # The present week and the three before it; the longest wait of the settings is a week.
        assert ("2026-W52", "2026-W53", "2027-W01", "2027-W02") == here.keys.weeks()


# ---------------------------------------------------------------- traces


async def test_tombstones_go_after_30_days(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        row = await here.hold()
        await here.discard(row)
        here.clock.go(days=29, hours=23)
        await here.keeping.sweep()
        assert State.DISCARDED is await here.state(row)
        here.clock.go(hours=1)
        await here.keeping.sweep()

        assert await here.state(row) is None


async def test_T_03_a_sweep_leaves_nothing_of_decided_mail_in_the_files(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        row = await here.hold()
        await here.discard(row)
        database = tmp_path / "state" / "holds.sqlite3"
        log = database.with_name(database.name + "-wal")
        assert row.box[:64] in database.read_bytes() + log.read_bytes()
        await here.keeping.sweep()

        assert 0 == log.stat().st_size
        assert row.box[:64] not in database.read_bytes()


async def test_a_failing_store_is_a_line_in_the_log_and_another_try(tmp_path: Path) -> None:
    async with premises(tmp_path) as here:
        await here.store.close()
        with caught() as log:
            running = asyncio.create_task(here.keeping.run())
            async with asyncio.timeout(60):
                while log.getvalue().count('what="housekeeping did not finish" error=StoreError') < 2:
                    await asyncio.sleep(0.01)
            assert not running.done()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

        with pytest.raises(StoreError):
            await here.keeping.start()


async def test_T_05_an_older_database_under_a_running_guard_is_noticed_and_settled(tmp_path: Path) -> None:
    async with premises(tmp_path) as place:
        decided, other = await place.hold(), await place.hold()
        await place.keeping.start()
        await place.decisions.note(State.SENT, decided)
        for _ in range(2):
            place.clock.go(seconds=20)
            await place.keeping.sweep()
        assert 2 == await place.waiting()  # nothing says that this database does not know of it
        with sqlite3.connect(tmp_path / "state" / "holds.sqlite3") as connection:
            connection.execute("UPDATE sign_of_life SET seen = seen - 3600000000")
        connection.close()
        place.clock.go(seconds=20)
        await place.keeping.sweep()

        assert State.SENT is await place.state(decided)
        assert State.HELD is await place.state(other)
        await place.letters(0)
        # Keys that a newer copy needs must still be there when that one is put back.
        assert place.keeping.pauses


@pytest.mark.parametrize("minutes", [-60, 60])
async def test_a_node_whose_clock_is_not_the_store_s_erases_no_key_and_seals_nothing(
    tmp_path: Path, minutes: int
) -> None:
    async with premises(tmp_path) as place:
        await place.keeping.start()
        await place.hold(hours=1)
        place.clock.go(hours=26)
        wrong = Housekeeping(
            place.store, place.keys, place.safe, place.decisions, place.correspondence, lambda: SITE, CONTACT,
            clock=lambda: place.clock.wall + timedelta(minutes=minutes), monotonic=lambda: place.clock.steady,
        )  # fmt: skip
        place.clock.go(minutes=61)
        with caught() as log:
            await wrong.sweep()
            await wrong.sweep()
        assert 1 == log.getvalue().count("60 minutes apart")
        assert 1 == len(place.keys.days())
        with pytest.raises(KeyFolderError, match="60 minutes apart"):
            await place.hold()

        await place.keeping.sweep()
        await place.hold()


async def test_two_nodes_that_sign_at_the_same_moment_are_no_older_database(tmp_path: Path) -> None:
    async with premises(tmp_path) as place:
        await place.keeping.start()
        with sqlite3.connect(tmp_path / "state" / "holds.sqlite3") as connection:
            connection.execute("UPDATE sign_of_life SET seen = seen - 1000000")
        connection.close()
        place.clock.go(seconds=20)
        await place.keeping.sweep()

        assert not place.keeping.pauses


async def test_T_05_a_mail_that_was_decided_before_it_expired_is_not_told_as_expired(tmp_path: Path) -> None:
    async with premises(tmp_path) as place:
        decided, other = await place.hold(hours=1), await place.hold(hours=1)
        await place.decisions.note(State.SENT, decided)
        place.clock.go(hours=2)
        await place.keeping.sweep()

        assert State.SENT is await place.state(decided)
        assert State.EXPIRED is await place.state(other)
        await place.letters(1)
        assert State.EXPIRED is place.keys.decisions(MONDAY.date())[other.id].state


async def test_T_05_a_database_that_was_lost_takes_no_keys_with_it_before_a_copy_can_be_put_back(
    tmp_path: Path,
) -> None:
    async with premises(tmp_path) as place:
        await place.keeping.start()
        await place.hold()
        day = place.clock.wall.date()
    for path in (tmp_path / "state").glob("holds.sqlite3*"):
        path.unlink()
    clock = Clock()
    clock.go(hours=30)
    async with premises(tmp_path, clock) as place:
        with caught() as log:
            await place.keeping.start()
            await place.keeping.sweep()
        assert "the database is new, the keys are not" in log.getvalue()
        assert (day,) == place.keys.days()

        clock.go(minutes=61)
        await place.keeping.sweep()
        assert () == place.keys.days()


async def test_a_key_that_is_damaged_does_not_keep_the_files_from_being_tidied(tmp_path: Path) -> None:
    async with premises(tmp_path) as place:
        due, discarded = await place.hold(hours=1), await place.hold()
        await place.discard(discarded)
        (tmp_path / "state" / "keys" / f"day-{place.clock.wall.date()}.key").write_bytes(b"short")
        place.clock.go(hours=2)
        with pytest.raises(KeyFolderError):
            await place.keeping.sweep()

        assert await place.store.find(due.id) is not None
        assert 0 == (tmp_path / "state" / "holds.sqlite3-wal").stat().st_size


async def test_a_key_that_is_damaged_keeps_mail_of_its_day_alone_from_expiring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "SWEEP_ROWS", 3)
    async with premises(tmp_path) as place:
        damaged = [await place.hold(hours=30) for _ in range(4)]
        path = tmp_path / "state" / "keys" / f"day-{place.clock.wall.date()}.key"
        place.clock.go(days=1)
        others = [await place.hold(hours=7) for _ in range(5)]
        key = path.read_bytes()
        path.write_bytes(key[:-1])
        place.clock.go(hours=8)
        with pytest.raises(KeyFolderError, match=path.name):
            await place.keeping.sweep()

        await place.letters(5)
        assert 4 == await place.waiting()
        assert all([await place.decided(each) for each in others])
        path.write_bytes(key)
        await place.keeping.sweep()
        await place.letters(9)
        assert all([await place.state(each) is State.EXPIRED for each in damaged])


async def test_T_05_decided_ids_without_their_key_are_swept_up(tmp_path: Path) -> None:
    async with premises(tmp_path) as place:
        row = await place.hold()
        await place.decisions.note(State.DISCARDED, row)
        await place.discard(row)
        (tmp_path / "state" / "keys" / f"day-{MONDAY:%Y-%m-%d}.key").unlink()
        place.clock.go(days=2)
        await place.keeping.sweep()

        assert () == place.keys.decided_days()
