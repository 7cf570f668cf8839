"""Keys: made once for everybody, durable before use, gone when erased, refused where others can read them."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
import threading
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.key_file import KeyFolderError
from smtpguard.keys import KeyFolder, week_of
from tests.pipes import a_pipe, told

DAY = date(2026, 11, 22)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def key_in_child(folder: str) -> bytes:
    return KeyFolder(Path(folder)).day_key(DAY, create=True)


def test_a_day_has_one_key_of_32_octets_that_another_object_reads_too(folder: Path) -> None:
    key = KeyFolder(folder).day_key(DAY, create=True)

    assert len(key) == 32
    assert KeyFolder(folder).day_key(DAY) == key
    assert KeyFolder(folder).day_key(DAY, create=True) == key
    assert KeyFolder(folder).day_key(DAY + timedelta(days=1), create=True) != key


def test_a_missing_key_is_none_and_is_not_made(folder: Path) -> None:
    keys = KeyFolder(folder)

    assert keys.day_key(DAY) is None
    assert keys.week_key("2026-W47") is None
    assert not any(folder.iterdir())


def test_folder_and_files_are_closed_to_others_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        keys = KeyFolder(folder)
        keys.day_key(DAY, create=True)
        keys.week_key("2026-W47", create=True)
    finally:
        os.umask(before)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {
        "day-2026-11-22.key": 0o600,
        "week-2026-W47.key": 0o600,
    }


def test_threads_that_start_together_get_the_same_key(folder: Path) -> None:
    start = threading.Barrier(8)
    found: list[bytes] = []

    def ask() -> None:
        keys = KeyFolder(folder)
        start.wait()
        found.append(keys.day_key(DAY, create=True))

    for _ in range(20):
        found.clear()
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert len(set(found)) == 1
        assert KeyFolder(folder).erase_day(DAY)


@pytest.mark.slow
def test_processes_that_start_together_get_the_same_key(folder: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.map(key_in_child, [str(folder)] * 12, chunksize=1)

    assert len(set(found)) == 1


def test_an_erased_key_is_gone_for_everybody_and_a_new_one_differs(folder: Path) -> None:
    one, other = KeyFolder(folder), KeyFolder(folder)
    key = one.day_key(DAY, create=True)

    assert other.erase_day(DAY)

    assert one.day_key(DAY) is None
    assert not any(folder.iterdir())
    assert not other.erase_day(DAY)
    assert one.day_key(DAY, create=True) != key


def test_erasing_overwrites_the_octets(folder: Path) -> None:
    keys = KeyFolder(folder)
    key = keys.day_key(DAY, create=True)
    file = folder / "day-2026-11-22.key"
    second_name = folder.parent / "kept"
    os.link(file, second_name)

    keys.erase_day(DAY)

    assert key not in second_name.read_bytes()


def test_erasing_finds_what_a_crash_left_of_making_the_key(folder: Path) -> None:
    keys = KeyFolder(folder)
    key = keys.day_key(DAY, create=True)
    os.link(folder / "day-2026-11-22.key", folder / "day-2026-11-22.key.new-0123456789abcdef")

    keys.erase_day(DAY)

    assert not any(key in each.read_bytes() for each in folder.iterdir())


def test_days_and_weeks_are_listed_oldest_first_and_strange_files_are_left_alone(folder: Path) -> None:
    keys = KeyFolder(folder)
    for number in (3, 1, 2):
        keys.day_key(date(2026, 11, number), create=True)
        keys.week_key(f"2026-W0{number}", create=True)
    (folder / "README").write_text("?")

    assert keys.days() == (date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 3))
    assert keys.weeks() == ("2026-W01", "2026-W02", "2026-W03")
    assert (folder / "README").exists()


def test_weeks_before_one_are_erased_over_the_turn_of_the_year(folder: Path) -> None:
    keys = KeyFolder(folder)
    for week in ("2025-W52", "2026-W01", "2026-W53", "2027-W01"):
        keys.week_key(week, create=True)

    assert keys.erase_weeks("2026-W53") == 2
    assert keys.weeks() == ("2026-W53", "2027-W01")


@given(st.dates())
def test_a_week_is_named_by_iso_8601(day: date) -> None:
    year, week = week_of(day).split("-W")

    monday = date.fromisocalendar(int(year), int(week), 1)
    assert monday <= day
    assert (day - monday).days < 7


def test_known_weeks() -> None:
    assert week_of(DAY) == "2026-W47"
    assert week_of(date(2027, 1, 1)) == "2026-W53"


@pytest.mark.parametrize("week", ["2026-47", "2026-W54", "2026-W00", "../2026-W01", "2026-W01/..", ""])
def test_only_a_week_is_a_week(folder: Path, week: str) -> None:
    with pytest.raises(ValueError, match="2026-W47"):
        KeyFolder(folder).week_key(week, create=True)


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o770, 0o701])
def test_a_folder_that_others_can_enter_is_refused_with_the_remedy(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)

    with pytest.raises(KeyFolderError, match=f"mode {mode:04o}.*chmod 700"):
        KeyFolder(folder)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused_with_the_remedy(folder: Path, mode: int) -> None:
    keys = KeyFolder(folder)
    keys.day_key(DAY, create=True)
    (folder / "day-2026-11-22.key").chmod(mode)

    with pytest.raises(KeyFolderError, match=r"day-2026-11-22\.key.*chmod 600"):
        keys.day_key(DAY)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused(folder: Path) -> None:
    keys = KeyFolder(folder)
    keys.day_key(DAY, create=True)
    os.chown(folder / "day-2026-11-22.key", 12345, -1)

    with pytest.raises(KeyFolderError, match="user 12345"):
        keys.day_key(DAY)


@pytest.mark.parametrize("octets", [b"", b"x" * 31, b"x" * 33])
def test_a_damaged_key_is_an_error_and_is_not_replaced(folder: Path, octets: bytes) -> None:
    keys = KeyFolder(folder)
    keys.day_key(DAY, create=True)
    (folder / "day-2026-11-22.key").write_bytes(octets)

    with pytest.raises(KeyFolderError, match="32 octets"):
        keys.day_key(DAY, create=True)
    assert (folder / "day-2026-11-22.key").read_bytes() == octets


def test_a_key_of_zeros_is_never_used(folder: Path) -> None:
    """That is what a reader sees who opened the file while it was erased."""
    keys = KeyFolder(folder)
    keys.day_key(DAY, create=True)
    (folder / "day-2026-11-22.key").write_bytes(bytes(32))

    assert keys.day_key(DAY) is None
    with pytest.raises(KeyFolderError, match="zeros"):
        keys.day_key(DAY, create=True)


def test_a_link_in_place_of_a_key_is_refused(folder: Path) -> None:
    keys = KeyFolder(folder)
    elsewhere = folder.parent / "elsewhere"
    elsewhere.write_bytes(b"x" * 32)
    elsewhere.chmod(0o600)
    (folder / "day-2026-11-22.key").symlink_to(elsewhere)

    with pytest.raises(KeyFolderError, match=r"day-2026-11-22\.key"):
        keys.day_key(DAY, create=True)


def test_a_pipe_in_place_of_a_key_is_refused_and_not_waited_for(folder: Path) -> None:
    keys = KeyFolder(folder)
    keys.day_key(DAY, create=True)
    a_pipe(folder / "day-2026-11-22.key")

    error = told(lambda: keys.day_key(DAY))

    assert isinstance(error, KeyFolderError)
    assert "a key file has 32 octets" in str(error)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")

    with pytest.raises(KeyFolderError, match="keys"):
        KeyFolder(tmp_path / "keys")


TRACED = """
import sys
from datetime import date
from pathlib import Path
from smtpguard.keys import KeyFolder
KeyFolder(Path(sys.argv[1])).day_key(date(2026, 11, 22), create=True)
Path("/used").exists()
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace (make e2e-deps)")
def test_file_and_folder_are_on_the_disk_before_the_key_is_used(folder: Path) -> None:
    command = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,link,linkat,stat,newfstatat"]

    done = subprocess.run(
        [*command, sys.executable, "-c", TRACED, str(folder)], check=True, capture_output=True, text=True, timeout=120
    )

    calls = done.stderr
    file = calls.index(f"<{folder}/day-2026-11-22.key.new-")
    name = calls.index("link(", file)
    synced = calls.index(f"<{folder}>)", name)
    assert file < name < synced < calls.index('"/used"')


def test_a_key_that_takes_the_place_of_a_lost_one_is_synced_like_the_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, synced = KeyFolder(folder), []
    keys.day_key(date(2026, 11, 22), create=True)
    (folder / "day-2026-11-22.key").unlink()
    monkeypatch.setattr("smtpguard.keys.sync_folder", synced.append)
    keys.day_key(date(2026, 11, 22), create=True)

    assert [folder] == synced
