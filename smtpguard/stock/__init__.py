"""What everybody writes: function words and stock phrases, one file for each language.

A file has three parts. `[function words]` are the words that hold sentences together, parted by blanks. `[phrases]` are
greetings, wishes, disclaimers, meeting blocks and footers, one a line, "..." where each mail has something of its own.
`[closings]` are lines below which only a name and an address stand. Lines that begin with "#" say something to readers
of the file.

All of it is written for this project, as such phrases commonly run; a site adds its own (`stock:` in the settings).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

_PARTS = ("function words", "phrases", "closings")


@cache
def function_words() -> frozenset[str]:
    """The function words of all languages, as they are typed, in lower case."""
    return frozenset(word for line in _lines("function words") for word in line.split())


@cache
def phrases() -> tuple[str, ...]:
    """The stock phrases of all languages. What stands on both sides of "..." is a phrase of its own."""
    return tuple(piece for line in _lines("phrases") for piece in map(str.strip, line.split("...")) if piece)


@cache
def closings() -> tuple[str, ...]:
    """What people write above their name, without the punctuation behind it."""
    return _lines("closings")


@cache
def languages() -> tuple[str, ...]:
    """The languages that are shipped, as RFC 5646 codes."""
    return tuple(sorted(each.name.removesuffix(".txt") for each in _files()))


def parts_of(text: str) -> dict[str, tuple[str, ...]]:
    """The parts of one file by their names, each with its lines. Raises ValueError for a line that is in no part."""
    found: dict[str, list[str]] = {each: [] for each in _PARTS}
    part = None
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            part = line.strip("[]")
            if part not in found:
                raise ValueError(f"there is no part called {part!r}")
        elif part is None:
            raise ValueError(f"{line!r} stands above all parts")
        else:
            found[part].append(line)
    return {name: tuple(lines) for name, lines in found.items()}


@cache
def _lines(part: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for each in _files() for line in parts_of(each.read_text("utf-8"))[part]))


def _files() -> list[Traversable]:
    found = (each for each in files(__name__).iterdir() if each.name.endswith(".txt"))
    return sorted(found, key=lambda each: each.name)
