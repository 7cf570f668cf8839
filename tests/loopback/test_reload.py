"""SIGHUP: certificates, keys and authorities are read again; what cannot be used leaves the former one in force."""

from __future__ import annotations

import asyncio
import shutil
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from smtpguard.app import Application
from tests.logs import caught
from tests.loopback.certificates import Authority, authority
from tests.loopback.door import Client
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, PASSWORDS, XCLIENT, charge, guarded, write_config
from tests.loopback.serving import Serving, serving

__all__ = ["authority"]

LISTENERS = [
    {"kind": "submission", "listen": "127.0.0.1:0", "tls": "starttls"},
    {"kind": "submission", "listen": "127.0.0.1:0", "tls": "implicit"},
]


@dataclass
class Files:
    """What the settings name, and an authority to fill it from."""

    authority: Authority
    certificate: Path
    key: Path

    def issue(self, **kind: Any) -> bytes:
        """A new pair in place of the old one; the certificate in DER."""
        for there, here in zip(self.authority.issue("localhost", **kind), (self.certificate, self.key), strict=True):
            shutil.copy(there, here)
        self.key.chmod(0o600)
        return self.der()

    def der(self) -> bytes:
        return x509.load_pem_x509_certificate(self.certificate.read_bytes()).public_bytes(serialization.Encoding.DER)

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "listeners": LISTENERS,
            "tls": {"certificate": str(self.certificate), "key_file": str(self.key)},
        }


@pytest.fixture
def files(authority: Authority, tmp_path: Path) -> Files:
    made = Files(authority, tmp_path / "certificate.pem", tmp_path / "key.pem")
    made.issue()
    return made


@asynccontextmanager
async def session(port: int, authority: Authority, *, implicit: bool) -> AsyncIterator[Client]:
    """A client that speaks TLS and has said EHLO."""
    context = authority.client_context()
    tls: dict[str, Any] = {"ssl": context, "server_hostname": "localhost"} if implicit else {}
    client = Client(*await asyncio.open_connection("127.0.0.1", port, **tls))
    try:
        assert (await client.reply()).startswith(b"220")
        if not implicit:
            await client.ask(b"EHLO me.example.test")
            assert (await client.ask(b"STARTTLS")).startswith(b"220")
            await client.start_tls(context)
        assert (await client.ask(b"EHLO me.example.test")).startswith(b"250")
        yield client
    finally:
        await client.close()


def shown(client: Client) -> bytes:
    """The certificate that the guard has shown, in DER."""
    tls: ssl.SSLObject = client.writer.get_extra_info("ssl_object")
    return tls.getpeercert(binary_form=True) or b""


async def shown_to_new_clients(ports: list[int] | tuple[int, ...], authority: Authority) -> set[bytes]:
    """What is shown at the STARTTLS door and at the implicit one."""
    found = set()
    for port, implicit in zip(ports, (False, True), strict=True):
        async with session(port, authority, implicit=implicit) as client:
            found.add(shown(client))
    return found


async def logged(guard: Serving, words: bytes, times: int = 1) -> None:
    """Wait until the log of a process has `words` so often."""
    async with asyncio.timeout(60):
        while guard.log.count(words) < times:
            await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_after_sighup_new_handshakes_use_the_new_certificate_and_sessions_go_on(
    tmp_path: Path, files: Files
) -> None:
    old = files.der()
    async with (
        FakeUpstream(users=PASSWORDS, require_login=True) as up,
        FakeUpstream(xclient=XCLIENT) as out,
        serving(write_config(tmp_path, up, out, **files.settings)) as guard,
        session(guard.ports[0], files.authority, implicit=False) as one,
        session(guard.ports[1], files.authority, implicit=True) as two,
    ):
        assert {old} == {shown(one), shown(two)}
        new = files.issue()
        guard.process.send_signal(signal.SIGHUP)
        await logged(guard, b"event=reloaded")

        assert {new} == await shown_to_new_clients(guard.ports, files.authority)
        for client in (one, two):
            assert (await client.log_in("anna@example.test", "anna-password")).startswith(b"235")
            for line in (b"MAIL FROM:<anna@example.test>", b"RCPT TO:<x@example.test>"):
                assert (await client.ask(line)).startswith(b"250")
            assert (await client.ask(b"DATA")).startswith(b"354")
            assert (await client.ask(b"Subject: on\r\n\r\nwith it\r\n.")).startswith(b"250")
        assert 2 == len(up.messages)
        assert b"certificates=1" in guard.log
        assert b"event=settings-read" in guard.log
        assert b"level=error" not in guard.log


async def test_sighup_without_tls_ends_nothing(tmp_path: Path) -> None:
    async with (
        FakeUpstream(users=PASSWORDS, require_login=True) as up,
        FakeUpstream(xclient=XCLIENT) as out,
        serving(write_config(tmp_path, up, out)) as guard,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", guard.ports[0])
        client = Client(reader, writer)
        await client.reply()
        for number in (1, 2):
            guard.process.send_signal(signal.SIGHUP)
            await logged(guard, b"event=reloaded", number)
        assert (await client.ask(b"EHLO me")).startswith(b"250")
        await client.close()
        guard.process.send_signal(signal.SIGTERM)
        assert 0 == await guard.ended()


def _encrypted(files: Files) -> None:
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"secret")
    form = serialization.PrivateFormat.PKCS8
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, secret))


