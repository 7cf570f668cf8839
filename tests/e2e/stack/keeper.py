"""Ends what the stack started, whatever becomes of the test run.

The test run starts this file as a program of its own and tells it, line by line on its standard input, what there is to
end. When that input closes, it ends everything, last first: because the run is over, or because it was killed. So there
is one way out only, and it does not depend on the test run being alive.

Each server is the leader of a process group of its own; a group is ended by the leader's id, never by a name.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 10.0  # seconds for a server to end by itself; Mailman takes three or four
PAUSE = 0.02  # seconds between two looks at the process table


class Keeper:
    """The test run's end of the line to the keeper."""

    def __init__(self) -> None:
        # A session of its own: Ctrl-C at the terminal must not reach the keeper.
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._children: list[subprocess.Popen[bytes]] = []

    def folder(self, path: Path) -> None:
        """Remove this folder at the end."""
        self._say(f"folder {path}")

    def pid_file(self, path: Path) -> None:
        """End the Postfix master whose process id stands in this file by then."""
        self._say(f"pid_file {path}")

    def child(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """End this process, started with `start_new_session=True`, and all of its group."""
        self._children.append(process)
        self._say(f"group {process.pid} {_born(process.pid)} {name}")

    def end(self) -> None:
        """End everything and wait until it is gone. Raises RuntimeError if something is left.

        A server that had to be killed is a word on stderr, not a failure: the tests were over.
        """
        _, complaints = self._process.communicate(timeout=PATIENCE * 8)
        for child in self._children:
            child.wait(timeout=PATIENCE)
        if self._process.returncode != 0:
            raise RuntimeError(f"something of the end-to-end servers is left: {complaints}")
        sys.stderr.write(complaints)

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the program's name, which may itself hold spaces; empty if gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _born(pid: int) -> str:
    """When the process started, in clock ticks since boot: tells it from a later one with the same id."""
    fields = _stat(pid)
    return fields[19] if fields else "0"


def _living(group: int) -> Iterator[int]:
    """The processes of a group, without those that only wait to be collected by their parent."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields and fields[0] != "Z" and int(fields[2]) == group:
                yield int(entry.name)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return "gone"


def _gone(group: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(_living(group)):
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE)
    return True


def _end_group(leader: int, name: str) -> bool:
    """Ask the leader to end, wait for its group, kill what is left. False if something is there even then."""
    try:
        os.kill(leader, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it ended earlier; its children may not have
    if _gone(leader, PATIENCE):
        return True
    left = ", ".join(f"{pid} {_command(pid)}" for pid in _living(leader))
    print(f"{name} did not end in {PATIENCE:g} s and is killed: {left}", file=sys.stderr)
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return _gone(leader, PATIENCE)


def _end_one(kind: str, what: str) -> bool:
    if kind == "folder":
        shutil.rmtree(what, ignore_errors=True)
        return not Path(what).exists()
    if kind == "pid_file":
        try:
            pid = int(Path(what).read_text())
            program = Path(f"/proc/{pid}/comm").read_text().strip()
        except (FileNotFoundError, ValueError):
            return True  # never started, or gone already
        return _end_group(pid, "Postfix") if program == "master" else True
    pid_text, born, name = what.split(" ", 2)
    pid = int(pid_text)
    if _stat(pid) and _born(pid) != born:
        return True  # somebody else's by now
    return _end_group(pid, name)


def main() -> int:
    """Read what there is until the line closes, then end it in the opposite order."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    lines = [line.rstrip("\n") for line in sys.stdin]
    clean = True
    for line in reversed(lines):
        kind, _, what = line.partition(" ")
        clean = _end_one(kind, what) and clean
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
