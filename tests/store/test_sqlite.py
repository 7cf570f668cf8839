"""What the SQLite store owes beyond the contract: durability, clean files, private files, words for what went wrong."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import pytest

from smtpguard.held import HeldRow, State
from smtpguard.store import LifeSign, StoreError
from smtpguard.store.database import opened, reading, steps_of
from smtpguard.store.sqlite import PURGED_MAX, SQLiteStore
from smtpguard.store.worker import in_worker, number_of
from tests.pipes import a_pipe, told
from tests.store.conftest import HOUR, LASTS, NOW, SetClock, a_row


def files_of(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.parent.iterdir()}


def traces(path: Path, row: HeldRow) -> list[str]:
    """Which parts of `row` still lie in the files, piece by piece."""
    assert row.tags is not None
    parts = {
        "card": row.card,
        "resend": row.tags.resend,
        "account": row.tags.account,
        "message": row.tags.message_id,
        "subject": row.tags.subject,
        "sketch": row.tags.sketch,
    } | {f"box {at}": row.box[at : at + 16] for at in range(0, len(row.box) - 16, 500)}
    contents = b"".join(files_of(path).values())
    return [name for name, octets in parts.items() if octets is not None and octets in contents]


BOX_SIZES = [200, 3000, 200_000]


@pytest.mark.parametrize("size", BOX_SIZES)
@pytest.mark.parametrize("way", ["decide", "expire", "replace", "drop"])
async def test_T_03_after_a_decision_and_tidy_the_files_hold_no_box_card_tag_or_sketch(
    store: SQLiteStore, clock: SetClock, path: Path, way: str, size: int
) -> None:
    row, stays = a_row(box=os.urandom(size)), a_row(expires=NOW + timedelta(days=30))
    await store.add(stays)
    await store.add(row)
    await store.tidy()
    assert len(traces(path, row)) > 5

    match way:
        case "decide":
            claim = await store.claim(row.id, LASTS)
            assert claim is not None
            assert await store.mark_sending(claim, row.box[:16])
            assert await store.decide(claim, State.SENT)
        case "expire":
            clock.pass_by(timedelta(days=4))
            assert await store.expire([row.id])
        case "replace":
            assert await store.replace(row.id)
        case "drop":
            await store.drop(row.id)
    await store.tidy()

    assert traces(path, row) == []
    assert len(traces(path, stays)) > 5
    assert await store.find(stays.id) == stays


async def test_T_03_the_same_holds_when_the_row_never_left_the_log_file(store: SQLiteStore, path: Path) -> None:
    row = a_row(box=os.urandom(50_000))
    await store.add(row)
    assert traces(path, row)

    await store.replace(row.id)
    await store.tidy()

    assert traces(path, row) == []
    assert files_of(path)["holds.sqlite3-wal"] == b""


async def test_T_03_tidy_says_when_a_reader_keeps_the_log_from_being_emptied(path: Path, clock: SetClock) -> None:
    store = await SQLiteStore.open(path, clock, busy_seconds=0.05)
    row = a_row()
    await store.add(row)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM held").fetchone()
    await store.replace(row.id)

    with pytest.raises(StoreError, match="somebody else reads"):
        await store.tidy()
    reader.close()
    await store.tidy()

    assert traces(path, row) == []
    await store.close()


async def test_T_02_in_clear_lie_id_state_times_size_and_tags_and_no_other_column(
    store: SQLiteStore, path: Path
) -> None:
    connection = sqlite3.connect(path)
    columns = {each[1] for each in connection.execute("PRAGMA table_info(held)")}
    connection.close()

    tags = {"week", "tag_resend", "tag_account", "tag_message", "tag_subject", "sketch"}
    clear = {"id", "state", "day", "created", "expires", "decided", "size", "helps", "claim", "claimed_until"}
    assert columns == {"box", "card", "answers"} | tags | clear


@pytest.mark.parametrize("column", ["box", "card", "tag_resend", "tag_account", "sketch", "claim", "answers"])
async def test_T_02_the_database_itself_refuses_a_tombstone_with_anything_left(
    store: SQLiteStore, path: Path, column: str
) -> None:
    row = a_row()
    await store.add(row)
    await store.replace(row.id)
    connection = sqlite3.connect(path)

    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        connection.execute(f"UPDATE held SET {column} = x'00'")

    connection.close()


async def test_settings_that_durability_and_clean_files_rest_on(store: SQLiteStore, path: Path) -> None:
    found = {}
    for name in ("journal_mode", "synchronous", "secure_delete", "temp_store"):
        rows = await store._execute(f"PRAGMA {name}", {})
        found[name] = rows[0][0]

    assert found == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "temp_store": 2}


CHILD = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from smtpguard.store.sqlite import SQLiteStore
from tests.store.conftest import SetClock, a_row

async def main():
    store = await SQLiteStore.open(Path(sys.argv[1]), SetClock())
    for number in range(5):
        await store.add(a_row(id=bytes([number]) * 32))
        os.write(1, b"+")
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_what_add_has_answered_for_outlives_kill_9(path: Path, clock: SetClock) -> None:
    done = subprocess.run([sys.executable, "-c", CHILD, str(path)], check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"+++++"), done.stderr

    store = await SQLiteStore.open(path, clock)

    assert [await store.find(bytes([number]) * 32) is not None for number in range(6)] == [True] * 5 + [False]
    rows = await store._execute("PRAGMA integrity_check", {})
    assert rows[0][0] == "ok"
    await store.close()


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace (make e2e-deps)")
def test_every_add_is_synced_before_it_is_answered(path: Path) -> None:
    command = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,write,pwrite64"]

    done = subprocess.run(
        [*command, sys.executable, "-c", CHILD, str(path)], check=False, capture_output=True, text=True, timeout=120
    )

    before_each = done.stderr.split('"+", 1')[:-1]
    assert len(before_each) == 5
    for calls in before_each:
        last_write = calls.rindex("holds.sqlite3-wal>, ")
        assert "holds.sqlite3-wal>)" in calls[last_write:], "the log was written after its last sync"


async def test_file_and_folder_are_closed_to_others_whatever_the_umask(path: Path, clock: SetClock) -> None:
    before = os.umask(0)
    try:
        store = await SQLiteStore.open(path, clock)
        await store.add(a_row())
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}
    assert len(files_of(path)) == 3
    await store.close()


@pytest.mark.parametrize(("which", "mode", "remedy"), [("folder", 0o755, "chmod 700"), ("file", 0o644, "chmod 600")])
async def test_what_others_can_read_is_refused_with_the_remedy(
    path: Path, clock: SetClock, which: str, mode: int, remedy: str
) -> None:
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o600)
    (path.parent if which == "folder" else path).chmod(mode)

    with pytest.raises(StoreError, match=remedy):
        await SQLiteStore.open(path, clock)


async def test_a_newer_schema_is_refused_with_words_and_left_alone(path: Path, clock: SetClock) -> None:
    store = await SQLiteStore.open(path, clock)
    await store.close()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO schema_version VALUES (9999, 0)")
    connection.commit()
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match="newer smtpguard: it has schema 9999"):
        await SQLiteStore.open(path, clock)
    assert path.read_bytes() == before


async def test_opening_again_keeps_what_is_there(path: Path, clock: SetClock) -> None:
    row = a_row()
    for _ in range(2):
        store = await SQLiteStore.open(path, clock)
        if await store.find(row.id) is None:
            await store.add(row)
        await store.close()

    store = await SQLiteStore.open(path, clock)
    assert await store.find(row.id) == row
    versions = await store._execute("SELECT version FROM schema_version", {})
    assert [each[0] for each in versions] == [1, 2, 3, 4, 5]
    await store.close()


@pytest.mark.slow
async def test_several_that_open_a_new_file_together_all_succeed(path: Path, clock: SetClock) -> None:
    for number in range(40):
        file = path.with_name(f"{number}.sqlite3")

        stores = await asyncio.gather(*(SQLiteStore.open(file, clock) for _ in range(6)))

        for store in stores:
            await store.add(a_row())
        for store in stores:
            await store.close()


async def test_a_file_that_is_no_database_is_a_store_error(path: Path, clock: SetClock) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    path.chmod(0o600)

    with pytest.raises(StoreError, match="not a database"):
        await SQLiteStore.open(path, clock)


async def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path, clock: SetClock) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="cannot be opened"):
        await SQLiteStore.open(tmp_path / "file" / "state" / "holds.sqlite3", clock)


async def test_a_full_disk_is_a_store_error_and_passes(store: SQLiteStore) -> None:
    kept = a_row()
    await store.add(kept)
    pages = (await store._execute("PRAGMA page_count", {}))[0][0]
    await store._execute(f"PRAGMA max_page_count = {pages + 2}", {})
    row = a_row(box=os.urandom(100_000))

    with pytest.raises(StoreError, match="SQLITE_FULL"):
        await store.add(row)
    assert await store.find(row.id) is None
    assert await store.find(kept.id) == kept

    await store._execute("PRAGMA max_page_count = 1000000", {})
    await store.add(row)
    assert await store.find(row.id) == row


FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from smtpguard.store import StoreError
from smtpguard.store.sqlite import SQLiteStore
from tests.store.conftest import SetClock, a_row

async def main():
    store = await SQLiteStore.open(Path(sys.argv[1]), SetClock())
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    row = a_row(box=b"x" * 1_000_000)
    try:
        await store.add(row)
    except StoreError as error:
        print("refused", await store.find(row.id))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.add(row)
    print("taken", (await store.find(row.id)) == row)
    await store.close()

asyncio.run(main())
"""


