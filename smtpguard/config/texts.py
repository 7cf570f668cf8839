"""Texts files: the guard's own words in one language each, shipped with the program or written by the site.

What a file may say is what the English one says: the names of its texts, and the placeholders of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from functools import cache
from importlib.resources import files

from babel.dates import parse_pattern

from smtpguard.answers.choice import Word
from smtpguard.config.binding import nearest
from smtpguard.config.problems import PROBLEMS_PER_FILE_MAX, Problem, Severity, Source, quoted_value
from smtpguard.config.reader import Scalar, Sequence, Table, Value, read_document
from smtpguard.config.sources import source_of
from smtpguard.notices.folding import folded
from smtpguard.notices.languages import DEFAULT_LANGUAGE, Forms, Texts, Wording, languages_of, locale_of
from smtpguard.notices.sentences import SentenceError, placeholders

# A phone shows some 40 characters of a subject; the mail's own subject and the deadline come on top.
SUBJECT_CHARACTERS_MAX = 70
# A reply has 512 octets: two such texts, one in the other, and some names.
REFUSAL_CHARACTERS_MAX = 160
WORD_CHARACTERS_MAX = 30
SYNONYMS_MAX = 10
# Nobody spells out larger numbers.
NUMBERS_MAX = 100
NAME_CHARACTERS_MAX = 50
# More names than these in one message help nobody; the English file has them all.
_NAMED_MAX = 5
_KNOWN_MAX = 8

_DATES = ("moment", "moment_at", "day", "date")
# It chooses the form, so that a form may say it or not.
_COUNT = frozenset({"count"})
_WORD = re.compile(r"[^\W\d_]+")
# Plural categories of all languages (CLDR, UTS 35 part 3).
_CATEGORIES = {"zero", "one", "two", "few", "many", "other"}
# To see whether a pattern can be used at any hour: some languages have no word for a part of the day.
_DAY = date(2026, 11, 25)
_HOURS = tuple(datetime.combine(_DAY, time(hour), UTC) for hour in range(24))


def texts_file(
    code: str, source: Source, english: Wording | None, below: Wording | None = None, *, ours: bool = False
) -> tuple[Wording, tuple[Problem, ...]]:
    """What the file of the language `code` says, and what is wrong with it.

    `english` says what texts there are; None for the shipped English file itself. `below` is the shipped file of the
    same language, if there is one. `ours`: the shipped file itself, of which tests have shown that its forms and dates
    are those of its language; Babel's knowledge of a language takes 1 MB and is loaded when it is spoken.
    """
    document = read_document(source)
    if document.root is None:
        return Wording(code), document.problems
    reading = _Reading(code, source, english, below, ours)
    reading.read(document.root)
    return reading.wording(), (*document.problems, *reading.problems[:PROBLEMS_PER_FILE_MAX])


@cache
def shipped_wordings() -> Mapping[str, Wording]:
    """What is shipped, by language, English first; each as its file says it."""
    folder = files("smtpguard.notices") / "texts"
    sources = {each.name.removesuffix(".yaml"): each.read_text("utf-8") for each in folder.iterdir()}
    found: dict[str, Wording] = {}
    for code in sorted(sources, key=lambda each: (each != DEFAULT_LANGUAGE, each)):
        source = source_of(f"texts/{code}.yaml", sources[code])
        wording, problems = texts_file(code, source, found.get(DEFAULT_LANGUAGE), ours=True)
        if any(each.is_error for each in problems):
            raise ValueError(f"{source.name}: {problems[0].text}")
        found[code] = wording
    return found


@cache
def shipped() -> Texts:
    """The languages that are shipped; English is the first."""
    return Texts(languages_of(shipped_wordings().values()))


class _Reading:
    """One file on its way from a table to a wording."""

    def __init__(self, code: str, source: Source, english: Wording | None, below: Wording | None, ours: bool) -> None:
        self._code = code
        self._ours = ours
        self._source = source
        self._english = english
        self._below = below or Wording(code)
        self._name: str | None = None
        self._words: dict[Word, tuple[str, ...]] = {}
        self._dates: dict[str, str] = {}
        self._numbers: tuple[str, ...] | None = None
        self._texts: dict[str, Forms] = {}
        self.problems: list[Problem] = []

    def wording(self) -> Wording:
        """What could be read."""
        return Wording(self._code, self._name, self._words, self._dates, self._numbers, self._texts)

    def read(self, root: Table) -> None:
        """Take the sections one by one."""
        sections = None if self._english is None else {each.partition(".")[0] for each in self._english.texts}
        for key, value in root.items():
            match str(key):
                case "name":
                    self._name = self._line(value, NAME_CHARACTERS_MAX)
                case "words":
                    self._read_words(value)
                case "dates":
                    self._read_dates(value)
                case "numbers":
                    self._read_numbers(value)
                case _ if sections is not None and key not in sections:
                    self._unknown(key, "section", sections | {"name", "words", "dates", "numbers"})
                case _:
                    self._read_section(key, value)
        self._words_differ(root.get(Scalar("words", root.mark)))
        self._say_what_is_missing()

    def _read_section(self, section: Scalar, value: Value) -> None:
        if not isinstance(value, Table):
            self._say(value, f"{quoted_value(section)} has texts with names: write them below, indented by two spaces.")
            return
        for key, text in value.items():
            name = f"{section}.{key}"
            if self._english is not None and name not in self._english.texts:
                known = {each.partition(".")[2] for each in self._english.texts if each.startswith(f"{section}.")}
                self._unknown(key, "text", known)
            elif (forms := self._forms(name, text)) is not None:
                self._texts[name] = forms

    def _forms(self, name: str, value: Value) -> Forms | None:
        if isinstance(value, Scalar):
            return str(value) if self._fits(name, value) else None
        if isinstance(value, Sequence) or not value:
            self._say(value, "this is no text. Write it behind the name, in quotes if it has a colon.")
            return None
        known = _CATEGORIES if self._ours else {*locale_of(self._code).plural_form.tags, "other"}
        forms: dict[str, str] = {}
        for key, form in value.items():
            if key not in known:
                self._unknown(key, "form for a number", known)
            elif not isinstance(form, Scalar):
                self._say(form, "this is no text.")
            elif self._fits(name, form):
                forms[str(key)] = str(form)
        if "other" not in value:
            self._say(value, 'the form "other" is missing: it stands for all numbers without a form of their own.')
        return forms if "other" in forms else None

    def _fits(self, name: str, text: Scalar) -> bool:
        if not text.strip():
            self._say(text, "there is no text here. Write it, or delete the name, and the shipped text counts.")
            return False
        try:
            used = placeholders(text)
        except SentenceError as error:
            self._say(text, str(error))
            return False
        if name.endswith(".subject") and _own_characters(text) > SUBJECT_CHARACTERS_MAX:
            text_max = f"at most {SUBJECT_CHARACTERS_MAX} characters beside its placeholders"
            self._say(text, f"this subject is too long: write {text_max}, so that it can be read on a phone.")
            return False
        if name.startswith("refusals.") and not self._fits_reply(text):
            return False
        return self._english is None or self._fills(text, used, self._english.texts[name])

    def _fits_reply(self, text: Scalar) -> bool:
        if _own_characters(text) > REFUSAL_CHARACTERS_MAX:
            text_max = f"at most {REFUSAL_CHARACTERS_MAX} characters beside its placeholders"
            self._say(text, f"this text is too long: write {text_max}, so that it fits into one line of SMTP.")
            return False
        foreign = next((each for each in folded(text, self._code) if not each.isascii()), None)
        if foreign is not None:
            words = "mail programs read this text over SMTP, which has the letters A to Z alone"
            self._say(text, f"{words}, and {quoted_value(foreign)} is like none. Write it in those, or leave it out.")
        return foreign is None

    def _fills(self, text: Scalar, used: frozenset[str], english: Forms) -> bool:
        known = _facts(english)
        for each in sorted(used - known - (frozenset() if isinstance(english, str) else _COUNT)):
            near = nearest(each, known)
            meant = f" Did you mean {{{{ {near} }}}}?" if near else f" There are: {', '.join(sorted(known)) or 'none'}."
            self._say(text, f"this text has no placeholder {{{{ {each} }}}}.{meant}")
            return False
        for each in sorted(known - used - _COUNT):
            self._say(text, f"the placeholder {{{{ {each} }}}} is missing: the text must say it, too.")
            return False
        return True

    def _read_words(self, value: Value) -> None:
        known = {each.name.lower(): each for each in Word}
        for key, said in self._table(value):
            if key not in known:
                self._unknown(key, "choice", known)
                continue
            entries = said if isinstance(said, Sequence) else [said]
            good = [each for each in entries if isinstance(each, Scalar) and self._is_word(each)]
            if not 0 < len(entries) <= SYNONYMS_MAX:
                self._say(said, f"write one word, or up to {SYNONYMS_MAX} that mean the same.")
            elif len(good) == len(entries):
                self._words[known[str(key)]] = tuple(map(str, good))

    def _is_word(self, word: Scalar) -> bool:
        if _WORD.fullmatch(word) and len(word) <= WORD_CHARACTERS_MAX:
            return True
        self._say(word, "a choice is one word of letters alone, which people can type on a phone.")
        return False

    def _words_differ(self, value: Value | None) -> None:
        """No spelling may mean two choices, in this language or in English, which is always understood."""
        meant: dict[str, Word] = {}
        english = {} if self._english is None else self._english.words
        for words in (english, {**self._below.words, **self._words}):
            for word, spellings in words.items():
                for each in spellings:
                    if meant.setdefault(each.casefold(), word) is not word:
                        self._say(value or None, f"{quoted_value(each)} would mean two choices. Take another word.")

    def _read_dates(self, value: Value) -> None:
        for key, pattern in self._table(value):
            if key not in _DATES:
                self._unknown(key, "date", _DATES)
            elif (line := self._line(pattern, NAME_CHARACTERS_MAX)) is not None:
                if self._ours or all("25" in each for each in self._samples(str(key), line)):
                    self._dates[str(key)] = line
                else:
                    text = "this is no pattern for a date. Write it like EEE d MMM, HH:mm; 'words' in single quotes."
                    self._say(pattern, text)

    def _samples(self, name: str, pattern: str) -> list[str]:
        """How a day looks by `pattern`, at each hour; one empty text if it is none."""
        try:
            found = parse_pattern(pattern)
            return [str(found.apply(each, locale_of(self._code))) for each in ((_DAY,) if name == "day" else _HOURS)]
        except (ValueError, KeyError, AttributeError, NotImplementedError):
            return [""]

    def _read_numbers(self, value: Value) -> None:
        if not isinstance(value, Sequence) or len(value) > NUMBERS_MAX:
            self._say(value, "write the numbers from zero on as words, in one list: [zero, one, two].")
            return
        lines = [self._line(each, NAME_CHARACTERS_MAX) for each in value]
        self._numbers = tuple(each for each in lines if each is not None)

    def _table(self, value: Value) -> Iterator[tuple[Scalar, Value]]:
        if isinstance(value, Table):
            yield from value.items()
        else:
            self._say(value, "write names here, each with its value behind a colon.")

    def _line(self, value: Value, most: int) -> str | None:
        if isinstance(value, Scalar) and value.strip() and "\n" not in value and len(value) <= most:
            return str(value).strip()
        self._say(value, f"write one line of at most {most} characters here.")
        return None

    def _say_what_is_missing(self) -> None:
        texts = () if self._english is None else self._english.texts
        missing = [each for each in texts if each not in self._texts and each not in self._below.texts]
        if not missing or self._code == DEFAULT_LANGUAGE:
            return
        more = len(missing) - _NAMED_MAX
        named = ", ".join(missing[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
        text = f"some texts are missing, and English stands there: {named}."
        self.problems.append(self._source.problem(None, text, Severity.WARNING))

    def _unknown(self, key: Scalar, what: str, known: Mapping[str, object] | set[str] | tuple[str, ...]) -> None:
        near = nearest(str(key), sorted(known))
        few = f"There are: {', '.join(sorted(known))}." if len(known) <= _KNOWN_MAX else "The English file has all."
        meant = f"Did you mean {quoted_value(near)}?" if near else few
        self._say(key, f"there is no {what} {quoted_value(str(key))}. {meant}")

    def _say(self, value: Value | None, text: str) -> None:
        self.problems.append(self._source.problem(None if value is None else value.mark, text))


def _facts(said: Forms) -> frozenset[str]:
    every = [said] if isinstance(said, str) else said.values()
    return frozenset().union(*map(placeholders, every))


def _own_characters(text: str) -> int:
    return len(re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", text))
