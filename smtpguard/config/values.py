"""Words to values: how text in a settings file becomes a line, a number, a duration or a size.

Each reader takes what `reader` made of the file, or a value that is one already. It raises a pydantic error whose text
says what to write. A word without quotes that another YAML reader would take for a number, a date or a boolean is
refused where text is meant: whoever reads the file with another tool must see the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BeforeValidator, PlainValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from smtpguard.config.mistakes import NO_SPACE_AFTER_DASH_TEXT
from smtpguard.config.problems import quoted_value
from smtpguard.config.reader import Scalar, Sequence, Table
from smtpguard.config.unseen import JOINERS, unseen_in_name, unseen_in_text

# One line of a notice, or of a reply: a sentence. Longer text belongs on a page.
LINE_CHARACTERS_MAX = 200
# Ten years: beyond it a duration is a slip of the finger, and dates would overflow.
DURATION_MAX = timedelta(days=3650)
# 1 TiB, for the same reason.
SIZE_MAX = 1024**4

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(?P<number>[0-9]{1,9})(?P<unit>[smhd])")
_SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SIZE = re.compile(r"(?P<number>[0-9]{1,12})(?P<unit>B|KiB|MiB|GiB)")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")
_DIGITS = re.compile(r"[-+]?(?:0o?)?[0-9][0-9_]*")
# YAML 1.2, 10.3.2: 1e3 is a number to newer readers only.
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_BOOLEANS = {"y": "true", "yes": "true", "on": "true", "true": "true"} | dict.fromkeys(
    ("n", "no", "off", "false"), "false"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# What people write who know search patterns; none of it stands in a word.
_PATTERN = re.compile(r"[*^$\\|]|\.[+?]|\[[^\]]*\]|\(\?")
# A shorter mark stands in everybody's mail, and would open it or keep it back.
MARK_LETTERS_MIN = 4
# Rules whose numbers stand in reasons.
RULES = ("2", "4", "5", "7", "11", "12")
# Enough of a phrase to show how it is to be written.
_WORDS_SHOWN = 3
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


def mistake(text: str, *at: str | int) -> PydanticCustomError:
    """An error to raise: `text` for the admin, `at` the keys below the model that it is about."""
    return PydanticCustomError("mistake", "{text}", {"text": text, "at": at})


def empty() -> PydanticCustomError:
    """The error of a key without a value."""
    return PydanticCustomError("empty", "empty")


def is_null(value: object) -> bool:
    """True for what YAML reads as nothing."""
    return value is None or (isinstance(value, Scalar) and value.plain and value in ("", "~", "null", "Null", "NULL"))


def read_text(value: object, info: ValidationInfo) -> str:
    """Text as written; refused if it is something else to other readers."""
    if is_null(value):
        raise empty()
    if isinstance(value, (Sequence, list, tuple)):
        raise mistake("write one value here, not a list.")
    if not isinstance(value, str):
        raise mistake("write text here. Text that starts with { or has a colon needs quotes.")
    if isinstance(value, Scalar) and value.plain:
        _refuse_guessable(value)
    text = str(value).strip()
    if not text:
        raise empty()
    if (code := unseen_in_text(text)) is not None:
        raise mistake(f"there is an invisible character ({code}) in this text. Delete it.")
    return text


def _refuse_guessable(value: Scalar) -> None:
    if (text := other_meaning(value)) is not None:
        raise mistake(text)
    if value in ("=", "<<"):
        raise mistake(f"text that starts with {value[0]} needs quotes.")
    if _resolved(value) in ("int", "float") or _DIGITS.fullmatch(value) or _FLOAT.fullmatch(value):
        # `binding` knows by which name the key is written.
        raise PydanticCustomError("number", "{value}", {"value": str(value)})


def other_meaning(value: str) -> str | None:
    """What to write instead of a word without quotes that other readers take for a boolean, a time or a date."""
    if value.lower() in _BOOLEANS:
        return f'write "{value}" in quotes, otherwise it means "{_BOOLEANS[value.lower()]}".'
    if _SEXAGESIMAL.fullmatch(value):
        return f'put times in quotes: "{value}".'
    if _resolved(value) == "timestamp":
        return f'put dates in quotes: "{value}".'
    return None


def _resolved(text: str) -> str | None:
    """The type that a YAML 1.1 reader would guess, as the last part of its tag."""
    for tag, pattern in yaml.SafeLoader.yaml_implicit_resolvers.get(text[:1], []):
        if pattern.match(text):
            return str(tag).rpartition(":")[2]
    return None


def read_line(value: object, info: ValidationInfo) -> str:
    """One line of text for people."""
    text = read_text(value, info)
    if not text.isprintable() and any(each < " " for each in text):
        raise mistake("write one line here.")
    if len(text) > LINE_CHARACTERS_MAX:
        raise mistake(f"this text has {len(text)} characters; at most {LINE_CHARACTERS_MAX} fit.")
    return text


def read_list_name(value: object, info: ValidationInfo) -> str:
    """The id of a list, or one of its addresses."""
    if isinstance(value, Sequence) and info.field_name == "crosspost_with":
        text = "a list file opens its own list only; other lists are opened for each other by their own admins."
        raise mistake(f"{text} Write each list as an entry of its own.")
    text = _name(value, info)
    if text.startswith("@"):
        raise mistake(
            f"a word may not start with @ here. Write {quoted_value(text[1:])} for the list or the full address."
        )
    if len(text.replace(",", " ").split()) > 1:
        raise mistake('two lists in one value. Write one per line with "- " in front.')
    return text


def _name(value: object, info: ValidationInfo) -> str:
    """One word that is compared letter by letter."""
    text = without_unseen(read_line(value, info))
    if text.startswith("-"):
        raise mistake(NO_SPACE_AFTER_DASH_TEXT)
    return text


def without_unseen(text: str, allowed: str = "") -> str:
    """Refuses what would make two words that look alike different ones."""
    if (code := unseen_in_name(text, allowed)) is not None:
        raise mistake(f"there is an invisible character ({code}) in this word. Delete it.")
    return text


def read_login(value: object, info: ValidationInfo) -> str:
    """The name of an account, where it stands in front of a colon."""
    if isinstance(value, Scalar) and value.plain and _DIGITS.fullmatch(value):
        raise mistake(f'a login of digits needs quotes: "{value}".')
    return without_unseen(read_line(value, info))


def read_rule(value: object, info: ValidationInfo) -> str:
    """The number of a rule that notices name, where it stands in front of a colon."""
    text = str(value).strip()
    if text not in RULES:
        raise mistake(f"notices name the rules {', '.join(RULES[:-1])} and {RULES[-1]}. Write one of these numbers.")
    return text


def read_account_name(value: object, info: ValidationInfo) -> str:
    """An account as a value: its login or its mailbox."""
    text = _name(value, info)
    if text.startswith("@"):
        raise mistake(
            f"a word may not start with @ here. Write {quoted_value(text[1:])} for the account or the full address."
        )
    if len(text.replace(",", " ").replace(";", " ").split()) > 1:
        what = "addresses" if "@" in text else "accounts"
        raise mistake(f'two {what} in one value. Write one per line with "- " in front.')
    return text


def read_flag(value: object) -> bool:
    """true or false, and nothing that merely looks like it."""
    if isinstance(value, bool):
        return value
    if is_null(value):
        raise empty()
    if not isinstance(value, Scalar) or not value.plain or value not in ("true", "false"):
        raise mistake("write true or false, without quotes.")
    return value == "true"


def read_number(value: object) -> int:
    """A whole number, digits only: no octal, no underscores, nothing to guess."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if is_null(value):
        raise empty()
    if not isinstance(value, Scalar) or not value.plain or not _NUMBER.fullmatch(value):
        raise mistake("write a whole number, digits only, without quotes and without a zero in front.")
    return int(value)


