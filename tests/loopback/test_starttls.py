"""TLS on the client's side: STARTTLS, implicit TLS, and nothing of the plain text survives the switch."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl

import pytest

from smtpguard import replies
from smtpguard.listener.options import AuthWithoutTls, Tls
from smtpguard.listener.server import server_context
from tests.loopback.certificates import Authority, authority
from tests.loopback.door import Door, submission_door
from tests.loopback.fake_upstream import FakeUpstream

__all__ = ["authority"]

USERS = {"anna": "secret"}


async def in_thread(door: Door, work) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(60):
        await asyncio.to_thread(work, door.port)


async def test_starttls_login_and_mail(authority: Authority) -> None:
    async with (
        FakeUpstream(users=USERS, require_login=True) as up,
        submission_door(
            up, tls=Tls.STARTTLS, context=authority.server_context(), auth_required=True,
            auth_without_tls=AuthWithoutTls.NEVER,
        ) as door,
    ):  # fmt: skip

        def send(port: int) -> None:
            with smtplib.SMTP("localhost", port) as client:
                client.ehlo()
                assert not client.has_extn("auth")
                assert client.has_extn("starttls")
                client.starttls(context=authority.client_context())
                client.ehlo()
                assert client.has_extn("auth")
                assert not client.has_extn("starttls")
                client.login("anna", "secret")
                client.sendmail("anna@example.test", ["b@example.test"], b"words\r\n" + b"x" * 600_000 + b"\r\n")

        await in_thread(door, send)

        assert up.messages[0].content == b"words\r\n" + b"x" * 600_000 + b"\r\n"


async def test_implicit_tls(authority: Authority) -> None:
    certificate, key = authority.issue()
    async with (
        FakeUpstream(users=USERS) as up,
        submission_door(
            up, tls=Tls.IMPLICIT, context=server_context(certificate, key, "1.3"), auth_without_tls=AuthWithoutTls.NEVER
        ) as door,
    ):

        def send(port: int) -> None:
            with smtplib.SMTP_SSL("localhost", port, context=authority.client_context()) as client:
                client.login("anna", "secret")
                assert not client.has_extn("starttls")
                client.sendmail("anna@example.test", ["b@example.test"], b"words\r\n")

        await in_thread(door, send)

        assert up.messages[0].login == "anna"


@pytest.mark.parametrize("behind", [b"EHLO evil\r\n", b"MAIL FROM:<evil@example.test>\r\n", b"x"])
async def test_plain_text_behind_starttls_is_thrown_away(authority: Authority, behind: bytes) -> None:
    async with (
        FakeUpstream() as up,
        submission_door(up, tls=Tls.STARTTLS, context=authority.server_context()) as door,
        door.client() as client,
    ):
        await client.ask(b"EHLO me")
        await client.send(b"STARTTLS\r\n" + behind)
        assert await client.reply() == replies.START_TLS.wire
        await client.start_tls(authority.client_context())

        # Nothing of it was obeyed, before or after the switch: the next reply is the one to EHLO.
        assert (await client.ask(b"EHLO after")).startswith(b"250-mail.example.test\r\n")
        assert (await client.ask(b"MAIL FROM:<good@example.test>")).startswith(b"250")
        assert not any(b"evil" in each for each in up.commands)


async def test_a_mail_server_that_takes_one_ehlo_a_session_does_not_hinder_starttls(authority: Authority) -> None:
    async with (
        FakeUpstream(users=USERS, require_login=True) as up,
        submission_door(up, tls=Tls.STARTTLS, context=authority.server_context()) as door,
        door.client() as client,
    ):
        before = await client.ask(b"EHLO me")
        up.on("EHLO", reply=b"503 5.5.1 Invalid command: Already identified\r\n")  # OpenSMTPD
        await client.ask(b"STARTTLS")
        await client.start_tls(authority.client_context())

        offered = await client.ask(b"EHLO me")
        assert offered.splitlines()[0] == before.splitlines()[0]
        assert b"AUTH PLAIN" in offered
        assert b"STARTTLS" not in offered
        # The client's own second EHLO inside TLS is refused by the mail server itself, and takes nothing away.
        assert await client.ask(b"EHLO me") == b"503 5.5.1 Invalid command: Already identified\r\n"
        assert (await client.log_in()).startswith(b"235")
        assert (await client.ask(b"MAIL FROM:<anna@example.test>")).startswith(b"250")


async def test_plain_text_injected_after_the_220_is_no_command(authority: Authority) -> None:
    async with (
        FakeUpstream() as up,
        submission_door(up, tls=Tls.STARTTLS, context=authority.server_context()) as door,
        door.client() as client,
    ):
        await client.ask(b"EHLO me")
        assert await client.ask(b"STARTTLS") == replies.START_TLS.wire
        await client.send(b"MAIL FROM:<evil@example.test>\r\n" * 10)

        assert b"250" not in await client.rest()
        await up.wait_for_close()
        assert not any(b"evil" in each for each in up.commands)
        assert door.server.sessions == 0


async def test_what_was_said_before_tls_is_forgotten(authority: Authority) -> None:
    async with (
        FakeUpstream(users=USERS) as up,
        submission_door(up, tls=Tls.STARTTLS, context=authority.server_context()) as door,
        door.client() as client,
    ):
        await client.ask(b"EHLO before")
        await client.ask(b"STARTTLS")
        await client.start_tls(authority.client_context())

        assert await client.ask(b"MAIL FROM:<a@example.test>") == replies.HELLO_FIRST.wire
        assert await client.log_in() == replies.HELLO_FIRST.wire
        assert await client.ask(b"STARTTLS") == replies.TLS_TWICE.wire
        assert b"STARTTLS" not in await client.ask(b"EHLO after")
        assert (await client.log_in()).startswith(b"235")
        assert [each for each in up.commands if each.startswith(b"EHLO")] == [b"EHLO before", b"EHLO after"]


async def test_starttls_comes_before_login_and_mail(authority: Authority) -> None:
    async with (
        FakeUpstream(users=USERS) as up,
        submission_door(up, tls=Tls.STARTTLS, context=authority.server_context()) as door,
        door.client() as client,
    ):
        await client.ask(b"EHLO me")
        assert await client.ask(b"STARTTLS now") == replies.BAD_ARGUMENT.wire
        await client.ask(b"MAIL FROM:<a@example.test>")
        assert await client.ask(b"STARTTLS") == replies.TLS_TOO_LATE.wire
        await client.ask(b"RSET")
        await client.log_in()
        assert await client.ask(b"STARTTLS") == replies.TLS_TOO_LATE.wire


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_command_right_behind_the_handshake_is_answered(authority: Authority, version: ssl.TLSVersion) -> None:
    """GnuTLS clients send Finished and EHLO in one flight; clearing buffers after the handshake would lose it."""
    context = authority.client_context()
    context.minimum_version = context.maximum_version = version
    async with (
        FakeUpstream() as up,
        submission_door(up, tls=Tls.STARTTLS, context=authority.server_context()) as door,
    ):

        def talk(port: int) -> bytes:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
                plain.recv(1000)
                plain.sendall(b"STARTTLS\r\n")
                assert plain.recv(1000) == replies.START_TLS.wire
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
                while True:
                    try:
                        tls.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        plain.sendall(outgoing.read())
                        incoming.write(plain.recv(65536))
                tls.write(b"EHLO right.behind\r\n")
                plain.sendall(outgoing.read())  # the last flight of the handshake and EHLO, in one segment
                while True:
                    try:
                        return tls.read(65536)
                    except ssl.SSLWantReadError:
                        incoming.write(plain.recv(65536))

        answer = await asyncio.to_thread(talk, door.port)

        assert answer.startswith(b"250-mail.example.test\r\n")
        assert up.commands[0] == b"EHLO right.behind"


async def test_a_handshake_that_fails_ends_the_session_and_nothing_else(authority: Authority) -> None:
    async with (
        FakeUpstream() as up,
        submission_door(up, tls=Tls.STARTTLS, context=authority.server_context()) as door,
        door.client() as broken,
        door.client() as other,
    ):
        await broken.ask(b"STARTTLS")
        broken.reset()

        assert (await other.ask(b"EHLO me")).startswith(b"250")
        await up.wait_until(lambda: len(up.open_sessions) == 1)


async def test_the_guard_speaks_tls_upwards_while_the_client_does_not(authority: Authority) -> None:
    from smtpguard.upstream.target import Target

    async with FakeUpstream(host="127.0.0.1", tls="starttls", context=authority.server_context(), users=USERS) as up:
        target = Target("localhost", up.port, "starttls", authority.client_context())
        async with submission_door(up, target=target) as door, door.client() as client:
            assert b"STARTTLS" not in await client.ask(b"EHLO me")
            assert (await client.log_in()).startswith(b"235")
            assert up.sessions[0].secure
            assert [each for each in up.commands if each.startswith(b"EHLO")] == [b"EHLO me"] * 2
