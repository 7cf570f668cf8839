"""`smtpguard doctor` where it looks further out: the page as members reach it, the DNS, a PostgreSQL database."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from smtpguard.held import HeldRow, State, Tags
from smtpguard.store.postgresql import PostgreSQLStore
from smtpguard.store.server import Server
from tests.loopback.certificates import Authority, authority
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import PASSWORDS, XCLIENT, write_config
from tests.loopback.test_doctor import NOBODY, Told, doctor, well
from tests.ports import free_port
from tests.postgresql import Database, postgresql, postgresql_cluster
from tests.tools.site import run
from tests.upstream.nameserver import NameServer

__all__ = ["authority", "postgresql", "postgresql_cluster"]

pytestmark = pytest.mark.slow


@asynccontextmanager
async def mail_servers(folder: Path, **changes: Any) -> AsyncIterator[None]:
    """Settings, and two mail servers with nothing to complain of. No guard runs."""
    async with (
        FakeUpstream(users=PASSWORDS, require_login=True) as up,
        FakeUpstream(xclient=XCLIENT, require_login=True) as out,
    ):
        out.on("RCPT", reply=NOBODY, match=rb"nobody-here")
        write_config(folder, up, out, **changes)
        yield


# ---------------------------------------------------------------- the page

SENT = {
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


class Front(ThreadingHTTPServer):
    """A web server in front of a page, with the mistakes that such servers have: `without` header fields of the answer,
    `takes_origin_out` of the request, `status` of everything."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.without: tuple[str, ...] = ()
        self.takes_origin_out = False
        self.status = 200
        self.url = f"http://localhost:{self.server_port}"
        self.bodies: list[bytes] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not like our certificate is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Front

    def do_GET(self) -> None:
        self._answer(self.server.status if self.path in ("/h", "/healthz") else 404)

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        origin = None if self.server.takes_origin_out else self.headers.get("Origin")
        own = origin == self.server.url if origin else self.headers.get("Sec-Fetch-Site") == "same-origin"
        self._answer(404 if own else 403)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        for name, value in SENT.items():
            if name not in self.server.without:
                self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def front(context: ssl.SSLContext | None = None) -> Iterator[Front]:
    server = Front()
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.url = server.url.replace("http:", "https:")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def told_of(folder: Path, page: Front) -> Told:
    web = {"listen": "127.0.0.1:8025"}
    async with mail_servers(folder, web=web, public_url=page.url):
        return await doctor(folder)


async def test_a_page_that_is_reached_as_it_should_be(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.pem))
    with front(authority.server_context()) as page:
        told = await told_of(tmp_path, page)

        assert [b"", b""] == page.bodies  # no code was sent
    assert (0, []) == (told.code, told.bad())
    said = told.of("page", "ok")
    assert "its certificate is right and good for 98 days" in said
    assert "Content-Security-Policy, Referrer-Policy, Cache-Control" in said
    assert "the guard says that it is well" in said
    assert "forms of other sites are refused" in said


async def test_the_guard_s_own_page_is_well(tmp_path: Path) -> None:
    port = free_port()
    web = {"listen": f"127.0.0.1:{port}"}
    async with well(tmp_path, web=web, public_url=f"http://127.0.0.1:{port}"):
        told = await doctor(tmp_path)

    assert (0, []) == (told.code, told.bad())
    said = told.of("page", "ok")
    assert f"http://127.0.0.1:{port}/h: answers" in said
    assert "arrive as the guard sends them" in said
    assert "the guard says that it is well" in said
    assert "forms of other sites are refused" in said


async def test_a_page_whose_certificate_nobody_knows(tmp_path: Path, authority: Authority) -> None:
    with front(authority.server_context()) as page:
        told = await told_of(tmp_path, page)

    assert told.code == 1
    assert "its certificate is not accepted (unable to get local issuer certificate)" in told.of("page", "problem")


async def test_a_web_server_that_takes_header_fields_away(tmp_path: Path) -> None:
    with front() as page:
        page.without = ("Referrer-Policy", "Cache-Control")
        told = await told_of(tmp_path, page)

    assert told.code == 1
    assert "Referrer-Policy, Cache-Control did not arrive as the guard sends it" in told.of("page", "problem")


async def test_T_23_a_web_server_that_takes_origin_out(tmp_path: Path) -> None:
    with front() as page:
        page.takes_origin_out = True
        told = await told_of(tmp_path, page)

    assert told.code == 1
    assert "own form is refused (403): the web server takes Origin out" in told.of("page", "problem")


