"""Each configuration is played in a process of its own, so that two take hardly longer than one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from smtpguard import maillog
from smtpguard.key_file import KeyFolderError
from smtpguard.process import harden, keep_what_is_loaded
from smtpguard.store import StoreError
from smtpguard.tools.replay.gathering import Gathered
from smtpguard.tools.replay.playing import Configuration, Fate, Unjudged, played

# So many fates come over at once.
BATCH = 50
# What a process that was told to end may take for it.
END_SECONDS = 10.0

Fates = Sequence[Fate | Unjudged]
# Told how many mails have been judged, of all configurations together.
Tell = Callable[[int], None]


class ReplayError(Exception):
    """A configuration could not be played to its end; the text says why."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What one process does; `folder` is for its memory, and not there yet."""

    configuration: Configuration
    gathered: Gathered
    folder: Path


def play(configurations: Sequence[Configuration], gathered: Gathered, folder: Path, tell: Tell) -> tuple[Fates, ...]:
    """The fates of all mails under each of `configurations`; `folder` is a new one for all that is kept meanwhile.

    Raises ReplayError.
    """
    works = [_Work(each, gathered, folder / str(number)) for number, each in enumerate(configurations)]
    fates: list[list[Fate | Unjudged]] = [[] for _ in works]
    with _processes(works) as ends:
        numbers = {each: number for number, each in enumerate(ends)}
        while numbers:
            for end in wait(list(numbers)):
                assert isinstance(end, Connection)  # noqa: S101 - nothing else is waited for
                number = numbers[end]
                try:
                    said: list[Fate | Unjudged] | str | None = end.recv()
                except EOFError as error:
                    raise ReplayError(f"{configurations[number].name}: the process that judged has died") from error
                if isinstance(said, str):
                    raise ReplayError(f"{configurations[number].name}: {said}")
                if said is None:
                    del numbers[end]
                else:
                    fates[number] += said
                    tell(sum(map(len, fates)))
    return tuple(fates)


@contextmanager
def _processes(works: Sequence[_Work]) -> Iterator[tuple[Connection, ...]]:
    """A process for each of `works`, and where it tells; they end with the block, whatever happens."""
    # Not by fork: libraries that are loaded here may have threads.
    context = get_context("spawn")
    started: list[tuple[SpawnProcess, Connection]] = []
    try:
        for each in works:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(each, sender), daemon=True)
            started.append((process, receiver))
            process.start()
            # Else its end would not be seen here.
            sender.close()
        yield tuple(receiver for _, receiver in started)
    finally:
        for process, receiver in started:
            receiver.close()
            _end(process)


def _end(process: SpawnProcess) -> None:
    if process.pid is None:
        return
    process.terminate()
    process.join(END_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()


def _work(work: _Work, sender: Connection) -> None:
    # Ctrl-C goes to all processes of a terminal; whoever started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    maillog.set_up("warning")
    harden()
    keep_what_is_loaded()
    try:
        work.folder.mkdir(mode=0o700)
        asyncio.run(_play(work, sender))
    except BrokenPipeError:
        return  # whoever wanted to know is gone
    except (StoreError, KeyFolderError, OSError) as error:
        sender.send(str(error))


async def _play(work: _Work, sender: Connection) -> None:
    batch: list[Fate | Unjudged] = []
    async for fate in played(work.configuration, work.gathered, work.folder):
        batch.append(fate)
        if len(batch) >= BATCH:
            sender.send(batch)
            batch = []
    sender.send(batch)
    sender.send(None)
