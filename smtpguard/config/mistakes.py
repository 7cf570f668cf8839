"""What people get wrong in YAML, and what to write instead (SEMANTICS e3).

PyYAML's own words name tokens of its grammar. Here the line itself is looked at, since the same mistake ends in many
different errors of a parser, and often some lines further down.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from smtpguard.config.problems import Mark, Problem, Source, quoted_value

# A line that is shown anyway need not be shown twice at any length.
_SUGGESTED_CHARACTERS_MAX = 120

# Blanks that look like a space and are none, and characters without width (Unicode 15, categories Zs and Cf).
_ODD_SPACE = "\u00a0\u00ad\u1680\u180e\u2000-\u200f\u202f\u205f\u2060-\u2064\u3000\ufeff"
# These end lines for YAML or turn the direction of writing: what an editor shows is not what is read (Trojan Source).
_NEVER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_INDENT_WITH_ODD_SPACE = re.compile(f"^[ ]*(?P<odd>[{_ODD_SPACE}])")
_SPACE_IN_NAME = re.compile(f"^[ ]*(?:- )?[\\w.-]*(?P<odd>[{_ODD_SPACE}])[\\w.-]*:")
_SPACE_AFTER_COLON = re.compile(f"^[ ]*(?:- )?(?P<name>[\\w.-]+):[ ]*(?P<odd>[{_ODD_SPACE}])")
_SPACE_AFTER_DASH = re.compile(f"^[ ]*-[ ]*(?P<odd>[{_ODD_SPACE}])")
_SPACE_AT_END = re.compile(f"(?P<odd>[{_ODD_SPACE}])[ ]*$")
_TAB_INDENT = re.compile(r"^(?P<blank> *\t[ \t]*)(?=[^\s#])")
_ENTRY = re.compile(r"^(?P<indent> *(?:- +)*)(?P<name>[^\s:#\"'\[{][^:#\"'\[{]*?) *:(?: +(?P<value>.*?))? *$")
_NO_SPACE = re.compile(r"^ *(?:- +)?[\w-]+:(?=[^\s/])")
_NO_SPACE_TEXT = "there is no space after the colon. Write a name, a colon, a space, the value."
_WORD = re.compile(r"[^\s,\]}]+")


def invisible_places(source: Source) -> Iterator[Problem]:
    """Characters that cannot be seen and change what is read; inside text French and Persian need some of them."""
    for number, line in enumerate(source.lines, 1):
        if (never := _NEVER.search(line)) is not None:
            code = f"U+{ord(never[0]):04X}"
            yield source.problem(
                Mark(number, never.start() + 1), f"there is an invisible character ({code}) here. Delete it."
            )
        if not (line.isascii() or line.lstrip().startswith("#")):
            yield from _odd_spaces(source, number, line)


def _odd_spaces(source: Source, number: int, line: str) -> Iterator[Problem]:
    after = _SPACE_AFTER_COLON.match(line)
    found = after or _INDENT_WITH_ODD_SPACE.match(line) or _SPACE_IN_NAME.match(line) or _SPACE_AFTER_DASH.match(line)
    found = found or _SPACE_AT_END.search(line)
    if found is None:
        return
    where = f'after "{after["name"]}:"' if after is not None else "here"
    text = f"there is an invisible special space {where}. Delete it and type a normal one."
    yield source.problem(Mark(number, found.start("odd") + 1), text)


def tab_places(source: Source) -> Iterator[Problem]:
    """Lines indented by TAB."""
    for number, line in enumerate(source.lines, 1):
        if (tab := _TAB_INDENT.match(line)) is not None:
            text = "this line starts with a TAB. Please use spaces (two per step)."
            yield source.problem(Mark(number, tab["blank"].index("\t") + 1), text)


def explain_syntax(source: Source, error: yaml.YAMLError) -> Problem:
    """The problem behind an error of PyYAML's parser."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return source.problem(None, "this file cannot be read as YAML.")
    problem = error.problem or ""
    here = _place(error.problem_mark)
    begun = None if error.context_mark is None else _place(error.context_mark)
    context = error.context or ""
    line = source.lines[here.line - 1] if here.line <= len(source.lines) else ""
    if begun is not None and (text := _unfinished(source, context, problem, begun)):
        return source.problem(begun, text)
    if "cannot start any token" in problem:
        return source.problem(here, _bad_start(line[here.column - 1 :]))
    if "unknown escape character" in problem or "character escape code" in problem:
        return source.problem(here, "a backslash in double quotes means something special. Use single quotes: ' '.")
    if (found := _value_mistake(here, line)) is not None:
        return source.problem(*found)
    if "entries are not allowed here" in problem:
        return source.problem(here, 'start the list on the next line: "- " in front of each entry.')
    if (found := _line_before(source, here) or _indentation(source, here)) is not None:
        return source.problem(*found)
    return source.problem(
        here, "this cannot be read. Is a quote, a bracket, a colon or a space missing here or just before?"
    )


