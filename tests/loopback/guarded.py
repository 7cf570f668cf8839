"""A running guard between two fake mail servers, and the members who use it.

async with guarded() as house:
    reply = await house.submit("anna", [BERLIN, ALL], subject="Minutes")
    notice = await house.notice()
    await house.answer("anna", notice, "ONLY 1")
"""

from __future__ import annotations

import asyncio
import re
import smtplib
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

import yaml

from smtpguard.app import Application
from smtpguard.config.loading import load
from smtpguard.keeper import Charge
from smtpguard.mail.content import unstuffed
from tests.loopback.fake_upstream import FakeUpstream, Message

BERLIN = "berlin@lists.example.test"
BRANDENBURG = "brandenburg@lists.example.test"
ALL = "all-members@lists.example.test"
PRESS = "press@lists.example.test"
MEMBERS = {"anna": "anna@example.test", "ben": "ben@example.test", "clara": "clara@example.test"}
PASSWORDS = {address: f"{name}-password" for name, address in MEMBERS.items()}
XCLIENT = ("NAME", "ADDR", "LOGIN")
LISTS = {
    "berlin": {"crosspost_with": ["brandenburg"]},
    "brandenburg": {"crosspost_with": ["berlin"]},
    "all-members": {},
    "press": {},
}


# Clients have threads of their own: the guard in this process uses the loop's, and a waiting client must not take them.
_CLIENTS = ThreadPoolExecutor(64, "client")
Result = TypeVar("Result")


async def _in_client_thread(work: Callable[..., Result], *arguments: Any) -> Result:
    return await asyncio.get_running_loop().run_in_executor(_CLIENTS, work, *arguments)


@dataclass(frozen=True)
class Submitted:
    """The reply to the content, or the first refusal before it."""

    code: int
    text: str


class Member:
    """One client connection, by Python's own SMTP client, in a thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.client: smtplib.SMTP | None = None

    async def login(self, name: str) -> None:
        await _in_client_thread(self._login, name)

    def _login(self, name: str) -> None:
        self.client = smtplib.SMTP("127.0.0.1", self._port, timeout=30)
        self.client.ehlo("client.example.test")
        self.client.login(MEMBERS[name], PASSWORDS[MEMBERS[name]])

    async def send(self, sender: str, to: Sequence[str], octets: bytes, options: str = "") -> Submitted:
        return await _in_client_thread(self._send, sender, to, octets, options)

    def _send(self, sender: str, to: Sequence[str], octets: bytes, options: str) -> Submitted:
        client = self.client
        assert client is not None
        for command in [f"MAIL FROM:<{sender}>{options}", *(f"RCPT TO:<{each}>" for each in to)]:
            code, text = client.docmd(command)
            if code >= 400:
                return Submitted(code, text.decode())
        code, text = client.docmd("DATA")
        if code != 354:
            return Submitted(code, text.decode())
        assert client.sock is not None
        wire = re.sub(rb"(?m)^\.", b"..", octets)
        client.sock.sendall(wire + (b"" if wire.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        code, text = client.getreply()
        return Submitted(code, text.decode())

    async def quit(self) -> None:
        if self.client is not None:
            await _in_client_thread(self.client.close)


def mail(
    sender: str, to: Sequence[str], subject: str = "Minutes", body: str = "Here they are.", **headers: str
) -> bytes:
    """A message as octets. A header given as `message_id` replaces the one made of subject and sender."""
    lines = [
        f"From: {sender.capitalize()} <{MEMBERS.get(sender, sender)}>",
        f"To: {', '.join(to)}",
        f"Subject: {subject}",
    ]
    message_id = headers.pop("message_id", f"<{subject.replace(' ', '.')}.{sender}@example.test>")
    if message_id:
        lines.append(f"Message-ID: {message_id}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body.replace("\n", "\r\n") + "\r\n").encode()


def parsed(message: Message) -> EmailMessage:
    """A message that a fake mail server took."""
    return message_from_bytes(unstuffed((message.content,)), policy=policy.default)  # type: ignore[return-value]


def body(message: EmailMessage) -> str:
    """The plain text of a mail of the guard's."""
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


