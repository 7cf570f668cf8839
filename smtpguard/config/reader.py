"""YAML nodes to plain values: text, lists and tables, each of which knows its line and column.

PyYAML is used for its parser alone. Nothing is typed here: a word stays the text that was written, so a telephone
number keeps its zero; what a word is meant to be, the models say. Left out of the language, because they cost memory or
guess: anchors and aliases, merge keys, tags, several documents in one file, tables as keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import yaml

from smtpguard.config.mistakes import entry_within, explain_syntax, invisible_places, odd_space_text, tab_places
from smtpguard.config.problems import Mark, Problem, Source, quoted_value

# The deepest settings of record have five levels; ten leave room, and our own recursion stays shallow.
DEPTH_MAX = 10

# libyaml where PyYAML was built with it: ten times as fast. Both give the same events and marks, but for TABs: those
# around a value are nothing to libyaml and a mistake to PyYAML's own parser, which is asked where there are any.
_EVENTS = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TYPOGRAPHIC_QUOTES = "“”„‟‘’‚‛«»‹›"


class Scalar(str):
    """A piece of text. `plain` is true if it was written without quotes, so that other readers might guess a type."""

    __slots__ = ("mark", "plain")
    mark: Mark
    plain: bool

    def __new__(cls, text: str, mark: Mark, plain: bool = True) -> Scalar:
        """Make the text; a str cannot take more in __init__."""
        self = super().__new__(cls, text)
        self.mark = mark
        self.plain = plain
        return self


class Sequence(list["Value"]):
    """A YAML sequence."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark


class Table(dict[Scalar, "Value"]):
    """A YAML mapping; its keys know their places."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self._keys: dict[str, Scalar] = {}

    def __setitem__(self, name: Scalar, value: Value) -> None:
        """Set a value; the key's place is kept, for a dict gives only equals back."""
        self._keys.setdefault(name, name)
        super().__setitem__(name, value)

    def key(self, name: str) -> Scalar | None:
        """The key `name` as it stands in the file."""
        return self._keys.get(name)


Value = Scalar | Sequence | Table


@dataclass(frozen=True, slots=True)
class Document:
    """One file read: `root` is None where nothing could be made of it, and then `problems` say why."""

    source: Source
    root: Table | None
    problems: tuple[Problem, ...]

    def value(self, steps: tuple[int | str, ...]) -> Value | None:
        """The value that `steps` lead to, as far as they lead; steps that lead nowhere are skipped."""
        return self._follow(steps)[1]

    def mark(self, steps: tuple[int | str, ...], *, key: bool = False) -> Mark | None:
        """The place of the value that `steps` lead to, or of its key; likewise."""
        name, value = self._follow(steps)
        if key and name is not None:
            return name.mark
        return None if value is None else value.mark

    def _follow(self, steps: tuple[int | str, ...]) -> tuple[Scalar | None, Value | None]:
        name: Scalar | None = None
        value: Value | None = self.root
        for step in steps:
            if isinstance(value, Table) and isinstance(step, str) and (found := value.key(step)) is not None:
                name, value = found, value[found]
            elif isinstance(value, Sequence) and isinstance(step, int) and step < len(value):
                name, value = None, value[step]
        return name, value


class ClosedDocument(Document):
    """A document whose values are read once more when somebody asks where one stands.

    With a thousand files kept open, each of their words would be looked at whenever Python clears up (gc), for tens of
    milliseconds in which no session goes on.
    """

    __slots__ = ()

    def _follow(self, steps: tuple[int | str, ...]) -> tuple[Scalar | None, Value | None]:
        return _opened(self.source)._follow(steps)  # noqa: SLF001 - a document of the same class


@lru_cache(1)
def _opened(source: Source) -> Document:
    """Of many questions about one file the first alone costs something."""
    return read_document(source)


class _StopReadingError(Exception):
    """The rest of the file cannot be read; what was found so far is told."""


def read_document(source: Source) -> Document:
    """Read `source`; every mistake that can be seen without knowing the keys becomes a problem."""
    unreadable = [*invisible_places(source), *tab_places(source)]
    if unreadable:
        return Document(source, None, tuple(unreadable))
    composer = _Composer(source)
    try:
        root = composer.document()
    except _StopReadingError:
        root = None
    except yaml.YAMLError as error:
        composer.problems.append(explain_syntax(source, _portable(source, error)))
        root = None
    except (OverflowError, ValueError) as error:  # as in `_portable`, where there is no libyaml
        composer.problems.append(explain_syntax(source, yaml.YAMLError(str(error))))
        root = None
    return Document(source, root, tuple(composer.problems))


def _portable(source: Source, error: yaml.YAMLError) -> yaml.YAMLError:
    """The same mistake as PyYAML's own parser tells it, so that messages do not depend on libyaml."""
    try:
        for _ in yaml.parse(source.text, Loader=yaml.SafeLoader):
            pass
    except yaml.YAMLError as own:
        return own
    except (OverflowError, ValueError):
        # PyYAML's own parser forgets that "\UFFFFFFFF" is no character; libyaml says where it stands.
        pass
    return error


