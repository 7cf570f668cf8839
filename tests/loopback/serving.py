"""`smtpguard serve` as a process of its own, started and ended as an admin would."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Serving:
    """A running guard. `log` is its stderr so far."""

    process: asyncio.subprocess.Process
    ports: list[int]
    log: bytearray = field(default_factory=bytearray)

    async def ended(self, seconds: float = 30) -> int:
        """Wait until it has ended; its exit code, -9 if it was killed."""
        async with asyncio.timeout(seconds):
            return await self.process.wait()


# The guard takes uvloop if it can be imported.
LOOPS = {
    "asyncio": ("-c", "import sys; sys.modules['uvloop'] = None; from smtpguard.cli import main; main()"),
    "uvloop": ("-m", "smtpguard"),
}


async def start(
    config: Path | None, *options: str, fail_at: str | None = None, stop_at: str | None = None, loop: str = "uvloop",
    files: int | None = None,
) -> Serving:  # fmt: skip
    """Start `serve` and wait until it listens. Raises AssertionError with its log if it ends instead.

    `files` is the hard limit of open files (RLIMIT_NOFILE).
    """
    environment = {key: value for key, value in os.environ.items() if key != "SMTPGUARD_FAIL_AT"}
    if fail_at is not None:
        environment["SMTPGUARD_FAIL_AT"] = fail_at
    if stop_at is not None:
        environment["SMTPGUARD_STOP_AT"] = stop_at
    limit = () if files is None else ("prlimit", f"--nofile={files}:{files}")
    named = () if config is None else ("--config", str(config))
    process = await asyncio.create_subprocess_exec(
        *limit, sys.executable, *LOOPS[loop], "serve", *named, *options, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=None if config is None else config.parent,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(60):
        line = (await process.stdout.readline()).decode()
    assert line.startswith("listening on port"), f"{line!r} {(await process.stderr.read()).decode()}"  # type: ignore[union-attr]
    serving = Serving(process, [int(word) for word in line.split()[3:]])
    serving._reader = asyncio.create_task(_read(process.stderr, serving.log))  # type: ignore[attr-defined, arg-type]
    return serving


async def _read(stream: asyncio.StreamReader, log: bytearray) -> None:
    while data := await stream.read(65536):
        log += data


@asynccontextmanager
async def serving(config: Path | None, *options: str, **how: Any) -> AsyncIterator[Serving]:
    """A guard that is ended by SIGTERM at the latest when the block is left; `how` as in `start`."""
    guard = await start(config, *options, **how)
    try:
        yield guard
    finally:
        if guard.process.returncode is None:
            guard.process.send_signal(signal.SIGTERM)
            await guard.ended()
        await guard._reader  # type: ignore[attr-defined]
