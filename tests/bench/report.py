"""The tables: in text for the terminal, in Markdown for a README. Ratios are of medians within this run."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.bench.goals import ROWS, results
from tests.bench.rounds import ALONE, BESIDE, HOLD, SCENARIOS, Bench, Scenario
from tests.bench.systems import NAMES

REFERENCE = "Postfix in-line"
Table = list[list[str]]


@dataclass
class Report:
    """What one run found. `idle` and `peak` are PSS in MB by system."""

    bench: Bench
    plain: list[str]
    own: list[str]
    rounds: int
    idle: dict[str, float] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)
    minutes: float = 0.0

    def sections(self) -> list[tuple[str, Table]]:
        """Title and rows of each table; the first row is the head."""
        found = [("What must be reached", self._goals())]
        for client, names, what in (
            ("smtp-source", self.plain, "smtp-source and smtp-sink, no login"),
            ("own", self.own, "own client and sink; a login where checks are on"),
        ):
            if names and self._sent(client):
                found.append((f"Messages a second, and the ratio to {REFERENCE}: {what}", self._rates(client, names)))
        for client, names in (("smtp-source", self.plain), ("own", self.own)):
            if names and self._sent(client):
                found.append((f"CPU seconds for 1,000 messages: {client} client", self._costs(client, names)))
        if self.own:
            found.append(("Latency in ms (own client, 4 KB), and memory (PSS, MB)", self._latencies()))
        return [(title, table) for title, table in found if len(table) > 1]

    def _goals(self) -> Table:
        rows = [["", "system", "measured", "", "must", "stretch", "reached"]]
        for each in results(self.bench, self.idle, self.peak):
            goal = each.goal
            rows.append(
                [
                    ROWS[goal.row], NAMES[goal.system], _number(each.figure), goal.unit,
                    _number(goal.must), _number(goal.stretch), each.verdict,
                ]
            )  # fmt: skip
        return rows

    def _sent(self, client: str) -> list[Scenario]:
        """What this client has sent."""
        names = {"smtp-source": self.plain, "own": self.own}[client]
        return [each for each in SCENARIOS if any(self.bench.cell(client, each.title, name).rates for name in names)]

    def _grid(self, client: str, names: list[str], entry: Callable[[str, str], str]) -> Table:
        sent = self._sent(client)
        head = ["", *(each.title for each in sent)]
        return [head, *([name, *(entry(name, each.title) for each in sent)] for name in names)]

    def _rates(self, client: str, names: list[str]) -> Table:
        def entry(name: str, title: str) -> str:
            rate = self.bench.cell(client, title, name).rate
            reference = self.bench.cell(client, title, REFERENCE).rate
            return f"{_number(rate)} ({_number(rate / reference)})" if reference > 0 else _number(rate)

        return self._grid(client, names, entry)

    def _costs(self, client: str, names: list[str]) -> Table:
        return self._grid(
            client,
            [each for each in names if each != "direct"],
            lambda name, title: _number(self.bench.cell(client, title, name).cost),
        )

    def _latencies(self) -> Table:
        head = [
            "", "p50, 1 session", "added to direct", "p99, 10 sessions", "the same beside 10 MB mails",
            "hold p50", "PSS idle", "PSS with 50 x 10 MB",
        ]  # fmt: skip
        direct = self.bench.cell("own", ALONE.title, "direct").p50
        rows = [head]
        for name in self.own:
            p50 = self.bench.cell("own", ALONE.title, name).p50
            p99 = self.bench.cell("own", SCENARIOS[0].title, name).p99
            beside = self.bench.cell("own", BESIDE, name).p99
            rows.append(
                [
                    name, _number(p50), "" if name == "direct" else _number(p50 - direct), _number(p99),
                    "-" if math.isnan(beside) else f"{_number(beside)} (x{beside / p99:.1f})",
                    _number(self.bench.cell("own", HOLD, name).p50),
                    _number(self.idle.get(name) or math.nan), _number(self.peak.get(name) or math.nan),
                ]
            )  # fmt: skip
        return rows

    def machine(self) -> str:
        """Date and machine, without names."""
        load = os.getloadavg()[1]
        return (
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.system()}, "
            f"Python {platform.python_version()}, medians of {self.rounds} interleaved rounds, "
            f"{self.minutes:.1f} minutes, load over 5 minutes {load:.1f}"
        )


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def as_text(report: Report) -> str:
    """For the terminal."""
    lines = [report.machine()]
    for title, table in report.sections():
        widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
        lines += ["", title]
        lines += [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table
        ]
    return "\n".join(lines) + "\n"


def as_markdown(report: Report) -> str:
    """For a README."""
    lines = [f"Measured {report.machine()}."]
    for title, (head, *rows) in report.sections():
        lines += ["", f"{title}:", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"
