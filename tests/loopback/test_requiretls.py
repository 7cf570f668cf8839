"""REQUIRETLS (RFC 8689): offered only where every leg keeps the promise, and kept by what the guard itself sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from smtpguard.app import Application
from smtpguard.listener.options import Tls
from tests.loopback.certificates import Authority, authority
from tests.loopback.door import Client, submission_door
from tests.loopback.fake_upstream import EXTENSIONS, FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, MEMBERS, PASSWORDS, XCLIENT, House, charge, write_config

__all__ = ["authority"]

OFFERED = (*EXTENSIONS, "REQUIRETLS")
UNKNOWN_PARAMETER = b"555 5.5.4"


class SecureHouse(House):
    """A guard whose doors and mail servers have TLS."""

    authority: Authority
    offered: bytes = b""

    async def client(self, *, secure: bool = True) -> Client:
        """A session of Anna's, past EHLO and AUTH; `offered` is the answer to EHLO."""
        if secure:
            tls: dict[str, Any] = {"ssl": self.authority.client_context(), "server_hostname": "localhost"}
        else:
            tls = {}
        client = Client(*await asyncio.open_connection("127.0.0.1", self.application.ports[0 if secure else 2], **tls))
        assert (await client.reply()).startswith(b"220")
        self.offered = await client.ask(b"EHLO me")
        assert (await client.log_in(MEMBERS["anna"], PASSWORDS[MEMBERS["anna"]])).startswith(b"235")
        return client

    async def send(self, *recipients: str, parameters: str = " REQUIRETLS", text: str = "words") -> bytes:
        """One mail; the reply to its content, or the first refusal."""
        client = await self.client()
        try:
            commands = [f"MAIL FROM:<{MEMBERS['anna']}>{parameters}", *(f"RCPT TO:<{each}>" for each in recipients)]
            for command in commands:
                reply = await client.ask(command.encode())
                if reply[:1] != b"2":
                    return reply
            assert (await client.ask(b"DATA")).startswith(b"354")
            return await client.ask(b"Subject: Minutes\r\n\r\n" + text.encode() + b"\r\n.")
        finally:
            await client.close()

    async def say(self, notice: EmailMessage, word: str) -> bytes:
        """Anna's answer to a notice."""
        return await self.send(str(notice["Reply-To"]).strip("<>"), parameters="", text=word)


@asynccontextmanager
async def secure_house(
    folder: Path, authority: Authority, *, up: Any = OFFERED, out: Any = OFFERED, probed: bool = True, **changes: Any
) -> AsyncIterator[SecureHouse]:
    """`up` and `out` are the extensions of the mail server and the outbox."""
    certificate, key = authority.issue()
    outbox_tls = changes.pop("outbox_tls", "implicit")
    context = authority.server_context()
    async with (
        FakeUpstream(users=PASSWORDS, require_login=True, tls="starttls", context=context, ehlo=up) as server,
        FakeUpstream(xclient=XCLIENT, tls=outbox_tls, context=context, ehlo=out) as outbox,
    ):
        config = write_config(
            folder,
            server,
            outbox,
            listeners=[
                {"kind": "submission", "listen": "127.0.0.1:0", "tls": "implicit"},
                {"kind": "answers", "listen": "127.0.0.1:0"},
                {"kind": "submission", "listen": "127.0.0.1:0", "tls": "starttls"},
            ],
            tls={"certificate": str(certificate), "key_file": str(key)},
            upstream={"server": f"127.0.0.1:{server.port}", "tls": "starttls", "ca": str(authority.pem)},
            outbox_changes={
                "tls": outbox_tls,
                "ca": str(authority.pem) if outbox_tls != "none" else None,
                **changes.pop("outbox_changes", {}),
            },
            **changes,
        )
        application = Application(charge(config), sweep_seconds=0.2)
        await application.start()
        house = SecureHouse(folder, server, outbox, application)
        house.authority = authority
        try:
            if probed:
                await application.probe()
            yield house
        finally:
            await house.close()


