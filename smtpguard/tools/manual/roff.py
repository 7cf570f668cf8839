"""Text as a manual page is written (man(7) macros), whatever is in it."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What troff would read as something else: its escape, a minus that must stay one when it is copied, quotes and accents
# that it would make typographic ones.
_ESCAPES = str.maketrans({"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"})


def escaped(text: str) -> str:
    """`text` in one line that troff prints as it is, whatever it begins with."""
    line = " ".join(text.split()).translate(_ESCAPES)
    # A dot at the beginning would be a request; the quote that would be one too is escaped anyway.
    return f"\\&{line}" if line.startswith(".") else line


def bold(text: str) -> str:
    """Words that are typed as they stand."""
    return f"\\fB{escaped(text)}\\fR"


def slanted(text: str) -> str:
    """Words that stand for others."""
    return f"\\fI{escaped(text)}\\fR"


def argument(text: str) -> str:
    """One argument of a request, in quotes."""
    return '"' + escaped(text).replace('"', '""') + '"'


class Page:
    """One manual page, written from top to bottom."""

    def __init__(self, name: str, section: int, source: str, manual: str) -> None:
        # Without a date: the same tree makes the same page on any day.
        self._lines = [f'.TH {argument(name.upper())} {section} "" {argument(source)} {argument(manual)}', ".nh"]

    def head(self, title: str) -> None:
        """Begin a section."""
        self._lines.append(f".SH {argument(title.upper())}")

    def part(self, title: str) -> None:
        """Begin a part of a section."""
        self._lines.append(f".SS {argument(title)}")

    def text(self, text: str) -> None:
        """Paragraphs, with blank lines between them."""
        for each in re.split(r"\n\s*\n", text.strip()):
            self._lines += [".PP", escaped(each)]

    def raw(self, line: str) -> None:
        """A paragraph that is escaped already."""
        self._lines += [".PP", line]

    def entry(self, term: str, *said: str) -> None:
        """A term, escaped already, and what is to be said of it."""
        self._lines += [".TP", term, *map(escaped, said)]

    def example(self, lines: Iterable[str]) -> None:
        """Lines that stay as they are, indented."""
        self._lines += [".PP", ".RS 4", ".EX"]
        self._lines += [_kept(each) for each in lines]
        self._lines += [".EE", ".RE"]

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"


def _kept(line: str) -> str:
    """`line` with all its blanks."""
    text = line.rstrip().translate(_ESCAPES)
    return f"\\&{text}" if text.startswith(".") or not text else text
