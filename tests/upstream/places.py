"""A domain in the DNS with its mail servers, for the tests that find them."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smtpguard.upstream.connection import Connection
from smtpguard.upstream.location import DnsLocator
from smtpguard.upstream.resolution import Resolver
from smtpguard.upstream.target import Target, Timeouts
from smtpguard.upstream.tls import client_context
from tests.loopback.certificates import Authority
from tests.loopback.fake_upstream import FakeUpstream
from tests.upstream.nameserver import NameServer

DOMAIN = "example.test"
HOST = "mail.example.test"
TIMES = Timeouts(connect=8, reply=5, final=5)


class Site:
    """A resolver that asks `dns`, and targets whose certificates `authority` signs. `told` is what the admin reads."""

    def __init__(self, dns: NameServer, authority: Authority, folder: Path) -> None:
        self.dns = dns
        self.authority = authority
        self.told: list[str] = []
        self._configuration = dns.configuration(folder)

    def resolver(self) -> Resolver:
        return Resolver(self._configuration, self.dns.port)

    def by_domain(self, *, tls: str = "starttls", dane: bool = False, timeouts: Timeouts = TIMES) -> Target:
        """As `domain: example.test` says."""
        locator = DnsLocator(self.resolver(), domain=DOMAIN, dane=dane, tell=self.told.append)
        return Target(DOMAIN, 0, tls, client_context(self.authority.pem), timeouts, locator=locator)

    def by_server(self, port: int, *, tls: str = "starttls", host: str = HOST, timeouts: Timeouts = TIMES) -> Target:
        """As `server: HOST:PORT` and `dane: true` say."""
        locator = DnsLocator(self.resolver(), dane=True, tell=self.told.append)
        return Target(host, port, tls, client_context(self.authority.pem), timeouts, locator=locator)

    def host(self, name: str = HOST, *addresses: str) -> None:
        self.dns.add(name, "A", *(addresses or ("127.0.0.1",)))

    def service(self, up: FakeUpstream, kind: str = "_submission", *, host: str = HOST, order: str = "0 0") -> None:
        """An SRV record for `up`."""
        self.dns.add(f"{kind}._tcp.{DOMAIN}", "SRV", f"{order} {up.port} {host}.")

    def association(self, port: int, *records: str, host: str = HOST) -> None:
        """TLSA records."""
        self.dns.add(f"_{port}._tcp.{host}", "TLSA", *records)

    async def session(self, target: Target) -> Connection:
        """Connected, past EHLO and TLS."""
        connection = await Connection.open(target)
        try:
            await connection.hello(b"guard.example.test")
        except BaseException:
            connection.abort()
            raise
        return connection


@asynccontextmanager
async def site(authority: Authority, folder: Path, *signed: str) -> AsyncIterator[Site]:
    """A name server without records; zones of `signed` are validated."""
    async with NameServer() as dns:
        dns.signed.update(signed)
        yield Site(dns, authority, folder)


def server_context(certificate: Path, key: Path, *chain: Path) -> ssl.SSLContext:
    """A server that sends `chain` along with its certificate."""
    whole = certificate.with_suffix(".chain.pem")
    whole.write_bytes(b"".join(each.read_bytes() for each in (certificate, *chain)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(whole, key)
    return context


def tlsa(usage: int, selector: int, matching: int, certificate: Path) -> str:
    """The record that names the certificate in a PEM file, in the form of a zone file."""
    loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    octets = loaded.public_bytes(Encoding.DER)
    if selector == 1:
        octets = loaded.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digests = {0: lambda data: data, 1: lambda d: hashlib.sha256(d).digest(), 2: lambda d: hashlib.sha512(d).digest()}
    return f"{usage} {selector} {matching} {digests.get(matching, digests[1])(octets).hex()}"