# ------------------------------------------------------------ offered or not


async def test_it_is_offered_where_every_leg_keeps_it(tmp_path: Path, authority: Authority) -> None:
    async with secure_house(tmp_path, authority) as house:
        client = await house.client()

        assert b"REQUIRETLS\r\n" in house.offered
        reply = await client.ask(f"MAIL FROM:<{MEMBERS['anna']}> REQUIRETLS".encode())
        assert reply.startswith(b"250")
        assert house.up.sessions[-1].mail == f"FROM:<{MEMBERS['anna']}> REQUIRETLS".encode()
        await client.close()


@pytest.mark.parametrize(
    "house_of",
    [
        {"up": EXTENSIONS},
        {"out": EXTENSIONS},
        {"outbox_tls": "none"},
        {"probed": False},
    ],
    ids=["the mail server has it not", "the outbox has it not", "the outbox has no TLS", "nobody has asked the outbox"],
)
async def test_it_is_not_offered_and_not_taken_where_one_leg_does_not_keep_it(
    tmp_path: Path, authority: Authority, house_of: dict[str, Any]
) -> None:
    async with secure_house(tmp_path, authority, **house_of) as house:
        client = await house.client()

        assert b"REQUIRETLS" not in house.offered
        reply = await client.ask(f"MAIL FROM:<{MEMBERS['anna']}> requiretls".encode())
        assert reply.startswith(UNKNOWN_PARAMETER)
        assert house.up.sessions[-1].mail is None
        # The rest of the session is unharmed.
        assert (await client.ask(f"MAIL FROM:<{MEMBERS['anna']}>".encode())).startswith(b"250")
        await client.close()


async def test_a_client_without_tls_is_not_offered_it_until_it_has_tls(tmp_path: Path, authority: Authority) -> None:
    async with secure_house(tmp_path, authority) as house:
        client = await house.client(secure=False)
        assert b"REQUIRETLS" not in house.offered
        assert (await client.ask(b"MAIL FROM:<anna@example.test> REQUIRETLS")).startswith(UNKNOWN_PARAMETER)
        await client.close()

        client = Client(*await asyncio.open_connection("localhost", house.application.ports[2]))
        await client.reply()
        assert b"REQUIRETLS" not in await client.ask(b"EHLO me")
        assert (await client.ask(b"STARTTLS")).startswith(b"220")
        await client.start_tls(authority.client_context())
        assert b"REQUIRETLS" in await client.ask(b"EHLO me")
        await client.close()


async def test_once_the_outbox_has_been_asked_it_is_offered(tmp_path: Path, authority: Authority) -> None:
    async with secure_house(tmp_path, authority, probed=False) as house:
        assert (await house.send(BERLIN, ALL, parameters="")).startswith(b"250 2.0.0 NOT SENT YET")

        client = await house.client()

        assert b"REQUIRETLS" in house.offered
        await client.close()


async def test_what_a_mail_server_offers_in_plain_text_does_not_count(authority: Authority) -> None:
    tls = {"tls": Tls.IMPLICIT, "context": authority.server_context(), "auth_required": False}
    async with FakeUpstream(ehlo=OFFERED) as up, submission_door(up, **tls) as door:
        client = Client(
            *await asyncio.open_connection(
                "127.0.0.1", door.port, ssl=authority.client_context(), server_hostname="localhost"
            )
        )
        await client.reply()

        assert b"REQUIRETLS" not in await client.ask(b"EHLO me")
        assert (await client.ask(b"MAIL FROM:<a@example.test> REQUIRETLS")).startswith(UNKNOWN_PARAMETER)
        await client.close()


# ------------------------------------------------------------ passed, held, released


async def test_a_mail_that_passes_goes_up_with_it(tmp_path: Path, authority: Authority) -> None:
    async with secure_house(tmp_path, authority) as house:
        assert (await house.send(BERLIN)).startswith(b"250")

        assert house.up.messages[0].mail == b"FROM:<anna@example.test> REQUIRETLS"


