"""Forwards and answers as mail programs write them, in every language of the tables, in plain text and as a page.

Made of chance, and whoever made one knows who speaks in it: `Letter.speakers` is what must be read.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

from smtpguard.mail.labels import LANGUAGES
from smtpguard.mail.message import Voice
from smtpguard.mail.subjects import SubjectKind, subject_kind
from tests.bench.bodies import _SYLLABLES

_FIELDS = ("from", "date", "to", "subject")
# Who has no word for one of these has no header block.
TONGUES = [each for each, words in LANGUAGES.items() if all(words.get(name) for name in _FIELDS)]
_PERSONS = ["anna@example.test", "ben@elsewhere.example", "carl.conrad@example.org"]
_DATES = ["3 May 2026, 10:12", "2026-05-03 10:12", "Sun, 3 May 2026 10:12:00 +0200", "03.05.2026 10:12"]
_BEFORE = ["---------- {} ----------", "-----{}-----", "-------- {} --------", "{}:"]


class Line(NamedTuple):
    """A line that stands `depth` quotes deep."""

    depth: int
    text: str


class Letter(NamedTuple):
    """A mail as lines; `speakers` are the voices of its passages in order, each with the author that it names."""

    subject: str
    lines: list[Line]
    speakers: list[tuple[Voice, str | None]]


def _words(language: str, key: str) -> list[str]:
    return [each for each in LANGUAGES[language].get(key, "").split("|") if each]


def _said(chance: random.Random, depth: int = 0) -> list[Line]:
    """Some paragraphs that nobody takes for anything else."""
    lines: list[Line] = []
    for _ in range(chance.randint(1, 3)):
        for _ in range(chance.randint(1, 4)):
            made = ["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))) for _ in range(chance.randint(3, 9))]
            lines.append(Line(depth, " ".join(made)))
        lines.append(Line(depth, ""))
    return lines[:-1]


def _block(chance: random.Random, language: str, author: str, subject: str, depth: int) -> list[Line]:
    """Labels in the language's own words, in an order that programs use."""
    order = chance.choice(
        [("from", "date", "to", "subject"), ("from", "date", "subject", "to"), ("from", "to", "date", "subject")]
    )
    values = {
        "from": f"Anna Muster <{author}>",
        "date": chance.choice(_DATES),
        "to": chance.choice(_PERSONS),
        "subject": subject,
    }
    first = {name: chance.choice(_words(language, name)) for name in order}
    dress = chance.choice([str.capitalize, str])
    return [Line(depth, f"{dress(first[name])}: {values[name]}") for name in order]


def _prefixed(chance: random.Random, language: str, key: str, kind: SubjectKind) -> str:
    """A subject with a prefix of the language that says `kind`; English where it has none."""
    found = [each for each in _words(language, key) if subject_kind(f"{each}: x") is kind]
    return f"{chance.choice(found or _words('en', key))}: garden minutes"


def banner_forward(chance: random.Random, language: str) -> Letter:
    """A banner that only forwards have, whatever the subject says."""
    banners = _words(language, "forwarded") or _words("en", "forwarded")
    author = chance.choice(_PERSONS)
    head = [Line(0, chance.choice(_BEFORE).format(chance.choice(banners).capitalize()))]
    lines = [*_said(chance), Line(0, ""), *head]
    lines += [*_block(chance, language, author, "minutes", 0), Line(0, ""), *_said(chance)]
    subject = chance.choice(["minutes", _prefixed(chance, language, "fwd", SubjectKind.FORWARD), ""])
    return Letter(subject, lines, [(Voice.OWN, None), (Voice.FORWARDED, author)])


def block_forward(chance: random.Random, language: str) -> Letter:
    """Outlook's: only the labels, and the subject says what it is."""
    author = chance.choice(_PERSONS)
    lines = [*_said(chance), Line(0, ""), *_block(chance, language, author, "minutes", 0), Line(0, ""), *_said(chance)]
    subject = _prefixed(chance, language, "fwd", SubjectKind.FORWARD)
    return Letter(subject, lines, [(Voice.OWN, None), (Voice.FORWARDED, author)])


def block_answer(chance: random.Random, language: str) -> Letter:
    """The same labels below an answer."""
    forward = block_forward(chance, language)
    speakers = [(Voice.OWN, None), (Voice.QUOTED, forward.speakers[1][1])]
    return Letter(_prefixed(chance, language, "re", SubjectKind.ANSWER), forward.lines, speakers)


def quoting_answer(chance: random.Random, language: str) -> Letter:
    """An attribution and quote marks; own words above, below, or both."""
    author = chance.choice(_PERSONS)
    opener = (_words(language, "opens") or ["On"])[0].capitalize()
    verb = (_words(language, "wrote") or ["wrote"])[0]
    lines, speakers = [], []
    above, below = chance.choice([(True, False), (True, True), (False, True)])
    if above:
        lines += [*_said(chance), Line(0, "")]
        speakers.append((Voice.OWN, None))
    lines += [Line(0, f"{opener} 3 May 2026 10:12 Anna Muster <{author}> {verb}:"), *_said(chance, 1)]
    speakers.append((Voice.QUOTED, author))
    if below:
        lines += [Line(0, ""), *_said(chance)]
        speakers.append((Voice.OWN, None))
    return Letter(_prefixed(chance, language, "re", SubjectKind.ANSWER), lines, speakers)


FORMS: list[Callable[[random.Random, str], Letter]] = [banner_forward, block_forward, block_answer, quoting_answer]


def as_text(lines: Sequence[Line]) -> str:
    """Plain text, with ">" before what is quoted."""
    return "\n".join(">" * depth + (" " if depth and text else "") + text for depth, text in lines)


def _paragraphs(lines: Sequence[Line]) -> str:
    return "".join(f"<div>{escape(each.text) or '<br>'}</div>\n" for each in lines)


def _breaks(lines: Sequence[Line]) -> str:
    return "<br>\n".join(escape(each.text) for each in lines)


def _table(lines: Sequence[Line]) -> str:
    return "<table>" + "".join(f"<tr><td>{escape(each.text) or '<br>'}</td></tr>" for each in lines) + "</table>"


def _emphasised(lines: Sequence[Line]) -> str:
    """Bold labels, as Outlook has them, and letters by their numbers."""
    made = []
    for each in lines:
        label, colon, value = each.text.partition(":")
        numbered = "".join(f"&#{ord(letter)};" if ord(letter) > 126 else escape(letter) for letter in value)
        made.append(f"<p><b>{escape(label)}{colon}</b>{numbered}</p>" if colon else f"<p>{escape(label) or '<br>'}</p>")
    return "".join(made)


def _preformatted(lines: Sequence[Line]) -> str:
    return f"<pre>{escape(chr(10).join(each.text for each in lines))}</pre>"


PAGES: list[Callable[[Sequence[Line]], str]] = [_paragraphs, _breaks, _table, _emphasised, _preformatted]


def as_page(lines: Sequence[Line], dress: Callable[[Sequence[Line]], str]) -> str:
    """The same lines in HTML; what is quoted stands in blockquotes."""
    pieces: list[str] = []
    at = 0
    while at < len(lines):
        end = next((n for n in range(at, len(lines)) if lines[n].depth != lines[at].depth), len(lines))
        depth = lines[at].depth
        pieces.append("<blockquote type=cite>" * depth + dress(lines[at:end]) + "</blockquote>" * depth)
        at = end
    return f"<html><head><title>x</title></head><body>{''.join(pieces)}</body></html>"