def test_a_write_that_the_system_refuses_is_a_store_error_and_passes_without_restart(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], check=False, capture_output=True, text=True, timeout=60
    )

    assert done.stdout.splitlines() == ["refused None", "taken True"], done.stderr


async def test_a_locked_database_is_a_store_error_and_passes(path: Path, clock: SetClock) -> None:
    store = await SQLiteStore.open(path, clock, busy_seconds=0.05)
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    row = a_row()

    with pytest.raises(StoreError, match="SQLITE_BUSY"):
        await store.add(row)
    lock.execute("ROLLBACK")
    lock.close()
    await store.add(row)

    assert await store.find(row.id) == row
    await store.close()


READ_ONLY = """
import asyncio, os, sys
from pathlib import Path
from smtpguard.store import StoreError
from smtpguard.store.sqlite import SQLiteStore
from tests.store.conftest import SetClock, a_row

async def main():
    path = Path(sys.argv[1])
    store = await SQLiteStore.open(path, SetClock())
    await store.close()
    path.chmod(0o400)
    if os.geteuid() == 0:
        os.chown(path.parent, 65534, 65534)
        os.chown(path, 65534, 65534)
        os.setgid(65534)
        os.setuid(65534)
    try:
        store = await SQLiteStore.open(path, SetClock())
        await store.add(a_row())
    except StoreError as error:
        print(error)

asyncio.run(main())
"""


