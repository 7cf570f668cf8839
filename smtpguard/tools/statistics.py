"""`smtpguard stats`: what the guard did in closed weeks, as far as it may be shown (THREAT-MODEL T-53).

Everything here is made of what `figures.shown` lets through. A line that has nothing to show is not there at all, so
its absence tells no more than "fewer than five of everything".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from smtpguard.counting import closed_at, oldest_kept
from smtpguard.figures import CELL_MIN, SPAN_WEEKS, Alarm, Cell, Outcome, closes, monday_of, shown, span_begin
from smtpguard.keys import week_of
from smtpguard.mail.address import parse_address
from smtpguard.policy import Policy
from smtpguard.tools.figures_file import KeptFigures

# 90-15: below it "more than half" is chance.
CONFIRMED_ENOUGH = 10
_WEEK = timedelta(days=7)
# 90-15: what a held mail's sender may have wanted instead. A copy that was replaced waits on as the later one.
_NOT_CONFIRMED = (Outcome.ONE_LIST, Outcome.DISCARDED, Outcome.BACK, Outcome.NO_ANSWER)

Numbers = tuple[int | None, ...]


class UnknownListError(Exception):
    """No list is called so, and there is nothing to show of one that was."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row on one list: for each outcome, what may be shown of each week asked for. `unshown` are the most that may
    stand behind what is not shown in all these weeks."""

    alarm: Alarm
    numbers: Mapping[Outcome, Numbers]
    unshown: Mapping[Outcome, int]

    def total(self, outcome: Outcome) -> int | None:
        """The sum of what may be shown, None if nothing may."""
        found = [each for each in self.numbers[outcome] if each is not None]
        return sum(found) if found else None

    def at_least(self, outcomes: Sequence[Outcome]) -> int:
        """How many there were of all of them together, as far as can be shown."""
        return sum(self.total(each) or 0 for each in outcomes)

    def at_most(self, outcomes: Sequence[Outcome]) -> int:
        """How many there may have been."""
        return self.at_least(outcomes) + sum(self.unshown[each] for each in outcomes)

    @property
    def not_confirmed(self) -> int:
        """About how many held mails were not simply confirmed. What is not shown is taken for half of the most that it
        may be: the figures themselves would tell too much here."""
        return self.at_least(_NOT_CONFIRMED) + sum(self.unshown[each] for each in _NOT_CONFIRMED) // 2

    @property
    def alarms_too_often(self) -> bool:
        """90-15: enough were confirmed, and these were about more than half."""
        confirmed = self.total(Outcome.CONFIRMED) or 0
        return confirmed >= CONFIRMED_ENOUGH and confirmed > self.not_confirmed


@dataclass(frozen=True, slots=True)
class Statistics:
    """`weeks` are the closed weeks asked for, as far back as there are figures; `missing` those of them in which no
    guard counted, `lost` those that do not open. `running` is the first week that is not shown yet, and `shown_from`
    when it will be. `counts` is false if there are no figures of any week that is over. `named` is the list asked for,
    `hides` whether there are lists that are shown by name only."""

    weeks: tuple[str, ...]
    lines: tuple[Line, ...]
    running: str
    shown_from: datetime
    counts: bool = True
    named: str | None = None
    missing: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    hides: bool = False


def statistics(kept: KeptFigures, policy: Policy, name: str | None, since: timedelta, now: datetime) -> Statistics:
    """What may be shown of the closed weeks that lie, even partly, in the time `since` before `now`, of the list `name`
    (id, file or address) or of all that are not closed. Raises UnknownListError."""
    weeks = _weeks(kept, since, now)
    former = _former_ids(policy)
    named = None if name is None else _list_id(name, policy)
    named = former.get(named, named) if named is not None else None
    lines = tuple(_lines(kept, weeks, policy, named))
    if named is not None and named not in policy.by_id and not lines:
        raise UnknownListError(f'there is no list "{name}". smtpguard lists shows them all.')
    running = week_of(_first_open(now))
    return Statistics(
        weeks=weeks,
        lines=lines,
        running=running,
        shown_from=closed_at(running),
        counts=any(monday_of(each) < _first_open(now) for each in (*kept.weeks, *kept.lost)),
        named=named,
        missing=tuple(each for each in weeks if each not in kept.weeks and each not in kept.lost),
        lost=tuple(each for each in weeks if each in kept.lost),
        hides=named is None and any(each.is_closed for each in policy.lists),
    )


def _weeks(kept: KeptFigures, since: timedelta, now: datetime) -> tuple[str, ...]:
    end = _first_open(now)
    counted = [monday_of(each) for each in (*kept.weeks, *kept.lost) if monday_of(each) < end]
    if not counted:
        return ()
    first = max(min(counted), oldest_kept(now))
    monday = max(first, _monday((now.astimezone(UTC) - since).date()))
    return tuple(week_of(each) for each in _mondays(monday, end))


def _first_open(now: datetime) -> date:
    """The Monday of the first week that may still change."""
    monday = _monday(now.astimezone(UTC).date())
    return monday - _WEEK if closed_at(week_of(monday - _WEEK)) > now else monday


def _lines(kept: KeptFigures, weeks: tuple[str, ...], policy: Policy, named: str | None) -> Iterator[Line]:
    """The lines that have anything to show, by list and row."""
    former = _former_ids(policy)
    joined: dict[Alarm, set[str]] = {}
    for counts in kept.weeks.values():
        for cell in counts:
            alarm = Alarm(former.get(cell.list, cell.list), cell.row)
            if alarm.list == named or (named is None and _is_open(alarm.list, policy)):
                joined.setdefault(alarm, set()).add(cell.list)
    for alarm in sorted(joined):
        line = _line(alarm, joined[alarm], kept, weeks)
        if any(line.total(each) for each in Outcome):
            yield line


def _line(alarm: Alarm, ids: set[str], kept: KeptFigures, weeks: tuple[str, ...]) -> Line:
    """A list that had another id is counted under both; each is looked at by itself, so that to give a list a new name
    shows nothing new."""
    numbers: dict[Outcome, Numbers] = {}
    unshown: dict[Outcome, int] = {}
    for outcome in Outcome:
        found = [_shown(Cell(each, alarm.row, outcome), kept, weeks) for each in sorted(ids)]
        numbers[outcome] = tuple(_sum(parts) for parts in zip(*(one for one, _ in found), strict=True))
        unshown[outcome] = sum(most for _, most in found)
    return Line(alarm, numbers, unshown)


def _shown(cell: Cell, kept: KeptFigures, weeks: tuple[str, ...]) -> tuple[Numbers, int]:
    """What may be shown of `cell` in each of `weeks`, and the most that may stand behind the rest."""
    found: list[int | None] = []
    most = 0
    asked = set(weeks)
    end = closes(weeks[-1]) if weeks else date.min
    begin = span_begin(monday_of(weeks[0])) if weeks else date.min
    while begin < end:
        following = min(span_begin(begin + SPAN_WEEKS * _WEEK), end)
        span = [week_of(each) for each in _mondays(begin, following)]
        numbers = shown([kept.weeks.get(week, {}).get(cell, 0) for week in span])
        found += [number for week, number in zip(span, numbers, strict=True) if week in asked]
        most += CELL_MIN - 1 if numbers[-1] is None else 0
        begin = following
    return tuple(found), most


def _former_ids(policy: Policy) -> dict[str, str]:
    """The present id of each list that had another one (`was`)."""
    return {each.was: each.id for each in policy.lists if each.was is not None and each.was not in policy.by_id}


def _is_open(list_id: str, policy: Policy) -> bool:
    """False for closed lists, and for lists without a file: they may have been closed."""
    return not list_id or (list_id in policy.by_id and not policy.by_id[list_id].is_closed)


def _list_id(name: str, policy: Policy) -> str:
    word = name.strip().lower().removeprefix("lists/").removesuffix(".yaml").removesuffix(".yml")
    address = parse_address(name.strip()) if "@" in name else None
    found = policy.list_of(address) if address is not None else None
    return word if found is None else found.id


def _sum(parts: Sequence[int | None]) -> int | None:
    known = [each for each in parts if each is not None]
    return sum(known) if known else None


def _mondays(first: date, end: date) -> Iterator[date]:
    while first < end:
        yield first
        first += _WEEK


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
