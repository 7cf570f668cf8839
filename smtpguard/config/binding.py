"""Plain values to a model, and the model's complaints to places in the file and words for its owner."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from smtpguard.config.later import LATER_VALUES
from smtpguard.config.places import Surroundings
from smtpguard.config.problems import Mark, Problem, quoted_value
from smtpguard.config.reader import Document, Scalar, Sequence, Table
from smtpguard.config.values import is_null, other_meaning

Model = TypeVar("Model", bound=BaseModel)
Draft = TypeVar("Draft", bound=BaseModel)
Steps = tuple[int | str, ...]

# Longer words are no slip of the pen; comparing them costs the square of their length.
_NAME_CHARACTERS_MAX = 64
_COMMENT_AFTER_COLON = re.compile(r":\s+#")
# How `unknown` begins where a name means nothing anywhere.
NO_SETTING = "there is no setting"
_EXPECTED = re.compile(r"'([^']*)'")
_WRITTEN_AS: Mapping[str, str] = {
    "model_type": "write its settings below it, one per line, indented by two spaces.",
    "model_attributes_type": "write its settings below it, one per line, indented by two spaces.",
    "dict_type": "write its entries below it, one per line, indented by two spaces.",
    "tuple_type": 'write a list here: one entry per line with "- " in front.',
    "too_short": "write at least one entry.",
    "string_type": "write text here.",
}


@dataclass(frozen=True, slots=True)
class Bound(Generic[Model, Draft]):
    """`whole` is the model, None if there are `problems`; `draft` is what could be understood all the same."""

    whole: Model | None
    draft: Model | Draft | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding(Generic[Model, Draft]):
    """How one sort of file becomes its model.

    `draft` is a model without required keys, made of the keys that are right, so that the files can be held against
    each other although one is broken. `unknown` says in words what is wrong with a key, given its place (keys joined by
    dots) and name. `required` says why a key must be there.
    """

    model: type[Model]
    draft: type[Draft]
    unknown: Callable[[str, str], str]
    required: Mapping[str, str]

    def bind(self, document: Document, around: Surroundings) -> Bound[Model, Draft]:
        """The document as a model, or every complaint about it."""
        root = document.root
        if root is None:
            return Bound(None, None)
        try:
            whole = self.model.model_validate(root, context=around)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            problems = tuple(problem for each in details for problem in self._problems(document, each))
            return Bound(None, self._draft(root, {each["loc"][0] for each in details if each["loc"]}, around), problems)
        return Bound(whole, whole)

    def _draft(self, root: Table, wrong: set[int | str], around: Surroundings) -> Draft | None:
        kept = {name: value for name, value in root.items() if name not in wrong}
        try:
            return self.draft.model_validate(kept, context=around)
        except ValidationError:
            return None

    def _problems(self, document: Document, error: ErrorDetails) -> Iterator[Problem]:
        found = self._problem(document, error)
        yield found
        if error["type"] == "extra_forbidden" and found.text.startswith(NO_SETTING):
            # The name alone may be wrong, so what is wrong with the value at any name is said as well.
            value = document.value(tuple(error["loc"]))
            is_word = isinstance(value, Scalar) and value.plain and value not in ("true", "false")
            if is_word and (text := other_meaning(str(value))) is not None:
                yield document.source.problem(document.mark(tuple(error["loc"])), text)

    def _problem(self, document: Document, error: ErrorDetails) -> Problem:
        kind, steps = error["type"], tuple(error["loc"])
        context = error.get("ctx", {})
        mark = document.mark(steps)
        if kind == "mistake":
            inner = (*steps, *context["at"])
            return document.source.problem(document.mark(inner), str(context["text"]))
        if kind == "extra_forbidden":
            mark, text = document.mark(steps, key=True), self.unknown(place_of(steps[:-1]), str(steps[-1]))
        elif kind == "number":
            text = _number(document, steps, quoted_value(context["value"]))
        elif kind == "missing":
            text = self._missing(str(steps[-1]))
        elif kind == "empty" or (kind in _WRITTEN_AS and is_null(document.value(steps))):
            mark, text = document.mark(steps, key=True) or mark, _empty(document, steps)
        elif kind in ("literal_error", "union_tag_invalid", "union_tag_not_found"):
            mark, text = _choice(document, error, steps)
        else:
            text = _WRITTEN_AS.get(kind, "this cannot be used here.")
        return document.source.problem(mark, text)

    def _missing(self, name: str) -> str:
        why = self.required.get(name)
        return f'"{name}" is missing{": " + why if why else ""}.'


def place_of(steps: Steps) -> str:
    """Keys joined by dots; numbers of entries left out, names of accounts and groups as well."""
    names = [each for each in steps if isinstance(each, str)]
    return names[0] if names[:1] in (["accounts"], ["groups"]) else ".".join(names)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """What `name` was probably meant to be."""
    if len(name) > _NAME_CHARACTERS_MAX:
        return None
    found = get_close_matches(name.lower(), list(known), n=1, cutoff=0.7)
    return found[0] if found else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """` Did you mean "..."?`, or nothing."""
    found = nearest(name, known)
    return f' Did you mean "{found}"?' if found else ""


def _empty(document: Document, steps: Steps) -> str:
    name = next((each for each in reversed(steps) if isinstance(each, str) and each != "[key]"), "")
    mark = document.mark(steps, key=True)
    line = document.source.lines[mark.line - 1] if mark is not None else ""
    if _COMMENT_AFTER_COLON.search(line):
        return f'everything after # is a comment, so "{name}" is empty. Use quotes.'
    if isinstance(steps[-1], int):
        return f'an entry of "{name}" is empty. Write a value or delete the line.'
    return f'"{name}" is empty. Write a value or delete the line.'


def _number(document: Document, steps: Steps, quoted: str) -> str:
    """What is to be text is a number to other readers: 0301 is 193."""
    name = next((each for each in reversed(steps) if isinstance(each, str) and each != "[key]"), "")
    if isinstance(steps[-1], int) and isinstance(document.value(steps[:-1]), Sequence):
        return f'an entry of "{name}" must be text. Put it in quotes: {quoted}.'
    return f'"{name}" must be text. Put it in quotes: {name}: {quoted}.'


def _choice(document: Document, error: ErrorDetails, steps: Steps) -> tuple[Mark | None, str]:
    context = error.get("ctx", {})
    if error["type"] == "literal_error":
        allowed, place = _EXPECTED.findall(str(context.get("expected", ""))), place_of(steps)
    else:
        allowed, steps = _EXPECTED.findall(str(context.get("expected_tags", ""))), (*steps, "kind")
        allowed, place = allowed or ["submission", "filter", "answers", "tap"], place_of(steps)
    written = document.value(steps)
    if error["type"] == "union_tag_not_found":
        return document.mark(steps), f'"kind" is missing. Write one of: {", ".join(allowed)}.'
    if not isinstance(written, str):
        return document.mark(steps), f"write one of: {', '.join(allowed)}."
    if written in LATER_VALUES.get(place, ()):
        text = f"{quoted_value(written)} is not available in this version. Write one of: {', '.join(allowed)}."
    else:
        text = f"write one of: {', '.join(allowed)}.{suggestion(written, allowed)}"
    return document.mark(steps), text