def _another_key(files: Files) -> None:
    shutil.copy(files.authority.issue("localhost")[1], files.key)


# How the new files are spoiled, which file the log names, and what it says of it.
SPOILED = {
    "certificate missing": (lambda files: files.certificate.unlink(), "certificate.pem", "tls.certificate"),
    "certificate half written": (
        lambda files: files.certificate.write_bytes(files.certificate.read_bytes()[:200]),
        "certificate.pem",
        "holds no certificate in PEM form",
    ),
    "certificate empty": (lambda files: files.certificate.write_bytes(b""), "certificate.pem", "tls.certificate"),
    "certificate a folder": (
        lambda files: (files.certificate.unlink(), files.certificate.mkdir()),
        "certificate.pem",
        "tls.certificate",
    ),
    "key missing": (lambda files: files.key.unlink(), "key.pem", "tls.key_file"),
    "key of another": (_another_key, "key.pem", "is not the key of the first certificate"),
    "key garbage": (lambda files: files.key.write_bytes(b"\0garbage"), "key.pem", "holds no private key in PEM form"),
    "key with a passphrase": (_encrypted, "key.pem", "is protected by a passphrase"),
}


@pytest.mark.parametrize("how", SPOILED)
async def test_new_files_that_cannot_be_used_leave_the_former_ones_in_force(
    tmp_path: Path, files: Files, how: str
) -> None:
    spoil, file, words = SPOILED[how]
    old = files.der()
    async with guarded(tmp_path, **files.settings) as house:
        files.issue()
        spoil(files)
        with caught() as log:
            await house.application.reload()

        said = [line for line in log.getvalue().splitlines() if "level=error" in line]
        assert 1 == len(said), log.getvalue()
        assert "event=certificate-kept" in said[0]
        assert file in said[0]
        assert words in said[0]
        assert "certificates=0" in log.getvalue()
        assert {old} == await shown_to_new_clients(house.application.ports, files.authority)

        # Mended, it comes in force with the next SIGHUP.
        if files.certificate.is_dir():
            files.certificate.rmdir()
        new = files.issue()
        with caught() as log:
            await house.application.reload()
        assert "level=error" not in log.getvalue()
        assert {new} == await shown_to_new_clients(house.application.ports, files.authority)


async def test_an_expired_new_certificate_is_used_with_a_warning_as_at_start(tmp_path: Path, files: Files) -> None:
    async with guarded(tmp_path, **files.settings) as house:
        new = files.issue(expired=True)
        with caught() as log:
            await house.application.reload()
        assert "expired on" in log.getvalue()
        context = files.authority.client_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client = Client(
            *await asyncio.open_connection(
                "127.0.0.1", house.application.ports[1], ssl=context, server_hostname="localhost"
            )
        )
        await client.reply()
        assert new == shown(client)
        await client.close()


@pytest.fixture
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other"))


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_the_authorities_of_the_mail_server_and_the_outbox_are_read_again(
    tmp_path: Path, authority: Authority, other_authority: Authority, tls: str
) -> None:
    ca = tmp_path / "ca.pem"
    shutil.copy(authority.pem, ca)
    async with (
        FakeUpstream(users=PASSWORDS, tls=tls, context=other_authority.server_context(), require_login=True) as up,
        FakeUpstream(xclient=XCLIENT, tls=tls, context=other_authority.server_context()) as out,
    ):
        config = write_config(
            tmp_path,
            up,
            out,
            upstream={"server": f"127.0.0.1:{up.port}", "tls": tls, "ca": str(ca)},
            outbox_changes={"tls": tls, "ca": str(ca)},
        )
        application = Application(charge(config))
        await application.start()
        try:
            assert not await can_hold(application, up)
            ca.write_bytes(b"half a certif")
            with caught() as log:
                await application.reload()
            assert "upstream.ca" in log.getvalue()
            assert "outbox.ca" in log.getvalue()
            assert "certificates=0" in log.getvalue()
            assert not await can_hold(application, up)

            shutil.copy(other_authority.pem, ca)
            await application.reload()
            assert await can_hold(application, up)
            assert 1 == len(out.messages)

            # Who is no authority any more is trusted no longer.
            shutil.copy(authority.pem, ca)
            await application.reload()
            assert not await can_hold(application, up)
        finally:
            await application.stop()


async def can_hold(application: Application, up: FakeUpstream) -> bool:
    """True if a member's mail to two lists is answered 250: the mail server and the outbox are both reached then."""
    client = Client(*await asyncio.open_connection("127.0.0.1", application.ports[0]))
    try:
        if not (await client.reply()).startswith(b"220"):
            return False
        if not (await client.ask(b"EHLO me")).startswith(b"250"):
            return False
        assert (await client.log_in("anna@example.test", "anna-password")).startswith(b"235")
        await client.ask(b"MAIL FROM:<anna@example.test>")
        for each in (BERLIN, ALL):
            assert (await client.ask(f"RCPT TO:<{each}>".encode())).startswith(b"250")
        await client.ask(b"DATA")
        return (await client.ask(b"Subject: x\r\n\r\nwords\r\n.")).startswith(b"250")
    finally:
        await client.close()


async def test_reloads_at_the_same_time_do_not_mix(tmp_path: Path, files: Files) -> None:
    async with guarded(tmp_path, **files.settings) as house:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                new = files.issue()
                tasks.create_task(house.application.reload())
        await house.application.reload()
        assert {new} == await shown_to_new_clients(house.application.ports, files.authority)
