"""Notices that settings files were changed: told by the system where it can, and by a look every few seconds.

Being told (inotify) is quick but not sure: it knows nothing of changes made on another machine (NFS), behind a link
that leads elsewhere, or in a folder that took the place of the one watched. So what counts is always the look: names,
times, sizes and inodes, links followed. The look says as well whether somebody is still writing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import closing
from pathlib import Path

from watchfiles import Change, watch

from smtpguard import maillog
from smtpguard.turns import Turns

# A look costs some milliseconds with a thousand lists.
LOOK_SECONDS = 2.0
# An editor writes, renames and removes within some milliseconds, `git pull` some hundred files in less than this.
QUIET_SECONDS = 0.4
# A file that is written to for ever must not keep all others waiting.
RESTLESS_MAX_SECONDS = 10.0
# How long the system's changes are collected (ms), and how often the thread that waits for them looks up (ms).
_COLLECT_MS, _STEP_MS = 100, 50

# Device, inode, size, mtime and ctime of each file by its name; None where there is none.
Look = dict[str, tuple[int, ...] | None]


class Watch:
    """The file `site`, all files of the folder `lists`, and the files that `named` gives, wherever they are."""

    def __init__(
        self,
        site: Path,
        lists: Path,
        named: Callable[[], Iterable[Path]] = tuple,
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._site = site
        self._lists = lists
        self._named = named
        self._names = (str(site), str(lists))
        self._also: frozenset[str] = frozenset()
        self._look_seconds = look_seconds
        self._is_told = True

    async def changes(self) -> AsyncIterator[None]:
        """One item each time files have changed and are at rest again; what changes meanwhile is the next item.

        The first item comes once they are at rest: nobody looked before.
        """
        last = await self._at_rest(await self._look())
        yield
        while True:
            await self._wait()
            now = await self._look()
            if now == last:
                continue
            last = await self._at_rest(now)
            yield

    async def _at_rest(self, now: Look) -> Look:
        """Wait until nothing changes any more: a half-written file would be told to its admin as a mistake."""
        for _ in range(int(RESTLESS_MAX_SECONDS / QUIET_SECONDS)):
            before = now
            await asyncio.sleep(QUIET_SECONDS)
            now = await self._look()
            if now == before:
                break
        return now

    async def _wait(self) -> None:
        """Until the system tells of a change, or it is time for a look."""
        if self._is_told:
            over = threading.Event()
            try:
                await asyncio.to_thread(self._told, over)
                return
            except (OSError, RuntimeError) as error:
                # No inotify here, or its limits are reached (fs.inotify.max_user_watches): the look is left.
                self._is_told = False
                maillog.warning("the settings folder cannot be watched; it is looked at", why=str(error))
            finally:
                over.set()
        await asyncio.sleep(self._look_seconds)

    def _told(self, over: threading.Event) -> None:
        """In a thread, which ends with the wait. `awatch` would do the same, by a library that takes 1 MB."""
        named = tuple(self._named())
        self._also = frozenset(map(str, named))
        folders = [
            self._site.parent,
            *(each for each in (self._lists, *(one.parent for one in named)) if each.is_dir()),
        ]
        told = watch(
            *dict.fromkeys(folders),
            watch_filter=self._is_ours,
            debounce=_COLLECT_MS,
            step=_STEP_MS,
            stop_event=over,
            rust_timeout=int(self._look_seconds * 1000),
            yield_on_timeout=True,
            recursive=False,
        )
        with closing(told):
            next(told, None)

    def _is_ours(self, _: Change, name: str) -> bool:
        """False for neighbours of the site file. `..data` is what Kubernetes swaps when files change."""
        # Asked some thousand times at once when all files change: no Path is made.
        folder, file = name.rpartition("/")[::2]
        return name in self._names or name in self._also or folder == self._names[1] or file.startswith("..")

    async def _look(self) -> Look:
        return await asyncio.to_thread(self._look_now)

    def _look_now(self) -> Look:
        # No name of a file has a slash in it.
        look = {"": _stamp(self._site)} | {f"/{each}": _stamp(each) for each in self._named()}
        turns = Turns()
        try:
            for each in self._lists.iterdir():
                look[each.name] = _stamp(each)
                turns.give()
        except OSError:
            pass  # the folder is not there, which is a look as well
        return look


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except (OSError, ValueError, RuntimeError):
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
