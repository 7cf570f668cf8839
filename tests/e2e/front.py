"""Postfix in front of the guard, by the very files that deploy/postfix ships: a front, a re-entry port, an outbox.

They are added to the running Postfix of the site and taken away again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.deployed import adapted
from tests.e2e.stack import Stack
from tests.e2e.stack.settings import at, services, without
from tests.ports import HOST, free_ports


@dataclass(frozen=True, slots=True)
class Front:
    """Ports: `submission` for members who log in, `world` for mail without a login, both behind the filter at `filter`;
    `re_entry` and `outbox` for the guard.
    """

    submission: int
    world: int
    filter: int
    re_entry: int
    outbox: int

    def site(self, stack: Stack) -> dict[str, str]:
        """The values of deploy/README.md for these ports."""
        return stack.site | {
            "submission inet": f"{HOST}:{self.submission} inet",
            "10025": str(self.filter),
            "10026": str(self.re_entry),
            "3588": str(self.outbox),
        }


@contextmanager
def front(stack: Stack) -> Iterator[Front]:
    """The site's Postfix with the shipped services. Raises TimeoutError if they do not answer."""
    ports = Front(*free_ports(5))
    site = ports.site(stack)
    shipped = adapted("postfix/filter.master.cf", site)
    # The first service once more, as a port 25 has it: no login, and mail for our own domains only.
    world = without(
        at(services(shipped)[f"{HOST}:{ports.submission}"], f"{HOST}:{ports.world}"),
        "smtpd_tls_security_level=encrypt",
        "smtpd_sasl_auth_enable=yes",
        "smtpd_client_restrictions=permit_sasl_authenticated,reject",
        "smtpd_sender_restrictions=reject_sender_login_mismatch",
        "smtpd_relay_restrictions=permit_sasl_authenticated,reject",
    )
    tables = {"smtpguard_login": adapted("postfix/smtpguard_login", site)}
    mine = (ports.submission, ports.world, ports.re_entry, ports.outbox)
    with stack.postfix.adding(shipped + world, mine, tables=tables):
        yield ports
