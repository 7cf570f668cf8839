"""A port 25 closed to the guard domain, by the very files that deploy/postfix ships."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.deployed import adapted
from tests.e2e.stack import Stack
from tests.ports import HOST, free_port


@contextmanager
def closed(stack: Stack) -> Iterator[int]:
    """The site's Postfix with one more port at which mail from outside comes in. Raises TimeoutError."""
    port = free_port()
    site = stack.site | {"smtp inet": f"{HOST}:{port} inet"}
    tables = {"smtpguard_closed": adapted("postfix/smtpguard_closed", site)}
    with stack.postfix.adding(adapted("postfix/closed.master.cf", site), (port,), tables=tables):
        yield port
