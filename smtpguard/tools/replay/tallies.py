"""What came of a replay, counted: by list, by row, by month, and what differs between two configurations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from smtpguard.figures import Alarm
from smtpguard.tools.replay.gathering import Entry, Gathered, Read
from smtpguard.tools.replay.playing import Configuration, Fate, Unjudged
from smtpguard.tools.replay.processes import Fates
from smtpguard.verdict import Action


class Effect(Enum):
    """What a mail's sender would see of the guard; of OBSERVED and PASSED he sees nothing."""

    HELD = "held"
    REFUSED = "refused"
    OBSERVED = "observed"
    PASSED = "passed"
    NOT_JUDGED = "not judged"


# Effects that are shown as columns.
ALARMED = (Effect.HELD, Effect.REFUSED, Effect.OBSERVED)

Effects = Mapping[Effect, int]


class Cell(NamedTuple):
    """What an alarm is counted under; `list` is empty for one that names none, `month` is like 2026-11 (UTC)."""

    list: str
    row: str
    month: str
    effect: Effect


@dataclass(frozen=True)
class Tally:
    """One configuration's figures. In `lists` and `months` a mail counts once; in `lists` for each list that it goes
    to. In `rows` and `cells` it counts once for each row, and each list, of its alarms."""

    name: str
    total: Effects
    lists: Mapping[str, Effects]
    rows: Mapping[str, Effects]
    months: Mapping[str, Effects]
    cells: Mapping[Cell, int]
    unjudged: Mapping[Unjudged, int]
    incomplete: int

    @property
    def judged(self) -> int:
        """How many mails were submissions to this guard."""
        return sum(self.total.values())


@dataclass(frozen=True, slots=True)
class Case:
    """One mail and its fate under each configuration."""

    archive: str = field(repr=False)
    entry: Entry = field(repr=False)
    fates: tuple[Fate | Unjudged, ...] = field(repr=False)


@dataclass(frozen=True)
class Replay:
    """All that a report shows. `first` and `last` are None where there are no mails; `alarmed` are the mails that a
    configuration alarms about, `differing` those whose fates differ."""

    archives: Sequence[Read]
    first: datetime | None
    last: datetime | None
    tallies: tuple[Tally, ...]
    alarmed: tuple[Case, ...]
    differing: tuple[Case, ...]

    @property
    def compares(self) -> bool:
        """True if there are two configurations."""
        return len(self.tallies) > 1

    @property
    def mails(self) -> int:
        """How many different mails there are."""
        return sum(each.mails for each in self.archives)


def replay_of(configurations: Sequence[Configuration], gathered: Gathered, fates: Sequence[Fates]) -> Replay:
    """Count what came of playing `gathered` under each of `configurations`."""
    entries = gathered.entries
    cases = [*_cases(gathered, fates)]
    return Replay(
        gathered.archives,
        entries[0].when if entries else None,
        entries[-1].when if entries else None,
        tuple(_tally(each.name, entries, one) for each, one in zip(configurations, fates, strict=True)),
        tuple(each for each in cases if any(effect_of(one) in ALARMED for one in each.fates)),
        tuple(each for each in cases if len({_told_apart(one) for one in each.fates}) > 1),
    )


def effect_of(fate: Fate | Unjudged) -> Effect:
    """What a sender sees."""
    if isinstance(fate, Unjudged):
        return Effect.NOT_JUDGED
    if fate.action is Action.PASS:
        return Effect.OBSERVED if fate.observed else Effect.PASSED
    return Effect.HELD if fate.action is Action.HOLD else Effect.REFUSED


def alarms_with_effects(fate: Fate | Unjudged) -> Iterator[tuple[Alarm, Effect]]:
    """Each alarm of a mail, and what it leads to."""
    if isinstance(fate, Fate):
        yield from ((each, effect_of(fate)) for each in sorted(fate.alarms))
        yield from ((each, Effect.OBSERVED) for each in sorted(fate.observed))


def month_of(entry: Entry) -> str:
    """The month of a mail, UTC."""
    return f"{entry.when.year:04}-{entry.when.month:02}"


def _cases(gathered: Gathered, fates: Sequence[Fates]) -> Iterator[Case]:
    names = [each.source.name for each in gathered.archives]
    for entry, *each in zip(gathered.entries, *fates, strict=True):
        if any(effect_of(one) in ALARMED for one in each):
            yield Case(names[entry.homes[0].archive], entry, tuple(each))


def _told_apart(fate: Fate | Unjudged) -> object:
    """Equal for fates that make no difference: that a mail is not looked at, or passes."""
    effect = effect_of(fate)
    return frozenset(alarms_with_effects(fate)) if effect in ALARMED else None


def _tally(name: str, entries: Sequence[Entry], fates: Fates) -> Tally:
    total: Counter[Effect] = Counter()
    lists: dict[str, Counter[Effect]] = {}
    rows: dict[str, Counter[Effect]] = {}
    months: dict[str, Counter[Effect]] = {}
    cells: Counter[Cell] = Counter()
    unjudged: Counter[Unjudged] = Counter()
    incomplete = 0
    for entry, fate in zip(entries, fates, strict=True):
        if isinstance(fate, Unjudged):
            unjudged[fate] += 1
            continue
        effect, month = effect_of(fate), month_of(entry)
        incomplete += not fate.complete
        total[effect] += 1
        months.setdefault(month, Counter())[effect] += 1
        for each in fate.lists:
            lists.setdefault(each, Counter())[effect] += 1
        alarms = [*alarms_with_effects(fate)]
        for row, led_to in {(alarm.row, led_to) for alarm, led_to in alarms}:
            rows.setdefault(row, Counter())[led_to] += 1
        cells.update(Cell(*alarm, month, led_to) for alarm, led_to in alarms)
    return Tally(name, total, lists, rows, months, cells, unjudged, incomplete)
