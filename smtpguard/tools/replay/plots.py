"""The geometry of a report's plots: bars whose lengths are shares, so that a page can draw them at any width.

Drawn is by the page's layout, as SVG whose lengths are percentages: letters keep their size on a phone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from smtpguard.tools.replay.tables import NO_LIST
from smtpguard.tools.replay.tallies import ALARMED, Effects, Replay

MONTHS_OF_YEAR = 12
# More months than this are shown by years.
MONTHS_MAX = 48
# The table has all lists; a plot those with the most alarms.
BARS_MAX = 20
# Below the columns, on a phone.
TICKS_MAX = 5


class Bar(NamedTuple):
    """What stands for a figure of configuration `of` (0 for A, 1 for B); `start`, `length` and `breadth` in percent."""

    of: int
    name: str
    figure: int
    start: float
    length: float
    breadth: float = 0.0


class Tick(NamedTuple):
    """A name below a column, at so many percent."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class Columns:
    """Upright bars side by side, by time; `most` is the figure that the tallest has."""

    title: str
    most: int
    bars: tuple[Bar, ...] = field(repr=False)
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Rods:
    """Bars one below the other, a group for each name; `left_out` says how many names there are beside."""

    title: str
    groups: tuple[tuple[str, tuple[Bar, ...]], ...] = field(repr=False)
    left_out: int


def mails_by_time(replay: Replay) -> Columns:
    """All mails that were judged."""
    return _columns("Mails", replay, [_sums(each.months, alarmed=False) for each in replay.tallies])


def alarms_by_time(replay: Replay) -> Columns:
    """Mails that cause an alarm, whatever it leads to."""
    return _columns("Mails with an alarm", replay, [_sums(each.months) for each in replay.tallies])


def alarms_by_list(replay: Replay) -> Rods:
    """Mails that cause an alarm, by the lists that they go to."""
    return _rods("Mails with an alarm, by list", [_sums(each.lists) for each in replay.tallies])


def alarms_by_rule(replay: Replay) -> Rods:
    """The same by the rules that alarm."""
    return _rods("Mails with an alarm, by rule", [_sums(each.rows) for each in replay.tallies])


def _sums(found: Mapping[str, Effects], *, alarmed: bool = True) -> dict[str, int]:
    sums = {
        name: sum(count for effect, count in each.items() if not alarmed or effect in ALARMED)
        for name, each in found.items()
    }
    return {name: count for name, count in sums.items() if count}


def _columns(title: str, replay: Replay, found: Sequence[Mapping[str, int]]) -> Columns:
    names = [*_months(replay)]
    if len(names) > MONTHS_MAX:
        title = f"{title}, by year"
        names = sorted({each[:4] for each in names})
        found = [_by_year(each) for each in found]
    else:
        title = f"{title}, by month"
    most = max((count for each in found for count in each.values()), default=0)
    place = 100 / max(len(names), 1)
    # A gap between two columns, as broad as a fifth of one.
    breadth = 0.8 * place / max(len(found), 1)
    bars = (
        Bar(of, name, count, number * place + of * breadth + 0.1 * place, 100 * count / most, breadth)
        for number, name in enumerate(names)
        for of, each in enumerate(found)
        if (count := each.get(name, 0))
    )
    step = -(-len(names) // TICKS_MAX)
    ticks = (Tick(name, (number + 0.5) * place) for number, name in enumerate(names) if number % step == step // 2)
    return Columns(title, most, tuple(bars), tuple(ticks))


def _by_year(months: Mapping[str, int]) -> dict[str, int]:
    years: dict[str, int] = {}
    for name, count in months.items():
        years[name[:4]] = years.get(name[:4], 0) + count
    return years


def _months(replay: Replay) -> Iterator[str]:
    """All from the first mail to the last, those without mail as well."""
    if replay.first is None or replay.last is None:
        return
    year, month = replay.first.year, replay.first.month
    while (year, month) <= (replay.last.year, replay.last.month):
        yield f"{year:04}-{month:02}"
        year, month = (year, month + 1) if month < MONTHS_OF_YEAR else (year + 1, 1)


def _rods(title: str, found: Sequence[Mapping[str, int]]) -> Rods:
    most = max((count for each in found for count in each.values()), default=0)
    names = sorted({name for each in found for name in each}, key=lambda name: (-_most_of(name, found), name))
    groups = (
        (name or NO_LIST, tuple(_rod(of, name, each.get(name, 0), most) for of, each in enumerate(found)))
        for name in names[:BARS_MAX]
    )
    return Rods(title, tuple(groups), max(0, len(names) - BARS_MAX))


def _most_of(name: str, found: Sequence[Mapping[str, int]]) -> int:
    return max(each.get(name, 0) for each in found)


def _rod(of: int, name: str, count: int, most: int) -> Bar:
    return Bar(of, name, count, 0.0, 100 * count / most)
