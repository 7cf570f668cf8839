"""Ports of the site's Postfix that believe what the guard says about its members' addresses."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.stack import Stack
from tests.e2e.stack.ports import HOST, answers, free_ports, wait_until
from tests.e2e.stack.postfix import CHECKED
from tests.e2e.stack.programs import POSTFIX

RELOADED = 20.0  # seconds; below one was measured

SERVICES = """\
{host}:{xclient} inet n - n - - smtpd
  -o syslog_name=postfix/xclient
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_auth_only=yes
  -o smtpd_authorized_xclient_hosts={host}/32
{checked}\
{host}:{proxy} inet n - n - - smtpd
  -o syslog_name=postfix/proxy
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_auth_only=yes
  -o smtpd_upstream_proxy_protocol=haproxy
{checked}\
{host}:{wrapped} inet n - n - - smtpd
  -o syslog_name=postfix/wrapped
  -o smtpd_tls_wrappermode=yes
  -o smtpd_upstream_proxy_protocol=haproxy
{checked}\
{host}:{picky} inet n - n - - smtpd
  -o syslog_name=postfix/picky
  -o smtpd_tls_security_level=encrypt
  -o smtpd_delay_reject=no
  -o smtpd_authorized_xclient_hosts={host}/32
  -o smtpd_client_restrictions=check_client_access,inline:{{{{192.0.2.66=554 5.7.1 not you}}}},permit
"""


@dataclass(frozen=True, slots=True)
class Named:
    """Ports: `xclient` and `picky` (refuses 192.0.2.66 at once) by XCLIENT, `proxy` (STARTTLS) and `wrapped` (TLS at
    once) by a PROXY header.
    """

    xclient: int
    proxy: int
    wrapped: int
    picky: int


@contextmanager
def named(stack: Stack) -> Iterator[Named]:
    """The site's Postfix with these services. Raises TimeoutError if they do not listen."""
    ports = Named(*free_ports(4))
    master = stack.postfix.folder / "conf" / "master.cf"
    log = stack.postfix.folder / "log" / "reload"
    before = master.read_text()
    services = SERVICES.format(
        host=HOST, checked=CHECKED, xclient=ports.xclient, proxy=ports.proxy, wrapped=ports.wrapped, picky=ports.picky
    )
    mine = (ports.xclient, ports.proxy, ports.wrapped, ports.picky)
    try:
        master.write_text(before + services)
        _reload(master.parent, log)
        wait_until("the ports are open", lambda: all(map(answers, mine)), RELOADED)
        yield ports
    finally:
        master.write_text(before)
        _reload(master.parent, log)
        wait_until("the ports are closed", lambda: not any(map(answers, mine)), RELOADED)


def _reload(conf: Path, log: Path) -> None:
    # Output to a file of ours: Postfix keeps its standard error open.
    with log.open("w") as stream:
        subprocess.run(
            [str(POSTFIX), "-c", str(conf), "reload"], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
            timeout=60, check=True,
        )  # fmt: skip
