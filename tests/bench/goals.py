"""What can be measured, row by row, and what must be reached in each: a ratio, milliseconds or megabytes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.rounds import ALONE, BESIDE, HOLD, SCENARIOS, Bench
from tests.bench.systems import NAMES

# `--only` takes these; the first four send as SCENARIOS says, in the same order.
ROWS = {
    "4k-reused": SCENARIOS[0].title,
    "4k-reconnect": SCENARIOS[1].title,
    "100k": SCENARIOS[2].title,
    "10m": SCENARIOS[3].title,
    "added": "p50 added to direct, 4 KB, 1 session",
    "beside": "p99, 4 KB, 10 sessions, beside 10 MB mails",
    "hold": "p50 of a hold",
    "pss-idle": "PSS before the first mail",
    "pss-peak": "PSS while 50 sessions send 10 MB each",
}

OFF, ON = ("off-asyncio", "off-uvloop"), ("on-asyncio", "on-uvloop")
ALL = OFF + ON
INLINE, HARAKA, DIRECT = "postfix-inline", "haraka", "direct"


@dataclass(frozen=True)
class Goal:
    """One figure that must be reached; `reference` is the system a rate is divided by, if it is a ratio."""

    row: str
    system: str
    must: float
    unit: str
    stretch: float = math.nan
    reference: str = ""

    @property
    def is_floor(self) -> bool:
        """True if more is better."""
        return bool(self.reference)


def _each(row: str, systems: tuple[str, ...], must: float, unit: str, stretch: float) -> list[Goal]:
    return [Goal(row, system, must, unit, stretch) for system in systems]


def _ratios(row: str, systems: tuple[str, ...], must: float, stretch: float, reference: str = INLINE) -> list[Goal]:
    return [Goal(row, system, must, f"of {NAMES[reference]}", stretch, reference) for system in systems]


GOALS = (
    *_ratios("4k-reused", ("off-uvloop",), 1.5, 2.2),
    *_ratios("4k-reused", ("off-asyncio",), 0.85, math.nan),
    *_ratios("4k-reconnect", ("off-uvloop",), 1.0, 1.2),
    *_ratios("4k-reconnect", ("off-asyncio",), 0.5, math.nan),
    *_ratios("4k-reused", ("on-uvloop",), 0.5, 1.0),
    *_ratios("4k-reused", ("on-uvloop",), 3.0, math.nan, HARAKA),
    *_ratios("4k-reconnect", ("on-uvloop",), 0.45, 0.65),
    *_ratios("100k", ("on-uvloop",), 0.5, 0.7),
    *_ratios("10m", ALL, 0.95, math.nan),
    *_ratios("10m", ALL, 0.45, 0.75, DIRECT),
    *_each("added", OFF, 0.4, "ms", 0.2),
    *_each("added", ON, 1.0, "ms", 0.6),
    *_each("beside", ALL, 3.0, "times", 2.0),
    *_each("hold", ON, 10.0, "ms", 6.0),
    *_each("pss-peak", ALL, 150.0, "MB", 60.0),
    *_each("pss-idle", ALL, 60.0, "MB", 40.0),
)


@dataclass(frozen=True)
class Result:
    """A goal, and the figure of this run."""

    goal: Goal
    figure: float

    @property
    def verdict(self) -> str:
        """`yes` or `NO`; `stretch` if even that is reached."""
        goal = self.goal

        def reached(bound: float) -> bool:
            return self.figure >= bound if goal.is_floor else self.figure <= bound

        return "stretch" if reached(goal.stretch) else "yes" if reached(goal.must) else "NO"


def results(bench: Bench, idle: dict[str, float], peak: dict[str, float]) -> list[Result]:
    """All goals of which this run has a figure. `idle` and `peak` are PSS in MB by system name."""
    memory = {"pss-idle": idle, "pss-peak": peak}

    def found() -> Iterator[Result]:
        for goal in GOALS:
            name = NAMES[goal.system]
            figure = memory[goal.row].get(name, math.nan) if goal.row in memory else _figure(bench, goal, name)
            if not math.isnan(figure):
                yield Result(goal, figure)

    return list(found())


def _figure(bench: Bench, goal: Goal, name: str) -> float:
    if goal.reference:
        title = ROWS[goal.row]
        # Without a login smtp-source can do it, which takes less of the machine away from what is measured.
        clients = ("own",) if goal.system in ON else ("smtp-source", "own")
        ratios = (
            bench.cell(client, title, name).rate / bench.cell(client, title, NAMES[goal.reference]).rate
            for client in clients
        )
        return next((ratio for ratio in ratios if not math.isnan(ratio)), math.nan)
    if goal.row == "added":
        return bench.cell("own", ALONE.title, name).p50 - bench.cell("own", ALONE.title, NAMES[DIRECT]).p50
    if goal.row == "beside":
        return bench.cell("own", BESIDE, name).p99 / bench.cell("own", SCENARIOS[0].title, name).p99
    return bench.cell("own", HOLD, name).p50