def read_duration(value: object) -> timedelta:
    """`30s`, `15m`, `72h` or `3d`."""
    if isinstance(value, timedelta):
        return value
    if is_null(value):
        raise empty()
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise mistake("write a number and its unit without a blank: 30s, 15m, 72h or 3d.")
    if int(match["number"]) == 0:
        raise mistake("this must be longer than nothing.")
    try:
        found = timedelta(**{_UNITS[match["unit"]]: int(match["number"])})
    except OverflowError:
        found = timedelta.max
    if found > DURATION_MAX:
        raise mistake(f"this is longer than {DURATION_MAX.days}d.")
    return found


def read_date(value: object) -> date:
    """`2026-12-31`; years of four digits, so that nobody can take the day for the month."""
    return _date(value, "end date")


def read_day(value: object) -> date:
    """The same of any other day."""
    return _date(value, "day")


def _date(value: object, what: str) -> date:
    if isinstance(value, date):
        return value
    if is_null(value):
        raise empty()
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise mistake("there is no such day. Write it as 2026-12-31 (year-month-day).") from None
    raise mistake(f"write the {what} as 2026-12-31 (year-month-day).")


def read_word(value: object, info: ValidationInfo) -> str:
    """One plain word, as it stands in a Subject or a text."""
    text = _plain_words(value, info)
    words = text.replace(",", " ").split()
    if len(words) > 1:
        raise mistake(f"write single words, one per entry: {', '.join(map(quoted_value, words[:_WORDS_SHOWN]))}.")
    return text


