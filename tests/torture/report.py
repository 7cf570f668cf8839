"""The table at the end: in text for the terminal, in Markdown for a README."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.torture.ledger import Account

HEAD = ("fault", "tries", "mails", "lost", "duplicated", "leaked", "integrity", "")


def machine(minutes: float) -> str:
    """Date and machine, without names."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {minutes:.1f} minutes"
    )


def _rows(accounts: Sequence[Account]) -> list[tuple[str, ...]]:
    rows = [HEAD]
    for each in accounts:
        whole = "-" if not each.tries else "ok" if not each.integrity else f"{each.integrity} broken"
        figures = (each.tries, each.mails, each.lost, each.duplicated, each.leaked)
        note = each.note if each.good else f"{each.note}; {len(each.wrong)} WRONG".lstrip("; ")
        rows.append((each.fault, *(str(figure) for figure in figures), whole, note))
    return rows


def as_text(accounts: Sequence[Account], minutes: float) -> str:
    """For the terminal, with what was wrong below."""
    rows = _rows(accounts)
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [machine(minutes), ""]
    lines += ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for each in accounts:
        lines += [f"{each.fault}: {wrong}" for wrong in each.wrong[:20]]
    return "\n".join(lines) + "\n"


def as_markdown(accounts: Sequence[Account], minutes: float) -> str:
    """For a README."""
    head, *rows = _rows(accounts)
    lines = [f"Measured {machine(minutes)}.", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"
