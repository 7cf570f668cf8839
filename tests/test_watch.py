"""Settings files that change in every way in which editors, git and Kubernetes change them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

import smtpguard.watch
from smtpguard.watch import Watch


@pytest.fixture(autouse=True)
def quickly_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtpguard.watch, "QUIET_SECONDS", 0.05)


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """A folder with a site file and one list, which Kubernetes might have mounted."""
    for name in ("..one", "..two", "lists"):
        (tmp_path / name).mkdir()
    (tmp_path / "..one" / "kube.yaml").write_text("one")
    (tmp_path / "..two" / "kube.yaml").write_text("two")
    (tmp_path / "smtpguard.yaml").write_text("site")
    (tmp_path / "lists" / "berlin.yaml").write_text("berlin")
    (tmp_path / "lists" / "..data").symlink_to("../..one")
    (tmp_path / "lists" / "kube.yaml").symlink_to("..data/kube.yaml")
    return tmp_path / "lists"


def in_place(lists: Path) -> None:
    with (lists / "berlin.yaml").open("r+") as file:
        file.write("BERLIN")


def by_rename(lists: Path) -> None:
    new = lists / "berlin.yaml.new"
    new.write_text("rename")
    new.rename(lists / "berlin.yaml")


def by_rename_of_the_old_one(lists: Path) -> None:
    (lists / "berlin.yaml").rename(lists / "berlin.yaml~")
    (lists / "berlin.yaml").write_text("vim does so")


def by_swapping_a_link(lists: Path) -> None:
    (lists / "..data_tmp").symlink_to("../..two")
    (lists / "..data_tmp").rename(lists / "..data")


def by_deleting(lists: Path) -> None:
    (lists / "berlin.yaml").unlink()


def by_a_new_file(lists: Path) -> None:
    (lists / "press.yaml").write_text("press")


def of_the_site_file(lists: Path) -> None:
    (lists.parent / "smtpguard.yaml").write_text("changed")


def of_the_whole_folder(lists: Path) -> None:
    lists.rename(lists.parent / "old")
    lists.mkdir()
    (lists / "berlin.yaml").write_text("from another disk")


WAYS = [
    in_place,
    by_rename,
    by_rename_of_the_old_one,
    by_swapping_a_link,
    by_deleting,
    by_a_new_file,
    of_the_site_file,
    of_the_whole_folder,
]


async def next_of(changes: AsyncIterator[None]) -> None:
    async with asyncio.timeout(60):
        await anext(changes)


async def watched(*folders: Path) -> None:
    """Wait until this process has asked the system to tell of `folders`, which Linux says in /proc."""
    wanted = {f"ino:{folder.stat().st_ino:x}" for folder in folders}
    async with asyncio.timeout(60):
        while not wanted <= {word for line in _inotify_lines() for word in line.split()}:
            await asyncio.sleep(0.01)


def _inotify_lines() -> Iterator[str]:
    for each in Path("/proc/self/fdinfo").iterdir():
        with suppress(OSError):  # closed meanwhile
            yield from (line for line in each.read_text().splitlines() if line.startswith("inotify "))


@pytest.mark.parametrize("change", WAYS, ids=lambda change: change.__name__)
async def test_a_change_is_told_by_the_system(lists: Path, change: Callable[[Path], None]) -> None:
    watch = Watch(lists.parent / "smtpguard.yaml", lists, look_seconds=60)
    async with aclosing(watch.changes()) as changes:
        await next_of(changes)  # the first look
        waiting = asyncio.create_task(next_of(changes))
        await watched(lists.parent, lists)
        change(lists)
        await waiting


@pytest.mark.parametrize("change", WAYS, ids=lambda change: change.__name__)
async def test_a_change_is_seen_where_the_system_tells_nothing(
    lists: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise OSError("no inotify")

    monkeypatch.setattr(smtpguard.watch, "watch", refuses)
    watch = Watch(lists.parent / "smtpguard.yaml", lists, look_seconds=0.05)
    async with aclosing(watch.changes()) as changes:
        await next_of(changes)  # the first look
        change(lists)
        await next_of(changes)


async def test_a_folder_that_comes_later_is_seen(tmp_path: Path) -> None:
    (tmp_path / "smtpguard.yaml").write_text("site")
    watch = Watch(tmp_path / "smtpguard.yaml", tmp_path / "lists", look_seconds=60)
    async with aclosing(watch.changes()) as changes:
        await next_of(changes)
        waiting = asyncio.create_task(next_of(changes))
        await watched(tmp_path)
        (tmp_path / "lists").mkdir()
        await watched(tmp_path, tmp_path / "lists")
        (tmp_path / "lists" / "berlin.yaml").write_text("berlin")
        await waiting


@pytest.mark.slow
async def test_a_file_that_is_still_written_is_waited_for(lists: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtpguard.watch, "QUIET_SECONDS", 1.5)
    written = []

    async def write_slowly() -> None:
        with (lists / "berlin.yaml").open("w") as file:
            for piece in range(12):
                file.write(f"line {piece}\n")
                file.flush()
                written.append(piece)
                await asyncio.sleep(0.1)

    watch = Watch(lists.parent / "smtpguard.yaml", lists, look_seconds=0.5)
    async with aclosing(watch.changes()) as changes, asyncio.TaskGroup() as tasks:
        await next_of(changes)  # the first look
        tasks.create_task(write_slowly())
        await next_of(changes)
        assert 12 == len(written)


async def test_neighbours_of_the_site_file_are_nobodys_business(lists: Path) -> None:
    watch = Watch(lists.parent / "smtpguard.yaml", lists, look_seconds=0.05)
    async with aclosing(watch.changes()) as changes:
        await next_of(changes)
        waiting = asyncio.create_task(anext(changes))
        await watched(lists.parent, lists)
        (lists.parent / "notes.txt").write_text("mine")
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        os.utime(lists / "berlin.yaml")
        await asyncio.wait_for(waiting, 60)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A roster in a folder of its own."""
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "roster.txt"
    path.write_text("anna")
    return path


async def test_a_file_elsewhere_that_the_settings_name_is_watched_as_well(lists: Path, elsewhere: Path) -> None:
    named: list[Path] = []
    watch = Watch(lists.parent / "smtpguard.yaml", lists, lambda: named, look_seconds=60)
    async with aclosing(watch.changes()) as changes:
        await next_of(changes)  # the first look
        # From now on they name it, as after a change of the site file.
        named.append(elsewhere)
        waiting = asyncio.create_task(next_of(changes))
        await watched(lists, elsewhere.parent)
        elsewhere.write_text("ben")
        await waiting


async def test_and_is_seen_where_the_system_tells_nothing(
    lists: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise OSError("no inotify")

    monkeypatch.setattr(smtpguard.watch, "watch", refuses)
    watch = Watch(lists.parent / "smtpguard.yaml", lists, lambda: [elsewhere], look_seconds=0.05)
    async with aclosing(watch.changes()) as changes:
        await next_of(changes)  # the first look
        elsewhere.unlink()
        await next_of(changes)
        elsewhere.write_text("ben")
        await next_of(changes)
