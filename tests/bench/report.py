"""The tables: in text for the terminal, in Markdown for a README. Ratios are of medians within this run."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.bench.rounds import ALONE, SCENARIOS, Bench

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
        found = []
        for client, names, what in (
            ("smtp-source", self.plain, "smtp-source and smtp-sink, no login"),
            ("own", self.own, "own client and sink; a login where checks are on"),
        ):
            if names:
                found.append((f"Messages a second, and the ratio to {REFERENCE}: {what}", self._rates(client, names)))
        if self.plain:
            found.append(("CPU seconds for 1,000 messages: smtp-source", self._costs("smtp-source", self.plain)))
        found.append(("CPU seconds for 1,000 messages: own client", self._costs("own", self.own)))
        found.append(("Latency in ms (own client, 4 KB), and memory (PSS, MB)", self._latencies()))
        return found

    def _grid(self, names: list[str], entry: Callable[[str, str], str]) -> Table:
        head = ["", *(each.title for each in SCENARIOS)]
        return [head, *([name, *(entry(name, each.title) for each in SCENARIOS)] for name in names)]

    def _rates(self, client: str, names: list[str]) -> Table:
        def entry(name: str, title: str) -> str:
            rate = self.bench.cell(client, title, name).rate
            reference = self.bench.cell(client, title, REFERENCE).rate
            return f"{_number(rate)} ({_number(rate / reference)})" if reference > 0 else _number(rate)

        return self._grid(names, entry)

    def _costs(self, client: str, names: list[str]) -> Table:
        return self._grid(
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
            beside = self.bench.cell("own", "beside 10 MB", name).p99
            rows.append(
                [
                    name, f"{p50:.2f}", "" if name == "direct" else f"{p50 - direct:.2f}", f"{p99:.1f}",
                    f"{beside:.1f} (x{beside / p99:.1f})", _number(self.bench.cell("own", "hold", name).p50),
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
