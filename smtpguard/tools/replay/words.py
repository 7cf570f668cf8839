"""What `smtpguard replay` prints, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from smtpguard.tools.replay.playing import Fate, Unjudged
from smtpguard.tools.replay.tables import (
    LETTERS,
    Table,
    case_name,
    fate_words,
    notes,
    read_of,
    rules_named,
    tables,
    total,
)
from smtpguard.tools.replay.tallies import ALARMED, Case, Effect, Effects, Replay, Tally, alarms_with_effects, effect_of

# Mails that are shown one by one; --json and the page have more.
CASES_SHOWN = 50


def as_words(replay: Replay, *, with_mails: bool) -> Iterator[str]:
    """The lines for a terminal; `with_mails` names the alarmed mails one by one, where there is nothing to compare."""
    for letter, tally in zip(LETTERS, replay.tallies, strict=False):
        yield f"{letter}: {tally.name}" if replay.compares else tally.name
    yield read_of(replay)
    yield from (f"  {each}" for each in notes(replay))
    for each in (total(replay), *tables(replay)):
        yield ""
        yield from _lines(each)
    rules = [f"{row}: {sentence}" for row, sentence in rules_named(replay)]
    if rules:
        yield from ("", *rules)
    if replay.compares:
        yield from _cases("fare differently", replay.differing, replay)
    elif with_mails:
        yield from _cases("would cause an alarm", replay.alarmed, replay)


def _lines(table: Table) -> Iterator[str]:
    cells = [(table.subject, *table.heads), *((name, *(f"{each:,}" for each in of)) for name, of in table.lines)]
    widths = [max(len(line[number]) for line in cells) for number in range(len(cells[0]))]
    for name, *figures in cells:
        yield "  ".join((name.ljust(widths[0]), *(each.rjust(w) for each, w in zip(figures, widths[1:], strict=True))))


def _cases(what: str, cases: Sequence[Case], replay: Replay) -> Iterator[str]:
    yield ""
    yield f"{len(cases):,} mail{'s' if len(cases) != 1 else ''} {what}{':' if cases else '.'}"
    for case in cases[:CASES_SHOWN]:
        archive, position, when, message_id = case_name(case)
        yield f"{archive}, {position}, {when}, {message_id}"
        for letter, fate in zip(LETTERS, case.fates, strict=False):
            yield f"  {letter}: {fate_words(fate)}" if replay.compares else f"  {fate_words(fate)}"
    if len(cases) > CASES_SHOWN:
        yield f"and {len(cases) - CASES_SHOWN:,} more: --json has all of them."


def as_object(replay: Replay) -> dict[str, object]:
    """The object that `--json` prints."""
    return {
        "archives": [
            {
                "archive": each.source.name,
                "mails": each.mails,
                "twice": each.twice,
                "no_mails": each.broken,
                "undated": each.undated,
                "unreadable": each.unreadable,
                "trouble": each.trouble,
            }
            for each in replay.archives
        ],
        "first": None if replay.first is None else replay.first.isoformat(),
        "last": None if replay.last is None else replay.last.isoformat(),
        "configurations": [_tally_object(each) for each in replay.tallies],
        "alarmed": [_case_object(each) for each in replay.alarmed],
        "differing": [_case_object(each) for each in replay.differing] if replay.compares else None,
    }


def _tally_object(tally: Tally) -> dict[str, object]:
    return {
        "config": tally.name,
        "judged": tally.judged,
        "not_judged": {each.name.lower(): count for each, count in tally.unjudged.items()},
        "without_memory": tally.incomplete,
        "total": _effects_object(tally.total),
        "lists": {name: _effects_object(each) for name, each in sorted(tally.lists.items())},
        "rows": {name: _effects_object(each) for name, each in sorted(tally.rows.items())},
        "months": {name: _effects_object(each) for name, each in sorted(tally.months.items())},
        "alarms": [
            {
                "list": each.list or None,
                "row": each.row,
                "month": each.month,
                "effect": each.effect.name.lower(),
                "mails": count,
            }
            for each, count in sorted(tally.cells.items(), key=lambda item: (*item[0][:3], item[0].effect.name))
        ],
    }


def _effects_object(effects: Effects) -> dict[str, int]:
    return {each.name.lower(): effects.get(each, 0) for each in (*ALARMED, Effect.PASSED)}


def _case_object(case: Case) -> dict[str, object]:
    return {
        "archive": case.archive,
        "position": case.entry.position,
        "when": case.entry.when.isoformat(),
        "message_id": case.entry.message_id or None,
        "fates": [_fate_object(each) for each in case.fates],
    }


def _fate_object(fate: Fate | Unjudged) -> dict[str, object]:
    alarms = [
        {"row": alarm.row, "list": alarm.list or None, "effect": effect.name.lower()}
        for alarm, effect in alarms_with_effects(fate)
    ]
    return {
        "effect": effect_of(fate).name.lower(),
        "decided_by": fate.row if isinstance(fate, Fate) else None,
        "lists": [*fate.lists] if isinstance(fate, Fate) else [],
        "alarms": alarms,
    }
