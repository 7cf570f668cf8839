"""smtpguard as a program in front of the test site: its settings written, started, ended by its own process id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import yaml

from tests.deployed import adapted
from tests.e2e.stack import CONTACT, LIST_DOMAIN, Stack
from tests.ports import HOST, answers, free_ports, wait_until

START = 60.0  # seconds; about one was measured
END = 40.0  # seconds; `timeouts.shutdown` is 30 s

Login = Literal["xclient", "account"]
Release = Literal["outbox", "session"]


class Guard:
    """One guard with settings, state and log below `folder`. As a context manager it starts and ends in good order.

    Its doors and its ways to the mail server are those of deploy/postfix/smtpguard.yaml.

    `login` and `release` are the outbox's; `changes` replaces whole keys of smtpguard.yaml, `door` adds keys to its
    submission listener, `more_doors` are further listeners, `lists` adds keys to list files, `environment` adds
    variables, `answers` is the port for answers if it is not the one that the mail server hands them to,
    `program` another smtpguard than that of the checkout.
    A second guard on the same folder finds what the first one held; one at a time, since the answers port is one.
    """

    def __init__(
        self,
        stack: Stack,
        folder: Path,
        *,
        login: Login = "xclient",
        release: Release = "outbox",
        changes: Mapping[str, Any] | None = None,
        door: Mapping[str, Any] | None = None,
        more_doors: Sequence[Mapping[str, Any]] = (),
        lists: Mapping[str, Mapping[str, Any]] | None = None,
        environment: Mapping[str, str] | None = None,
        answers: int | None = None,
        program: Sequence[str] = (sys.executable, "-m", "smtpguard"),
    ) -> None:
        self._stack = stack
        self._program = program
        self.folder = folder
        self.state_dir = folder / "state"
        self.config = folder / "smtpguard.yaml"
        submission, submissions = free_ports(2)
        self.submission = (HOST, submission)  # STARTTLS with the site's certificate
        self.submissions = (HOST, submissions)  # TLS from the first octet
        self.answers = (HOST, answers or stack.guard_answers_port)
        self._log_file = folder / "guard.log"
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        settings = self._settings(login, release, door or {})
        settings["listeners"] += more_doors
        settings |= changes or {}
        self._ports = [self.submission[1], self.answers[1], *_page_port(settings)]
        self._write(settings, lists or {})

    def start(self) -> None:
        """Start, and return when its ports answer. Raises RuntimeError with the guard's own words if it ends."""
        with self._log_file.open("ab") as log:
            process = subprocess.Popen(
                [*self._program, "serve", "--config", str(self.config)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._process = process
        self._stack.keeper.child("smtpguard", process)

        def ready() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"smtpguard ended at its start with {process.returncode}:\n{self.log()}")
            return all(map(answers, self._ports))

        wait_until("smtpguard answers", ready, START)

    def end(self) -> int:
        """Ask it to end (SIGTERM); its exit code. Raises subprocess.TimeoutExpired if it does not."""
        return self._signal(signal.SIGTERM)

    def kill(self) -> int:
        """End it at once (SIGKILL), as a power cut would."""
        return self._signal(signal.SIGKILL)

    def wait(self) -> int:
        """Wait until it ends by itself (a fail point); its exit code, negative for a signal."""
        assert self._process is not None
        return self._process.wait(timeout=END)

    def log(self) -> str:
        """What it wrote to stdout and stderr, over all its starts."""
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        code = self.end()
        if error is None and code != 0:
            raise RuntimeError(f"smtpguard ended with {code}:\n{self.log()}")
        if error is None and (" event=fault " in self.log() or "Traceback" in self.log()):
            raise RuntimeError(f"smtpguard met a bug of its own:\n{self.log()}")

    def _signal(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=END)

    def _settings(self, login: Login, release: Release, door: Mapping[str, Any]) -> dict[str, Any]:
        stack = self._stack
        doors = {
            "0.0.0.0:587": _endpoint(self.submission), "0.0.0.0:465": _endpoint(self.submissions),
            "2526": str(self.answers[1]),
        }  # fmt: skip
        settings = yaml.safe_load(adapted("postfix/smtpguard.yaml", stack.site | doors | self._own_files()))
        settings["listeners"][0].update(door)
        outbox = settings["outbox"]
        outbox["release"] = release
        if login == "account":
            password_file = self.folder / "outbox-password"
            password_file.write_text(stack.outbox_account.password)
            password_file.chmod(0o600)
            outbox |= {
                "server": _endpoint(stack.submission), "tls": "starttls", "ca": str(stack.ca_file), "login": login,
                "user": stack.outbox_account.login, "password_file": str(password_file),
            }  # fmt: skip
        own = {"organisation": "Example Union", "contact": CONTACT, "timezone": "Europe/Berlin"}
        return {**settings, **own, "state_dir": str(self.state_dir)}

    def _own_files(self) -> dict[str, str]:
        """Where the shipped settings find certificates: copies of the site's."""
        folder = self.folder / "etc"
        (folder / "tls").mkdir(parents=True, exist_ok=True)
        for name, file in (
            ("tls/fullchain.pem", self._stack.certificate), ("tls/key.pem", self._stack.key),
            ("upstream.pem", self._stack.ca_file),
        ):  # fmt: skip
            (folder / name).write_bytes(file.read_bytes())
        (folder / "tls" / "key.pem").chmod(0o600)
        return {"/etc/smtpguard/": f"{folder}/"}

    def _write(self, settings: Mapping[str, Any], more: Mapping[str, Mapping[str, Any]]) -> None:
        self.config.write_text(yaml.safe_dump(dict(settings), sort_keys=False))
        lists = self.folder / "lists"
        lists.mkdir(exist_ok=True)
        for posting in self._stack.lists.values():
            says = {
                "list": posting.address,
                "manager": "mailman3",
                "about": f"Everything about {posting.name}",
                "contact": f"{posting.name}-owner@{LIST_DOMAIN}",
                **more.get(posting.name, {}),
            }
            (lists / f"{posting.name}.yaml").write_text(yaml.safe_dump(says, sort_keys=False))


def _endpoint(place: tuple[str, int]) -> str:
    return f"{place[0]}:{place[1]}"


def _page_port(settings: Mapping[str, Any]) -> list[int]:
    """The page's, if it has one."""
    listen = settings.get("web", {}).get("listen", "unix:")
    return [] if listen.startswith("unix:") else [int(listen.rpartition(":")[2])]
