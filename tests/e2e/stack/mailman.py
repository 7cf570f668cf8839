"""Mailman 3 core: the lists, fed by LMTP, set up by its REST interface."""

from __future__ import annotations

import base64
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.deployed import adapted
from tests.e2e.stack.keeper import Keeper
from tests.e2e.stack.people import LIST_DOMAIN, MEMBERS, SERVER_NAME, MailingList
from tests.e2e.stack.programs import MAILMAN_MASTER
from tests.ports import HOST, answers, wait_until

# Debian's own user for list software, on every Debian system. Mailman refuses to run as root.
USER = "list"
START = 90.0  # seconds; 7 to 13 were measured on two cores
REST_USER, REST_PASSWORD = "restadmin", "restpass"

# What deploy/ does not speak of; the shipped section stands behind it.
CONFIGURATION = """\
[mailman]
site_owner: emil@example.test
layout: here

[paths.here]
var_dir: {folder}/var

[webservice]
hostname: {host}
port: {rest}
admin_user: {rest_user}
admin_pass: {rest_password}
workers: 1

"""

# Each runner is a Python process of about 80 MiB and a second of start-up. These do nothing a test looks at.
IDLE_RUNNERS = ("archive", "bad", "bounces", "command", "digest", "nntp", "retry", "shunt", "task")
# In the order in which a message meets them: `queued` counts in this order, so that none slips past it.
BUSY_RUNNERS = ("lmtp", "rest", "in", "virgin", "pipeline", "out")


class Mailman:
    """One Mailman with its state below `folder`."""

    def __init__(self, folder: Path, *, lmtp: int, rest: int) -> None:
        self.folder = folder
        self.lmtp = lmtp
        self.rest = rest
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self, keeper: Keeper, site: Mapping[str, str]) -> None:
        """Start the master; `create_lists` waits until it answers. `site` has the values of deploy/README.md."""
        (self.folder / "var").mkdir(parents=True)
        name = "mailman-postfix.cfg"
        (self.folder / name).write_text(adapted(f"mailman/{name}", site))
        configuration = self.folder / "mailman.cfg"
        text = CONFIGURATION.format(
            folder=self.folder, host=HOST, rest=self.rest, rest_user=REST_USER, rest_password=REST_PASSWORD
        )
        text += adapted("mailman/mailman.cfg", site)
        text += "".join(f"\n[runner.{name}]\nstart: no\n" for name in IDLE_RUNNERS)
        # "0.1s" is Mailman's own spelling; "100ms" would end the runners without a word.
        text += "".join(f"\n[runner.{name}]\nsleep_time: 0.1s\n" for name in BUSY_RUNNERS)
        configuration.write_text(text)
        subprocess.run(["/usr/bin/chown", "-R", f"{USER}:{USER}", str(self.folder)], check=True)
        with (self.folder / "stderr").open("wb") as errors:
            self._process = subprocess.Popen(
                [str(MAILMAN_MASTER), "-C", str(configuration)],
                cwd=self.folder,
                env={"PATH": f"{MAILMAN_MASTER.parent}:/usr/bin:/bin", "HOME": str(self.folder), "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                user=USER,
                group=USER,
                extra_groups=[],
                start_new_session=True,
            )
        keeper.child("Mailman", self._process)

    def create_lists(self, lists: Iterable[MailingList]) -> None:
        """Wait for the REST interface, then make the lists and subscribe their members. Raises TimeoutError."""
        wait_until("Mailman answers", self._ready, START)
        self.call("POST", "domains", mail_host=LIST_DOMAIN)
        for posting in lists:
            self.call("POST", "lists", fqdn_listname=posting.address)
            # 0 is no bound: by default a post above 40 KB waits for a moderator.
            self.call(
                "PATCH", f"lists/{posting.list_id}/config", send_welcome_message="False", max_message_size="0"
            )  # fmt: skip
            for name in posting.members:
                self.call(
                    "POST", "members", list_id=posting.list_id, subscriber=MEMBERS[name].address,
                    pre_verified="True", pre_confirmed="True", pre_approved="True",
                )  # fmt: skip

    def call(self, method: str, path: str, **fields: str) -> Any:
        """One REST call; its JSON answer, None if there is none. Raises RuntimeError with Mailman's own words."""
        request = urllib.request.Request(
            f"http://{HOST}:{self.rest}/3.1/{path}",
            data=urllib.parse.urlencode(fields).encode() if fields else None,
            method=method,
            headers={
                "Authorization": "Basic " + base64.b64encode(f"{REST_USER}:{REST_PASSWORD}".encode()).decode(),
                "Host": SERVER_NAME,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                body = response.read()
        except urllib.error.HTTPError as refused:
            with refused:
                raise RuntimeError(f"Mailman: {method} {path}: {refused.code} {refused.read()!r}") from None
        return json.loads(body) if body else None

    @contextmanager
    def announcing(self, posting: MailingList, *posters: str) -> Iterator[None]:
        """For the length of a with-block, what others than these members post waits for a moderator."""
        members = [self.call("GET", f"lists/{posting.list_id}/member/{MEMBERS[each].address}") for each in posters]
        paths = [f"members/{each['member_id']}" for each in members]
        for path in paths:
            self.call("PATCH", path, moderation_action="accept")
        self.call("PATCH", f"lists/{posting.list_id}/config", default_member_action="hold")
        try:
            yield
        finally:
            self.call("PATCH", f"lists/{posting.list_id}/config", default_member_action="defer")
            for path in paths:
                self.call("PATCH", path, moderation_action="defer")

    def moderated(self, posting: MailingList) -> dict[str, str]:
        """Posts that wait for a moderator of this list: their subjects, each with the path where it is decided."""
        found = self.call("GET", f"lists/{posting.list_id}/held").get("entries", ())
        return {each["subject"]: f"lists/{posting.list_id}/held/{each['request_id']}" for each in found}

    @contextmanager
    def owned(self, posting: MailingList, name: str) -> Iterator[None]:
        """For the length of a with-block this member gets what goes to the list's owners."""
        self.call("POST", "members", list_id=posting.list_id, subscriber=MEMBERS[name].address, role="owner",
                  pre_verified="True", pre_confirmed="True", pre_approved="True")  # fmt: skip
        try:
            yield
        finally:
            self.call("DELETE", f"lists/{posting.list_id}/owner/{MEMBERS[name].address}")

    def queued(self) -> int:
        """How many messages wait for, or are worked on by, one of the runners."""
        queues = self.folder / "var" / "queue"
        return sum(1 for name in BUSY_RUNNERS if (queues / name).is_dir() for _ in (queues / name).iterdir())

    def commands(self) -> list[bytes]:
        """What came to the lists' machine addresses. The runner that would obey does not run, so all lies there."""
        queue = self.folder / "var" / "queue" / "command"
        return [file.read_bytes() for file in sorted(queue.glob("*.pck"))] if queue.is_dir() else []

    def log(self) -> str:
        """What Mailman has said so far, all its log files one after the other."""
        logs = self.folder / "var" / "logs"
        files = [self.folder / "stderr", *(sorted(logs.iterdir()) if logs.is_dir() else ())]
        return "".join(f"--- {file.name}\n{file.read_text(errors='replace')}" for file in files if file.is_file())

    def _ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"Mailman ended at its start:\n{self.log()}")
        if not (answers(self.rest) and answers(self.lmtp)):
            return False
        try:
            self.call("GET", "system/versions")
        except (RuntimeError, OSError):
            return False
        return True
