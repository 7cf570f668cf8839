"""`smtpguard held` and `smtpguard expire` beside a running guard: what waits, and how it is dropped (T-32)."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from smtpguard.accounts import Directory
from smtpguard.config.settings import Settings
from smtpguard.keys import KeyFolder, week_of
from smtpguard.policy import Policy
from smtpguard.store.sqlite import SQLiteStore
from smtpguard.tags import account_tag
from smtpguard.tools import commands
from smtpguard.tools.expire import Expire
from tests.loopback.guarded import (
    ALL,
    BERLIN,
    MEMBERS,
    PASSWORDS,
    PRESS,
    XCLIENT,
    FakeUpstream,
    body,
    guarded,
    write_config,
)
from tests.store.conftest import NOW, a_row
from tests.tools.site import run, run_program

pytestmark = pytest.mark.slow

SECRETS = [*MEMBERS, *MEMBERS.values(), "Minutes", "berlin", "press"]


async def call(command: str, folder: Path, *options: str, text: str | None = None) -> Result:
    where = ("--config", folder / "smtpguard.yaml", "--state-dir", folder / "state")
    return await asyncio.to_thread(run, command, *where, *options, text=text)


def complaints(said: Result) -> list[str]:
    """What a command has to complain of. The guard runs in this process, too, and tells when its sweep meets somebody
    else who is in the database; the next one does what was left."""
    swept = 'what="housekeeping did not finish" error=StoreError why="somebody else reads the database'
    return [line for line in said.stderr.splitlines() if swept not in line]


async def held(folder: Path) -> dict[str, Any]:
    said = await call("held", folder, "--format", "json")
    assert (0, []) == (said.exit_code, complaints(said))
    return dict(json.loads(said.stdout))


def aged(folder: Path, subject_number: int, hours: int) -> None:
    """One waiting row becomes older."""
    connection = sqlite3.connect(folder / "state" / "holds.sqlite3")
    with connection:
        connection.execute(
            "UPDATE held SET created = created - ? WHERE rowid = ?", (hours * 3_600_000_000, subject_number)
        )
    connection.close()


# ---------------------------------------------------------------- held


async def test_held_counts_what_waits_by_age_and_names_nobody(tmp_path: Path) -> None:
    async with guarded(tmp_path, defaults={"expires": "72h"}) as house:
        for number in range(5):
            await house.submit("anna", [BERLIN, PRESS], subject=f"Minutes {number}")
        for number, hours in ((1, 2), (2, 2), (3, 30), (4, 100)):
            aged(tmp_path, number, hours)
        found = await held(tmp_path)
        said = await asyncio.to_thread(
            run_program, "held", "--state-dir", tmp_path / "state"
        )  # a process of its own, without settings
        await house.submit("ben", [BERLIN, PRESS], subject="it goes on")
        after = await held(tmp_path)

    assert [5, 1, 2, 1, 1] == [found[each] for each in ("waiting", "younger_1h", "younger_1d", "younger_3d", "older")]
    assert found["octets"] > 500
    assert found["store_octets"] > 4096
    assert time.time() + 71 * 3600 < _seconds(found["next_expiry"]) < time.time() + 73 * 3600
    assert after["waiting"] == 6
    assert (0, "") == (said.returncode, said.stderr)
    assert said.stdout.startswith("5 mails wait for an answer\n       1 younger than an hour\n")
    for word in SECRETS:
        assert word not in said.stdout + json.dumps(found)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


async def test_decided_mail_does_not_count(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, PRESS])
        await house.answer("anna", await house.letter(), "DISCARD")
        found = await held(tmp_path)

    assert (0, None) == (found["waiting"], found["next_expiry"])


def test_held_where_no_guard_has_been(tmp_path: Path) -> None:
    said = run("held", "--state-dir", tmp_path)

    assert said.exit_code == 69
    assert "is this the state_dir of your guard?" in said.stderr
    assert [] == list(tmp_path.iterdir())
    assert run("held").exit_code == 2


# ---------------------------------------------------------------- expire --account


@pytest.mark.parametrize("name", ["anna", "Anna@Example.TEST", "anna@example.test"])
async def test_T_32_what_waits_for_an_account_is_dropped_unseen(tmp_path: Path, name: str) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, PRESS], subject="one")
        await house.submit("anna", [BERLIN, PRESS], subject="two")
        await house.submit("ben", [BERLIN, PRESS], subject="three")
        notice = await house.letter()
        await house.letter(3)
        said = await call("expire", tmp_path, "--account", name, "--yes")

        assert ["expired", "expired", "held"] == house.states()
        gone = [each for each in house.rows() if each["state"] == "expired"]
        assert all(each["box"] is each["card"] is each["tag_account"] is None for each in gone)
        # The code in the notice opens nothing any more.
        await house.answer("anna", notice, "SEND")
        told = await house.letter(4)
        assert [] == house.released() == house.up.messages
    assert (0, []) == (said.exit_code, complaints(said))
    assert "2 mails dropped. Nobody was told, since the account may be in wrong hands." in said.stdout
    # The only further mail is the answer to the late answer.
    assert len(house.own_mail()) == 4
    assert "Already done" in str(told["Subject"])


async def test_the_mailbox_counts_whatever_the_login_is_called(tmp_path: Path) -> None:
    accounts = {"anna@example.test": "ben@example.test"}
    async with guarded(tmp_path, accounts=accounts) as house:
        await house.submit("anna", [BERLIN, PRESS])
        nobody = await call("expire", tmp_path, "--account", "clara", "--yes")
        assert ["held"] == house.states()
        by_mailbox = await call("expire", tmp_path, "--account", "ben@example.test", "--yes")
        assert ["expired"] == house.states()

    assert "No mail of this account waits for an answer." in nobody.stdout
    assert "1 mail dropped" in by_mailbox.stdout


async def test_mail_that_was_held_in_an_earlier_week_is_found(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, PRESS])
        week = week_of((datetime.now(UTC) - timedelta(days=7)).date())
        key = KeyFolder(tmp_path / "state" / "keys").week_key(week, create=True)
        tag = account_tag(key, Directory(Policy(), account_domain="example.test").account("anna"))
        connection = sqlite3.connect(tmp_path / "state" / "holds.sqlite3")
        with connection:
            connection.execute("UPDATE held SET week = ?, tag_account = ?", (week, tag))
        connection.close()
        said = await call("expire", tmp_path, "--account", "anna", "--yes")

        assert ["expired"] == house.states()
    assert "1 mail dropped" in said.stdout


async def test_whoever_does_not_say_yes_drops_nothing(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, PRESS])
        no = await call("expire", tmp_path, "--account", "anna", text="n\n")
        assert ["held"] == house.states()
        yes = await call("expire", tmp_path, "--account", "anna", text="y\n")
        assert ["expired"] == house.states()

    assert no.exit_code == 1
    assert "1 mail of this account waiting for an answer. Nobody will be told, and nothing comes back." in no.stdout
    assert yes.exit_code == 0


async def test_a_mail_that_is_being_released_is_not_dropped_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smtpguard.tools.expire.TRIES", 2)
    monkeypatch.setattr("smtpguard.tools.expire.PAUSE_SECONDS", 0.01)
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, PRESS])
        notice = await house.letter()
        house.out.on("DATA", then="stall", times=1)
        answered = asyncio.create_task(house.answer("anna", notice, "SEND"))
        await house.out.wait_until(lambda: house.out.commands.count(b"DATA") == 2)
        busy = await call("expire", tmp_path, "--all", "--yes")
        house.out.go_on()
        assert 250 == (await answered).code
        await house.out.wait_until(lambda: len(house.released()) == 1)
        late = await call("expire", tmp_path, "--all", "--yes")
        await house.letter(2)

        assert ["sent"] == house.states()
    assert busy.exit_code == 1
    assert "0 mails dropped" in busy.stdout
    assert "1 are being decided at this moment and were not dropped" in busy.stdout
    assert "No mail waits for an answer." in late.stdout


# ---------------------------------------------------------------- --all, --now


async def test_all_of_it(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        for name in MEMBERS:
            await house.submit(name, [BERLIN, ALL], subject=f"of {name}")
        said = await call("expire", tmp_path, "--all", "--yes")

        assert ["expired"] * 3 == house.states()
        assert 3 == len(house.own_mail())
    assert "3 mails dropped. Nobody was told." in said.stdout


async def test_all_of_it_may_be_more_than_there_is_memory(tmp_path: Path) -> None:
    size, number = 1024 * 1024, 24
    settings = Settings().overridden(state_dir=tmp_path / "state")
    store = await SQLiteStore.open(tmp_path / "state" / "holds.sqlite3", lambda: datetime.now(UTC))
    keys = KeyFolder(tmp_path / "state" / "keys")
    expire = Expire(settings, store, keys)
    rows = [a_row(box=os.urandom(size), expires=datetime.now(UTC) + timedelta(days=1)) for _ in range(number)]
    keys.day_key(NOW.date(), create=True)
    for row in rows:
        assert await store.add(row)
    ids = [row.id for row in rows]
    del rows, row

    tracemalloc.start()
    try:
        dropped = await expire.drop(ids)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        await expire.close()
        await store.close()

    assert (number, 0) == (dropped.gone, dropped.busy)
    assert set(ids) == keys.decisions(NOW.date()).keys()
    assert most < number * size / 2


async def test_now_drops_what_is_due_and_tells_its_senders_also_while_no_guard_runs(tmp_path: Path) -> None:
    async with guarded(tmp_path, defaults={"expires": "1s"}, sweep_seconds=3600) as house:
        await house.submit("anna", [BERLIN, PRESS], subject="hasty")
    async with guarded(tmp_path, sweep_seconds=3600) as house:
        await house.submit("ben", [BERLIN, PRESS], subject="not due")
    async with FakeUpstream(users=PASSWORDS) as up, FakeUpstream(xclient=XCLIENT) as out:
        write_config(tmp_path, up, out)
        house.out = out
        await asyncio.sleep(1.1)  # its time is over
        said = await call("expire", tmp_path, "--now")
        line = await house.letter()
        again = await call("expire", tmp_path, "--now")

    assert ["expired", "held"] == house.states()
    assert "1 mail whose time was over went" in said.stdout
    assert "0 mails whose time was over went" in again.stdout
    assert "ben" not in str(line["To"])
    assert "We had no answer by" in body(line)


async def test_now_tells_senders_in_the_site_s_own_words(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "en.yaml").write_text("expired:\n  subject: Gone unsent, comrade\n", "utf-8")
    async with guarded(tmp_path, defaults={"expires": "1s"}, sweep_seconds=3600) as house:
        await house.submit("anna", [BERLIN, PRESS])
    async with FakeUpstream(users=PASSWORDS) as up, FakeUpstream(xclient=XCLIENT) as out:
        write_config(tmp_path, up, out)
        house.out = out
        await asyncio.sleep(1.1)  # its time is over
        await call("expire", tmp_path, "--now")
        line = await house.letter()

    assert "Gone unsent, comrade" == line["Subject"]


async def test_the_figures_count_it_as_unanswered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with guarded(tmp_path, defaults={"expires": "1h"}) as house:
        for number in range(6):
            await house.submit("anna", [BERLIN, PRESS], subject=f"Minutes {number}")
        await call("expire", tmp_path, "--account", "anna", "--yes")
    monkeypatch.setattr(commands, "_now", lambda: datetime.now(UTC) + timedelta(days=30))
    said = await call("stats", tmp_path, "--since", "60d", "--format", "json")

    assert 6 == json.loads(said.stdout)["lines"][0]["total"]["no_answer"]


# ---------------------------------------------------------------- what makes no sense


def test_a_command_line_that_makes_no_sense(tmp_path: Path) -> None:
    (tmp_path / "smtpguard.yaml").write_text("list_domains: [lists.example.test]\n", "utf-8")
    config = ("--config", tmp_path / "smtpguard.yaml")

    assert run("expire", *config).exit_code == 2
    assert run("expire", *config, "--all", "--now").exit_code == 2
    said = run("expire", *config, "--all")
    assert said.exit_code == 2
    assert 'this guard holds no mail: "address" is missing' in said.stderr


async def test_expire_where_no_guard_has_been(tmp_path: Path) -> None:
    async with FakeUpstream() as up, FakeUpstream() as out:
        write_config(tmp_path, up, out)
        said = await call("expire", tmp_path, "--all", "--yes")

    assert said.exit_code == 69
    assert "is this the state_dir of your guard?" in said.stderr
    assert not (tmp_path / "state").exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can pass through: pytest closes its own to others, each time that one starts."""
    with tempfile.TemporaryDirectory(prefix="smtpguard-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can act as the guard's user")
async def test_root_works_as_the_guard_s_user_and_leaves_nothing_of_root_s(open_folder: Path) -> None:
    async with guarded(open_folder) as house:
        await house.submit("anna", [BERLIN, PRESS])
    state = open_folder / "state"
    for each in (state, *state.rglob("*")):
        os.chown(each, 12345, 12345)
    where = ("--config", open_folder / "smtpguard.yaml", "--state-dir", state)

    counted = await asyncio.to_thread(run_program, "held", *where)
    looked = await asyncio.to_thread(run_program, "doctor", *where, "--outside", "127.0.0.1:1")
    dropped = await asyncio.to_thread(run_program, "expire", "--account", "anna", "--yes", *where)

    assert (0, "") == (counted.returncode, counted.stderr)
    assert "the day keys are those that waiting mail needs" in looked.stdout
    assert f"{state}/holds.sqlite3: whole" in looked.stdout
    assert (0, "") == (dropped.returncode, dropped.stderr)
    assert "1 mail dropped" in dropped.stdout
    assert {12345} == {each.stat().st_uid for each in (state, *state.rglob("*"))}
