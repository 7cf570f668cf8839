"""What people get wrong in YAML, and what to write instead (SEMANTICS e3).

PyYAML's own words name tokens of its grammar. Here the line itself is looked at, since the same mistake ends in many
different errors of a parser, and often some lines further down.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from smtpguard.config.problems import Mark, Problem, Source, quoted_value
from smtpguard.config.unseen import NEVER, ODD_SPACE, USELESS, code

# A line that is shown anyway need not be shown twice at any length.
_SUGGESTED_CHARACTERS_MAX = 120

_INDENT_WITH_ODD_SPACE = re.compile(f"^[ ]*(?P<odd>[{ODD_SPACE}])")
_SPACE_IN_NAME = re.compile(f"^[ ]*(?:- )?[\\w.-]*(?P<odd>[{ODD_SPACE}])[\\w.-]*:")
_SPACE_AFTER_COLON = re.compile(f"^[ ]*(?:- )?(?P<name>[\\w.-]+):[ ]*(?P<odd>[{ODD_SPACE}])")
_SPACE_AFTER_DASH = re.compile(f"^[ ]*-[ ]*(?P<odd>[{ODD_SPACE}])")
_SPACE_AT_END = re.compile(f"(?P<odd>[{ODD_SPACE}])[ ]*$")
_TAB_INDENT = re.compile(r"^(?P<blank> *\t[ \t]*)(?=[^\s#])")
_ENTRY = re.compile(r"^(?P<indent> *(?:- +)*)(?P<name>[^\s:#\"'\[{][^:#\"'\[{]*?) *:(?: +(?P<value>.*?))? *$")
_NO_SPACE = re.compile(r"^ *(?:- +)?[\w-]+:(?=[^\s/])")
_NO_SPACE_TEXT = "there is no space after the colon. Write a name, a colon, a space, the value."
_NO_SPACE_AFTER_DASH = re.compile(r"^ *-[^\s-]")
NO_SPACE_AFTER_DASH_TEXT = 'there is no space after the dash. Write "- " in front of each entry.'
_FLOW_TEXTS = {
    "[": "the [ here is not closed, or a comma is missing: [one, two]. Text that starts with [ needs quotes.",
    "{": "the { here is not closed, or a comma is missing: {name: value, name: value}.",
}
_WORD = re.compile(r"[^\s,\]}]+")


def invisible_places(source: Source) -> Iterator[Problem]:
    """Characters that cannot be seen and change what is read; inside text French and Persian need some of them."""
    for number, line in enumerate(source.lines, 1):
        if (never := NEVER.search(line)) is not None:
            yield source.problem(Mark(number, never.start() + 1), _invisible_text(never[0]))
        if not (line.isascii() or line.lstrip().startswith("#")):
            yield from _odd_characters(source, number, line)


def _odd_characters(source: Source, number: int, line: str) -> Iterator[Problem]:
    after = _SPACE_AFTER_COLON.match(line)
    found = after or _INDENT_WITH_ODD_SPACE.match(line) or _SPACE_IN_NAME.match(line) or _SPACE_AFTER_DASH.match(line)
    found = found or _SPACE_AT_END.search(line)
    if found is not None:
        where = f'after "{after["name"]}:"' if after is not None else "here"
        yield source.problem(Mark(number, found.start("odd") + 1), odd_space_text(where))
    elif (useless := USELESS.search(line)) is not None:
        yield source.problem(Mark(number, useless.start() + 1), _invisible_text(useless[0]))


def odd_space_text(where: str) -> str:
    """The words for a blank that is none."""
    return f"there is an invisible special space {where}. Delete it and type a normal one."


def _invisible_text(character: str) -> str:
    return f"there is an invisible character ({code(character)}) here. Delete it."


def tab_places(source: Source) -> Iterator[Problem]:
    """Lines indented by TAB."""
    for number, line in enumerate(source.lines, 1):
        if (tab := _TAB_INDENT.match(line)) is not None:
            text = "this line starts with a TAB. Please use spaces (two per step)."
            yield source.problem(Mark(number, tab["blank"].index("\t") + 1), text)


def entry_within(source: Source, begin: Mark, end: Mark) -> tuple[Mark, str] | None:
    """A line of a text without quotes that looks like an entry of the list around it, but is indented otherwise."""
    # Nothing at the very end stands one line further down for libyaml.
    first = source.lines[begin.line - 1] if begin.line <= len(source.lines) else ""
    if not first.lstrip(" ").startswith("- "):
        return None
    for number in range(begin.line + 1, min(end.line, len(source.lines)) + 1):
        line = source.lines[number - 1]
        if line.lstrip(" ").startswith("- ") and (number, 1) < (end.line, end.column):
            return Mark(number, _indent(line) + 1), _indented_text(line, first)
    return None


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
    if "<stream end>" in problem and (opening := _never_closed(source)) is not None:
        return source.problem(*opening)
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
        return _FLOW_TEXTS["["]
    if "flow mapping" in context:
        return _FLOW_TEXTS["{"]
    if "simple key" in context:
        if _NO_SPACE_AFTER_DASH.match(line):
            return NO_SPACE_AFTER_DASH_TEXT
        if _NO_SPACE.match(line):
            return _NO_SPACE_TEXT
        word = _WORD.match(line[begun.column - 1 :])
        name = quoted_value(word[0] if word else line.strip())
        return f"there is no colon after {name}. Write a name, a colon, a space, the value."
    if "an alias" in context or "an anchor" in context:
        return f"text that starts with {first} needs quotes."
    return None


def _never_closed(source: Source) -> tuple[Mark, str] | None:
    """The last bracket that opens and is not closed by the end of the file; quotes and remarks are not looked at."""
    closed = 0
    for number in range(len(source.lines), 0, -1):
        line = source.lines[number - 1]
        for place in range(len(line) - 1, -1, -1):
            if line[place] in "]}":
                closed += 1
            elif line[place] in "[{" and closed:
                closed -= 1
            elif line[place] in "[{":
                return Mark(number, place + 1), _FLOW_TEXTS[line[place]]
    return None


def _bad_start(rest: str) -> str:
    if rest.startswith("\t"):
        return "there is a TAB here. Please use spaces."
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
    if value[0] in "[{" or value[:2] in ("> ", "| ", "? "):
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
    return Mark(here.line, _indent(line) + 1), _indented_text(line, former[1])


def _indented_text(line: str, other: str) -> str:
    return f"this line is indented by {_indent(line)} spaces, its neighbours by {_indent(other)}."


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