def read_phrase(value: object, info: ValidationInfo) -> str:
    """A word, or a few that stand together."""
    return _plain_words(value, info)


def _plain_words(value: object, info: ValidationInfo) -> str:
    text = without_unseen(read_line(value, info), JOINERS)
    if _PATTERN.search(text):
        raise mistake("write plain words here: a search pattern like .* or ^ means nothing.")
    if not any(each.isalnum() for each in text):
        raise mistake("there is no word in this text.")
    return text


def read_tag(value: object, info: ValidationInfo) -> str:
    """A tag that stands in a Subject, often in brackets."""
    if isinstance(value, Sequence):
        inner = ", ".join(each for each in value if isinstance(each, str))
        raise mistake(f"text that starts with [ needs quotes: {quoted_value(f'[{inner}]')}.")
    return without_unseen(read_line(value, info), JOINERS)


def read_mark(value: object, info: ValidationInfo) -> str:
    """Words by which authors say whether their mail may be passed on, often in brackets."""
    text = read_tag(value, info)
    if sum(each.isalnum() for each in text) < MARK_LETTERS_MIN:
        text = "this is too short: it would be found in mail that means something else."
        raise mistake(f"{text} Write at least {MARK_LETTERS_MIN} letters.")
    return text


def read_size(value: object) -> int:
    """`64KiB`, `25MiB`: octets, in powers of 1024."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if is_null(value):
        raise empty()
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise mistake("write a number and its unit without a blank: 64KiB, 25MiB or 1GiB.")
    found = int(match["number"]) * _SIZES[match["unit"]]
    if not 0 < found <= SIZE_MAX:
        raise mistake("this size is out of bounds (1B to 1024GiB).")
    return found


def read_zone(value: object, info: ValidationInfo) -> ZoneInfo:
    """A time zone by its name in the IANA data base."""
    if isinstance(value, ZoneInfo):
        return value
    text = read_text(value, info)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise mistake(f"{quoted_value(text)} is no time zone. Write it like Europe/Berlin or UTC.") from None


def read_language(value: object, info: ValidationInfo) -> str:
    """A language tag (RFC 5646)."""
    text = read_text(value, info)
    if not LANGUAGE.fullmatch(text):
        raise mistake(f"{quoted_value(text)} is no language. Write it like en or de.")
    return text


def one_or_many(value: object) -> object:
    """A list may be written as one string (SEMANTICS e2)."""
    if is_null(value):
        raise empty()
    if isinstance(value, Table):
        raise mistake('write a list here: one entry per line with "- " in front.')
    return [value] if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Between:
    """A reader that bounds a whole number; the schema asks it for its bounds."""

    least: int
    most: int

    def __call__(self, value: int) -> int:
        """The number itself, if it is within the bounds."""
        if not self.least <= value <= self.most:
            raise mistake(f"write a number from {self.least} to {self.most}.")
        return value


EndDate = Annotated[date, PlainValidator(read_date)]
Day = Annotated[date, PlainValidator(read_day)]
Word = Annotated[str, BeforeValidator(read_word)]
Phrase = Annotated[str, BeforeValidator(read_phrase)]
Tag = Annotated[str, BeforeValidator(read_tag)]
Mark = Annotated[str, BeforeValidator(read_mark)]
Rule = Annotated[str, BeforeValidator(read_rule)]
Text = Annotated[str, BeforeValidator(read_text)]
Line = Annotated[str, BeforeValidator(read_line)]
ListName = Annotated[str, BeforeValidator(read_list_name)]
Login = Annotated[str, BeforeValidator(read_login)]
AccountName = Annotated[str, BeforeValidator(read_account_name)]
Flag = Annotated[bool, PlainValidator(read_flag)]
Number = Annotated[int, PlainValidator(read_number)]
Duration = Annotated[timedelta, PlainValidator(read_duration)]
Size = Annotated[int, PlainValidator(read_size)]
Zone = Annotated[ZoneInfo, PlainValidator(read_zone)]
Language = Annotated[str, BeforeValidator(read_language)]
