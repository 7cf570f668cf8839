"""The whole guard with `domain:` and `dane:` in its settings: mail goes, or it is put off at the greeting."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from smtpguard.app import Application
from smtpguard.certificates import Certificates
from smtpguard.doors import target
from tests.logs import caught
from tests.loopback.certificates import Authority, authority
from tests.loopback.door import Client
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, PASSWORDS, XCLIENT, House, charge, write_config
from tests.upstream.nameserver import NameServer
from tests.upstream.places import tlsa

__all__ = ["authority"]

DOMAIN = "example.test"
HOST = "mail.example.test"


@asynccontextmanager
async def found_house(
    folder: Path,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    *signed: str,
    upstream: dict[str, Any],
    outbox: dict[str, Any],
) -> AsyncIterator[tuple[House, NameServer, Path, io.StringIO]]:
    """A guard whose servers are in the DNS under `HOST`, with a certificate for host and domain; what it logs."""
    certificate, key = authority.issue(HOST, DOMAIN)
    context = authority.server_context(HOST, DOMAIN)
    context.load_cert_chain(certificate, key)
    async with (
        NameServer() as dns,
        FakeUpstream(users=PASSWORDS, require_login=True, tls="starttls", context=context) as up,
        FakeUpstream(xclient=XCLIENT, tls="implicit", context=context) as out,
    ):
        dns.signed.update(signed)
        dns.add(HOST, "A", "127.0.0.1")
        dns.add(f"_submission._tcp.{DOMAIN}", "SRV", f"0 0 {up.port} {HOST}.")
        monkeypatch.setattr("smtpguard.upstream.resolution.RESOLV_CONF", str(dns.configuration(folder)))
        monkeypatch.setattr("smtpguard.upstream.resolution.DNS_PORT", dns.port)
        server = {"server": f"{HOST}:{out.port}"} if "domain" not in outbox else {"server": None}
        config = write_config(
            folder,
            up,
            out,
            upstream={"ca": str(authority.pem), **upstream},
            outbox_changes={"tls": "implicit", "ca": str(authority.pem), **server, **outbox},
            timeouts={"upstream_connect": "5s"},
        )
        application = Application(charge(config), sweep_seconds=0.2)
        with caught() as log:
            await application.start()
            house = House(folder, up, out, application)
            try:
                yield house, dns, certificate, log
            finally:
                await house.close()


async def test_mail_goes_to_the_server_of_the_domain_and_is_held_and_released(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"upstream": {"domain": DOMAIN}, "outbox": {"dane": True}}
    async with found_house(tmp_path, authority, monkeypatch, DOMAIN, **settings) as (house, dns, certificate, log):
        dns.add(f"_{house.out.port}._tcp.{HOST}", "TLSA", tlsa(3, 1, 1, certificate))

        assert (await house.submit("anna", [BERLIN])).code == 250
        assert (await house.submit("anna", [BERLIN, ALL])).code == 250
        assert (await house.answer("anna", await house.letter(), "SEND")).code == 250

        assert len(house.up.messages) == 1
        assert len(house.released()) == 1
        assert all(each.secure for each in (*house.up.sessions, *house.out.sessions))
        assert "no DANE" not in log.getvalue()


async def test_without_tlsa_records_the_log_says_so_once(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"upstream": {"domain": DOMAIN, "dane": True}, "outbox": {"dane": True}}
    async with found_house(tmp_path, authority, monkeypatch, **settings) as (house, _, _, log):
        for _ in range(3):
            assert (await house.submit("anna", [BERLIN])).code == 250

        assert log.getvalue().count("no DANE") == 1


@pytest.mark.parametrize(("fault", "greeting", "ehlo"), [("failing", b"421 4.3.2", b""), ("wrong", b"220", b"451")])
async def test_where_dane_says_no_mail_is_put_off(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, fault: str, greeting: bytes, ehlo: bytes
) -> None:
    settings: dict[str, Any] = {"upstream": {"domain": DOMAIN, "dane": True}, "outbox": {"dane": True}}
    async with found_house(tmp_path, authority, monkeypatch, DOMAIN, **settings) as (house, dns, _, log):
        if fault == "failing":
            dns.failing.add(f"_{house.up.port}._tcp.{HOST}")
        else:
            dns.add(f"_{house.up.port}._tcp.{HOST}", "TLSA", tlsa(3, 1, 1, authority.pem))

        client = Client(*await asyncio.open_connection("127.0.0.1", house.port))
        assert (await client.reply()).startswith(greeting)
        if ehlo:
            assert (await client.ask(b"EHLO me")).startswith(ehlo)
            assert "(DANE)" in log.getvalue()
        else:
            assert "the DNS gives no answer" in log.getvalue()
        await client.close()
        assert not any(each.secure and each.hello for each in house.up.sessions)


async def test_a_plain_server_is_not_looked_for(tmp_path: Path) -> None:
    async with FakeUpstream() as up, FakeUpstream(xclient=XCLIENT) as out:
        settings = charge(write_config(tmp_path, up, out)).settings

        assert settings.upstream is not None
        assert target(settings.upstream, settings.timeouts, Certificates()).locator is None
