"""The languages of the guard's own words: what each text is called, and how it is said with the facts of one mail.

A language is complete: what its file lacks comes from English. Files are read by `config.texts`; here they are plain
values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from babel import Locale, UnknownLocaleError
from babel.dates import parse_pattern
from babel.numbers import format_decimal
from babel.units import format_unit

from smtpguard.answers.choice import Word
from smtpguard.notices.sentences import compiled, is_template

DEFAULT_LANGUAGE = "en"
# How many lists or recipients a line names before it says "and n others".
NAMED_MAX = 4
# RFC 9110, 12.5.4: browsers send some five languages.
ACCEPTED_CHARACTERS_MAX = 1_000
# Between names, in every language that we know of with notices.
_COMMA = ", "


class _Unit(NamedTuple):
    """A unit of time as CLDR calls it, and from how many seconds on it is used."""

    name: str
    seconds: int
    least: int


_UNITS = (
    _Unit("day", 86_400, 4 * 86_400),
    _Unit("hour", 3_600, 3_600),
    _Unit("minute", 60, 60),
    _Unit("second", 1, 0),
)

Forms = str | Mapping[str, str]
"""A sentence, or several by the plural category of its `count` (CLDR: one, few, many, other)."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What one file says. `texts` are by dotted name ("held.subject"); all may lack what another file has."""

    code: str
    name: str | None = None
    words: Mapping[Word, tuple[str, ...]] = field(default_factory=dict)
    dates: Mapping[str, str] = field(default_factory=dict)
    numbers: tuple[str, ...] | None = None
    texts: Mapping[str, Forms] = field(default_factory=dict)

    def over(self, other: Wording) -> Wording:
        """`other`, with what is said here put first."""
        return Wording(
            self.code,
            self.name or other.name,
            {**other.words, **self.words},
            {**other.dates, **self.dates},
            other.numbers if self.numbers is None else self.numbers,
            {**other.texts, **self.texts},
        )


