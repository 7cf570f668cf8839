"""The parts of a list file below the first level."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from smtpguard.config.reader import Table
from smtpguard.config.sections import Section
from smtpguard.config.values import EndDate, Line, ListName, Phrase, Text, is_null, mistake, one_or_many

# Enough for every sort of mail that strays to a list; every one of them is looked for in every Subject.
ENTRIES_MAX = 100


def entries(value: object) -> object:
    """Tables, or one of them without the dash in front."""
    if isinstance(value, Table):
        return [value]
    if isinstance(value, str) and not is_null(value):
        raise mistake('write entries below it, each with "- " in front of its first line.')
    if isinstance(value, list) and len(value) > ENTRIES_MAX:
        raise mistake(f"there are {len(value)} entries here; at most {ENTRIES_MAX} are read.")
    return value


class WrongIfSettings(Section):
    """Words in a Subject that show that a mail belongs to another list (12-23)."""

    subject_has: Annotated[tuple[Phrase, ...], BeforeValidator(one_or_many), Field(min_length=1)]
    use: ListName
    say: Line | None = None


class ExceptionSettings(Section):
    """For a time, a mail may go to these lists, too."""

    until: EndDate
    crosspost_with: Annotated[tuple[ListName, ...], BeforeValidator(one_or_many), Field(min_length=1)]
    reason: Line


class ExampleSettings(Section):
    """A mail and what is to happen to it, for `check` to try. Without `from`, any account sends it."""

    to: Annotated[tuple[ListName, ...], BeforeValidator(one_or_many), Field(min_length=1)]
    expect: Literal["pass", "hold", "refuse"]
    subject: Line = "Example"
    text: Text | None = None
    sender: Line | None = Field(None, alias="from")
