"""`make torture`: every fault, and the table at the end. Its exit code is 1 if anything went wrong."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.torture.broken_stores import FAULTS as BROKEN_STORES
from tests.torture.broken_stores import broken_store
from tests.torture.clocks import JUMPS, clock_jumps
from tests.torture.full_store import full_store
from tests.torture.kills import at_each_step, at_random_moments
from tests.torture.ledger import Account
from tests.torture.outboxes import notice_not_sent
from tests.torture.report import as_markdown, as_text
from tests.torture.signals import ended_under_load, reloaded_under_load
from tests.torture.synced import synced_before_the_250
from tests.torture.workers import killed_in_releases, killed_under_load

RELOAD_SECONDS = 30.0

# By name: what is done with so many tries. The number in the table of goals comes first.
FAULTS: dict[str, tuple[int, Callable[[int], Awaitable[Account]]]] = {
    "kills": (200, at_random_moments),
    "steps": (20, at_each_step),
    "workers": (50, killed_under_load),
    "releases": (10, killed_in_releases),
    **{name: (3, lambda tries, name=name: broken_store(name, tries)) for name in BROKEN_STORES},  # type: ignore[misc]
    **{f"clock {name}": (1, lambda _, name=name: clock_jumps(name)) for name in JUMPS},  # type: ignore[misc]
    "sigterm": (20, ended_under_load),
    "sighup": (1, lambda _: reloaded_under_load(RELOAD_SECONDS)),
    "outbox": (10, notice_not_sent),
    "fsync": (100, synced_before_the_250),
    "full store": (1, lambda _: full_store()),
}


async def _all(names: list[str], tries: int | None) -> list[Account]:
    accounts = []
    for name in names:
        usual, play = FAULTS[name]
        print(f"{name} ...", flush=True)
        accounts.append(await play(usual if tries is None else tries))
    return accounts


def main() -> int:
    """Play what the command line asks for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("fault", nargs="*", help=f"one of: {', '.join(FAULTS)} (default: all, about an hour)")
    parser.add_argument("--tries", type=int, help="so many instead of the usual number")
    parser.add_argument("--markdown", type=Path, help="write the table for a README there, too")
    options = parser.parse_args()
    unknown = set(options.fault) - set(FAULTS)
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    begun = time.monotonic()
    accounts = asyncio.run(_all(options.fault or list(FAULTS), options.tries))
    minutes = (time.monotonic() - begun) / 60
    print(as_text(accounts, minutes))
    if options.markdown is not None:
        options.markdown.write_text(as_markdown(accounts, minutes), "utf-8")
    return 0 if all(each.good for each in accounts) else 1


if __name__ == "__main__":
    sys.exit(main())