def test_a_read_only_file_is_a_store_error() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, into which only one user can look
        Path(folder).chmod(0o711)

        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, f"{folder}/state/holds.sqlite3"],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert "attempt to write a readonly database" in done.stdout, done.stderr


async def test_errors_tell_nothing_of_what_was_stored(store: SQLiteStore) -> None:
    row = a_row()
    await store.add(row)

    with pytest.raises(StoreError) as caught:
        await store.add(row)

    assert str(caught.value) == "the database refused: UNIQUE constraint failed: held.id (SQLITE_CONSTRAINT_PRIMARYKEY)"


@pytest.mark.parametrize("gone", ["holds.sqlite3", "holds.sqlite3-wal", "holds.sqlite3-shm", "lock", "state"])
@pytest.mark.parametrize("replaced", [False, True])
async def test_nothing_is_promised_once_a_file_was_removed_or_replaced(
    path: Path, clock: SetClock, gone: str, replaced: bool
) -> None:
    path.parent.mkdir(mode=0o700)
    lock = path.parent / "lock"
    lock.touch(0o600)
    store = await SQLiteStore.open(path, clock, beside=[lock])
    try:
        row = a_row()
        await store.add(row)
        victim = path.parent if gone == "state" else path.parent / gone
        victim.rename(moved := path.parent.parent / "moved")
        if replaced and moved.is_dir():
            shutil.copytree(moved, victim)
        elif replaced:
            shutil.copyfile(moved, victim)
        for call in (
            store.add(a_row()),
            store.claim(row.id, LASTS),
            store.find(row.id),
            store.replace(row.id),
            store.sign_of_life(),
        ):
            with pytest.raises(StoreError, match="was removed or replaced"):
                await call
    finally:
        await store.close()


async def test_another_process_that_comes_and_goes_changes_no_file(
    store: SQLiteStore, path: Path, clock: SetClock
) -> None:
    row = a_row()
    other = await SQLiteStore.open(path, clock)
    await other.add(row)
    await other.tidy()
    await other.close()

    await store.tidy()
    assert await store.claim(row.id, LASTS) is not None


async def test_claims_of_a_former_process_lapse_at_start(store: SQLiteStore) -> None:
    rows = [a_row(), a_row(), a_row()]
    for row in rows:
        await store.add(row)
    old, sending = [await store.claim(row.id, LASTS) for row in rows[:2]]
    assert old is not None
    assert sending is not None
    await store.mark_sending(sending)

    assert await store.release_claims() == 2
    assert await store.release_claims() == 0

    assert not await store.mark_sending(old)
    again = [await store.claim(row.id, LASTS) for row in rows[:2]]
    assert [each is not None and each.interrupted for each in again] == [False, True]
    assert None not in again