async def test_a_page_that_is_not_there(tmp_path: Path) -> None:
    with front() as page:
        page.status = 502
        behind = await told_of(tmp_path, page)
    gone = await told_of(tmp_path, page)

    assert (1, 1) == (behind.code, gone.code)
    assert "/h: answers 502; does a guard run" in behind.of("page", "problem")
    assert "cannot be reached" in gone.of("page", "problem")


# ---------------------------------------------------------------- the DNS

GUARD, LISTS = "check.example.org", "lists.example.org"


@asynccontextmanager
async def named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NameServer]:
    """A name server with nothing to complain of."""
    async with NameServer() as dns:
        monkeypatch.setattr("smtpguard.upstream.resolution.RESOLV_CONF", str(dns.configuration(folder)))
        monkeypatch.setattr("smtpguard.upstream.resolution.DNS_PORT", dns.port)
        dns.add(GUARD, "MX", "10 mx.example.org.")
        dns.add(GUARD, "TXT", '"v=spf1 ip4:192.0.2.1 " "-all"')
        dns.add("_dmarc.example.org", "TXT", '"v=DMARC1; p=none; sp=reject"')
        dns.add(LISTS, "A", "192.0.2.1")
        yield dns


async def told_by(folder: Path) -> Told:
    changes = {"address": f"mailcheck@{GUARD}", "list_domains": [LISTS, "lists.example.test"]}
    async with mail_servers(folder, **changes):
        for each in (folder / "lists").iterdir():
            each.unlink()
        return await doctor(folder)


async def test_names_that_are_as_they_should_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with named(tmp_path, monkeypatch):
        told = await told_by(tmp_path)

    assert (0, []) == (told.code, told.bad())
    said = told.of("dns", "ok")
    assert f"{GUARD}: mail for it goes to mx.example.org (MX)" in said
    assert f"{GUARD}: v=spf1 ip4:192.0.2.1 -all" in said
    assert f"{GUARD}: DMARC says reject (example.org)" in said
    assert f"{LISTS}: mail for it goes to its own address (no MX)" in said
    assert "must say dkim=pass" in told.of("dns", "skipped")
    assert "lists.example.test: no names of the public DNS" in told.of("dns", "skipped")


async def test_a_guard_domain_in_whose_name_everybody_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with named(tmp_path, monkeypatch) as dns:
        dns.remove(GUARD, "TXT")
        dns.remove("_dmarc.example.org", "TXT")
        without = await told_by(tmp_path)
        dns.add(GUARD, "TXT", '"v=spf1 +all"')
        dns.add(f"_dmarc.{GUARD}", "TXT", '"v=DMARC1; p=quarantine"')
        weak = await told_by(tmp_path)

    assert (1, 1) == (without.code, weak.code)
    assert "has no SPF policy" in without.of("dns", "warning")
    assert "has no DMARC policy" in without.of("dns", "warning")
    assert "lets everybody write in its name: v=spf1 +all" in weak.of("dns", "warning")
    assert 'DMARC says "quarantine"' in weak.of("dns", "warning")


@pytest.mark.parametrize(
    ("policy", "result"),
    [
        ("v=spf1 +all exp=explain.example.org", "warning"),
        ("v=spf1 all -all", "warning"),
        ("v=spf1 mx", "warning"),
        ("v=spf1 mx ~all", "ok"),
        ("v=spf1 redirect=spf.example.org", "ok"),
        ("v=spf1 -all exp=explain.example.org", "ok"),
    ],
)
async def test_an_spf_policy_is_read_as_receivers_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str, result: str
) -> None:
    async with named(tmp_path, monkeypatch) as dns:
        dns.remove(GUARD, "TXT")
        dns.add(GUARD, "TXT", f'"{policy}"')
        told = await told_by(tmp_path)

    assert policy in told.of("dns", result)


async def test_two_dmarc_policies_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with named(tmp_path, monkeypatch) as dns:
        dns.add("_dmarc.example.org", "TXT", '"v=DMARC1; p=reject"')
        told = await told_by(tmp_path)

    assert f"{GUARD}: has 2 DMARC policies, which count as none" in told.of("dns", "warning")