class House:
    """The guard, its mail server `up` and its outbox `out`."""

    def __init__(self, folder: Path, up: FakeUpstream, out: FakeUpstream, application: Application) -> None:
        self.folder = folder
        self.up = up
        self.out = out
        self.application = application
        self._members: list[Member] = []

    @property
    def port(self) -> int:
        return self.application.ports[0]

    @property
    def answers_port(self) -> int:
        return self.application.ports[1]

    async def member(self, name: str) -> Member:
        """A new session of a member, logged in."""
        member = Member(self.port)
        self._members.append(member)
        await member.login(name)
        return member

    async def submit(self, name: str, to: Sequence[str], **parts: Any) -> Submitted:
        """One mail in a session of its own."""
        member = await self.member(name)
        options = parts.pop("options", "")
        sender = parts.pop("sender", MEMBERS[name])
        octets = parts.pop("octets", None) or mail(name, parts.pop("header_to", to), **parts)
        reply = await member.send(sender, to, octets, options)
        await member.quit()
        return reply

    def own_mail(self) -> list[EmailMessage]:
        """What the guard has written (reverse-path `<>`), in order."""
        return [parsed(each) for each in self.out.messages if each.mail.startswith(b"FROM:<>")]

    def released(self) -> list[Message]:
        """What the outbox has released."""
        return [each for each in self.out.messages if not each.mail.startswith(b"FROM:<>")]

    async def letter(self, number: int = 1) -> EmailMessage:
        """The `number`th mail of the guard's own, waited for."""
        await self.out.wait_until(lambda: len(self.own_mail()) >= number)
        return self.own_mail()[number - 1]

    async def answer(self, name: str, notice: EmailMessage, text: str, **headers: str) -> Submitted:
        """An answer through the submission listener, to the Reply-To of a notice."""
        address = str(notice["Reply-To"]).strip("<>")
        return await self.submit(name, [address], subject=f"Re: {notice['Subject']}"[:60], body=text, **headers)

    def rows(self) -> list[sqlite3.Row]:
        """The rows of the store, as another process would see them."""
        connection = sqlite3.connect(f"file:{self.folder}/state/holds.sqlite3?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute("SELECT * FROM held").fetchall()
        finally:
            connection.close()

    def states(self) -> list[str]:
        """The states of all rows, sorted."""
        return sorted(row["state"] for row in self.rows())

    async def close(self) -> None:
        for each in self._members:
            await each.quit()
        await self.application.stop()


def write_config(folder: Path, up: FakeUpstream, out: FakeUpstream, **changes: Any) -> Path:
    """smtpguard.yaml and the list files; `changes` replace keys of the site file, None takes one away.

    `list_changes` has keys for list files, by the list's name.
    """
    list_changes = changes.pop("list_changes", {})
    site: dict[str, Any] = {
        "organisation": "Example Union",
        "address": "mailcheck@check.example.test",
        "contact": "it@example.test",
        "call": "Sam, office, 030 123 45 67",
        "listeners": [
            {"kind": "submission", "listen": "127.0.0.1:0", "tls": "none"},
            {"kind": "answers", "listen": "127.0.0.1:0"},
        ],
        "upstream": {"server": f"127.0.0.1:{up.port}", "tls": "none"},
        "outbox": {"server": f"127.0.0.1:{out.port}", "tls": "none", "login": "xclient", "user": "mailcheck"},
        "list_domains": ["lists.example.test"],
        "desks": ["commission@example.test"],
        "account_domain": "example.test",
        "timezone": "Europe/Berlin",
        "state_dir": "state",
        # Here all members come from one address, and write more than people do.
        "limits": {
            "connections_per_address": 1000,
            "holds_per_account": 1000,
            "notices_per_account_and_day": 1000,
            **changes.pop("limits", {}),
        },
    }
    site["outbox"].update(changes.pop("outbox_changes", {}))
    site["outbox"] = {key: value for key, value in site["outbox"].items() if value is not None}
    site.update(changes)
    site = {key: value for key, value in site.items() if value is not None}
    lists = folder / "lists"
    lists.mkdir(exist_ok=True)
    for name, more in LISTS.items():
        entry = {
            "list": f"{name}@lists.example.test",
            "manager": "mailman3",
            "about": f"About {name}",
            "contact": f"{name}-owner@lists.example.test",
            **more,
            **list_changes.get(name, {}),
        }
        (lists / f"{name}.yaml").write_text(as_yaml(entry), "utf-8")
    path = folder / "smtpguard.yaml"
    path.write_text(as_yaml(site), "utf-8")
    return path


def as_yaml(values: dict[str, Any]) -> str:
    """The text of a settings file. PyYAML's own emitter would take longer than the guard takes to start."""
    return str(yaml.dump(values, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False))


def charge(path: Path) -> Charge:
    """What the settings at `path` give a guard to run."""
    loaded = load(path)
    assert not [each for each in loaded.problems if each.severity == "error"], loaded.problems
    assert loaded.settings is not None
    assert loaded.policy is not None
    assert loaded.directory is not None
    return Charge(loaded.settings, loaded.policy, loaded.directory, texts=loaded.texts)


@asynccontextmanager
async def guarded(folder: Path, *, sweep_seconds: float = 0.2, **changes: Any) -> AsyncIterator[House]:
    """A guard with its mail server and outbox; `changes` replace keys of smtpguard.yaml."""
    up = FakeUpstream(users=PASSWORDS, require_login=True)
    out = FakeUpstream(xclient=XCLIENT)
    async with up, out:
        application = Application(charge(write_config(folder, up, out, **changes)), sweep_seconds=sweep_seconds)
        await application.start()
        house = House(folder, up, out, application)
        try:
            yield house
        finally:
            await house.close()
