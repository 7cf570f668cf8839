"""The tables of a report, the same for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from smtpguard.rows import ROWS
from smtpguard.tools.replay.gathering import Read
from smtpguard.tools.replay.playing import Fate, Unjudged
from smtpguard.tools.replay.tallies import (
    ALARMED,
    Case,
    Effect,
    Effects,
    Replay,
    Tally,
    alarms_with_effects,
    effect_of,
)

# What the two configurations are called.
LETTERS = "AB"
NO_LIST = "(no list)"
NO_MESSAGE_ID = "(no Message-ID)"
_MAILS = "mails"
_UNEXAMINED = "A mail that could not be examined, by a fault of the guard."
_EFFECTS: Mapping[Effect, str] = {
    Effect.HELD: "held",
    Effect.REFUSED: "refused",
    Effect.OBSERVED: "only counted",
    Effect.PASSED: "passes",
    Effect.NOT_JUDGED: "not judged",
}
_WHY_NOT = {
    Unjudged.NO_LIST: "go to no list of these settings",
    Unjudged.OUTSIDER: "are of people who are not on the roster, and would not come by the guard",
}


@dataclass(frozen=True, slots=True)
class Table:
    """`subject` is what its lines are about ("list"), `remark` what is to be known of its figures; `heads` are those of
    the figures, and `lines` have a name and a figure for each."""

    subject: str
    remark: str
    heads: tuple[str, ...]
    lines: tuple[tuple[str, tuple[int, ...]], ...] = field(repr=False)


def total(replay: Replay) -> Table:
    """The figures of all mails."""
    return _table(replay, "total", "", [{"all": each.total} for each in replay.tallies])


def tables(replay: Replay) -> Iterator[Table]:
    """What the figures are made of; those without a line are left out."""
    of = replay.tallies
    found = (
        _table(replay, "list", "A mail to several lists counts for each of them.", [each.lists for each in of]),
        _table(replay, "rule", "A mail counts once for each rule that alarms.", [each.rows for each in of], all_=False),
        _table(
            replay,
            "list and rule",
            "An alarm counts for each list that it is about.",
            [_by_list_and_row(each) for each in of],
            all_=False,
        ),
        _table(replay, "month", "By the month in which a mail was sent, UTC.", [each.months for each in of]),
    )
    return (each for each in found if each.lines)


def rules_named(replay: Replay) -> Iterator[tuple[str, str]]:
    """The rows of all alarms, each with its sentence."""
    for row in sorted({row for each in replay.tallies for row in each.rows}):
        yield row, ROWS.get(row, _UNEXAMINED)


def read_of(replay: Replay) -> str:
    """How much was read, and of which time."""
    span = "" if replay.first is None or replay.last is None else f", {replay.first:%b %Y} to {replay.last:%b %Y}"
    count = len(replay.archives)
    return (
        f"{count:,} archive{'' if count == 1 else 's'}, {replay.mails:,} mail{'' if replay.mails == 1 else 's'}{span}"
    )


def notes(replay: Replay) -> Iterator[str]:
    """What is to be known about the figures: what of the archives is not among them."""
    for read in replay.archives:
        yield from (f"{read.source.name}: {said}" for said in _passed_over(read))
    for letter, tally in zip(LETTERS, replay.tallies, strict=False):
        whose = f"{letter}: " if replay.compares else ""
        for why, count in sorted(tally.unjudged.items(), key=lambda each: each[0].value):
            yield f"{whose}{count:,} {_WHY_NOT[why]}"
        if tally.incomplete:
            yield f"{whose}{tally.incomplete:,} were judged without the memory, which did not answer in time"


def fate_words(fate: Fate | Unjudged) -> str:
    """What would happen to a mail, and why: "held: 12-02 (berlin, press)"."""
    said = _EFFECTS[effect_of(fate)]
    by_row: dict[str, list[str]] = {}
    for alarm, effect in alarms_with_effects(fate):
        row = alarm.row if effect is effect_of(fate) else f"{_EFFECTS[effect]} {alarm.row}"
        by_row.setdefault(row, []).extend([alarm.list] if alarm.list else [])
    reasons = ", ".join(f"{row} ({', '.join(lists)})" if lists else row for row, lists in by_row.items())
    return f"{said}: {reasons}" if reasons else said


def case_name(case: Case) -> tuple[str, str, str, str]:
    """By what a mail is named: its archive, its position there, when it came in, its Message-ID."""
    entry = case.entry
    return case.archive, entry.position, f"{entry.when:%Y-%m-%d %H:%M}", entry.message_id or NO_MESSAGE_ID


def _passed_over(read: Read) -> Iterator[str]:
    if read.twice:
        yield f"{read.twice:,} were there before, here or in another archive"
    if read.broken:
        yield f"{read.broken:,} are no mails and were passed over"
    if read.undated:
        yield f"{read.undated:,} have no date and were passed over"
    if read.unreadable:
        yield f"{read.unreadable:,} files cannot be opened"


def _by_list_and_row(tally: Tally) -> dict[str, dict[Effect, int]]:
    found: dict[str, dict[Effect, int]] = {}
    for cell, count in tally.cells.items():
        effects = found.setdefault(f"{cell.list or NO_LIST}, {cell.row}", {})
        effects[cell.effect] = effects.get(cell.effect, 0) + count
    return found


def _table(
    replay: Replay, subject: str, remark: str, found: Sequence[Mapping[str, Effects]], *, all_: bool = True
) -> Table:
    """`found` are the effects of each line under each configuration. With `all_`, there is a column for all mails; held
    is always there, what nothing led to is left out."""
    used = {effect for tally in replay.tallies for each in tally.rows.values() for effect in each}
    shown = [each for each in ALARMED if each is Effect.HELD or each in used]
    names = sorted({name for each in found for name in each})
    heads = [*([_MAILS] if all_ else []), *(_EFFECTS[each] for each in shown)]
    letters = [f" {each}" for each in LETTERS[: len(found)]] if replay.compares else [""]

    def figures(name: str) -> Iterator[int]:
        of = [each.get(name, {}) for each in found]
        if all_:
            yield from (sum(each.values()) for each in of)
        for effect in shown:
            yield from (each.get(effect, 0) for each in of)

    return Table(
        subject,
        remark,
        tuple(f"{head}{letter}" for head in heads for letter in letters),
        tuple((name, tuple(figures(name))) for name in names),
    )
