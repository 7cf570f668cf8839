"""Processes that are measured: started in groups of their own, ended by the keeper, read from /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.stack.keeper import Keeper
from tests.ports import answers, wait_until

START = 30.0  # seconds; Haraka takes two
TREE = Path(__file__).parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")


def start(
    keeper: Keeper, name: str, command: list[str], port: int, folder: Path, environment: Mapping[str, str] | None = None
) -> int:
    """Start a program that listens on `port`; its process id is its group's. Raises RuntimeError, TimeoutError."""
    log = folder / f"{name.replace(' ', '-')}-{port}.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            command,
            cwd=TREE,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    keeper.child(name, process)

    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended at its start with {process.returncode}:\n{log.read_text()[-2000:]}")
        return answers(port)

    wait_until(f"{name} answers", ready, START)
    return process.pid


def python(*arguments: str) -> list[str]:
    """A command for this interpreter."""
    return [sys.executable, *arguments]


@dataclass(frozen=True)
class System:
    """One way from client to sink. `group` is its process group, 0 for direct; `idle` tells when its queue is empty."""

    name: str
    port: int
    group: int = 0
    idle: Callable[[], bool] = lambda: True
    login: bool = False

    def cpu_seconds(self) -> float:
        """User and system time of all its processes, those that have ended included."""
        total = 0
        for pid, fields in _group(self.group):
            total += int(fields[11]) + int(fields[12])
            if pid == self.group:
                total += int(fields[13]) + int(fields[14])
        return total / _TICKS

    def pss_octets(self) -> int:
        """Proportional set size of all its processes; 0 if the system does not show it to this user."""
        total = 0
        for pid, _ in _group(self.group):
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
        return total


def _group(group: int) -> Iterator[tuple[int, list[str]]]:
    """Process id and fields of /proc/PID/stat from the third on, of each process of the group."""
    if not group:
        return
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            yield int(entry.name), fields
