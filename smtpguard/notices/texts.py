"""The texts of the notices: Jinja2 templates, one folder a language. The first line of a text is its subject.

Templates are read once, at start; a missing text or an unknown placeholder is an error there and then, or in a test,
never a notice with a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined

from smtpguard.notices.times import spoken_day

DEFAULT_LANGUAGE = "en"
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


# How many lists or recipients a line names before it says "and n others".
NAMED_MAX = 4


def named(names: Sequence[str]) -> str:
    """`names` in one phrase, the first few of many."""
    if len(names) <= NAMED_MAX + 1:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED_MAX])} and {len(names) - NAMED_MAX} others"


def _number(value: int) -> str:
    return _NUMBERS[value] if value < len(_NUMBERS) else str(value)


def _day(value: str) -> str:
    """A fact that is a day, as findings carry it (ISO 8601), for people."""
    return spoken_day(date.fromisoformat(value))


@cache
def languages() -> tuple[str, ...]:
    """The languages that have texts, by folder."""
    folder = files("smtpguard.notices") / "templates"
    return tuple(sorted(each.name for each in folder.iterdir() if each.is_dir()))


@cache
def _environment() -> Environment:
    folder = files("smtpguard.notices") / "templates"
    sources: dict[str, str] = {}
    for language in languages():
        for each in (folder / language).iterdir():
            if each.name.endswith(".txt"):
                sources[f"{language}/{each.name}"] = each.read_text("utf-8")
        for each in (folder / language / "reasons").iterdir():
            sources[f"{language}/reasons/{each.name}"] = each.read_text("utf-8")
    # Plain text: what a mail brings in is cleaned before, and nothing of it is ever a template.
    environment = Environment(loader=DictLoader(sources), undefined=StrictUndefined, autoescape=False)  # noqa: S701
    environment.filters["number"] = _number
    environment.filters["named"] = named
    environment.filters["day"] = _day
    return environment


def render(name: str, language: str, facts: Mapping[str, object]) -> tuple[str, str]:
    """Subject and body of the text `name` ("held", "sent", ...). A language without texts falls back to English.

    Raises jinja2.UndefinedError if a placeholder has no fact: a bug.
    """
    text = _environment().get_template(f"{_known(language)}/{name}.txt").render(facts)
    subject, _, body = text.partition("\n")
    return subject.removeprefix("Subject:").strip(), body.lstrip("\n").rstrip() + "\n"


def render_reason(row: str, language: str, facts: Mapping[str, object]) -> str:
    """The sentence for one row that alarms, beginning in lower case."""
    return _environment().get_template(f"{_known(language)}/reasons/{row}.txt").render(facts).strip()


def _known(language: str) -> str:
    return language if language in languages() else DEFAULT_LANGUAGE
