"""A mistake in a file: where it is, what it is, and the line itself."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from enum import Enum

from smtpguard.config.unseen import unseen_in_text

# A quoted line is cut to what fits a terminal and a mail; a list file of one 64 KiB line must not be sent back whole.
QUOTED_CHARACTERS_MAX = 160
# Messages name addresses and names as they were written, however long these are.
TEXT_CHARACTERS_MAX = 400
# Whoever has a hundred mistakes in one file has one mistake; a file made of mistakes must not fill the log.
PROBLEMS_PER_FILE_MAX = 100

_NAMED = {"\t": "<TAB>"}


class Severity(Enum):
    """An error keeps the settings from being used; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file; both count from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `file` is named from the site file's folder; `line` 0 is the whole file; `quoted` is the line."""

    file: str
    line: int
    column: int
    severity: Severity
    text: str
    quoted: str = ""

    @property
    def is_error(self) -> bool:
        """True if the settings cannot be used."""
        return self.severity is Severity.ERROR


@dataclass(frozen=True, slots=True)
class Source:
    """A file's name as shown, its text and its lines as YAML counts them."""

    name: str
    text: str = field(repr=False)
    lines: tuple[str, ...] = field(repr=False)

    def problem(self, mark: Mark | None, text: str, severity: Severity = Severity.ERROR) -> Problem:
        """A problem at `mark`, quoting its line; without a mark, of the file as a whole."""
        if len(text) > TEXT_CHARACTERS_MAX:
            text = text[:TEXT_CHARACTERS_MAX] + "..."
        if mark is None:
            return Problem(self.name, 0, 0, severity, printable(text))
        return Problem(self.name, mark.line, mark.column, severity, printable(text), self._quoted(mark))

    def _quoted(self, mark: Mark) -> str:
        if not 1 <= mark.line <= len(self.lines):
            return ""
        line = self.lines[mark.line - 1]
        if len(line) <= QUOTED_CHARACTERS_MAX:
            return printable(line.rstrip(" "))
        start = max(0, min(mark.column - 1 - QUOTED_CHARACTERS_MAX // 2, len(line) - QUOTED_CHARACTERS_MAX))
        return "..." + printable(line[start : start + QUOTED_CHARACTERS_MAX]) + "..."


def printable(text: str) -> str:
    """`text` without what could move a terminal's cursor or turn its line round: they are shown as U+XXXX."""
    return "".join(each if _shown(each) else _NAMED.get(each, f"<U+{ord(each):04X}>") for each in text)


def _shown(character: str) -> bool:
    if character == " ":
        return True
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")
    return not hidden and unseen_in_text(character) is None


def format_problem(problem: Problem) -> str:
    """`lists/berlin.yaml:7:3: text`, then the line itself, indented. A warning says so."""
    file = printable(problem.file)
    place = file if problem.line == 0 else f"{file}:{problem.line}:{problem.column}"
    word = "" if problem.is_error else "warning: "
    head = f"{place}: {word}{problem.text}"
    return f"{head}\n    {problem.quoted}" if problem.quoted else head


def in_order(problems: list[Problem], site: str) -> tuple[Problem, ...]:
    """The site's own file first, then by file, line and column; what is said twice is said once."""
    ordered = sorted(dict.fromkeys(problems), key=lambda each: (each.file != site, each.file, each.line, each.column))
    kept: list[Problem] = []
    counts: dict[str, int] = {}
    for each in ordered:
        counts[each.file] = counts.get(each.file, 0) + 1
        if counts[each.file] <= PROBLEMS_PER_FILE_MAX:
            kept.append(each)
        elif counts[each.file] == PROBLEMS_PER_FILE_MAX + 1:
            kept.append(Problem(each.file, 0, 0, Severity.ERROR, "more mistakes in this file are not shown."))
    return tuple(kept)


def quoted_value(text: str) -> str:
    """`text` in double quotes, cut to a length fit for a message."""
    return f'"{text if len(text) <= 60 else text[:57] + "..."}"'
