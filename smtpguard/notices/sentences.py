"""One sentence of a texts file: what may stand in it, and how it is filled.

Translators write Jinja2, but only `{{ name }}` and `{% if name %}`: no loops, calls, filters or attributes, so that a
text can neither reach into the program nor grow beyond its facts.
"""

from __future__ import annotations

from functools import cache, lru_cache

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.sandbox import SandboxedEnvironment

# The longest of ours has some 400; more is no sentence.
SENTENCE_CHARACTERS_MAX = 2_000
# Conditions, and what joins them, in one sentence. The most of ours is four; a hundred, one inside the other, are no
# program that Python takes.
CONDITIONS_MAX = 20

# Sentences kept ready, some kilobytes each: those of six languages. A reload makes most of them anew, word for word.
_KEPT_MAX = 3_000

_ALLOWED = (
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.If,
    nodes.Not,
    nodes.And,
    nodes.Or,
    nodes.Compare,
    nodes.Operand,
    nodes.Const,
)
_CONDITIONS = (nodes.If, nodes.Not, nodes.And, nodes.Or, nodes.Compare)
# Things of any kind can be equal or not; to ask which is more is a fault where one of them is a word.
_COMPARISONS = frozenset(("eq", "ne"))


class SentenceError(ValueError):
    """A sentence cannot be used. `line` counts from 1 within the sentence."""

    def __init__(self, text: str, line: int = 1) -> None:
        super().__init__(text)
        self.line = line


@cache
def _environment() -> SandboxedEnvironment:
    # Plain text comes out; what goes into HTML is escaped as a whole, where it is placed.
    return SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)


def placeholders(sentence: str) -> frozenset[str]:
    """The names in `sentence` that are filled in, or decide what is shown. Raises SentenceError."""
    if len(sentence) > SENTENCE_CHARACTERS_MAX:
        raise SentenceError(f"this text has {len(sentence)} characters; at most {SENTENCE_CHARACTERS_MAX} are read.")
    try:
        tree = _environment().parse(sentence)
    except TemplateSyntaxError as error:
        raise SentenceError(f"this is no complete placeholder: {error.message}", error.lineno) from None
    except RecursionError:
        raise SentenceError("this is nested too deeply.") from None
    if sum(1 for _ in tree.find_all(_CONDITIONS)) > CONDITIONS_MAX:
        raise SentenceError(f"this text has more than {CONDITIONS_MAX} conditions.")
    for each in tree.find_all(nodes.Node):
        if not isinstance(each, _ALLOWED) or (isinstance(each, nodes.Operand) and each.op not in _COMPARISONS):
            text = "only {{ name }} and {% if name %}...{% else %}...{% endif %} may stand in a text."
            raise SentenceError(text, each.lineno or 1)
    return frozenset(each.name for each in tree.find_all(nodes.Name))


def is_template(sentence: str) -> bool:
    """True if anything in `sentence` is filled in or left out; most say the same always, and need no compiling."""
    return "{" in sentence


@lru_cache(_KEPT_MAX)
def compiled(sentence: str) -> Template:
    """`sentence`, ready to be filled. What lacks a fact then is a bug: jinja2.UndefinedError."""
    return _environment().from_string(sentence)