def _place(mark: yaml.error.Mark) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _unfinished(source: Source, context: str, problem: str, begun: Mark) -> str | None:
    line = source.lines[begun.line - 1] if begun.line <= len(source.lines) else ""
    first = line[begun.column - 1 : begun.column]
    if "quoted scalar" in context and "escape" not in problem:
        return f"the quote that opens here is never closed. Put another {first} at the end of the text."
    if "flow sequence" in context:
        return "the [ here is not closed, or a comma is missing: [one, two]. Text that starts with [ needs quotes."
    if "flow mapping" in context:
        return "the { here is not closed, or a comma is missing: {name: value, name: value}."
    if "simple key" in context:
        if _NO_SPACE.match(line):
            return _NO_SPACE_TEXT
        word = _WORD.match(line[begun.column - 1 :])
        name = quoted_value(word[0] if word else line.strip())
        return f"there is no colon after {name}. Write a name, a colon, a space, the value."
    if "an alias" in context or "an anchor" in context:
        return f"text that starts with {first} needs quotes."
    return None


def _bad_start(rest: str) -> str:
    word = _WORD.match(rest[1:])
    if rest.startswith("@") and word is not None:
        return f"a word may not start with @ here. Write {quoted_value(word[0])} for the list or the full address."
    return f"text that starts with {rest[:1]} needs quotes."


def _value_mistake(here: Mark, line: str) -> tuple[Mark, str] | None:
    """Text behind a colon that YAML reads as something else, if the parser stumbled within it."""
    entry = _ENTRY.match(line)
    value = None if entry is None else entry["value"]
    if entry is None or not value or here.column <= entry.start("value") + 1:
        return None
    place = Mark(here.line, entry.start("value") + 1)
    if value[0] in "[{":
        return place, f"text that starts with {value[0]} needs quotes."
    if value[0] in "\"'":
        return here, f"there is more text after the closing {value[0]}. Put the quotes around all of it."
    if ": " in value or value.endswith(":"):
        written = value.replace("\\", "\\\\").replace('"', '\\"')
        suggested = f': {entry["name"]}: "{written}"' if len(written) <= _SUGGESTED_CHARACTERS_MAX else ""
        return place, f"the text has a colon. Put quotes around it{suggested}."
    return None


def _former(source: Source, here: Mark) -> tuple[int, str] | None:
    """Number and text of the last line before `here` that says something."""
    for number in range(min(here.line - 1, len(source.lines)), 0, -1):
        line = source.lines[number - 1]
        if line.strip() and not line.lstrip().startswith("#"):
            return number, line
    return None


def _line_before(source: Source, here: Mark) -> tuple[Mark, str] | None:
    """A line that is no setting: the parser sees that only when the next one is."""
    former = _former(source, here)
    if former is None or former[1].lstrip().startswith("-"):
        return None
    number, line = former
    place = Mark(number, _indent(line) + 1)
    if _NO_SPACE.match(line):
        return place, _NO_SPACE_TEXT
    if ":" not in line:
        return place, f"there is no colon in {quoted_value(line.strip())}. Write a name, a colon, a space, the value."
    return None


def _indentation(source: Source, here: Mark) -> tuple[Mark, str] | None:
    """A line that stands deeper or less deep than the one before it."""
    line = source.lines[here.line - 1] if here.line <= len(source.lines) else ""
    former = _former(source, here)
    if former is None or _indent(line) == _indent(former[1]):
        return None
    text = f"this line is indented by {_indent(line)} spaces, its neighbours by {_indent(former[1])}."
    return Mark(here.line, _indent(line) + 1), text


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
