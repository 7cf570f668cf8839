"""A tap over real sockets, with somebody who writes down what is learnt, and clients at several addresses.

async with tap() as door, door.client() as client:
    await client.hand_over(mail(...), "ben@example.test")
    assert door.learner.mails
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from smtpguard.learning import Learning
from smtpguard.listener.options import Kind, ListenerOptions, Protocol
from smtpguard.listener.server import Server
from smtpguard.lists import Audience, MailingList, Manager
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.content import stuffed
from smtpguard.mail.message import Message
from smtpguard.policy import Policy, Remember
from tests.loopback.door import Client, PassingFlow

MAIL_SERVER, LIST_SERVER = "127.0.0.1", "127.0.0.2"


def address(text: str) -> Address:
    found = parse_address(text)
    assert found is not None
    return found


def a_list(name: str, **more: Any) -> MailingList:
    return MailingList(name, address(f"{name}@lists.example.test"), Manager.MAILMAN3, name, "x@example.test", **more)


POLICY = Policy(
    (a_list("berlin"), a_list("press"), a_list("council", audience=Audience.CLOSED)),
    desks=frozenset({address("commission@example.test")}),
    list_domains=frozenset({"lists.example.test"}),
    member_domains=frozenset({"example.test"}),
    guard_address=address("mailcheck@check.example.test"),
    account_domain="example.test",
    groups={address("everybody@example.test"): (address("commission@example.test"), address("anna@example.test"))},
    remember=Remember.ALL,
)


@dataclass
class Recorder:
    """Writes down what is learnt; `before` is awaited first and may raise."""

    mails: list[tuple[Message, Address | None, tuple[Address, ...], datetime]] = field(default_factory=list)
    posts: list[tuple[str, Message, tuple[Address, ...]]] = field(default_factory=list)
    before: Callable[[], Awaitable[None]] | None = None

    async def learn_mail(
        self, message: Message, author: Address | None, recipients: Sequence[Address], when: datetime
    ) -> None:
        if self.before is not None:
            await self.before()
        self.mails.append((message, author, tuple(recipients), when))

    async def learn_post(self, list_id: str, message: Message, when: datetime, readers: Sequence[Address] = ()) -> None:
        if self.before is not None:
            await self.before()
        self.posts.append((list_id, message, tuple(readers)))

    @property
    def learnt(self) -> int:
        return len(self.mails) + len(self.posts)


class TapClient(Client):
    """A mail server or list manager that hands over copies."""

    hello = b"EHLO mail.example.test"

    async def begin_copy(self, sender: str, *recipients: str) -> None:
        """MAIL and RCPTs, all taken."""
        for line in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{each}>" for each in recipients)):
            said = await self.ask(line.encode())
            assert said.startswith(b"250"), said

    async def hand_over(
        self, octets: bytes, *recipients: str, sender: str = "carla@elsewhere.example", replies: int = 1
    ) -> list[bytes]:
        """One copy; the replies to its content."""
        await self.begin_copy(sender, *recipients)
        assert (await self.ask(b"DATA")).startswith(b"354")
        await self.send(stuffed(octets) + b".\r\n")
        return [await self.reply() for _ in range(replies)]


@dataclass
class TapDoor:
    """A running tap."""

    server: Server
    learner: Recorder
    policy: Policy
    protocol: Protocol

    @asynccontextmanager
    async def client(self, at: str = MAIL_SERVER, *, greeted: bool = True) -> AsyncIterator[TapClient]:
        """Connect from the address `at`; with `greeted` hello has been said."""
        streams = await asyncio.open_connection(MAIL_SERVER, self.server.ports[0], local_addr=(at, 0), limit=2**20)
        client = TapClient(*streams)
        if self.protocol is Protocol.LMTP:
            client.hello = b"LHLO mail.example.test"
        try:
            if greeted:
                assert (await client.reply()).startswith(b"220")
                assert (await client.ask(client.hello)).startswith(b"250")
            yield client
        finally:
            await client.close()


@asynccontextmanager
async def tap(
    learner: Recorder | None = None, policy: Policy = POLICY, *, teaches: bool = True, **options: Any
) -> AsyncIterator[TapDoor]:
    """A tap that lets in this machine; posts are public from LIST_SERVER. `teaches`: there is somebody who learns."""
    learner = learner or Recorder()
    options.setdefault("list_server", (ipaddress.ip_network(f"{LIST_SERVER}/32"),))
    made = ListenerOptions(MAIL_SERVER, 0, kind=Kind.TAP, hostname="check.example.test", **options)
    door: TapDoor
    learning = Learning(lambda: door.policy, learner if teaches else None)
    door = TapDoor(Server(PassingFlow(), [made], shutdown=5.0, copies=learning), learner, policy, made.protocol)
    await door.server.start()
    try:
        yield door
    finally:
        await door.server.stop()


def forgetful(policy: Policy, remember: Remember) -> Policy:
    """`policy` where less is remembered."""
    return replace(policy, remember=remember)


def letter(
    sender: str = "Carla <carla@elsewhere.example>",
    to: str = "ben@example.test",
    body: str = "About the boat.",
    **header: str,
) -> bytes:
    """A message as octets; `List_Id="..."` adds a field."""
    lines = [f"From: {sender}", f"To: {to}", "Subject: Boat", "Message-ID: <boat@elsewhere.example>"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in header.items()]
    return ("\r\n".join(lines) + f"\r\n\r\n{body}\r\n").encode()


def post(name: str = "berlin", **more: str) -> bytes:
    """What the list manager distributes."""
    fields = {
        "List_Id": f"All about {name} <{name}.lists.example.test>",
        "List_Post": f"<mailto:{name}@lists.example.test>",
        "Precedence": "list",
        **more,
    }
    sender, body = fields.pop("sender", "Anna <anna@example.test>"), fields.pop("body", "Minutes of Tuesday.")
    return letter(sender, f"{name}@lists.example.test", body, **fields)