class _Composer:
    """Makes values of events. PyYAML's composer would follow aliases and recurse as deep as the file says."""

    def __init__(self, source: Source) -> None:
        self._source = source
        tabs = "\t" in source.text and any("\t" in line.partition("#")[0] for line in source.lines)
        parser = yaml.SafeLoader if tabs else _EVENTS
        self._events: Iterator[yaml.Event] = iter(yaml.parse(source.text, Loader=parser))
        self.problems: list[Problem] = []

    def document(self) -> Table | None:
        """The one table that a file holds."""
        next(self._events)
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            return Table(Mark(1, 1))
        root = self._value(next(self._events), 1)
        next(self._events)
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            self._say(_mark(after), 'this file has several parts, divided by "---". Write one part, without "---".')
        if isinstance(root, Table):
            return root
        if isinstance(root, Scalar) and root.plain and not root:
            return Table(Mark(1, 1))
        self._say(
            root.mark, "this is no table of settings. Write one setting per line: a name, a colon, a space, the value."
        )
        return None

    def _value(self, event: yaml.Event, depth: int) -> Value:
        mark = _mark(event)
        if depth > DEPTH_MAX:
            self._say(mark, f"this is nested deeper than {DEPTH_MAX} levels. No setting needs that.")
            raise _StopReadingError
        self._refuse_extras(event, mark)
        if isinstance(event, yaml.MappingStartEvent):
            return self._table(mark, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(mark, depth)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, mark)
        return Scalar(f"*{event.anchor}" if isinstance(event, yaml.AliasEvent) else "", mark, plain=False)

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> Scalar:
        plain = not event.style
        # A final line end of | and > blocks is never meant.
        text = event.value if plain else event.value.strip("\n")
        if plain and text and (text[0] in _TYPOGRAPHIC_QUOTES or text[-1] in _TYPOGRAPHIC_QUOTES):
            self._say(mark, 'these are typographic quotes (“ ”). Please use " ".')
        if plain and text != text.strip():
            self._say(mark, odd_space_text("here"))
        if plain and (entry := entry_within(self._source, mark, _end(event))) is not None:
            self._say(*entry)
            text = text.partition(" - ")[0]
        # What a tag makes of nothing is no empty value, and the tag itself has been told of.
        return Scalar(text or event.tag or "", mark, plain and not event.tag)

    def _sequence(self, mark: Mark, depth: int) -> Sequence:
        sequence = Sequence(mark)
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            sequence.append(self._value(event, depth + 1))
        return sequence

    def _table(self, mark: Mark, depth: int) -> Table:
        table = Table(mark)
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            name = self._value(event, depth + 1)
            value = self._value(next(self._events), depth + 1)
            if not isinstance(name, Scalar):
                self._say(name.mark, "a name must stand before the colon, not a list or a table.")
            elif name.plain and name == "<<":
                self._say(name.mark, '"<<" (merging) is not read here. Write the settings out.')
            elif name in table:
                self._say(name.mark, self._twice(name, table, value))
            else:
                table[name] = value
        return table

    def _twice(self, name: Scalar, table: Table, value: Value) -> str:
        first = table.key(name)
        line = 0 if first is None else first.mark.line
        written = f"{quoted_value(name)} is written twice (first in line {line})."
        former = table[name]
        several = isinstance(former, Sequence) or isinstance(value, Sequence)
        if isinstance(former, Table) and isinstance(value, Table):
            return f"{written} Put all its settings under one of them."
        if not several:
            return f"{written} Keep one of them."
        addresses = any(
            "@" in each for one in (former, value) for each in (one if isinstance(one, Sequence) else [one])
        )
        return f"{written} Put all {'addresses' if addresses else 'entries'} into one list."

    def _refuse_extras(self, event: yaml.Event, mark: Mark) -> None:
        """Anchors, aliases and tags: a person who writes * & or ! at the front means the character."""
        if isinstance(event, yaml.AliasEvent):
            self._say(mark, f'text that starts with * needs quotes: "*{event.anchor}".')
        elif isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
            if event.anchor:
                self._say(mark, f'text that starts with & needs quotes: "&{event.anchor}".')
            if event.tag:
                self._say(mark, "text that starts with ! needs quotes.")

    def _say(self, mark: Mark, text: str) -> None:
        self.problems.append(self._source.problem(mark, text))


def _end(event: yaml.Event) -> Mark:
    end = event.end_mark
    return Mark(1, 1) if end is None else Mark(end.line + 1, end.column + 1)


def _mark(event: yaml.Event) -> Mark:
    start = event.start_mark
    return Mark(1, 1) if start is None else Mark(start.line + 1, start.column + 1)
