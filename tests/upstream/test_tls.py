"""TLS towards the mail server: never silently without it, never with the wrong server, nothing kept from plain text."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from smtpguard.upstream import UpstreamError
from smtpguard.upstream.connection import Connection
from smtpguard.upstream.target import Target, Timeouts
from smtpguard.upstream.tls import client_context
from tests.loopback.certificates import Authority
from tests.loopback.fake_upstream import FakeUpstream
from tests.upstream.sessions import PATIENT

SHORT = Timeouts(connect=0.3, reply=0.3, final=0.3)


def target(up: FakeUpstream, authority: Authority, tls: str = "starttls", timeouts: Timeouts = PATIENT) -> Target:
    return Target(up.host, up.port, tls, client_context(authority.pem), timeouts)


async def test_starttls_says_ehlo_again_under_the_same_name_and_forgets_the_first_answer(authority: Authority) -> None:
    async with FakeUpstream(tls="starttls", context=authority.server_context(), users={"a": "b"}) as up:
        connection = await Connection.open(target(up, authority))

        reply = await connection.hello(b"member.example.test")

        assert reply.ok
        assert connection.secure
        assert "STARTTLS" not in connection.extensions
        assert connection.extensions["AUTH"] == "PLAIN LOGIN"
        assert up.sessions[0].commands == [b"EHLO member.example.test", b"STARTTLS", b"EHLO member.example.test"]
        assert up.sessions[0].secure
        await connection.quit()
        await up.wait_for_close()


async def test_a_helo_client_still_gets_tls(authority: Authority) -> None:
    async with FakeUpstream(tls="starttls", context=authority.server_context()) as up:
        connection = await Connection.open(target(up, authority))

        await connection.hello(b"old", b"HELO")

        assert connection.secure
        assert connection.extensions == {}
        assert up.sessions[0].commands == [b"EHLO old", b"STARTTLS", b"HELO old"]
        connection.abort()


async def test_a_long_message_goes_through_tls_byte_for_byte(authority: Authority) -> None:
    content = bytes(o for o in range(256) if o not in b"\r\n") * 8000 + b"\r\n"
    async with FakeUpstream(tls="starttls", context=authority.server_context()) as up:
        connection = await Connection.open(target(up, authority))
        await connection.hello(b"x")
        for line in (b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>", b"DATA"):
            await connection.command(line)

        assert (await connection.content([content])).ok

        assert up.messages[0].content == content
        await connection.quit()


async def test_implicit_tls_is_there_before_the_greeting(authority: Authority) -> None:
    async with FakeUpstream(tls="implicit", context=authority.server_context()) as up:
        connection = await Connection.open(target(up, authority, "implicit"))

        assert connection.secure
        assert (await connection.hello(b"x")).ok
        assert up.sessions[0].commands == [b"EHLO x"]
        await connection.quit()


async def test_no_starttls_offered_is_an_error_and_nothing_more_is_said(authority: Authority) -> None:
    async with FakeUpstream() as up:
        connection = await Connection.open(target(up, authority))

        with pytest.raises(UpstreamError, match="STARTTLS"):
            await connection.hello(b"x")

        assert not connection.alive
        assert up.commands == [b"EHLO x"]


@pytest.mark.parametrize("reply", [b"454 4.7.0 TLS not available\r\n", b"502 no\r\n", b"250 fine\r\n"])
async def test_starttls_refused_is_an_error_and_nothing_more_is_said(authority: Authority, reply: bytes) -> None:
    async with FakeUpstream(tls="starttls", context=authority.server_context()) as up:
        up.on("STARTTLS", reply=reply)
        connection = await Connection.open(target(up, authority))

        with pytest.raises(UpstreamError, match="refused STARTTLS"):
            await connection.hello(b"x")

        assert not connection.alive
        await up.wait_for_close()
        assert up.commands == [b"EHLO x", b"STARTTLS"]


async def test_no_command_goes_out_in_plain_text_where_tls_is_wanted(authority: Authority) -> None:
    async with FakeUpstream(tls="starttls", context=authority.server_context()) as up:
        up.on("EHLO", reply=b"550 not you\r\n")
        connection = await Connection.open(target(up, authority))

        assert (await connection.hello(b"x")).code == 550
        with pytest.raises(UpstreamError, match="TLS"):
            await connection.command(b"AUTH PLAIN AGEAYg==")

        assert up.commands == [b"EHLO x"]
        await connection.quit()


@pytest.mark.parametrize(
    "leftover",
    [b"250 injected\r\n", b"250-mail\r\n250 AUTH PLAIN\r\n", b"250 half", b"2", b"\r\n", b"421 bye\r\n"],
)
async def test_plain_text_behind_the_220_of_starttls_is_an_injection(authority: Authority, leftover: bytes) -> None:
    async with FakeUpstream(tls="starttls", context=authority.server_context()) as up:
        up.on("STARTTLS", reply=b"220 2.0.0 Ready\r\n" + leftover)
        connection = await Connection.open(target(up, authority))

        with pytest.raises(UpstreamError):
            await connection.hello(b"x")

        assert not connection.alive
        await up.wait_for_close()
        assert up.commands == [b"EHLO x", b"STARTTLS"]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("names", [("other.example.test",), ("127.0.0.2",)])
async def test_a_certificate_for_another_name_is_refused(
    authority: Authority, tls: str, names: tuple[str, ...]
) -> None:
    async with FakeUpstream(tls=tls, context=authority.server_context(*names)) as up:
        with pytest.raises(UpstreamError, match="certificate is not accepted") as caught:
            await (await Connection.open(target(up, authority, tls))).hello(b"x")

        assert caught.value.reply is None
        await up.wait_for_close()


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_an_expired_certificate_is_refused(authority: Authority, tls: str) -> None:
    async with FakeUpstream(tls=tls, context=authority.server_context(expired=True)) as up:
        with pytest.raises(UpstreamError, match="expired"):
            await (await Connection.open(target(up, authority, tls))).hello(b"x")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_stranger_authority_is_refused(authority: Authority, tls: str, tmp_path: Path) -> None:
    async with FakeUpstream(tls=tls, context=Authority(tmp_path).server_context()) as up:
        with pytest.raises(UpstreamError, match="certificate is not accepted"):
            await (await Connection.open(target(up, authority, tls))).hello(b"x")


async def test_the_system_authorities_do_not_know_a_private_one(authority: Authority) -> None:
    async with FakeUpstream(tls="implicit", context=authority.server_context()) as up:
        with pytest.raises(UpstreamError, match="certificate is not accepted"):
            await Connection.open(Target(up.host, up.port, "implicit", client_context(), PATIENT))


@pytest.mark.parametrize(
    "fault", [{"then": "close"}, {"then": "reset"}, {"then": "stall"}, {"reply": b"220 again\r\n", "then": "close"}]
)
async def test_a_handshake_that_fails_is_one_error_in_bounded_time(authority: Authority, fault: dict[str, Any]) -> None:
    async with FakeUpstream(tls="starttls", context=authority.server_context()) as up:
        up.on("handshake", **fault)
        connection = await Connection.open(target(up, authority, timeouts=SHORT))

        with pytest.raises(UpstreamError):
            await connection.hello(b"x")

        assert not connection.alive
        up.go_on()
        await up.wait_for_close()


async def test_a_plain_server_where_implicit_tls_is_wanted_is_one_error(authority: Authority) -> None:
    async with FakeUpstream() as up:
        with pytest.raises(UpstreamError):
            await Connection.open(target(up, authority, "implicit", SHORT))

        await up.wait_for_close()


async def test_an_old_tls_version_is_refused(authority: Authority) -> None:
    old = authority.server_context()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with FakeUpstream(tls="starttls", context=old) as up:
        with pytest.raises(UpstreamError, match="TLS handshake"):
            await (await Connection.open(target(up, authority))).hello(b"x")


def test_the_context_checks_names_and_wants_tls_1_2(authority: Authority) -> None:
    for context in (client_context(), client_context("system"), client_context(authority.pem)):
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_pem_file_that_is_none_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing here")

    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(OSError, match=r"\w"):
            client_context(tmp_path / name)
