"""A port 25 as deploy/README.md closes it to the guard domain, by the very file that deploy/postfix ships."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.front import RELOADED, SHIPPED, _reload
from tests.e2e.stack import Stack
from tests.e2e.stack.people import GUARD_DOMAIN
from tests.e2e.stack.ports import HOST, answers, free_ports, wait_until


@contextmanager
def closed(stack: Stack) -> Iterator[int]:
    """The site's Postfix with one more port at which mail from outside comes in. Raises TimeoutError."""
    [port] = free_ports(1)
    conf = stack.postfix.folder / "conf"
    master, table = conf / "master.cf", conf / "smtpguard_closed"
    before = master.read_text()
    table.write_text((SHIPPED / "smtpguard_closed").read_text().replace("check.example.org", GUARD_DOMAIN))
    text = (SHIPPED.parent / "README.md").read_text()
    found = re.search(r"-o smtpd_recipient_restrictions=check_recipient_access\S+", text)
    assert found is not None
    option = found[0].replace("/etc/postfix/", f"{conf}/")
    try:
        master.write_text(f"{before}{HOST}:{port} inet n - n - - smtpd\n  {option}\n")
        _reload(conf, stack.postfix.folder / "log" / "reload")
        wait_until("port 25 answers", lambda: answers(port), RELOADED)
        yield port
    finally:
        master.write_text(before)
        _reload(conf, stack.postfix.folder / "log" / "reload")
        wait_until("port 25 has ended", lambda: not answers(port), RELOADED)
