"""Ports of the site's Postfix that believe what the guard says about its members' addresses.

Two are shipped in deploy/postfix, two more are made of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.deployed import adapted
from tests.e2e.stack import Stack
from tests.e2e.stack.settings import also, at, services, without
from tests.ports import HOST, free_ports

NAME = "syslog_name=postfix/submission"
CLIENTS = "smtpd_client_restrictions=permit_sasl_authenticated,reject"
NOT_YOU = "smtpd_client_restrictions=check_client_access,inline:{{192.0.2.66=554 5.7.1 not you}},permit"


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
    """The site's Postfix with these services, each with a name of its own in the log. Raises TimeoutError."""
    ports = Named(*free_ports(4))
    site = stack.site | {"3589": str(ports.xclient), "3590": str(ports.proxy)}
    shipped = services(adapted("postfix/client_address.master.cf", site))
    xclient, proxy = (without(shipped[f"{HOST}:{port}"], NAME) for port in (ports.xclient, ports.proxy))
    mine = {
        "xclient": xclient,
        "proxy": proxy,
        "wrapped": also(proxy, "smtpd_tls_wrappermode=yes"),
        "picky": also(without(xclient, CLIENTS), "smtpd_delay_reject=no", NOT_YOU),
    }
    text = "".join(
        also(at(service, f"{HOST}:{getattr(ports, name)}"), f"syslog_name=postfix/{name}")
        for name, service in mine.items()
    )
    with stack.postfix.adding(text, [getattr(ports, name) for name in mine]):
        yield ports