async def test_a_held_mail_its_notice_and_its_result_go_with_it(tmp_path: Path, authority: Authority) -> None:
    async with secure_house(tmp_path, authority) as house:
        assert (await house.send(BERLIN, ALL)).startswith(b"250 2.0.0 NOT SENT YET")
        assert (await house.say(await house.letter(), "SEND")).startswith(b"250")
        await house.letter(2)

        assert [each.mail.split(b" ")[0] for each in house.out.messages] == [
            b"FROM:<>", b"FROM:<anna@example.test>", b"FROM:<>",
        ]  # fmt: skip
        assert all(b" REQUIRETLS" in each.mail for each in house.out.messages)
        assert all(each.secure for each in house.out.sessions)


async def test_the_copy_that_back_brings_goes_with_it(tmp_path: Path, authority: Authority) -> None:
    async with secure_house(tmp_path, authority) as house:
        await house.send(BERLIN, ALL)
        notice = await house.letter()

        house.out.ehlo.remove("REQUIRETLS")
        assert (await house.say(notice, "BACK")).startswith(b"451")
        assert len(house.out.messages) == 1
        house.out.ehlo.append("REQUIRETLS")
        assert (await house.say(notice, "BACK")).startswith(b"250")

        assert house.out.messages[-1].mail == b"FROM:<> REQUIRETLS"


async def test_a_held_mail_is_not_released_where_it_is_offered_no_more(tmp_path: Path, authority: Authority) -> None:
    async with secure_house(tmp_path, authority) as house:
        await house.send(BERLIN, ALL)
        notice = await house.letter()
        house.out.ehlo.remove("REQUIRETLS")

        assert (await house.say(notice, "SEND")).startswith(b"451")

        assert house.released() == []
        assert house.states() == ["held"]
        house.out.ehlo.append("REQUIRETLS")
        assert (await house.say(notice, "SEND")).startswith(b"250")
        assert b" REQUIRETLS" in house.released()[0].mail


async def test_what_would_be_held_is_refused_where_the_outbox_offers_it_no_more(
    tmp_path: Path, authority: Authority
) -> None:
    async with secure_house(tmp_path, authority) as house:
        client = await house.client()
        assert b"REQUIRETLS" in house.offered
        house.out.ehlo.remove("REQUIRETLS")
        for command in ("MAIL FROM:<anna@example.test> REQUIRETLS", f"RCPT TO:<{BERLIN}>", f"RCPT TO:<{ALL}>"):
            assert (await client.ask(command.encode())).startswith(b"250")
        await client.ask(b"DATA")

        assert (await client.ask(b"Subject: x\r\n\r\nwords\r\n.")).startswith(b"554 5.6.7")

        await client.close()
        assert house.rows() == []
        assert house.out.messages == []


async def test_a_release_by_the_members_session_carries_it_too(tmp_path: Path, authority: Authority) -> None:
    async with secure_house(tmp_path, authority, outbox_changes={"release": "session"}) as house:
        await house.send(BERLIN, ALL)
        notice = await house.letter()

        house.up.ehlo.remove("REQUIRETLS")
        assert (await house.say(notice, "SEND")).startswith(b"451")
        assert house.up.messages == []
        house.up.ehlo.append("REQUIRETLS")
        assert (await house.say(notice, "SEND")).startswith(b"250")

        assert b" REQUIRETLS" in house.up.messages[0].mail


async def test_other_mail_has_nothing_of_it(tmp_path: Path, authority: Authority) -> None:
    async with secure_house(tmp_path, authority) as house:
        await house.send(BERLIN, ALL, parameters="")
        assert (await house.say(await house.letter(), "SEND")).startswith(b"250")
        await house.letter(2)

        assert not any(b"REQUIRETLS" in each.mail for each in house.out.messages)
