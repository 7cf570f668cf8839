"""Where each sentence of a mail stands: one layout as plain text and one as HTML, the same for all languages.

A layout has no word of its own but the code's label. Sentences come in finished; the HTML layouts escape every one of
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from textwrap import fill

from jinja2 import DictLoader, Environment, StrictUndefined, select_autoescape

# RFC 5322, 2.1.1: a line should have at most 78 characters.
LINE_CHARACTERS = 78


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A sentence or some. `is_ours`: nothing in it is a stranger's, so that it may be wrapped anywhere."""

    text: str
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Entries:
    """Things that stand one below the other."""

    entries: Sequence[str]


Block = Paragraph | Entries


def wrapped(text: str, characters: int = LINE_CHARACTERS) -> str:
    """Each line of `text` in lines of at most so many characters; no word is cut."""
    lines = text.split("\n")
    return "\n".join(fill(each, characters, break_long_words=False, break_on_hyphens=False) for each in lines)


def place(layout: str, facts: Mapping[str, object]) -> str:
    """The layout ("held.txt", "letter.html"), filled. Raises jinja2.UndefinedError if a fact is missing: a bug."""
    return _environment().get_template(layout).render(facts).strip() + "\n"


def prepare() -> None:
    """Compile all layouts: that takes some milliseconds each."""
    for each in _environment().list_templates():
        _environment().get_template(each)


@cache
def _environment() -> Environment:
    folder = files("smtpguard.notices") / "layouts"
    sources = {each.name: each.read_text("utf-8") for each in folder.iterdir()}
    environment = Environment(
        loader=DictLoader(sources),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["wrapped"] = wrapped
    return environment
