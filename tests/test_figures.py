"""T-53: what may be shown of what was counted, and that nothing smaller can be found out of it."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.figures import (
    CELL_MIN,
    CELLS_MAX,
    PADDED_TO,
    SPAN_WEEKS,
    Alarm,
    Cell,
    FiguresError,
    Outcome,
    added,
    alarms_of,
    closes,
    figures_from_octets,
    figures_to_octets,
    monday_of,
    shown,
    span_begin,
)
from smtpguard.verdict import Finding

WEEKS = st.lists(st.integers(0, 12), min_size=1, max_size=SPAN_WEEKS)
CELLS = st.builds(Cell, st.text(max_size=12), st.sampled_from(["12-02", "11-08"]), st.sampled_from(Outcome))


def test_a_number_is_shown_from_five_on_and_smaller_ones_are_carried_on() -> None:
    assert (5, None, None, 6, None, 20) == shown([5, 2, 2, 2, 4, 16])
    assert (None,) * 4 == shown([4, 0, 0, 0])
    assert () == shown([])


def test_a_count_below_zero_takes_nothing_away_from_another_week() -> None:
    assert (None, 5) == shown([-3, 5])


@given(WEEKS)
def test_T_53_no_number_shown_is_below_five_and_none_is_shown_twice(counts: list[int]) -> None:
    numbers = [each for each in shown(counts) if each is not None]

    assert all(each >= CELL_MIN for each in numbers)
    assert sum(counts) - (CELL_MIN - 1) <= sum(numbers) <= sum(counts)


@given(WEEKS, st.data())
def test_T_53_behind_each_number_not_shown_may_stand_anything_below_five(
    counts: list[int], data: st.DataObject
) -> None:
    """Whoever sees all numbers, and knows how they are made, cannot tell one of them: other counts look the same."""
    seen = shown(counts)
    unshown = [week for week, each in enumerate(seen) if each is None]
    if not unshown:
        return
    week = data.draw(st.sampled_from(unshown))
    for number in range(CELL_MIN):
        assert shown(another(seen, week, number)) == seen


def another(seen: tuple[int | None, ...], week: int, number: int) -> list[int]:
    """Counts that may stand behind `seen` just as well, with `number` in `week`."""
    counts = [each or 0 for each in seen]
    counts[week] = number
    following = next((later for later in range(week, len(seen)) if seen[later] is not None), None)
    if following is not None:
        counts[following] -= number
    return counts


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_T_53_tried_out_no_small_count_can_be_computed_from_what_is_shown(length: int) -> None:
    """All counts there are, up to nine in a week: whatever is shown, behind each week stand five numbers at least,
    unless its own count is shown, which is five or more."""
    most = 9
    behind: dict[tuple[int | None, ...], list[set[int]]] = {}
    for counts in product(range(most + 1), repeat=length):
        sets = behind.setdefault(shown(counts), [set() for _ in counts])
        for possible, each in zip(sets, counts, strict=True):
            possible.add(each)
    for seen, sets in behind.items():
        if max(each or 0 for each in seen) > most:
            continue  # some of the counts behind it were not tried
        for number, possible in zip(seen, sets, strict=True):
            if number is None:
                assert set(range(CELL_MIN)) == possible
            else:
                assert possible == {number} or len(possible) >= CELL_MIN
                assert number in possible


@given(st.dictionaries(CELLS, st.integers(-5, 10**6), max_size=40))
def test_figures_come_back_as_they_were_and_their_length_does_not_tell_how_many(counts: dict[Cell, int]) -> None:
    octets = figures_to_octets(counts)

    assert counts == figures_from_octets(octets)
    assert 0 == len(octets) % PADDED_TO
    assert figures_to_octets(dict(reversed(counts.items()))) == octets


@pytest.mark.parametrize("octets", [b"", b"x", b"{}x", b"[1]", b'[["a","12-02","lost",1]]', b'[["a","b","back",null]]'])
def test_what_are_no_figures_is_not_taken_for_some(octets: bytes) -> None:
    with pytest.raises(FiguresError):
        figures_from_octets(octets)


def test_a_mail_counts_once_for_each_row_and_each_list_that_the_row_names() -> None:
    findings = [
        Finding("12-02", "crosspost", lists=("berlin", "press")),
        Finding("12-02", "crosspost", lists=("berlin",)),
        Finding("12-10", "hidden_list", lists=("berlin",)),
        Finding("12-26", "visible_addresses"),
    ]

    assert {
        Alarm("berlin", "12-02"), Alarm("press", "12-02"), Alarm("berlin", "12-10"), Alarm("", "12-26"),
    } == alarms_of(findings)  # fmt: skip


def test_what_is_counted_is_bounded() -> None:
    full = {Cell(str(number), "12-02", Outcome.BACK): 1 for number in range(CELLS_MAX)}
    known, new = Cell("1", "12-02", Outcome.BACK), Cell("new", "12-02", Outcome.BACK)

    total = added(full, {new: 1, known: 1})

    assert (CELLS_MAX, 2, None) == (len(total), total[known], total.get(new))
    assert {} == added({known: 1}, {known: -1})


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_spans_are_thirteen_whole_weeks_and_lie_side_by_side(day: date) -> None:
    begin = span_begin(day)

    assert 0 == begin.weekday()
    assert begin <= day < begin + timedelta(weeks=SPAN_WEEKS)
    assert begin == span_begin(begin)
    assert begin + timedelta(weeks=SPAN_WEEKS) == span_begin(begin + timedelta(weeks=SPAN_WEEKS))


def test_a_week_begins_on_monday_and_ends_with_the_next_one() -> None:
    assert (date(2026, 11, 16), date(2026, 11, 23)) == (monday_of("2026-W47"), closes("2026-W47"))
    assert (date(2026, 12, 28), date(2027, 1, 4)) == (monday_of("2026-W53"), closes("2026-W53"))
