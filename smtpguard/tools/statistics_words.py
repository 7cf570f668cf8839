"""What `smtpguard stats` prints, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, timedelta

from smtpguard.figures import CELL_MIN, HELD, SPAN_WEEKS, Outcome, closes, monday_of
from smtpguard.rows import ROWS
from smtpguard.tools.statistics import Line, Statistics

# Not "<5, so none": it may be any number below.
FEW = f"<{CELL_MIN}"
NO_LIST = "(no list)"
_COLUMNS = {
    Outcome.OBSERVED: "observed",
    Outcome.REFUSED: "refused",
    Outcome.CONFIRMED: "SEND",
    Outcome.ONE_LIST: "ONLY",
    Outcome.DISCARDED: "DISCARD",
    Outcome.BACK: "BACK",
    Outcome.REPLACED: "again",
    Outcome.NO_ANSWER: "no answer",
}
_BEFORE_HELD = 2
_HELP = (
    f"{FEW}: fewer than five, perhaps none. They are carried on to the next week until there are five, so a number may",
    f"hold some of the weeks before it; every {SPAN_WEEKS} weeks this begins afresh.",
    "A mail counts once for each rule and each list that the rule names.",
    "observed: sent; it would have been held. refused: sent back at once.",
    "held: all that stands right of it, at least. It counts when its answer comes, or when its time is over.",
    "SEND, ONLY, DISCARD, BACK: what its sender answered. again: the same mail came once more, and was held instead.",
    "no answer: deleted unsent, or thrown away because a corrected copy came. Which of both is not known: only an",
    "answer opens a held mail.",
)


def as_words(found: Statistics) -> Iterator[str]:
    """The lines for a terminal."""
    if found.weeks:
        first, last = found.weeks[0], closes(found.weeks[-1]) - timedelta(days=1)
        weeks = first if len(found.weeks) == 1 else f"{first} to {found.weeks[-1]}"
        yield f"{weeks} ({monday_of(first):%a %d %b %Y} to {last:%a %d %b %Y}, UTC)"
        yield ""
        yield from _table(found)
    elif found.counts:
        yield "No week that is over lies in this time."
    else:
        yield "Nothing to show yet: no week is over in which a guard counted."
    if found.missing:
        yield f"The guard did not count in {', '.join(found.missing)}."
    if found.lost:
        yield f"The figures of {', '.join(found.lost)} do not open: their key is gone from the key folder."
    if found.hides:
        yield "Closed lists, and lists that are gone, are shown only if you name one: smtpguard stats LIST."
    at = found.shown_from.astimezone(UTC)
    yield f"Only weeks that are over are shown. {found.running} will be from {at:%a %d %b %Y, %H:%M} UTC on."


def _table(found: Statistics) -> Iterator[str]:
    if not found.lines:
        whom = found.named or "Every list"
        yield f"{whom}: fewer than five of everything."
        return
    headings = list(_COLUMNS.values())
    cells = [("list", "rule", *headings[:_BEFORE_HELD], "held", *headings[_BEFORE_HELD:]), *map(_cells, found.lines)]
    widths = [max(len(line[number]) for line in cells) for number in range(len(cells[0]))]
    for line in cells:
        left = (word.ljust(width) for word, width in zip(line[:2], widths[:2], strict=True))
        right = (word.rjust(width) for word, width in zip(line[2:], widths[2:], strict=True))
        yield "  ".join((*left, *right))
    yield ""
    for row in sorted({each.alarm.row for each in found.lines}):
        yield f"{row}: {ROWS.get(row, 'A mail that could not be examined, by a fault of the guard.')}"
    yield ""
    too_often = [each for each in found.lines if each.alarms_too_often]
    for each in too_often:
        confirmed = each.total(Outcome.CONFIRMED) or 0
        yield (
            f"{each.alarm.list or NO_LIST}, {each.alarm.row}: this rule alarms too often. Of about "
            f"{confirmed + each.not_confirmed} held mails {confirmed} were sent just as they were."
        )
    if too_often:
        yield ""
    yield from _HELP


def _cells(line: Line) -> tuple[str, ...]:
    words = [FEW if (total := line.total(each)) is None else str(total) for each in _COLUMNS]
    least, most = line.at_least(HELD), line.at_most(HELD)
    held = str(least) if least == most else f"{least}+"
    return (line.alarm.list or NO_LIST, line.alarm.row, *words[:_BEFORE_HELD], held, *words[_BEFORE_HELD:])


def as_object(found: Statistics) -> dict[str, object]:
    """The object that `--format json` prints."""
    return {
        "weeks": [*found.weeks],
        "not_counted": [*found.missing],
        "lost": [*found.lost],
        "running": {"week": found.running, "shown_from": found.shown_from.astimezone(UTC).isoformat()},
        "list": found.named,
        "lines": [_line_object(each, found) for each in found.lines],
    }


def _line_object(line: Line, found: Statistics) -> dict[str, object]:
    return {
        "list": line.alarm.list or None,
        "row": line.alarm.row,
        "total": {each.value: _number(line.total(each)) for each in Outcome},
        "held": {"at_least": line.at_least(HELD), "at_most": line.at_most(HELD)},
        "by_week": {
            week: {each.value: _number(line.numbers[each][number]) for each in Outcome}
            for number, week in enumerate(found.weeks)
        },
        "alarms_too_often": line.alarms_too_often,
    }


def _number(number: int | None) -> int | str:
    return FEW if number is None else number
