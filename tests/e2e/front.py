"""Postfix in front of the guard, by the very files that deploy/postfix ships: a front, a re-entry port, an outbox.

They are added to the running Postfix of the site and taken away again. Only what names a machine is replaced: ports,
the host's name, the folder.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.stack import Stack
from tests.e2e.stack.people import SERVER_NAME
from tests.e2e.stack.ports import HOST, answers, free_ports, wait_until
from tests.e2e.stack.programs import POSTFIX

SHIPPED = Path(__file__).parents[2] / "deploy" / "postfix"
RELOADED = 20.0  # seconds; below one was measured


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


@contextmanager
def front(stack: Stack) -> Iterator[Front]:
    """The site's Postfix with the shipped services. Raises TimeoutError with its log if they do not answer."""
    ports = Front(*free_ports(5))
    conf = stack.postfix.folder / "conf"
    master, table = conf / "master.cf", conf / "smtpguard_login"
    before = master.read_text()
    table.write_text(_here((SHIPPED / "smtpguard_login").read_text(), conf))
    services = _here((SHIPPED / "filter.master.cf").read_text(), conf)
    for shipped, port in {"10025": ports.filter, "10026": ports.re_entry, "3588": ports.outbox}.items():
        services = _replaced(services, f"127.0.0.1:{shipped}", f"{HOST}:{port}")
    services = _replaced(services, "submission inet", f"{HOST}:{ports.submission} inet")
    mine = (ports.submission, ports.world, ports.re_entry, ports.outbox)
    try:
        master.write_text(f"{before}{services}{_world(services, ports)}")
        _reload(conf, stack.postfix.folder / "log" / "reload")
        wait_until("the front answers", lambda: all(map(answers, mine)), RELOADED)
        yield ports
    finally:
        master.write_text(before)
        _reload(conf, stack.postfix.folder / "log" / "reload")
        wait_until("the front has ended", lambda: not any(map(answers, mine)), RELOADED)


def _world(services: str, ports: Front) -> str:
    """The first service once more, as a port 25 has it: no login, and mail for our own domains only."""
    text = "\n".join(line for line in services.splitlines() if line.strip() and not line.startswith("#"))
    first = re.split(r"\n(?=\S)", text)[0].replace(f"{HOST}:{ports.submission}", f"{HOST}:{ports.world}")
    for line in (
        "smtpd_tls_security_level=encrypt",
        "smtpd_sasl_auth_enable=yes",
        "smtpd_client_restrictions=permit_sasl_authenticated,reject",
        "smtpd_sender_restrictions=reject_sender_login_mismatch",
        "smtpd_relay_restrictions=permit_sasl_authenticated,reject",
    ):
        first = _replaced(first, f"  -o {line}\n", "")
    return f"{first}\n"


def _here(text: str, conf: Path) -> str:
    for shipped, ours in (("/etc/postfix/", f"{conf}/"), ("mail.example.org", SERVER_NAME)):
        text = text.replace(shipped, ours).replace(re.escape(shipped), re.escape(ours))
    return text


def _replaced(text: str, shipped: str, ours: str) -> str:
    assert shipped in text, f"the shipped files have no {shipped!r}"
    return text.replace(shipped, ours)


def _reload(conf: Path, log: Path) -> None:
    # Output to a file of ours: Postfix keeps its standard error open.
    with log.open("w") as stream:
        subprocess.run(
            [str(POSTFIX), "-c", str(conf), "reload"], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
            timeout=60, check=True,
        )  # fmt: skip
