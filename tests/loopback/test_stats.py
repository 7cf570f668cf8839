"""Story 10: try first, then switch on. A guard, its mail servers and members, and `smtpguard stats` beside it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from smtpguard.tools import commands
from tests.logs import caught
from tests.loopback.guarded import ALL, BERLIN, BRANDENBURG, PRESS, House, guarded, mail
from tests.tools.site import run, run_program

pytestmark = pytest.mark.slow

FEW = "<5"
OBSERVING = {"berlin": {"on_alarm": "observe"}, "press": {"on_alarm": "observe"}}


@pytest.fixture
def next_month(monkeypatch: pytest.MonkeyPatch) -> None:
    """For whoever asks for figures: what is counted now lies in weeks that are over by then."""
    monkeypatch.setattr(commands, "_now", lambda: datetime.now(UTC) + timedelta(days=30))


def stats(folder: Path, *words: str) -> dict[str, Any]:
    """The lines of the last 60 days, by list and row: what is shown in all weeks together."""
    where = ("--config", folder / "smtpguard.yaml", "--state-dir", folder / "state")
    said = run("stats", *words, *where, "--since", "60d", "--format", "json")
    assert (0, "") == (said.exit_code, said.stderr)
    return {f"{each['list']} {each['row']}": each["total"] for each in json.loads(said.stdout)["lines"]}


def only(**numbers: int) -> dict[str, Any]:
    """All outcomes of a line, those not named not shown."""
    outcomes = ("observed", "refused", "confirmed", "one_list", "discarded", "back", "replaced", "no_answer")
    return {each: numbers.get(each, FEW) for each in outcomes}


async def send(house: House, number: int, to: Sequence[str], name: str = "cross-post") -> None:
    for each in range(number):
        assert 250 == (await house.submit("anna", to, subject=f"{name} {each}")).code


async def written(house: House) -> None:
    """Until everything that has been counted lies in the database."""
    keeper = house.application._keeper
    assert keeper is not None
    await keeper.counting.settle()


@pytest.mark.usefixtures("next_month")
@pytest.mark.parametrize("remember", ["none", "lists"])
async def test_what_is_tried_first_is_counted_and_sent(tmp_path: Path, remember: str) -> None:
    async with guarded(tmp_path, list_changes=OBSERVING, remember=remember) as house:
        await send(house, 6, [BERLIN, PRESS])
        await send(house, 6, [BERLIN], "one list")
        await house.submit("anna", [BRANDENBURG, PRESS], subject="strictest counts")
        await written(house)
        found = await asyncio.to_thread(stats, tmp_path)

        assert 12 == len(house.up.messages)
    assert {"berlin 12-02": only(observed=6), "press 12-02": only(observed=6)} == found


@pytest.mark.slow
@pytest.mark.usefixtures("next_month")
async def test_every_outcome_of_a_held_mail_is_counted_also_over_a_restart(tmp_path: Path) -> None:
    answers = {"SEND": "confirmed", "ONLY 1": "one_list", "DISCARD": "discarded", "BACK": "back"}
    with caught() as log:
        async with guarded(tmp_path) as house:
            await send(house, 5 * len(answers), [BERLIN, PRESS])
        # Five each: its notices are the first mails of the guard's own.
        notices = house.own_mail()[: 5 * len(answers)]
        async with guarded(tmp_path, list_changes={"all-members": {"on_alarm": "refuse"}}) as house:
            for notice, word in zip(notices, [*answers] * 5, strict=True):
                assert 250 == (await house.answer("anna", notice, word)).code
            for _ in range(7):
                assert 550 == (await house.submit("anna", [ALL, PRESS])).code
            await written(house)
            found = await asyncio.to_thread(stats, tmp_path)
        async with guarded(tmp_path, defaults={"expires": "1s"}) as house:
            await send(house, 6, [BERLIN, PRESS], "nobody answers")
            await house.letter(12)  # six notices, and six lines of the end
        later = stats(tmp_path)

    decided = dict.fromkeys(answers.values(), 5)
    assert {
        "all-members 12-02": only(refused=7),
        "berlin 12-02": only(**decided),
        "press 12-02": only(**decided, refused=7),
    } == found
    assert only(**decided, no_answer=6) == later["berlin 12-02"]
    assert "figures" not in log.getvalue()


@pytest.mark.slow
@pytest.mark.usefixtures("next_month")
async def test_story_10_before_and_after_it_is_switched_on(tmp_path: Path) -> None:
    example = tmp_path / "mail.eml"
    example.write_bytes(mail("anna", [BERLIN, PRESS]))

    def explained() -> str:
        return run("explain", example, "--account", "anna", "--config", tmp_path / "smtpguard.yaml").stdout

    async with guarded(tmp_path, list_changes=OBSERVING) as house:
        await send(house, 8, [BERLIN, PRESS])
    before = stats(tmp_path, "berlin"), explained()
    async with guarded(tmp_path) as house:
        await send(house, 5, [BERLIN, PRESS], "for real")
        for number in range(5):
            await house.answer("anna", await house.letter(number + 1), "ONLY 1")
        assert 5 == len(house.released())
    after = stats(tmp_path, "berlin"), explained()

    assert {"berlin 12-02": only(observed=8)} == before[0]
    assert before[1].startswith(f"{example}: pass")
    assert {"berlin 12-02": only(observed=8, one_list=5)} == after[0]
    assert after[1].startswith(f"{example}: hold")


@pytest.mark.usefixtures("next_month")
async def test_a_mail_that_is_sent_again_is_counted_as_held_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smtpguard.holding.RESEND_SILENT", timedelta(0))
    async with guarded(tmp_path) as house:
        for _ in range(6):
            await house.submit("anna", [BERLIN, PRESS])
        await written(house)
        found = await asyncio.to_thread(stats, tmp_path)

        assert ["held", *["replaced"] * 5] == house.states()
    # The one that waits is one without an answer so far, and not shown: there are fewer than five.
    assert only(replaced=5) == found["berlin 12-02"]


@pytest.mark.usefixtures("next_month")
async def test_figures_that_cannot_be_written_are_in_nobody_s_way(tmp_path: Path) -> None:
    with caught() as log:
        async with guarded(tmp_path, list_changes=OBSERVING, remember="none") as house:
            blocker = sqlite3.connect(tmp_path / "state" / "memory.sqlite3", isolation_level=None)
            blocker.execute("BEGIN IMMEDIATE")
            await send(house, 6, [BERLIN, PRESS])
            await house.submit("anna", [ALL, PRESS], subject="held")
            notice = await house.letter()
            assert 250 == (await house.answer("anna", notice, "SEND")).code
            assert 6 == len(house.up.messages)
            blocker.execute("ROLLBACK")
            blocker.close()
            await written(house)
            found = await asyncio.to_thread(stats, tmp_path)

    assert only(observed=6) == found["berlin 12-02"]
    assert "ERROR" not in log.getvalue()


@pytest.mark.usefixtures("next_month")
async def test_T_53_nothing_that_is_written_down_in_clear_tells_the_list_or_the_rule_of_a_held_mail(
    tmp_path: Path,
) -> None:
    with caught() as log:
        async with guarded(tmp_path) as house:
            await send(house, 1, [BERLIN, PRESS])
            await written(house)
            state = tmp_path / "state"
            files = {each.name: each.read_bytes() for each in state.rglob("*") if each.is_file()}
            said = await asyncio.to_thread(
                run, "stats", "--config", tmp_path / "smtpguard.yaml", "--state-dir", state, "--since", "60d"
            )

    assert {"holds.sqlite3", "memory.sqlite3-wal"} <= set(files)
    for octets in (*files.values(), log.getvalue().encode(), said.stdout.encode()):
        for word in (b"berlin", b"press", b"12-02", b"crosspost"):
            assert word not in octets
    assert "Every list: fewer than five of everything." in said.stdout


async def test_the_running_week_is_not_shown_to_another_process_while_the_guard_serves(tmp_path: Path) -> None:
    async with guarded(tmp_path, list_changes=OBSERVING) as house:
        await send(house, 6, [BERLIN, PRESS])
        await written(house)
        said = await asyncio.to_thread(
            run_program, "stats", "--config", tmp_path / "smtpguard.yaml", "--state-dir", tmp_path / "state"
        )
        await send(house, 1, [BERLIN, PRESS], "it goes on")

        assert 7 == len(house.up.messages)
    assert (0, "") == (said.returncode, said.stderr)
    assert said.stdout.startswith("Nothing to show yet: no week is over in which a guard counted.\n")
