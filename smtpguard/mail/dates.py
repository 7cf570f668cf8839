"""Dates as quotes and forwards write them: "Mon, Nov 23, 2026 at 10:12 AM", "23.11.26", "le 23 novembre 2026".

Nobody says which form is meant, so a date is the earliest day that it can be. What follows from it is that a text is
younger than something, and that must not be believed too soon; so a month whose name is not known is January.
"""

from __future__ import annotations

import re
from datetime import date
from itertools import permutations

# A date line is shorter; what follows is not looked at.
DATE_CHARACTERS_MAX = 200
# Two digits of a year belong to this century.
_CENTURY = 2000

# First letters of the months' names, of all languages together, long enough to be no weekday's. Where they mean two
# months (Polish and Croatian "lip", "lis", Polish and Czech "srp"), they stand with the earlier one.
_MONTHS = (
    "jan|jän|jaa|gen|ene|xan|ian|oca|sty|led|sij|sau|tam|urt|ιαν|янв|яну|јан|січ|сту",
    "feb|fev|fév|fév|vee|şub|lut|úno|velj|vas|hel|ots|shk|φεβ|фев|феб|лют",
    "mar|mär|mrz|mrt|maar|maal|már|bře|ožu|kov|μαρ|μάρ|мар|бер|сак",
    "apr|avr|abr|ápr|api|nis|kwi|dub|tra|bal|huh|pri|απρ|апр|кві|кра",
    "mai|maj|maí|máj|may|mei|maggio|mag|kvě|svi|geg|tou|μαΐ|μαϊ|μάι|май|мај|мая|тра",
    "jun|jún|jūn|juu|jui|giu|eka|haz|cze|čer|lip|bir|kes|qer|ιουν|ιούν|юни|июн|јун|чер|чэр",
    "jul|júl|jūl|juil|juul|lug|uzt|tem|srp|lie|hei|kor|ιουλ|ιούλ|юли|июл|јул|лип|ліп",
    "aug|aou|aoû|ago|agu|ágú|aŭg|abu|sie|kol|rugp|elo|ağu|gus|αυγ|αύγ|авг|серп|жні",
    "sep|set|szept|zář|wrz|ruj|rugs|syy|eyl|ira|σεπ|сеп|сен|вер",
    "oct|okt|out|ott|paź|říj|spa|lok|lis|eki|urr|tet|οκτ|окт|жов|кас",
    "nov|nóv|noi|marr|stu|lap|kas|aza|nën|νοε|νοέ|ноя|ное|нов|лис|ліс",
    "dec|déc|dez|des|dic|det|dhj|gru|pro|jou|ara|abe|δεκ|дек|дец|гру|сне",
)
_MONTH_OF = {prefix: number for number, words in reversed(list(enumerate(_MONTHS, 1))) for prefix in words.split("|")}
_PREFIXES = sorted({len(each) for each in _MONTH_OF}, reverse=True)
# "mar., 24 nov. 2026": in five languages Tuesday begins like March.
_TUESDAY = ("mar", "martes", "mardi", "martedì", "martedi", "marți", "dimarts")

_YEAR_FIRST = re.compile(r"(?<!\d)(20\d\d)\s?[-./年년]\s?(\d\d?)\s?[-./月월]\s?(\d\d?)(?!\d)")
_YEAR_LAST = re.compile(r"(?<![\d.])(\d\d?)\s?([-./])\s?(\d\d?)\s?\2\s?(20\d\d|\d\d)(?![\d:])")
_YEAR = re.compile(r"(?<!\d)20\d\d(?!\d)")
_WORD = re.compile(r"[^\W\d_]{3,}")
_DAY_BEFORE = re.compile(r"(?<![\d:])(\d\d?)\D{0,6}$")
_DAY_BEHIND = re.compile(r"^\W{0,3}(\d\d?)(?![\d:])")


def earliest_day(text: str) -> date | None:
    """The earliest day that `text`, a date line or an attribution, can mean; None if it names no year. Never raises.

    Times and zones are not looked at: it is the day that the writer of the line had.
    """
    text = text[:DATE_CHARACTERS_MAX].lower()
    found = _YEAR_FIRST.search(text)
    if found is not None:
        day = _day(int(found[1]), int(found[2]), int(found[3]))
        return day or date(int(found[1]), 1, 1)
    numbers = _YEAR_LAST.search(text)
    if numbers is not None:
        return _from_numbers(int(numbers[1]), numbers[2], int(numbers[3]), numbers[4])
    year = _YEAR.search(text)
    return None if year is None else _from_words(text, int(year[0]))


def _from_numbers(one: int, between: str, other: int, last: str) -> date | None:
    """23.11.26 is the 23rd in every country; 11/12/26 may be a month later, and 23-11-26 begin with the year."""
    if len(last) == 4:
        year = int(last)
        readings = [_day(year, other, one)] if between == "." else [_day(year, other, one), _day(year, one, other)]
    elif between == ".":
        readings = [_day(_CENTURY + int(last), other, one)]
    else:
        readings = [_day(_CENTURY + year, month, day) for year, month, day in permutations((one, other, int(last)))]
        if between == "/":
            readings = [each for each in readings if each is not None and each.year == _CENTURY + int(last)]
    return min(filter(None, readings), default=None)


def _from_words(text: str, year: int) -> date:
    """The earliest of the days that a month's name in `text` makes with a number beside it."""
    words = [(month, each) for each in _WORD.finditer(text) if (month := _month(each[0])) is not None]
    certain = [pair for pair in words if pair[1][0] not in _TUESDAY]
    days = (_beside(text, word, year, month) for month, word in certain or words)
    return min(days, default=date(year, 1, 1))


def _beside(text: str, word: re.Match[str], year: int, month: int) -> date:
    found = (_DAY_BEFORE.search(text[: word.start()]), _DAY_BEHIND.search(text[word.end() :]))
    days = (_day(year, month, int(each[1])) for each in found if each is not None)
    return min(filter(None, days), default=date(year, month, 1))


def _month(word: str) -> int | None:
    return next((_MONTH_OF[word[:size]] for size in _PREFIXES if word[:size] in _MONTH_OF), None)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
