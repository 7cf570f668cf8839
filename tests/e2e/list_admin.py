"""A list admin at the files of a guard that runs: what is changed, and what the guard says about it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.e2e.guard import Guard
from tests.ports import wait_until

READ = 60.0  # seconds from a change until it counts; one to two were measured


class Live(NamedTuple):
    """What `smtpguard check --live` says: its exit code and its words."""

    code: int
    words: str


class ListAdmin:
    """Edits list files of `guard` as editors do: a new file takes the place of the old one at once."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def file(self, name: str) -> Path:
        return self._guard.folder / "lists" / f"{name}.yaml"

    def change(self, name: str, **keys: Any) -> None:
        """Give keys of a list file new values (None: delete the line)."""
        says = {**yaml.safe_load(self.file(name).read_text()), **keys}
        self.replace(name, yaml.safe_dump({key: value for key, value in says.items() if value is not None}))

    def replace(self, name: str, text: str) -> None:
        """Put a new file in its place, and wait until the guard has said that it has read it."""
        before = self._guard.log().count(" event=settings-read ")
        path = self.file(name)
        beside = path.with_name(f".{path.name}.swp")
        beside.write_text(text)
        beside.rename(path)
        wait_until(
            f"{path.name} is read again", lambda: self._guard.log().count(" event=settings-read ") > before, READ
        )

    def wait_for_live(self, code: int) -> Live:
        """Ask the running guard until `check --live` ends with `code`: it writes its status a little behind its log."""
        said: list[Live] = []

        def is_said() -> bool:
            said.append(self.check_live())
            return said[-1].code == code

        wait_until(f"check --live ends with {code}", is_said, READ)
        return said[-1]

    def check_live(self) -> Live:
        """Ask the running guard, once."""
        done = subprocess.run(
            [sys.executable, "-m", "smtpguard", "check", "--live", "--config", str(self._guard.config)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False,
        )  # fmt: skip
        return Live(done.returncode, done.stdout.decode())
