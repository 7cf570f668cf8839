"""What the layout of a text tells: quote marks, header lines, words parted by line ends; and which lines are prose."""

from __future__ import annotations

import re
from functools import cache
from itertools import compress
from operator import not_, or_

from smtpguard import stock
from smtpguard.mail.labels import LANGUAGES

# Of so many lines each is looked at; what follows counts as one.
LINES_MAX = 10_000
# Lines below a line of "--" that still are a signature; more is a text that goes on below a rule.
SIGNATURE_LINES_MAX = 12
# A line of so many words below a closing is a postscript.
SIGNATURE_WORDS_MAX = 10
# A header line or attribution is short; a paragraph in one line may begin with "to:".
HEADER_CHARACTERS_MAX = 200
# Comments of one text, and how long one may be; behind an opening one a letter may go on for pages.
COMMENTS_MAX = 200
COMMENT_CHARACTERS_MAX = 8 * 1024
# Of the words of a line so many are written as in a letter; logs, programs and tables have fewer.
LETTER_WORDS_MIN = 0.7
# "Room: 12", "RX channel: A": a label with so few words behind it is an entry of a table, no sentence.
ENTRY_WORDS_MAX = 3
# What stands for something that is no word: shingles do not reach over it, because it is a number.
BARRIER = "0"

# Quote marks in front of a line, also with initials (Supercite's "AM> ").
_QUOTE_MARKS = re.compile(r"\A[ \t]{0,8}(?:[^\W\d_]{0,4}[>|][ \t]?){1,50}")
# Only lines that have one of these are looked at one by one.
_MARKS = (":", ">", "@", "|")
# A word goes on in the next line.
_BROKEN = re.compile(r"-[ \t]{0,3}\n[ \t]{0,40}")
_RULE = re.compile(r"^--[ ]?$", re.MULTILINE)
_LABELS = frozenset(
    label
    for words in LANGUAGES.values()
    for key in ("from", "date", "to", "cc", "bcc", "subject", "reply_to")
    for label in words.get(key, "").split("|")
    if label
)
_WROTE = tuple({verb for words in LANGUAGES.values() for verb in words.get("wrote", "").split("|") if verb})
_DIGIT = re.compile(r"\d")

# A word as in a letter: letters, with quotation marks before and punctuation behind, maybe of two or three parts
# ("e-mail", "and/or", "z.B.", "l'eau", "Kolleg*innen").
_LETTER_WORD = re.compile(
    r"[(\"'„“‚‘«»¿¡]{0,3}(?P<strong>[*_/]?)"
    r"[^\W\d_]+(?:(?:[-‐‑'’*:/]|(?<=\b[^\W\d_])\.|(?<=\b[^\W\d_][^\W\d_])\.)[^\W\d_]+){0,3}"
    r"(?P=strong)[)\"'“”‘’«».,;:!?…]{0,4}"
)
# Numbers, dates, prices, dashes: they say nothing about a line.
_NEUTRAL = re.compile(r"[(]?[-+]?[\d.,:/%€$§°-]{1,20}[.,;:!?)€%]{0,3}|\W{1,3}")
# A line of a log: a tag in brackets in front ("[INFO]"), a level, or a file with the number of a line.
_LOG = re.compile(
    r"\s{0,8}(?:\[[A-Z][A-Z\d _./:-]{1,40}\]|(?:INFO|WARN|WARNING|ERROR|DEBUG|NOTE)\b[:\]]|\S{1,120}:\d+:(?!\d))"
)
# Lines of a script's comment, also in a patch.
_HASHED = re.compile(r"(?:^[ \t>|+-]{0,20}#[^\n]{0,500}\n){3,200}", re.MULTILINE)
# Where a patch begins (diff -u), and what its lines begin with.
_PATCH = re.compile(r"^(?:diff -|Index: \S|@@ -\d|--- \S+[\t ]|\+\+\+ \S)", re.MULTILINE)
_PATCH_LINES = ("+", "-", " ", "@", "\t", "diff ", "index ", "Index: ", "===", "new file", "deleted file")


def running_text(text: str) -> str:
    """`text` without quote marks, header lines, attributions and addresses; words that a line end parts are whole."""
    if any(each in text for each in _MARKS):
        text = "\n".join(
            [
                _running_line(each) if ":" in each or ">" in each or "@" in each or "|" in each else each
                for each in text.split("\n", LINES_MAX)
            ]
        )
    return _BROKEN.sub("", text) if "-" in text else text