class Language:
    """One language, complete: `wording` lacks nothing. `translated` are the texts that are not said in English."""

    def __init__(self, wording: Wording, translated: Iterable[str] | None = None) -> None:
        self.code = wording.code
        self.name = wording.name or wording.code
        self.words: Mapping[Word, tuple[str, ...]] = MappingProxyType(dict(wording.words))
        self.translated = frozenset(wording.texts if translated is None else translated)
        self._wording = wording

    @cached_property
    def _locale(self) -> Locale:
        # What Babel knows of a language is some MB: only languages that are spoken are loaded.
        return locale_of(self.code)

    @property
    def tag(self) -> str:
        """The language tag (RFC 5646) for HTML."""
        return self.code

    @property
    def reads_leftwards(self) -> bool:
        """True for Arabic, Hebrew and others that are written from right to left."""
        return self._locale.text_direction == "rtl"

    def text(self, name: str, /, **facts: object) -> str:
        """The text `name`, filled; of several forms the one for the number `count`.

        Raises KeyError for an unknown name and jinja2.UndefinedError for a fact that is missing: both are bugs.
        """
        said = self._wording.texts[name]
        if not isinstance(said, str):
            said = said.get(self._category(name, facts.get("count")), said["other"])
        return (compiled(said).render(facts) if is_template(said) else said).strip()

    def prepare(self) -> None:
        """Compile all texts and load what Babel knows, so that nobody waits for that when the first is told something.

        It takes a tenth of a second.
        """
        for said in self._wording.texts.values():
            for each in [said] if isinstance(said, str) else said.values():
                if is_template(each):
                    compiled(each)
        self.length(timedelta(days=1))
        self.day(date(2000, 1, 1))

    def has(self, name: str) -> bool:
        """True if there is a text `name`."""
        return name in self._wording.texts

    def word(self, word: Word) -> str:
        """The word of a choice as it is printed."""
        return self.words[word][0]

    def number(self, value: int) -> str:
        """`value` spelled out, if it is small."""
        numbers = self._wording.numbers or ()
        return numbers[value] if 0 <= value < len(numbers) else str(value)

    def moment(self, when: datetime, zone: tzinfo | None, form: str = "moment") -> str:
        """An aware `when` as seen in `zone` (None: the machine's). `form` "moment_at" is for within a sentence."""
        return self._dated(when.astimezone(zone), form)

    def day(self, day: date, form: str = "day") -> str:
        """A day without its time. `form` "date" says the year, too."""
        return self._dated(day, form)

    def length(self, length: timedelta) -> str:
        """72 hours, 7 days, 1 hour: in the largest unit that says it without a rest, in days from four on."""
        seconds = int(length.total_seconds())
        fits = (each for each in _UNITS if seconds >= each.least and seconds % each.seconds == 0)
        unit = next(fits, _UNITS[-1])
        return format_unit(seconds // unit.seconds, f"duration-{unit.name}", "long", locale=self._locale)

    def amount(self, value: int) -> str:
        """`value` in figures, as the language groups them."""
        return format_decimal(value, locale=self._locale)

    def listed(self, names: Sequence[str]) -> str:
        """`names` parted by commas, the first few of many."""
        if len(names) <= NAMED_MAX + 1:
            return _COMMA.join(names)
        return self.text("joints.others", names=_COMMA.join(names[:NAMED_MAX]), count=len(names) - NAMED_MAX)

    def named(self, names: Sequence[str]) -> str:
        """`names` as a sentence has them, "a, b and c"; the first few of many."""
        if len(names) == 1 or len(names) > NAMED_MAX + 1:
            return self.listed(names)
        return self.text("joints.last", names=_COMMA.join(names[:-1]), last=names[-1]) if names else ""

    def quoted(self, text: str) -> str:
        """`text` in the language's quotation marks."""
        return self.text("joints.quote", text=text)

    def _category(self, name: str, count: object) -> str:
        locale = self._locale if name in self.translated else locale_of(DEFAULT_LANGUAGE)
        return locale.plural_form(count) if isinstance(count, int) else "other"

    def _dated(self, when: date, form: str) -> str:
        return str(parse_pattern(self._wording.dates[form]).apply(when, self._locale))


class Texts:
    """All languages of a site; `first` is for whoever has none of his own."""

    def __init__(self, languages: Mapping[str, Language], first: str = DEFAULT_LANGUAGE) -> None:
        self._languages = {code.lower(): each for code, each in languages.items()}
        self._first = self._languages[first.lower()]

    @property
    def codes(self) -> tuple[str, ...]:
        """The languages that are there."""
        return tuple(each.code for each in self._languages.values())

    def prepare(self, codes: Iterable[str]) -> None:
        """See `Language.prepare`; for these alone, since each takes 2 MB. Texts of others are compiled when they are
        said, half a millisecond each.
        """
        for each in {self.of(code) for code in codes}:
            each.prepare()

    def starting_with(self, first: str) -> Texts:
        """The same with another first language; an unknown one is English."""
        known = self._find(first)
        return Texts(self._languages, known.code if known is not None else DEFAULT_LANGUAGE)

    def of(self, code: str | None) -> Language:
        """The language `code`: "de-AT" is served by "de"; None or unknown is the site's first."""
        return (self._find(code) if code is not None else None) or self._first

    def known(self, code: str) -> Language | None:
        """The language `code` or the next wider one; None if there is none."""
        return self._find(code)

    def best(self, accept_language: str | None) -> Language:
        """What a browser would like best (RFC 9110, 12.5.4), else the site's first."""
        wishes = []
        for number, each in enumerate((accept_language or "")[:ACCEPTED_CHARACTERS_MAX].split(",")):
            code, _, parameter = each.partition(";")
            wishes.append((-_quality(parameter), number, code.strip()))
        for quality, _, code in sorted(wishes):
            if quality < 0 and code == "*":
                break
            if quality < 0 and (found := self._find(code)) is not None:
                return found
        return self._first

    def _find(self, code: str) -> Language | None:
        code = code.lower().replace("_", "-")
        while code and code not in self._languages:
            code = code.rpartition("-")[0]
        return self._languages.get(code)


def languages_of(wordings: Iterable[Wording]) -> dict[str, Language]:
    """Languages by code. Several wordings of one code lie over each other, later ones on top; English is below all.

    Raises KeyError if there is no English.
    """
    merged: dict[str, Wording] = {}
    for each in wordings:
        merged[each.code] = each.over(merged[each.code]) if each.code in merged else each
    english = merged[DEFAULT_LANGUAGE]
    return {code: Language(each.over(english), each.texts) for code, each in merged.items()}


def locale_of(code: str) -> Locale:
    """What is known of the language `code`, or of the next wider one; of English where nothing is."""
    while code:
        try:
            return Locale.parse(code, sep="-")
        except (UnknownLocaleError, ValueError):
            code = code.rpartition("-")[0]
    return Locale.parse(DEFAULT_LANGUAGE)


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
