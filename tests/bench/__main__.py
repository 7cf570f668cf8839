"""`make bench`: all systems interleaved in one run, then a table in text and one in Markdown."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import systems
from tests.bench.bodies import write_bodies
from tests.bench.processes import System
from tests.bench.report import Report, as_markdown, as_text
from tests.bench.rounds import ALONE, SCENARIOS, Bench
from tests.e2e.stack.keeper import Keeper


def _proxies(keeper: Keeper, folder: Path, upstream: int, *, own: bool) -> list[System]:
    """What stands in front of one sink. Checks on, with logins, only before our own: smtp-sink knows no AUTH."""
    found: list[System | None] = [System("direct", upstream)]
    found += [systems.guard_off(keeper, folder, upstream, loop) for loop in systems.LOOPS]
    if own:
        found += [systems.guard_on(keeper, folder, upstream, loop) for loop in systems.LOOPS]
    found.append(systems.postfix(keeper, folder, upstream, queue=False))
    if not own:
        found.append(systems.postfix(keeper, folder, upstream, queue=True))
    found.append(systems.haraka(keeper, folder, upstream))
    return [each for each in found if each is not None]


def _measure(keeper: Keeper, folder: Path, rounds: int, seconds: float) -> Report:
    sink, own_sink = systems.sinks(keeper, folder)
    plain = _proxies(keeper, folder, sink, own=False) if sink else []
    own = _proxies(keeper, folder, own_sink, own=True)
    bench = Bench(write_bodies(folder), seconds)
    for name in ("Postfix in-line", "Haraka"):
        if all(each.name != name for each in own):
            print(f"left out: {name} (README.md says what it needs)", file=sys.stderr)
    report = Report(bench, [each.name for each in plain], [each.name for each in own], rounds)
    for each in own:
        if each.login:
            bench.hold(each)  # raises if a mail to two lists passes: then nothing was judged
    report.idle = {each.name: each.pss_octets() / 1e6 for each in own if each.group}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for scenario in SCENARIOS:
            for each in plain:
                bench.by_smtp_source(scenario, each)
            for each in own:
                bench.by_own_client(scenario, each)
        for each in own:
            bench.by_own_client(ALONE, each)
        for each in own:
            bench.beside_large_mail(each)
        for each in own:
            if each.login:
                bench.hold(each)
    print("memory", file=sys.stderr, flush=True)
    last_loop = systems.LOOPS[-1]
    for each in own:
        if each.group and (each.name.endswith(last_loop) or not each.name.startswith("smtpguard")):
            try:
                report.peak[each.name] = bench.peak_pss(each)
            except RuntimeError as error:
                print(f"left out: {error}", file=sys.stderr)
    return report


def main() -> int:
    """Measure and print. Everything that was started is ended, whatever happens."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.8, help="of sending, in each cell and round")
    parser.add_argument("--markdown", type=Path, help="write the Markdown table there as well")
    options = parser.parse_args()
    if not systems.SMTP_SINK:
        print("left out: smtp-source and smtp-sink (Debian: postfix)", file=sys.stderr)
    begun = time.monotonic()
    keeper = Keeper()
    try:
        folder = Path(tempfile.mkdtemp(prefix="smtpguard-bench-"))
        folder.chmod(0o755)  # Postfix's own user reads its queue below it
        keeper.folder(folder)
        report = _measure(keeper, folder, options.rounds, options.seconds)
    finally:
        keeper.end()
    report.minutes = (time.monotonic() - begun) / 60
    print(as_text(report))
    markdown = as_markdown(report)
    print(markdown)
    if options.markdown:
        options.markdown.write_text(markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
