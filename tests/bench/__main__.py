"""`make bench`: all systems interleaved in one run. What was to be reached, then all tables in text and Markdown."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.bench import systems
from tests.bench.bodies import write_bodies
from tests.bench.goals import DIRECT, ROWS
from tests.bench.processes import System
from tests.bench.report import Report, as_markdown, as_text
from tests.bench.rounds import ALONE, SCENARIOS, Bench
from tests.e2e.stack.keeper import Keeper

CLIENTS = ("smtp-source", "own")


def _proxies(keeper: Keeper, folder: Path, upstream: int, wanted: set[str], *, own: bool) -> list[System]:
    """What stands in front of one sink. Checks on, with logins, only before our own: smtp-sink knows no AUTH."""
    builders: dict[str, Callable[[], System | None]] = {DIRECT: lambda: System(systems.NAMES[DIRECT], upstream)}
    for loop in systems.LOOPS:
        builders[f"off-{loop}"] = partial(systems.guard_off, keeper, folder, upstream, loop)
    if own:
        for loop in systems.LOOPS:
            builders[f"on-{loop}"] = partial(systems.guard_on, keeper, folder, upstream, loop)
            builders[f"all-{loop}"] = partial(systems.guard_on, keeper, folder, upstream, loop, "all")
            builders[f"workers-{loop}"] = partial(systems.guard_on, keeper, folder, upstream, loop, workers=2)
    builders["postfix-inline"] = lambda: systems.postfix(keeper, folder, upstream, queue=False)
    if not own:
        builders["postfix-queue"] = lambda: systems.postfix(keeper, folder, upstream, queue=True)
    builders["haraka"] = lambda: systems.haraka(keeper, folder, upstream)
    found = [build() for key, build in builders.items() if key in wanted]
    return [each for each in found if each is not None]


def _one_round(bench: Bench, rows: set[str], plain: list[System], own: list[System]) -> None:
    """Each cell once, all systems in turn."""
    scenarios = [scenario for row, scenario in zip(ROWS, SCENARIOS, strict=False) if row in rows]
    for scenario in scenarios:
        for each in plain:
            bench.by_smtp_source(scenario, each)
        for each in own:
            bench.by_own_client(scenario, each)
    if "added" in rows:
        for each in own:
            bench.by_own_client(ALONE, each)
    if "beside" in rows:
        for each in own:
            if "4k-reused" not in rows:
                bench.by_own_client(SCENARIOS[0], each)  # what it is compared with
            bench.beside_large_mail(each)
    if "hold" in rows:
        for each in own:
            if each.login:
                bench.hold(each)


def _measure(keeper: Keeper, folder: Path, options: argparse.Namespace) -> Report:
    rows, wanted = set(options.only), set(options.systems)
    if "added" in rows:
        wanted.add(DIRECT)
    sink, own_sink = systems.sinks(keeper, folder)
    by_smtp_source = sink and "smtp-source" in options.clients and not rows.isdisjoint(list(ROWS)[: len(SCENARIOS)])
    plain = _proxies(keeper, folder, sink, wanted, own=False) if by_smtp_source else []
    own = _proxies(keeper, folder, own_sink, wanted, own=True) if "own" in options.clients else []
    here = {each.name for each in plain + own}
    for key in wanted - {"postfix-queue"}:
        if systems.NAMES[key] not in here:
            print(f"left out: {systems.NAMES[key]} (README.md says what it needs)", file=sys.stderr)
    bench = Bench(write_bodies(folder), options.seconds)
    report = Report(bench, [each.name for each in plain], [each.name for each in own], options.rounds)
    if "pss-idle" in rows:
        report.idle = {each.name: each.pss_octets() / 1e6 for each in own if each.group}
    for each in own:
        if each.login:
            bench.hold(each)  # raises if a mail to two lists passes: then nothing was judged
    bench.cells.clear()  # the first ones are slow
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
        _one_round(bench, rows, plain, own)
    if "pss-peak" in rows:
        print("memory", file=sys.stderr, flush=True)
        for each in own:
            if each.group:
                try:
                    report.peak[each.name] = bench.peak_pss(each)
                except RuntimeError as error:
                    print(f"left out: {error}", file=sys.stderr)
    return report


def _choice(names: dict[str, str]) -> Callable[[str], list[str]]:
    """Reads `name,name`; the first part of names stands for all that go on with a hyphen."""

    def read(text: str) -> list[str]:
        found: list[str] = []
        for word in text.split(","):
            fitting = [name for name in names if name == word or name.startswith(f"{word}-")]
            if not fitting:
                raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(names)}")
            found += fitting
        return found

    return read


def _options() -> argparse.Namespace:
    rows = "\n".join(f"  {key:<13} {title}" for key, title in ROWS.items())
    parser = argparse.ArgumentParser(
        prog="bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"rows:\n{rows}\nsystems: {', '.join(systems.NAMES)} (`off` is both loops)",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.8, help="of sending, in each cell and round")
    parser.add_argument("--only", type=_choice(ROWS), default=list(ROWS), metavar="ROW,...", help="measure these rows")
    parser.add_argument(
        "--systems", type=_choice(systems.NAMES), default=list(systems.NAMES), metavar="SYSTEM,...",
        help="measure these systems; ratios need what they are taken of",
    )  # fmt: skip
    parser.add_argument(
        "--clients", type=_choice(dict.fromkeys(CLIENTS, "")), default=list(CLIENTS), metavar="CLIENT,...",
        help=f"send with these only: {', '.join(CLIENTS)}",
    )  # fmt: skip
    parser.add_argument("--markdown", type=Path, help="write the Markdown table there as well")
    return parser.parse_args()


def main() -> int:
    """Measure and print. Everything that was started is ended, whatever happens."""
    options = _options()
    if not systems.SMTP_SINK:
        print("left out: smtp-source and smtp-sink (Debian: postfix)", file=sys.stderr)
    begun = time.monotonic()
    keeper = Keeper()
    try:
        folder = Path(tempfile.mkdtemp(prefix="smtpguard-bench-"))
        folder.chmod(0o755)  # Postfix's own user reads its queue below it
        keeper.folder(folder)
        report = _measure(keeper, folder, options)
    finally:
        keeper.end()
    report.minutes = (time.monotonic() - begun) / 60
    print(as_text(report))
    if options.markdown:
        options.markdown.write_text(as_markdown(report))
    elif options.only == list(ROWS):
        print(as_markdown(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
