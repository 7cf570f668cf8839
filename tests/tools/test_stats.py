"""`smtpguard stats`, as an admin calls it: figures written by the guard's own counting, read by another process."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from click.testing import Result

from smtpguard.counting import Counting, closed_at
from smtpguard.figures import CELL_MIN, Alarm, Outcome, monday_of
from smtpguard.keys import KeyFolder
from smtpguard.store.memory import SQLiteMemory
from smtpguard.tools import commands
from smtpguard.verdict import Action, Finding, Verdict
from tests.pipes import a_pipe
from tests.tools.site import list_text, run, run_program

# Wednesday of 2026-W49.
NOW = datetime(2026, 12, 2, 12, 0, tzinfo=UTC)
GOLDEN = Path(__file__).parent / "golden" / "stats.txt"

# week: list, row, outcome, number
Figures = Mapping[str, list[tuple[str, str, Outcome, int]]]


@pytest.fixture(autouse=True)
def wednesday(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_now", lambda: NOW)


@pytest.fixture
def state(site: Path) -> Path:
    return site.parent.parent / "state"


def count(state: Path, figures: Figures) -> None:
    """What a guard would have counted in these weeks."""
    asyncio.run(_count(state, figures))


async def _count(state: Path, figures: Figures) -> None:
    state.mkdir(mode=0o700, exist_ok=True)
    memory = await SQLiteMemory.open(state / "memory.sqlite3", lambda: NOW)
    keys = KeyFolder(state / "keys", "counted")
    for week, cells in figures.items():
        moment = datetime.combine(monday_of(week), NOW.time(), UTC)
        counting = Counting(memory, keys, os.urandom, clock=lambda moment=moment: moment)  # type: ignore[misc]
        await counting.sweep()
        for name, row, outcome, number in cells:
            alarms = (Finding(row, "check", lists=(name,) if name else ()),)
            verdict = Verdict(Action.PASS, observed=alarms)
            for _ in range(number):
                if outcome is Outcome.OBSERVED:
                    counting.passed(verdict)
                elif outcome is Outcome.REFUSED:
                    counting.refused(Verdict(Action.REFUSE, alarms))
                elif outcome is Outcome.NO_ANSWER:
                    counting.held(Verdict(Action.HOLD, alarms), moment)
                else:
                    counting._count(frozenset({Alarm(name, row)}), outcome)
        await counting.settle()
    await memory.close()


def stats(site: Path, *words: str) -> Result:
    return run("stats", "--config", site, "--state-dir", site.parent.parent / "state", *words)


def line_of(result: Result, list_id: str, row: str = "12-02") -> list[str]:
    """The cells of one line: observed, refused, held, SEND, ONLY, DISCARD, BACK, again, no answer."""
    (found,) = [each for each in result.stdout.splitlines() if re.match(rf"{re.escape(list_id)} +{row} ", each)]
    return found.removeprefix(list_id).split()[1:]


FEW = "<5"
SAMPLE: Figures = {
    "2026-W46": [("berlin", "12-02", Outcome.DISCARDED, 3), ("berlin", "12-02", Outcome.CONFIRMED, 40)],
    "2026-W47": [
        ("berlin", "12-02", Outcome.CONFIRMED, 6),
        ("berlin", "12-02", Outcome.DISCARDED, 2),
        ("berlin", "12-02", Outcome.ONE_LIST, 4),
        ("press", "12-23", Outcome.OBSERVED, 3),
        ("", "12-26", Outcome.REFUSED, 7),
    ],
    "2026-W48": [
        ("berlin", "12-02", Outcome.CONFIRMED, 12),
        ("berlin", "12-02", Outcome.NO_ANSWER, 5),
        ("press", "12-23", Outcome.OBSERVED, 3),
        ("harbour", "12-02", Outcome.BACK, 4),
    ],
    "2026-W49": [("berlin", "12-02", Outcome.CONFIRMED, 1000)],
}


def test_what_is_shown(site: Path, state: Path) -> None:
    count(state, SAMPLE)

    found = stats(site)

    assert 0 == found.exit_code
    assert GOLDEN.read_text("utf-8") == found.stdout


def test_the_same_for_programs_week_by_week(site: Path, state: Path) -> None:
    count(state, SAMPLE)

    found = json.loads(stats(site, "berlin", "--format", "json").stdout)

    assert ["2026-W47", "2026-W48"] == found["weeks"]
    assert {"week": "2026-W49", "shown_from": "2026-12-07T01:00:00+00:00"} == found["running"]
    (berlin,) = found["lines"]
    assert {"at_least": 28, "at_most": 44} == berlin["held"]
    assert (6, 12) == tuple(each["confirmed"] for each in berlin["by_week"].values())
    assert (FEW, 5) == tuple(each["no_answer"] for each in berlin["by_week"].values())
    assert (18, FEW) == (berlin["total"]["confirmed"], berlin["total"]["back"])
    assert berlin["alarms_too_often"]


def test_T_53_whatever_is_asked_no_number_below_five_is_told(site: Path, state: Path) -> None:
    outcomes = (Outcome.OBSERVED, Outcome.CONFIRMED, Outcome.BACK, Outcome.DISCARDED)
    lines = product(("berlin", "press", "harbour"), ("12-02", "12-23"))
    small = [(name, row, each, number) for name, row in lines for number, each in enumerate(outcomes, 1)]
    count(state, {f"2026-W{week}": small for week in range(40, 49)})
    answers = set()
    for since in range(1, 90, 3):
        for words in ((), ("berlin",)):
            found = json.loads(stats(site, *words, "--since", f"{since}d", "--format", "json").stdout)
            for line in found["lines"]:
                for week, cells in line["by_week"].items():
                    for outcome, number in cells.items():
                        answers.add((line["list"], line["row"], outcome, week, number))

    numbers = [each[-1] for each in answers if each[-1] != FEW]
    assert numbers
    assert CELL_MIN <= min(numbers)
    # One week has one number, whoever asks how: two answers never differ by a small one.
    assert len(answers) == len({each[:-1] for each in answers})


@pytest.mark.parametrize(
    ("since", "weeks"),
    [("14d", "2026-W47 to 2026-W48"), ("7d", "2026-W48"), ("100d", "2026-W46 to 2026-W48"), ("61h", "2026-W48")],
)
def test_the_weeks_that_lie_even_partly_in_the_time_asked_for(site: Path, state: Path, since: str, weeks: str) -> None:
    count(state, SAMPLE)

    assert stats(site, "--since", since).stdout.startswith(f"{weeks} (")


def test_T_53_a_week_is_shown_once_it_does_not_change_any_more(
    site: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count(state, SAMPLE)
    monkeypatch.setattr(commands, "_now", lambda: closed_at("2026-W49").replace(minute=0, hour=0))
    before = stats(site)
    monkeypatch.setattr(commands, "_now", lambda: closed_at("2026-W49"))
    after = stats(site)

    assert "2026-W49 will be from Mon 07 Dec 2026, 01:00 UTC on." in before.stdout
    assert FEW != line_of(after, "berlin")[3]
    assert "1012" not in before.stdout
    assert after.stdout.startswith("2026-W48 to 2026-W49 ")


# ---------------------------------------------------------------- which lists


def test_a_closed_list_is_shown_only_to_whoever_names_it(site: Path, state: Path) -> None:
    (site.parent / "lists" / "press.yaml").write_text(list_text("press", "audience: closed"), "utf-8")
    count(state, SAMPLE)

    everything, named = stats(site), stats(site, "press")

    assert "press" not in everything.stdout
    assert "shown only if you name one" in everything.stdout
    assert "6" == line_of(named, "press", "12-23")[0]
    assert "berlin" not in named.stdout


@pytest.mark.parametrize("name", ["press", "lists/press.yaml", "press.yaml", "Press@lists.example.org"])
def test_a_list_is_named_by_id_file_or_address(site: Path, state: Path, name: str) -> None:
    count(state, SAMPLE)

    assert "6" == line_of(stats(site, name), "press", "12-23")[0]


def test_a_list_that_is_gone_may_have_been_closed_and_is_shown_by_name_only(site: Path, state: Path) -> None:
    count(state, {"2026-W48": [("council", "12-02", Outcome.REFUSED, 9)]})

    assert "council" not in stats(site).stdout
    assert "9" == line_of(stats(site, "council"), "council")[1]


def test_a_list_with_little_to_tell_and_one_that_never_was_differ_by_their_file_alone(site: Path, state: Path) -> None:
    count(state, {"2026-W48": [("council", "12-02", Outcome.REFUSED, 4), ("press", "12-02", Outcome.REFUSED, 4)]})

    little, gone, never = stats(site, "press"), stats(site, "council"), stats(site, "nowhere")

    assert (0, True) == (little.exit_code, "press: fewer than five of everything." in little.stdout)
    assert (2, 2) == (gone.exit_code, never.exit_code)
    assert gone.stderr.replace("council", "X") == never.stderr.replace("nowhere", "X")
    assert 'there is no list "nowhere"' in never.stderr


def test_figures_of_a_list_that_had_another_name_are_added_and_nothing_small_comes_out(site: Path, state: Path) -> None:
    count(
        state,
        {
            "2026-W47": [("kiel", "12-02", Outcome.CONFIRMED, 8), ("kiel", "12-02", Outcome.BACK, 3)],
            "2026-W48": [("harbour", "12-02", Outcome.CONFIRMED, 9), ("harbour", "12-02", Outcome.BACK, 3)],
        },
    )
    (site.parent / "lists" / "harbour.yaml").write_text(list_text("harbour", "was: kiel"), "utf-8")

    cells = line_of(stats(site, "harbour"), "harbour")

    assert ("17", FEW) == (cells[3], cells[6])
    assert cells == line_of(stats(site, "kiel"), "harbour")
    assert "kiel" not in stats(site).stdout


# ---------------------------------------------------------------- 90-15


@pytest.mark.parametrize(
    ("confirmed", "discarded", "too_often"),
    [(10, 0, True), (9, 0, False), (20, 13, True), (20, 14, False), (300, 320, False)],
)
def test_90_15_a_rule_that_is_mostly_confirmed_is_named(
    site: Path, state: Path, confirmed: int, discarded: int, too_often: bool
) -> None:
    """Three more outcomes are not shown and count for two each."""
    cells = [("berlin", "12-02", Outcome.CONFIRMED, confirmed), ("berlin", "12-02", Outcome.DISCARDED, discarded)]
    count(state, {"2026-W48": cells})

    assert too_often == ("berlin, 12-02: this rule alarms too often." in stats(site).stdout)


# ---------------------------------------------------------------- where there is nothing


def test_without_a_state_dir_it_is_said_so_and_none_is_made(site: Path, state: Path) -> None:
    found = stats(site)

    assert (69, "") == (found.exit_code, found.stdout)
    assert f"{state}: there is no such folder" in found.stderr
    assert not state.exists()


@pytest.mark.parametrize("figures", [{}, {"2026-W49": []}, {"2026-W49": [("berlin", "12-02", Outcome.BACK, 9)]}])
def test_before_the_first_week_is_over_there_is_nothing_to_show(site: Path, state: Path, figures: Figures) -> None:
    count(state, figures)

    found = stats(site)

    assert 0 == found.exit_code
    assert (
        "Nothing to show yet: no week is over in which a guard counted.\n"
        "Only weeks that are over are shown. 2026-W49 will be from Mon 07 Dec 2026, 01:00 UTC on.\n"
    ) == found.stdout


def test_a_time_in_which_no_week_ends_has_nothing_to_show(site: Path, state: Path) -> None:
    count(state, SAMPLE)

    assert stats(site, "--since", "60h").stdout.startswith("No week that is over lies in this time.\n")


def test_a_state_dir_in_which_no_guard_has_counted_is_left_as_it_is(site: Path, state: Path) -> None:
    state.mkdir(mode=0o700)

    assert "Nothing to show yet" in stats(site).stdout
    assert [] == list(state.iterdir())

    with closing(sqlite3.connect(state / "memory.sqlite3")) as memory:
        memory.executescript("CREATE TABLE posts (id INTEGER);")
    assert "Nothing to show yet" in stats(site).stdout


def test_a_file_that_is_no_database_is_named(site: Path, state: Path) -> None:
    state.mkdir(mode=0o700)
    (state / "memory.sqlite3").write_bytes(b"no database at all" * 100)

    found = stats(site)

    assert (69, "") == (found.exit_code, found.stdout)
    assert "memory.sqlite3: file is not a database" in found.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "name"),
    [("stats", "memory.sqlite3"), ("held", "holds.sqlite3"), ("status", "status.json"), ("doctor", "memory.sqlite3")],
)
def test_nobody_waits_for_the_other_end_of_a_pipe_in_the_state_dir(
    site: Path, state: Path, command: str, name: str
) -> None:
    count(state, SAMPLE)
    a_pipe(state / name)

    found = run_program(command, "--config", site, "--state-dir", state)

    assert found.returncode in (1, 69)
    assert f"{state / name} is not a regular file" in found.stdout + found.stderr


def test_weeks_without_figures_and_weeks_without_a_key_are_named(site: Path, state: Path) -> None:
    count(state, {"2026-W46": [], "2026-W48": [("berlin", "12-02", Outcome.CONFIRMED, 9)]})
    (state / "keys" / "counted-2026-W46.key").unlink()

    found = stats(site, "--since", "30d")

    assert "The guard did not count in 2026-W47.\n" in found.stdout
    assert "The figures of 2026-W46 do not open: their key is gone from the key folder.\n" in found.stdout
    assert "9" == line_of(found, "berlin")[3]


def test_a_key_folder_that_is_gone_is_no_zero(site: Path, state: Path) -> None:
    count(state, SAMPLE)
    shutil.rmtree(state / "keys")

    found = stats(site)

    assert "The figures of 2026-W47, 2026-W48 do not open" in found.stdout
    assert not (state / "keys").exists()


@pytest.mark.parametrize("since", ["two weeks", "14", "0d", "99999d", ""])
def test_a_time_that_is_none_is_named(site: Path, since: str) -> None:
    found = stats(site, "--since", since)

    assert 2 == found.exit_code
    assert "write a number and its unit: 14d or 72h" in found.stderr


def test_settings_that_cannot_be_used_are_named(site: Path) -> None:
    site.write_text("list_domains: [", "utf-8")

    found = stats(site)

    assert (78, "") == (found.exit_code, found.stdout)
    assert "smtpguard.yaml:1:" in found.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can act as the guard's user")
def test_root_reads_as_the_guard_s_user_and_leaves_nothing_of_root_s(site: Path, state: Path) -> None:
    count(state, SAMPLE)
    for each in (state, *state.rglob("*")):
        os.chown(each, 12345, 12345)
    # The folders above belong to root and let nobody through otherwise.
    for folder in (state.parent, *list(state.parent.parents)[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)

    found = run_program("stats", "berlin", "--since", "5200w", "--config", site, "--state-dir", state)
    assert 2 == found.returncode
    found = run_program("stats", "berlin", "--since", "3000d", "--config", site, "--state-dir", state)

    assert (0, "") == (found.returncode, found.stderr)
    assert {12345} == {each.stat().st_uid for each in (state, *state.rglob("*"))}
