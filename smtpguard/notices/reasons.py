"""A finding -> the sentence of the notice that says why a mail waits, in one language.

Checks give facts, not words: names, dates, first words. What several rows say alike is put together here from the
language's own pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from smtpguard.answers.choice import Word
from smtpguard.mail.message import Unread
from smtpguard.notices.languages import Language
from smtpguard.verdict import Fact

# The fact whose number chooses the form of a row's sentence, or is told in it.
_COUNTED: Mapping[str, str] = {
    "12-02": "lists",
    "12-04": "children",
    "12-05": "children",
    "12-10": "lists",
    "12-19": "others",
    "12-22": "others",
    "12-28": "desks",
    "12-29": "words",
}
# The fact that are people outside, of whom the sentence says so.
_OUTSIDE: Mapping[str, str] = {"11-11": "outsiders", "11-24": "persons"}
_UNREAD = {each.value: f"unread.{each.name.lower()}" for each in Unread}


def reason(row: str, facts: Mapping[str, Fact], language: Language) -> str:
    """The lines for one row that alarms. `facts` are those of the finding, harmless already.

    Raises KeyError for an unknown row and jinja2.UndefinedError for a missing fact: both are bugs.
    """
    told = language.text(f"reasons.{row}", **_told(row, facts, language))
    return "\n".join(line for line in map(str.strip, told.splitlines()) if line)


def _told(row: str, facts: Mapping[str, Fact], language: Language) -> dict[str, object]:
    """The placeholders of a reason."""
    told: dict[str, object] = {"named": "", "send": language.word(Word.SEND)}
    for name, value in facts.items():
        told[name] = language.listed(value) if isinstance(value, tuple) else value
    if isinstance(day := facts.get("day"), str):
        told["day"] = language.day(date.fromisoformat(day))
        told["private"] = _private(facts, str(told["day"]), language)
    if begins := facts.get("begins"):
        told["part"] = language.text("reasons.part", begins=begins)
    elif "begins" in facts:
        told["part"] = ""
    counted = facts.get(_COUNTED.get(row, ""), facts.get("count", ()))
    number = len(counted) if isinstance(counted, tuple) else int(counted)
    told |= {"count": number, "number": language.number(number)}
    if row in _OUTSIDE:
        told["outsiders"] = _outside(_names(facts, _OUTSIDE[row]), language)
    if "lists" in facts and "persons" in facts:
        told["goal"] = _goal(_names(facts, "lists"), _names(facts, "persons"), language)
    told["quoted_words"] = ", ".join(language.quoted(each) for each in _names(facts, "words"))
    told["what"] = language.listed([language.text(_UNREAD[each]) for each in _names(facts, "what") if each in _UNREAD])
    return told


def _names(facts: Mapping[str, Fact], name: str) -> tuple[str, ...]:
    value = facts.get(name, ())
    return value if isinstance(value, tuple) else (value,)


def _private(facts: Mapping[str, Fact], day: str, language: Language) -> str:
    form = "private_answered" if facts.get("by_thread") else "private_text"
    return language.text(f"reasons.{form}", day=day)


def _outside(names: tuple[str, ...], language: Language) -> str:
    return language.text("joints.outsiders", names=language.listed(names), count=len(names)) if names else ""


def _goal(lists: tuple[str, ...], persons: tuple[str, ...], language: Language) -> str:
    """Lists and persons that a mail would take something to."""
    if not lists:
        return language.listed(persons)
    named = language.text("joints.lists", names=language.listed(lists), count=len(lists))
    if not persons:
        return named
    return language.text("joints.lists_and_persons", lists=named, persons=language.listed(persons))
