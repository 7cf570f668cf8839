"""`make torture`: every fault, and the table at the end. Its exit code is 1 if anything went wrong."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from tests.postgresql import REMEDY, Cluster, programs
from tests.torture.broken_stores import FAULTS as BROKEN_STORES
from tests.torture.broken_stores import broken_store
from tests.torture.clocks import JUMPS, clock_jumps
from tests.torture.full_store import full_store
from tests.torture.kills import at_each_step, at_random_moments
from tests.torture.ledger import Account
from tests.torture.outboxes import notice_not_sent
from tests.torture.report import as_markdown, as_text
from tests.torture.servers import server_killed
from tests.torture.signals import ended_under_load, reloaded_under_load
from tests.torture.site import site
from tests.torture.stores import on_server
from tests.torture.synced import synced_before_the_250
from tests.torture.workers import killed_in_releases, killed_under_load

RELOAD_SECONDS = 30.0
# With PostgreSQL a guard is slower to begin: it connects, and asks for each key.
KILLED_WITHIN_SECONDS = 3.0
KILLED_HELD_SHARE = 0.2

# By name: what is done with so many tries. The number in the table of goals comes first.
Faults = Mapping[str, tuple[int, Callable[[int], Awaitable[Account]]]]
FAULTS: Faults = {
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


def on_postgresql(cluster: Cluster) -> Faults:
    """What is the same with another store, and what only that store can suffer."""
    anyhow, own, common = (partial(site, on_server(cluster, keys_by_database=each)) for each in (None, True, False))
    longer = partial(at_random_moments, alive=KILLED_WITHIN_SECONDS, held=KILLED_HELD_SHARE)
    return {
        "kills": (30, lambda tries: longer(tries, own)),
        "kills, common keys": (30, lambda tries: longer(tries, common)),
        "steps": (5, lambda tries: at_each_step(tries, anyhow)),
        "workers": (10, lambda tries: killed_under_load(tries, anyhow)),
        "releases": (3, lambda tries: killed_in_releases(tries, anyhow)),
        "sigterm": (5, lambda tries: ended_under_load(tries, anyhow)),
        "outbox": (3, lambda tries: notice_not_sent(tries, anyhow)),
        "server": (30, lambda tries: server_killed(tries, cluster)),
    }


async def _all(faults: Faults, names: list[str], tries: int | None) -> list[Account]:
    accounts = []
    for name in names or faults:
        usual, play = faults[name]
        print(f"{name} ...", flush=True)
        accounts.append(await play(usual if tries is None else tries))
    return accounts


def main() -> int:
    """Play what the command line asks for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("fault", nargs="*", help="some of them by name (default: all; an hour, or half of one)")
    parser.add_argument(
        "--store", choices=["sqlite", "postgresql"], default="sqlite", help="where the guard keeps mail"
    )
    parser.add_argument("--tries", type=int, help="so many instead of the usual number")
    parser.add_argument("--markdown", type=Path, help="write the table for a README there, too")
    options = parser.parse_args()
    if options.store == "postgresql" and programs() is None:
        print(f"skipped: PostgreSQL is missing here; {REMEDY}")
        return 0
    begun = time.monotonic()
    with Cluster(durable=True) if options.store == "postgresql" else nullcontext() as cluster:
        faults = FAULTS if cluster is None else on_postgresql(cluster)
        unknown = set(options.fault) - set(faults)
        if unknown:
            parser.error(f"no such fault: {', '.join(sorted(unknown))}; there are: {', '.join(faults)}")
        accounts = asyncio.run(_all(faults, options.fault, options.tries))
    minutes = (time.monotonic() - begun) / 60
    print(as_text(accounts, minutes))
    if options.markdown is not None:
        options.markdown.write_text(as_markdown(accounts, minutes), "utf-8")
    return 0 if all(each.good for each in accounts) else 1


if __name__ == "__main__":
    sys.exit(main())
