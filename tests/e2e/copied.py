"""Copies of mail for the guard's taps, by the very files that deploy/postfix ships.

They are added to the running Postfix of the site and taken away again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.deployed import adapted
from tests.e2e.stack import Stack
from tests.ports import HOST, free_ports

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
    site = stack.site | {
        "smtp inet": f"{HOST}:{ports.world} inet",
        "10030": str(ports.lists),
        "2527": str(copies),
        "2528": str(posts),
    }
    with stack.postfix.adding(
        adapted("postfix/tap.master.cf", site),
        (ports.world, ports.lists),
        tables={name: adapted(f"postfix/{name}", site) for name in TABLES},
        main=adapted("postfix/tap.main.cf", site),
    ):
        yield ports
