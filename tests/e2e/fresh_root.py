"""This Debian as it was before smtpguard came: a root of its own, in which packages are installed and purged.

What is changed there lies in memory and goes with the process that holds it; nothing reaches the machine itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import REMEDY

# The package is 24 MB, installed 120.
ROOM = "600m"
SECONDS = 300

# Mounts that only this shell and its children see; its "ready" says that they are there. /tmp is that of the machine:
# tests keep their files there.
_HOLDER = f"""
set -e
mount -t tmpfs -o size={ROOM},mode=755 none "$1"
mkdir "$1/upper" "$1/work" "$1/merged"
mount -t overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" none "$1/merged"
mount --rbind /dev "$1/merged/dev"
mount -t proc none "$1/merged/proc"
mount --rbind /tmp "$1/merged/tmp"
echo ready
exec sleep infinity
"""


@dataclass(frozen=True)
class FreshRoot:
    """A running one; `place` is the folder in which it is, for the processes of `holder`."""

    holder: int
    place: Path

    def command(self, *words: str, user: str = "root") -> list[str]:
        """`words` as a command that runs there."""
        inside = ["chroot", f"--userspec={user}", str(self.place / "merged"), *words]
        return ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt", *inside]

    def run(self, *words: str, user: str = "root", code: int = 0) -> str:
        """What a command there prints, both ways; its exit code must be `code`."""
        done = subprocess.run(
            self.command(*words, user=user), capture_output=True, text=True, timeout=SECONDS, check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
            cwd="/",
        )  # fmt: skip
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def changed(self) -> set[str]:
        """Files and folders there that are not those of the machine, as absolute names."""
        upper = Path(f"/proc/{self.holder}/root{self.place}/upper")
        # A file of the machine that is gone here is a device with the number 0 (overlayfs, "whiteouts").
        return {f"/{each.relative_to(upper)}" for each in upper.rglob("*") if not each.is_char_device()}


@contextmanager
def fresh_root(place: Path) -> Iterator[FreshRoot]:
    """One, in the empty folder `place`; skips where this machine does not allow it."""
    if os.geteuid() != 0 or shutil.which("dpkg") is None:
        pytest.skip("a root of its own needs root, on Debian")
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", _HOLDER, "sh", str(place)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        if holder.stdout.readline() != "ready\n":
            _, why = holder.communicate(timeout=60)
            pytest.skip(f"no root of its own can be mounted on this machine: {why.strip()}")
        yield FreshRoot(holder.pid, place)
    finally:
        holder.kill()
        holder.communicate(timeout=60)


def built(folder: Path) -> Path:
    """The Debian package of this checkout, made in `folder`; skips where a program is missing."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip(f"dpkg-deb is missing here; {REMEDY}")
    root = Path(__file__).parents[2]
    wheel = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), "."]
    subprocess.run(wheel, cwd=root, check=True, capture_output=True, timeout=SECONDS)
    done = subprocess.run(
        ["bash", "deploy/debian/build.sh", *map(str, folder.glob("*.whl")), str(folder)],
        cwd=root, env={**os.environ, "COMPRESSION": "none"}, capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.split()[-1])
