"""A machine of its own with a real systemd as PID 1: a container made of the one that the tests run on.

    with Machine(folder) as machine:
        machine.run("systemctl", "start", "smtpguard-submission.socket")
        machine.in_network(play)             # an async function whose sockets are those of the machine

Its disk is this machine's with a layer of memory over it, so that nothing needs to be fetched and nothing stays. It has
the loopback alone, the files of deploy/systemd in /etc/systemd/system, this checkout's package, and the tests' Python.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

HERE = Path(__file__).parents[2]
UNITS = HERE / "deploy" / "systemd"
NSPAWN = "systemd-nspawn"
# systemd takes 3 s to its basic.target, and several times that beside other tests.
START_SECONDS = 90.0
COMMAND_SECONDS = 90.0
# What the layer over the disk may hold: the state of a guard, journals.
LAYER = "size=256m"
ETC = Path("etc/smtpguard")
_PYTHON = "/opt/smtpguard/python"
_PROGRAM = '#!/bin/sh\nexport PYTHONPATH=/opt/smtpguard/code\nexec {python} -m smtpguard "$@"\n'
# setns(2), from linux/sched.h.
_CLONE_NEWNET = 0x40000000


class Machine:
    """Started when the block is entered, thrown away when it is left. Skips the test where none can be started."""

    def __init__(self, folder: Path, *, beside: Machine | None = None) -> None:
        """With `beside` it shares the network of that one, so that both reach the same servers."""
        self._beside = beside
        self._layers = folder / "layers"
        self.root = self._layers / "root"
        self._log = folder / "machine.log"
        self._mounted: list[Path] = []
        self._container: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Machine:
        try:
            self._lay()
            self._furnish()
            self._boot()
            self.run("systemd-sysusers")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def run(self, *command: str, ok: bool = True) -> str:
        """Run `command` there as root; what it prints. Raises AssertionError if it fails and `ok`."""
        entered = ["nsenter", "--target", str(self._leader), "--all", "--wd=/", *command]
        said = subprocess.run(entered, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS)
        assert said.returncode == 0 or not ok, f"{' '.join(command)}: {said.stdout}{said.stderr}\n{self.journal()}"
        return said.stdout

    def shows(self, *properties: str) -> dict[str, str]:
        """Properties of the service."""
        said = self.run("systemctl", "show", f"--property={','.join(properties)}", "smtpguard.service")
        return dict(each.split("=", 1) for each in said.splitlines())

    async def until(self, **wanted: str) -> None:
        """Wait until the service has these properties."""
        async with asyncio.timeout(START_SECONDS):
            while wanted.items() - (await asyncio.to_thread(self.shows, *wanted)).items():
                await asyncio.sleep(0.1)

    def journal(self) -> str:
        """What the service, and systemd about it, has logged so far."""
        return self.run("journalctl", "--no-pager", "--output=cat", "--unit=smtpguard.service", ok=False)

    def drop_in(self, name: str, text: str) -> None:
        """Add lines to the service, as `systemctl edit` would; empty `text` takes them away."""
        path = self.root / "etc/systemd/system/smtpguard.service.d" / f"{name}.conf"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        if text:
            path.write_text(text, "utf-8")
        self.run("systemctl", "daemon-reload")

    def in_network(self, play: Callable[[], Awaitable[None]]) -> None:
        """Run `play` in an event loop whose sockets are those of the machine's network. Raises what it raises."""
        raised: list[BaseException] = []

        def enter() -> None:
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                with Path(f"/proc/{self._leader}/ns/net").open("rb") as network:
                    # Of this thread alone, and of those that it starts.
                    assert libc.setns(network.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
                asyncio.run(_awaited(play))
            except BaseException as error:  # raised again below, in the test's own thread
                raised.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if raised:
            raised[0].add_note(self.journal())
            raise raised[0]

    def die(self) -> None:
        """All of it is gone at once, as by a power cut."""
        assert self._container is not None
        os.kill(self._leader, signal.SIGKILL)  # its PID 1: the kernel kills the rest
        self._container.wait(30)

    # ------------------------------------------------------------ how it is made

    def _lay(self) -> None:
        self._layers.mkdir()
        self._mount("tmpfs", "tmpfs", LAYER, self._layers)
        for each in ("upper", "work", "root"):
            (self._layers / each).mkdir()
        over = f"lowerdir=/,upperdir={self._layers}/upper,workdir={self._layers}/work"
        self._mount("overlay", "overlay", over, self.root)

    def _mount(self, kind: str, what: str, options: str, at: Path) -> None:
        said = subprocess.run(["mount", "-t", kind, what, "-o", options, str(at)], capture_output=True, check=False)
        if said.returncode != 0:
            pytest.skip(f"no machine of its own can be made here: {said.stderr.decode().strip()}")
        self._mounted.append(at)

    def _furnish(self) -> None:
        etc, program = self.root / "etc", self.root / "usr/bin/smtpguard"
        for name, text in (("fstab", ""), ("machine-id", f"{uuid.uuid4().hex}\n")):
            (etc / name).unlink(missing_ok=True)
            (etc / name).write_text(text)
        shutil.rmtree(etc / "smtpguard", ignore_errors=True)
        for each in (*UNITS.glob("*.service"), *UNITS.glob("*.socket")):
            shutil.copy(each, etc / "systemd/system" / each.name)
        (etc / "sysusers.d").mkdir(exist_ok=True)
        shutil.copy(UNITS / "smtpguard.sysusers", etc / "sysusers.d/smtpguard.conf")
        shutil.copy(UNITS / "smtpguard-as-service", self.root / "usr/bin/smtpguard-as-service")
        code = self.root / "opt/smtpguard/code"
        shutil.rmtree(code.parent, ignore_errors=True)
        shutil.copytree(HERE / "smtpguard", code / "smtpguard", ignore=shutil.ignore_patterns("__pycache__"))
        _let_all_read(code.parent)
        (self.root / _PYTHON[1:]).mkdir()
        program.unlink(missing_ok=True)
        program.write_text(_PROGRAM.format(python=self.python))
        program.chmod(0o755)

    @property
    def python(self) -> str:
        """The tests' Python as it is called there."""
        return f"{_PYTHON}/bin/python" if sys.prefix != sys.base_prefix else sys.executable

    def _boot(self) -> None:
        base = Path(sys.base_prefix)
        if base.is_relative_to("/root") or base.is_relative_to("/home"):
            pytest.skip(f"the Python of the tests lies in {base}, which no service of systemd may look into")
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with contextlib.closing(ear):
            ear.bind(str(self._layers / "ear"))
            ear.settimeout(1)
            command = [NSPAWN, "--boot", f"--directory={self.root}", f"--machine=smtpguard-{uuid.uuid4().hex[:8]}"]
            network = "--private-network"
            if self._beside is not None:
                network = f"--network-namespace-path=/proc/{self._beside._leader}/ns/net"
            command += [
                network,
                "--register=no",
                "--console=pipe",
                "--notify-ready=yes",
                "--resolv-conf=off",
                "--timezone=off",
            ]
            command += ["--link-journal=no", f"--bind-ro={sys.prefix}:{_PYTHON}"]
            if not Path("/run/systemd/system").exists():
                command.append("--keep-unit")  # nobody is there who could give it a unit of its own
            with self._log.open("wb") as log:
                self._container = subprocess.Popen(
                    [*command, "systemd.unit=basic.target"],
                    env={**os.environ, "NOTIFY_SOCKET": str(self._layers / "ear")},
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
            self._await_ready(ear)

    def _await_ready(self, ear: socket.socket) -> None:
        assert self._container is not None
        latest = time.monotonic() + START_SECONDS
        while time.monotonic() < latest and self._container.poll() is None:
            with contextlib.suppress(TimeoutError):
                for each in ear.recv(4096).decode().splitlines():
                    name, _, value = each.partition("=")
                    if name == "X_NSPAWN_LEADER_PID":
                        self._leader = int(value)
                    elif each == "READY=1" and self._leader:
                        return
        said = self._log.read_text("utf-8", "replace")[-500:].strip()
        pytest.skip(f"no systemd of its own can be started here (systemd-nspawn): {said}")

    def _end(self) -> None:
        if self._container is not None and self._container.poll() is None:
            self._container.terminate()  # systemd-nspawn asks the machine to halt
            try:
                self._container.wait(30)
            except subprocess.TimeoutExpired:
                self._container.kill()
                self._container.wait()
        for each in reversed(self._mounted):
            subprocess.run(["umount", "--lazy", str(each)], check=False)
        self._mounted.clear()


async def _awaited(play: Callable[[], Awaitable[Any]]) -> None:
    await play()


def _let_all_read(folder: Path) -> None:
    """Whatever the umask was when the checkout was made."""
    for each in (folder, *folder.rglob("*")):
        more = stat.S_IROTH | stat.S_IRGRP | (0o111 if each.is_dir() else 0)
        each.chmod(each.stat().st_mode | more)
