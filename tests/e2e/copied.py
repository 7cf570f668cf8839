"""Copies of mail for the guard's taps, by the very files that deploy/postfix ships.

They are added to the running Postfix of the site and taken away again. Only what names a machine is replaced: ports,
the members' domain, the folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.e2e.front import RELOADED, SHIPPED, _reload, _replaced
from tests.e2e.stack import Stack
from tests.e2e.stack.people import MEMBER_DOMAIN
from tests.e2e.stack.ports import HOST, answers, free_ports, wait_until

TABLES = ("smtpguard_copies", "smtpguard_posts", "smtpguard_originals", "smtpguard_transport")


@dataclass(frozen=True, slots=True)
class Copied:
    """Ports: `world` for mail from outside, `lists` for the list manager."""

    world: int
    lists: int


@contextmanager
def copied(stack: Stack, copies: int, posts: int) -> Iterator[Copied]:
    """The site's Postfix with the shipped services; the taps listen at `copies` and `posts`.

    Raises TimeoutError if they do not answer.
    """
    ports = Copied(*free_ports(2))
    conf = stack.postfix.folder / "conf"
    master, main, log = conf / "master.cf", conf / "main.cf", stack.postfix.folder / "log" / "reload"
    before = master.read_text(), main.read_text()
    for name in TABLES:
        text = (SHIPPED / name).read_text().replace("example\\.org", MEMBER_DOMAIN.replace(".", "\\."))
        for shipped, port in {":2527": copies, ":2528": posts}.items():
            text = text.replace(shipped, f":{port}")
        (conf / name).write_text(text)
    services = (SHIPPED / "tap.master.cf").read_text().replace("/etc/postfix/", f"{conf}/")
    services = _replaced(services, "smtp inet", f"{HOST}:{ports.world} inet")
    services = _replaced(services, "127.0.0.1:10030", f"{HOST}:{ports.lists}")
    mine = (ports.world, ports.lists)
    try:
        master.write_text(before[0] + services)
        main.write_text(
            _replaced(before[1], "transport_maps =", f"transport_maps = regexp:{conf}/smtpguard_transport,")
        )
        _reload(conf, log)
        wait_until("the copying services answer", lambda: all(map(answers, mine)), RELOADED)
        yield ports
    finally:
        master.write_text(before[0])
        main.write_text(before[1])
        _reload(conf, log)
        wait_until("the copying services have ended", lambda: not any(map(answers, mine)), RELOADED)
