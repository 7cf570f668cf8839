"""Dates in quotes and forwards: the earliest day that they can mean, or none."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.mail.dates import earliest_day

NOVEMBER = date(2026, 11, 23)


@pytest.mark.parametrize(
    "text",
    [
        "On Mon, Nov 23, 2026 at 10:12 AM",
        "Am 23.11.26 um 10:12",
        "Am 23.11.2026 um 10:12",
        "On 11/23/26 10:12",
        "On 23/11/2026 10:12",
        "2026-11-23 18:00",
        "2026年11月23日(月) 18:00",
        "2026년 11월 23일 (월) 오후 6:00",
        "Le lun. 23 nov. 2026 à 10:12",
        "El mar, 23 nov 2026 a las 10:12",
        "maanantai 23. marraskuuta 2026 10.12",
        "Mon, 23 Nov 2026 18:00:00 +0100",
        "lunes, 23 de noviembre de 2026 10:12",
        "23 листопада 2026 р. о 10:12",
        "пн, 23 нояб. 2026 г. в 18:00",
        "2026. nov. 23., H 10:12",
        "Op ma 23 nov 2026 om 10:12",
        "Montag, 23. November 2026 10:12",
        "2026 m. lapkričio 23 d., pirmadienis 10:12",
        "Στις Δευ, 23 Νοε 2026 στις 10:12",
    ],
)
def test_one_day_in_many_tongues(text: str) -> None:
    assert NOVEMBER == earliest_day(text)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("On 03/11/2026 10:12", date(2026, 3, 11)),
        ("On 11/03/2026 10:12", date(2026, 3, 11)),
        ("22-11-26", date(2022, 11, 26)),
        ("Vào 24 thg 11, 2026 lúc 10:12", date(2026, 1, 1)),
        ("23. listopada 2026", date(2026, 10, 23)),
        ("le mardi 24 mars 2026", date(2026, 3, 24)),
        ("mar 24 mar 2026", date(2026, 3, 24)),
        ("sometime in 2026", date(2026, 1, 1)),
        ("2026-13-45", date(2026, 1, 1)),
        ("31 Feb 2026", date(2026, 2, 1)),
    ],
)
def test_where_it_can_be_two_days_it_is_the_earlier_one(text: str, day: date) -> None:
    assert day == earliest_day(text)


@pytest.mark.parametrize("text", ["", "yesterday", "am 3. Mai", "at 10:12", "99.99.2026", "2569", "room 12026"])
def test_a_line_without_a_year_is_no_date(text: str) -> None:
    assert earliest_day(text) is None


@given(st.text(max_size=300) | st.from_regex(r"\d{1,2}[-./]\d{1,2}[-./]\d{2,4}|[a-zA-Zа-я]{3,9} \d+,? 20\d\d"))
def test_any_line_gives_a_day_or_none(text: str) -> None:
    found = earliest_day(text)

    assert found is None or 2000 <= found.year < 2100