async def test_what_each_sweep_asks_is_read_from_an_index_and_never_from_the_boxes(path: Path, clock: SetClock) -> None:
    store = await SQLiteStore.open(path, clock)
    asked: list[str] = []
    await in_worker(store._worker, lambda: store._connection.set_trace_callback(asked.append))
    await store.waiting_days()
    await store.waiting_subjects()
    await store.release_claims()
    await in_worker(store._worker, lambda: store._connection.set_trace_callback(None))

    asked = [each for each in asked if not each.startswith("PRAGMA")]
    assert 3 == len(asked)
    for each in asked:
        plan = " ".join(row["detail"] for row in await store._execute(f"EXPLAIN QUERY PLAN {each}", {}))
        assert "INDEX" in plan
        assert each.startswith("UPDATE") or "COVERING INDEX" in plan
    await store.close()


async def test_a_backlog_of_tombstones_goes_in_parts(path: Path, clock: SetClock) -> None:
    store = await SQLiteStore.open(path, clock)
    await store._execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) "
        "INSERT INTO held (id, state, decided) SELECT randomblob(32), 'sent', 1 FROM n",
        {},
    )

    assert [PURGED_MAX, PURGED_MAX, 2500 - 2 * PURGED_MAX, 0] == [
        await store.purge_tombstones(timedelta(days=30)) for _ in range(4)
    ]
    await store.close()


async def test_calls_that_wait_for_a_lock_wait_together_and_not_one_after_the_other(
    path: Path, clock: SetClock
) -> None:
    store = await SQLiteStore.open(path, clock, busy_seconds=1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    refused = await asyncio.gather(*(store.add(a_row()) for _ in range(30)), return_exceptions=True)
    took = time.monotonic() - begun
    other.execute("ROLLBACK")
    other.close()

    assert {StoreError} == {type(each) for each in refused}
    assert took < 15  # one second for each would be 30
    await store.add(a_row())
    await store.close()


@pytest.mark.parametrize("step", [1, 2, 3, 4])
async def test_an_older_database_is_upgraded_with_rows_in_every_state(path: Path, clock: SetClock, step: int) -> None:
    rows = {state: a_row() for state in State}
    path.parent.mkdir(mode=0o700)
    connection = sqlite3.connect(path, isolation_level=None)
    path.chmod(0o600)
    connection.execute("CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY, applied INTEGER NOT NULL)")
    for number in range(1, step + 1):
        connection.executescript(steps_of("")[number])
        connection.execute("INSERT INTO schema_version VALUES (?, 1)", (number,))
    for state, row in rows.items():
        if state.waiting:
            assert row.tags is not None
            connection.execute(
                "INSERT INTO held (id, state, day, created, expires, size, box, card, week, tag_account, tag_subject, "
                "claim, claimed_until) VALUES (?, ?, '2026-11-22', ?, ?, 1234, ?, ?, '2026-W47', ?, ?, ?, ?)",
                (
                    row.id, state.value, number_of(NOW), number_of(NOW + HOUR), row.box, row.card, row.tags.account,
                    row.tags.subject, *((b"nonce", number_of(NOW + HOUR)) if state is State.SENDING else (None, None)),
                ),
            )  # fmt: skip
        else:
            values = (row.id, state.value, number_of(NOW))
            connection.execute("INSERT INTO held (id, state, decided) VALUES (?, ?, ?)", values)
    connection.execute("INSERT INTO sign_of_life (only_row, seen) VALUES (1, ?)", (number_of(NOW - HOUR),))
    connection.close()

    store = await SQLiteStore.open(path, clock)
    try:
        assert LifeSign(NOW, NOW - HOUR) == await store.sign_of_life()
        assert 1 == await store.release_claims()
        for state, row in rows.items():
            found = await store.find(row.id)
            assert found is not None
            assert state is found.state
            assert row.box == found.box if state.waiting else b"" == found.box
            claim = await store.claim(row.id, LASTS)
            assert state.waiting is (claim is not None)
            assert claim is None or claim.interrupted is (state is State.SENDING)
    finally:
        await store.close()


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
def test_a_pipe_in_place_of_one_of_its_files_is_refused_and_not_waited_for(path: Path, end: str) -> None:
    opened(path, 0, 1.0).close()
    pipe = a_pipe(path.with_name(path.name + end))

    for each in (told(lambda: opened(path, 0, 1.0)), told(lambda: reading(path).execute("SELECT * FROM held"))):
        assert isinstance(each, StoreError), each
        assert str(each) == f"{pipe} is not a regular file"
