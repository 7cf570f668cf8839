"""Attribution lines: "On Monday Anna wrote:", "Am 3.

Mai schrieb Anna <anna@example.org>:" and what stands in other languages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from smtpguard.mail.address import Address
from smtpguard.mail.labels import LANGUAGES
from smtpguard.mail.lines import Line
from smtpguard.mail.mailboxes import line_mailboxes

# Programs break a long attribution once or twice; more than four lines is a paragraph.
ATTRIBUTION_LINES_MAX = 4
ATTRIBUTION_CHARACTERS_MAX = 400

_COLONS = (":", "\uff1a")
_QUOTING = ("quoting ", "zitat von ", "zitiere ")
_OPENERS = frozenset(
    word.split()[0] for words in LANGUAGES.values() for word in words.get("opens", "").split("|") if word
)
_VERBS = sorted({verb for words in LANGUAGES.values() for verb in words.get("wrote", "").split("|") if verb}, key=len)
_VERB = re.compile(r"(?<!\w)(?:" + "|".join(re.escape(verb) for verb in reversed(_VERBS)) + r")(?!\w)")
_TIME = re.compile(
    r"\d{1,2}[:.h]\d{2}(?:[:.]\d{2})?(?:\s?(?:[ap]\.?m\.?|uhr|nachm\.|vorm\.))?(?:\s?[-+]\d{4})?,?", re.IGNORECASE
)
_DATE_FIRST = re.compile(r"\d{4}(?:[-/]\d{1,2}[-/]\d{1,2}\s|\s?[年년])")
_DIGIT = re.compile(r"\d")
# mutt's and slrn's "* Anna <anna@example.org> [2026-11-22 18:00]:".
_BRACKETED = re.compile(r"[^<>]{0,100}<[^<>\s@]{1,64}@[^<>\s@]{1,255}> ?[\[(][^\[\]()]{0,60}\d[^\[\]()]{0,60}[\])]:")
# Supercite (Gnus): '>>>>> "AM" == Anna Muster <anna@example.org> writes:'; each line below begins with "AM> ".
_SUPERCITED = re.compile(r"\"([^\"\s<>]{1,20})\" == \S")
# The Bat puts a greeting of its own above "Sunday, 22 November 2026, 18:00:00, you wrote:".
_GREETED = re.compile(r"(?<!\w)(?:you wrote|du schriebst|sie schrieben)(?!\w)")


@dataclass(frozen=True, slots=True)
class Attribution:
    """Lines first..end (end not included) say who speaks below.

    `certain` is true where it needs no quote marks below; `mark` stands before each line below it ("AM>"), if it says
    so; `greeted` is true where the program itself greets in a line above it.
    """

    end: int
    author: Address | None
    author_name: str | None
    sent: str | None
    certain: bool
    mark: str = ""
    greeted: bool = False


def find_attribution(lines: Sequence[Line], at: int) -> Attribution | None:
    """Read the attribution that begins at line `at`; None if there is none. Looks at a bounded number of lines."""
    joined = _joined(lines, at)
    if joined is None:
        return None
    text, end = joined
    low = text.lower()
    verb = _VERB.search(low)
    quoting = low.startswith(_QUOTING)
    dated = "@" in low and (_DATE_FIRST.match(low) is not None or _BRACKETED.fullmatch(text) is not None)
    if verb is None and not quoting and not dated:
        return None
    opener = low.split(None, 1)[0].rstrip(",") in _OPENERS
    certain = quoting or dated or "@" in text or (opener and _DIGIT.search(text) is not None)
    if not _deeper_below(lines, end, lines[at].depth) and not certain:
        return None
    _, addresses = line_mailboxes(text)
    name = _name(text, low, verb)
    time = _TIME.search(text)
    sent = (
        text[: time.end()].rstrip(", ") if time is not None and (verb is None or time.end() <= verb.start()) else None
    )
    cited = _SUPERCITED.match(text)
    return Attribution(
        end, addresses[0] if addresses else None, name or None, sent, certain,
        mark=f"{cited[1]}>" if cited is not None else "", greeted=_GREETED.search(low) is not None,
    )  # fmt: skip


def _joined(lines: Sequence[Line], at: int) -> tuple[str, int] | None:
    """The attribution's text in one line, if lines from `at` on can be one: it ends with a colon."""
    depth, first = lines[at]
    text = first.strip(" \t*_")
    if not 5 < len(text) <= ATTRIBUTION_CHARACTERS_MAX:
        return None
    if text.endswith(_COLONS):
        return text, at + 1
    low = text[:40].lower()
    word = (low.split(None, 1) or [""])[0].rstrip(",")
    if (word not in _OPENERS and not low[0].isdigit() and "<" not in text) or not _DIGIT.search(text + " "):
        return None
    for end in range(at + 1, min(at + ATTRIBUTION_LINES_MAX, len(lines))):
        line = lines[end]
        if line.depth != depth or line.blank:
            return None
        text = f"{text} {line.text.strip(' *_')}"
        if len(text) > ATTRIBUTION_CHARACTERS_MAX:
            return None
        if text.endswith(_COLONS):
            return text, end + 1
    return None


def _deeper_below(lines: Sequence[Line], end: int, depth: int) -> bool:
    """Whether the next line with words (among the next three) is quoted deeper."""
    return any(not line.blank and line.depth > depth for line in lines[end : end + 3])


def _name(text: str, low: str, verb: re.Match[str] | None) -> str:
    """The display name.

    It stands behind the verb where the language puts it there, else between the time and the address or verb.
    """
    if verb is not None and text[verb.end() :].strip(" :") and not _DIGIT.match(text[verb.end() :].strip()):
        piece = text[verb.end() :]
    else:
        piece = text[: verb.start()] if verb is not None else text
        times = list(_TIME.finditer(piece))
        if times:
            piece = piece[times[-1].end() :]
        elif low.startswith(_QUOTING):
            piece = piece.split(None, 2)[-1] if low.startswith("zitat von ") else piece.split(None, 1)[-1]
        elif "," in piece and low.split(None, 1)[0] in _OPENERS:
            piece = piece.rpartition(",")[2]
    piece = re.split(r"[<\[(]", piece, maxsplit=1)[0].strip(" \t\"'*,:")
    return "" if "@" in piece else re.sub(r"^(?:[A-Z]{3,4}|[-+]\d{4}|uhr)\s+", "", piece)
