"""Several guards on one PostgreSQL database, behind a TCP balancer."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from tests.loopback.fake_upstream import FakeUpstream, Message
from tests.loopback.guarded import MEMBERS, PASSWORDS, XCLIENT, Member, Submitted, mail, parsed, write_config
from tests.loopback.links import Link, link
from tests.loopback.serving import Serving, serving
from tests.postgresql import Database


@dataclass
class Nodes:
    """Two guards that share a database, a mail server `up` and an outbox `out`; `members` and `answers` are the
    balancer's ports, `way` the link that all nodes have to `store`, their database."""

    guards: list[Serving]
    up: FakeUpstream
    out: FakeUpstream
    members: Link
    answers: Link
    way: Link
    store: Database

    async def submit(self, to: list[str], *, node: int | None = None, name: str = "anna", **parts: Any) -> Submitted:
        """One mail in a session of its own, through the balancer or to one node."""
        member = Member(self.members.port if node is None else self.guards[node].ports[0])
        try:
            await member.login(name)
            return await member.send(MEMBERS[name], to, mail(name, to, **parts))
        except (smtplib.SMTPException, OSError) as error:
            return Submitted(421, str(error))
        finally:
            await member.quit()

    async def answer(self, notice: EmailMessage, text: str, *, node: int | None = None) -> Submitted:
        """An answer of its sender's."""
        address = str(notice["Reply-To"]).strip("<>")
        return await self.submit([address], node=node, subject="Re: a notice", body=text)

    async def hand_over(self, notice: EmailMessage, text: str, node: int) -> int:
        """An answer that the mail server hands to one node's answers door; the reply's code."""
        address = str(notice["Reply-To"]).strip("<>")
        octets = mail("anna", [address], subject="Re: a notice", body=text)

        def hand() -> int:
            try:
                with smtplib.SMTP("127.0.0.1", self.guards[node].ports[1], timeout=60) as client:
                    client.sendmail(MEMBERS["anna"], [address], octets)
            except smtplib.SMTPDataError as error:
                return error.smtp_code
            except (smtplib.SMTPException, OSError):
                return 421
            return 250

        return await asyncio.to_thread(hand)

    def notices(self) -> list[EmailMessage]:
        """What can be answered, in order."""
        return [each for each in self.own_mail() if each["Reply-To"] is not None]

    def own_mail(self) -> list[EmailMessage]:
        """What the guards have written."""
        return [parsed(each) for each in self.out.messages if each.mail.startswith(b"FROM:<>")]

    def released(self) -> list[Message]:
        """What the outbox has released."""
        return [each for each in self.out.messages if not each.mail.startswith(b"FROM:<>")]

    async def notice(self, number: int = 1) -> EmailMessage:
        """The `number`th notice, waited for."""
        await self.out.wait_until(lambda: len(self.notices()) >= number)
        return self.notices()[number - 1]

    def states(self) -> list[str]:
        """The states of all rows, sorted, as the database has them."""
        with self.store.connected() as connection:
            return sorted(each[0] for each in connection.execute("SELECT state FROM held"))


@asynccontextmanager
async def two_nodes(
    folder: Path, database: Database, *, secret: bytes | None = None, stop_at: str | None = None, **changes: Any
) -> AsyncIterator[Nodes]:
    """Two guards on `database`. With `secret` each has a folder of keys of its own and they share keys by the database,
    else they share the folder. The first node stands still at `stop_at`."""
    async with AsyncExitStack() as stack:
        up = await stack.enter_async_context(FakeUpstream(users=PASSWORDS, require_login=True))
        out = await stack.enter_async_context(FakeUpstream(xclient=XCLIENT))
        way = await stack.enter_async_context(link(database.port))
        guards = []
        for name in ("one", "two"):
            own = folder / name
            own.mkdir()
            (own / "store-url").write_text(database.url_at(way.port))
            (own / "store-url").chmod(0o600)
            keys: dict[str, Any] = {"keys": str(folder / "keys")}
            if secret is not None:
                (own / "node-secret").write_bytes(secret)
                (own / "node-secret").chmod(0o600)
                keys = {"secret_file": "node-secret"}
            settings = {"store": {"kind": "postgresql", "url_file": "store-url"}, **keys, **changes}
            config = write_config(own, up, out, **settings)
            guards.append(await stack.enter_async_context(serving(config, stop_at=None if guards else stop_at)))
        members = await stack.enter_async_context(link(*(each.ports[0] for each in guards)))
        answers = await stack.enter_async_context(link(*(each.ports[1] for each in guards)))
        yield Nodes(guards, up, out, members, answers, way, database)
