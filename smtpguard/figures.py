"""What the guard did, in numbers: counted by ISO week, list, row and outcome, and what of that may be shown (T-53).

Each alarm is counted once, when its outcome is final, so no number shown is the sum of others, and none can be found by
taking others away from it. A number under CELL_MIN is not shown; it is carried on to the next week until there are so
many. What is shown depends on nothing but the counts: not on who asks when, or for which weeks. So no two answers
differ by a small number. Carrying begins afresh with every span of SPAN_WEEKS.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from enum import Enum
from typing import NamedTuple

from smtpguard.verdict import Finding

# THREAT-MODEL T-53: below it a number could be a person.
CELL_MIN = 5
# Weeks over which small numbers are carried on: a quarter of a year.
SPAN_WEEKS = 13
# Lists times rows times outcomes in one week. Who runs a thousand lists has some ten rows on each; a fault beyond it
# must not fill the memory.
CELLS_MAX = 100_000
# Figures are filled up to a multiple of this before they are sealed: their length would tell how many cells there are.
PADDED_TO = 4096


class Outcome(Enum):
    """What became of an alarm; all but the first two are those of a held mail. `NO_ANSWER` is also that of a mail that
    was sent again corrected: what a mail was held for lies sealed, and only an answer brings what opens it."""

    OBSERVED = "observed"
    REFUSED = "refused"
    CONFIRMED = "confirmed"
    ONE_LIST = "one_list"
    DISCARDED = "discarded"
    BACK = "back"
    REPLACED = "replaced"
    NO_ANSWER = "no_answer"


HELD = (
    Outcome.CONFIRMED,
    Outcome.ONE_LIST,
    Outcome.DISCARDED,
    Outcome.BACK,
    Outcome.REPLACED,
    Outcome.NO_ANSWER,
)


class Alarm(NamedTuple):
    """A row and one of the lists that its finding names; `list` is empty for a finding that names none."""

    list: str
    row: str


class Cell(NamedTuple):
    """What is counted."""

    list: str
    row: str
    outcome: Outcome


Counts = Mapping[Cell, int]


class FiguresError(Exception):
    """The octets are no figures of this version."""


def alarms_of(findings: Iterable[Finding]) -> frozenset[Alarm]:
    """Row and list of each finding: once for a mail, however often a row has found the same list."""
    return frozenset(Alarm(each, finding.id) for finding in findings for each in finding.lists or ("",))


def added(counts: Counts, more: Counts) -> dict[Cell, int]:
    """The sum; cells beyond CELLS_MAX are left out."""
    total = dict(counts)
    for cell, number in more.items():
        if cell in total or len(total) < CELLS_MAX:
            total[cell] = total.get(cell, 0) + number
    return {cell: number for cell, number in total.items() if number}


def figures_to_octets(counts: Counts) -> bytes:
    """The counts of one week, filled up with blanks."""
    rows = [[*cell[:2], cell.outcome.value, number] for cell, number in sorted(counts.items(), key=_order)]
    octets = json.dumps(rows, separators=(",", ":")).encode("ascii")
    return octets.ljust(-(-len(octets) // PADDED_TO) * PADDED_TO)


def figures_from_octets(octets: bytes) -> dict[Cell, int]:
    """What `figures_to_octets` was given. Raises FiguresError."""
    try:
        return {Cell(str(one), str(row), Outcome(word)): int(number) for one, row, word, number in json.loads(octets)}
    except (ValueError, TypeError) as error:
        raise FiguresError("these are no figures of this version") from error


def shown(counts: Sequence[int]) -> tuple[int | None, ...]:
    """What may be shown of one cell, for each week of one span from its beginning: a number of at least CELL_MIN, with
    what was carried on, or None.

    Behind each None may stand anything from 0 to CELL_MIN - 1, whatever else is shown.
    """
    found: list[int | None] = []
    carried = 0
    for each in counts:
        # Below zero a week can only come by a fault.
        carried += max(each, 0)
        enough = carried >= CELL_MIN
        found.append(carried if enough else None)
        carried = 0 if enough else carried
    return tuple(found)


def monday_of(week: str) -> date:
    """The first day of an ISO week ("2026-W47"). Raises ValueError."""
    return date.fromisocalendar(int(week[:4]), int(week[6:]), 1)


def span_begin(day: date) -> date:
    """The Monday with which the span of `day` begins; spans are counted from the first week of the calendar."""
    weeks = (day.toordinal() - 1) // 7
    return date.fromordinal(weeks // SPAN_WEEKS * SPAN_WEEKS * 7 + 1)


def closes(week: str) -> date:
    """The Monday after an ISO week."""
    return monday_of(week) + timedelta(days=7)


def _order(item: tuple[Cell, int]) -> tuple[str, str, str]:
    cell = item[0]
    return cell.list, cell.row, cell.outcome.value