async def test_domains_without_a_way_for_mail_and_a_dns_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with named(tmp_path, monkeypatch) as dns:
        dns.remove(LISTS, "A")
        dns.failing.add(f"_dmarc.{GUARD}")
        told = await told_by(tmp_path)

    assert told.code == 1
    assert f"{LISTS}: has neither MX nor address" in told.of("dns", "warning")
    assert f"the DNS gives no answer about _dmarc.{GUARD} TXT" in told.of("dns", "warning")


# ---------------------------------------------------------------- PostgreSQL


def shared(folder: Path, url: str) -> dict[str, Any]:
    file = folder / "store-url"
    file.write_text(f"{url}\n", "utf-8")
    file.chmod(0o600)
    return {"kind": "postgresql", "url_file": str(file)}


async def one_held(url: str) -> None:
    """A prepared database in which one mail waits."""
    server = await Server.open(url)
    now = await server.run("SELECT now() AS now")
    created = now[0]["now"]
    row = HeldRow(
        bytes(32), State.ASKING, day=created.date(), created=created, expires=created + timedelta(days=3),
        size=5, box=b"box", card=b"card", tags=Tags("2026-W47", None, bytes(32)),
    )  # fmt: skip
    await PostgreSQLStore(server).add(row)
    await server.close()


async def test_T_04_a_server_that_logs_values_of_statements_is_warned_of(tmp_path: Path, postgresql: Database) -> None:
    (tmp_path / "state" / "keys").mkdir(parents=True, mode=0o700)
    (tmp_path / "state").chmod(0o700)
    async with mail_servers(tmp_path, store=shared(tmp_path, postgresql.url)):
        await one_held(postgresql.url)
        (tmp_path / "state" / "keys" / f"day-{date.today()}.key").write_bytes(bytes(32))  # noqa: DTZ011
        (tmp_path / "state" / "keys" / f"day-{date.today()}.key").chmod(0o600)  # noqa: DTZ011
        well = await doctor(tmp_path)
        told = {}
        for name, value in (("log_statement", "mod"), ("log_min_duration_statement", "0")):
            with postgresql.connected(superuser=True) as connection:
                connection.execute(f"ALTER DATABASE {postgresql.name} SET {name} = '{value}'")
            told[name] = await doctor(tmp_path)
            with postgresql.connected(superuser=True) as connection:
                connection.execute(f"ALTER DATABASE {postgresql.name} RESET {name}")

    assert (0, []) == (well.code, well.bad())
    assert "schema of held: schema" in well.of("database", "ok")
    assert "the server logs no values of statements" in well.of("database", "ok")
    assert "the day keys are those that waiting mail needs" in well.of("keys", "ok")
    for name, value in (("log_statement", "mod"), ("log_min_duration_statement", "0")):
        assert told[name].code == 1
        assert f"{name} = {value}: set log_parameter_max_length = 0" in told[name].of("database", "warning")


async def test_a_database_that_is_not_there_is_unreachable_and_its_password_is_not_shown(tmp_path: Path) -> None:
    url = "postgresql://smtpguard:canary-password@127.0.0.1:1/nothing"
    async with mail_servers(tmp_path, store=shared(tmp_path, url)):
        told = await doctor(tmp_path)
        held = await asyncio.to_thread(run, "held", "--config", tmp_path / "smtpguard.yaml")
    broken = shared(tmp_path, "postgresql://smtpguard:canary-password@[host/nothing")
    async with mail_servers(tmp_path, store=broken):
        unreadable = await doctor(tmp_path)

    assert (69, 69, 69) == (told.code, held.exit_code, unreadable.code)
    assert "the database cannot be reached" in told.of("database", "problem")
    assert "canary" not in str(told.lines) + str(unreadable.lines) + held.stdout + held.stderr


async def test_held_and_expire_on_a_database_that_several_nodes_share(tmp_path: Path, postgresql: Database) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    async with mail_servers(tmp_path, store=shared(tmp_path, postgresql.url)):
        await one_held(postgresql.url)
        config = ("--config", tmp_path / "smtpguard.yaml", "--state-dir", tmp_path / "state")
        before = await asyncio.to_thread(run, "held", *config)
        dropped = await asyncio.to_thread(run, "expire", "--all", "--yes", *config)
        after = await asyncio.to_thread(run, "held", *config, "--format", "json")

    assert "1 mail waits for an answer\n       1 younger than an hour" in before.stdout
    assert "1 mail dropped" in dropped.stdout
    assert '"waiting": 0' in after.stdout