def prose_text(text: str) -> str:
    """The prose of `text`, a passage of mail that is kept: barriers stand for the rest, the signature is cut."""
    text = running_text(_without_comments(_without_signature(text)))
    lines = (_without_patch(text) if _PATCH.search(text) else text).split("\n", LINES_MAX)
    return "\n".join([_prose_line(each) for each in lines])


def _running_line(line: str) -> str:
    if ">" in line or "|" in line:
        line = _QUOTE_MARKS.sub("", line)
    if ":" in line and len(line) <= HEADER_CHARACTERS_MAX:
        low = line.lower()
        if low.partition(":")[0].strip(" \t*") in _LABELS:
            return ""
        if low.rstrip().endswith(":") and _DIGIT.search(low) and any(verb in low for verb in _WROTE):
            return ""
    if "@" not in line and "://" not in line:
        return line
    return " ".join([each for each in line.split() if "@" not in each and "://" not in each])


def _prose_line(line: str) -> str:
    if _LOG.match(line):
        return BARRIER
    words = line.split()
    known = [_LETTER_WORD.fullmatch(each) is not None for each in words]
    letters = sum(known)
    if letters == len(words) and (":" not in line or not _is_entry(line, words)):
        return line
    if ":" in line and _is_entry(line, words):
        return BARRIER
    addresses = ["@" in each or "://" in each for each in words]
    neutral = sum(_NEUTRAL.fullmatch(word) is not None for word in compress(words, map(not_, known)))
    if letters < LETTER_WORDS_MIN * (len(words) - neutral - sum(addresses)):
        return BARRIER
    kept = map(or_, known, addresses)
    return " ".join([word if each else BARRIER for word, each in zip(words, kept, strict=True)])


def _is_entry(line: str, words: list[str]) -> bool:
    label = next((number for number, each in enumerate(words) if each.endswith(":")), len(words))
    return label <= ENTRY_WORDS_MAX and 0 < len(words) - label - 1 <= ENTRY_WORDS_MAX


def _without_comments(text: str) -> str:
    """`text` without the comments of programs, which begin with the same licence everywhere: what stands between /* and
    */, and lines that begin with #, several in a row. Quote marks in front do not matter."""
    kept = []
    at = 0
    for _ in range(COMMENTS_MAX):
        start = text.find("/*", at)
        end = text.find("*/", start + 2, start + COMMENT_CHARACTERS_MAX) if start >= 0 else -1
        if end < 0:
            break
        kept.append(text[at:start])
        at = end + 2
    text = f" {BARRIER} ".join((*kept, text[at:]))
    return _HASHED.sub(f"\n{BARRIER}\n", text) if "#" in text else text


def _without_patch(text: str) -> str:
    """`text` without the lines of patches."""
    kept = []
    within = False
    for line in text.split("\n"):
        within = _PATCH.match(line) is not None or (within and (not line or line.startswith(_PATCH_LINES)))
        kept.append(BARRIER if within else line)
    return "\n".join(kept)


def _without_signature(text: str) -> str:
    """`text` up to a line of "--" or a closing ("Kind regards"), if little stands below it."""
    text = text.rstrip()
    starts = _last_lines(text)
    rule = _RULE.search(text, starts[-1])
    if rule is not None:
        text = text[: rule.start()].rstrip()
        starts = _last_lines(text)
    # From the end: a name, an office, a telephone number, an address, and above them the closing.
    for start in starts:
        line = text[start:].partition("\n")[0]
        if line.strip(" \t\r,.;!*_-\u2013\u2014").lower() in _closings():
            return text[:start]
        if line.count(" ") >= SIGNATURE_WORDS_MAX:
            break
    return text


def _last_lines(text: str) -> list[int]:
    """Where the last SIGNATURE_LINES_MAX lines of `text` begin, and the one above them, the last one first."""
    starts: list[int] = []
    end = len(text)
    while end >= 0 and len(starts) <= SIGNATURE_LINES_MAX:
        start = text.rfind("\n", 0, end) + 1
        starts.append(start)
        end = start - 1
    return starts


@cache
def _closings() -> frozenset[str]:
    return frozenset(stock.closings())
