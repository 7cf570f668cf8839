"""When a mail was written, and from when on a list is known."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from smtpguard.archives.coverage import SILENCE_MAX, dense_since, number_of_day
from smtpguard.archives.dates import date_of
from tests.archives.posts import DAY, NOW


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("Sun, 22 Nov 2026 12:00:00 +0100", "2026-11-22T11:00:00+00:00"),
        ("Sun, 22 Nov 2026 11:00:00 -0000", "2026-11-22T11:00:00+00:00"),
        ("22 Nov 26 11:00 GMT", "2026-11-22T11:00:00+00:00"),
        ("Mon, 23 Nov 2026 02:00:00 +0000", NOW.isoformat()),  # no zone, or a clock that is fast
    ],
)
def test_a_sensible_date_is_taken(field: str, expected: str) -> None:
    found = date_of(field, NOW)
    assert found is not None
    assert found.isoformat() == expected


@pytest.mark.parametrize(
    "field",
    [
        "", "yesterday", "Sun, 22 Nov 2027 11:00:00 +0000", "Thu, 1 Jan 1970 00:00:00 +0000", "31 Dec 9999 23:00 -1200",
        "Sun, 22 Nov 2026 99:00:00 +0000", "Sun, 22 Nov 99999 11:00:00 +0000", "Sun, 22 Nov 2026 11:00:00 +999999",
        "1" * 100_000, "(" * 5000,
    ],
)  # fmt: skip
def test_an_absurd_date_is_none(field: str) -> None:
    assert date_of(field, NOW) is None


TODAY = NOW.date()


def days(*ago: int) -> set[int]:
    return {number_of_day(TODAY - timedelta(days=each)) for each in ago}


def test_known_since_is_the_oldest_day_without_a_hole_up_to_now() -> None:
    assert dense_since(days(*range(0, 300, 5)), TODAY) == TODAY - 295 * DAY
    assert dense_since(days(3, 20, 48), TODAY) == TODAY - 48 * DAY
    assert dense_since(set(), TODAY) == TODAY


def test_an_old_archive_says_nothing_of_the_years_since() -> None:
    assert dense_since(days(*range(200, 360)), TODAY) == TODAY


def test_what_lies_before_a_missing_month_is_not_known() -> None:
    october = date(2026, 10, 1)
    august = {number_of_day(date(2026, 8, day)) for day in range(1, 32)}
    assert dense_since({*days(*range(53)), *august}, TODAY) == october
    february = {number_of_day(date(2026, 1, day)) for day in range(1, 32)}
    march = {number_of_day(date(2026, 3, day)) for day in range(1, 32)}
    assert dense_since({*february, *march}, date(2026, 4, 2)) == date(2026, 3, 1)


def test_it_joins_what_the_guard_knows_itself() -> None:
    known = TODAY - 100 * DAY
    assert dense_since(days(*range(110, 150)), known) == TODAY - 149 * DAY
    assert dense_since(days(*range(10, 50)), known) == known
    assert dense_since(days(100 + SILENCE_MAX.days + 1), known) == known
