"""What strangers wrote, fit to stand in a mail of ours: one line, no link, and nothing that passes for a code."""

from __future__ import annotations

import re
from collections.abc import Sequence

from smtpguard.answers.token import LABEL, find_tokens
from smtpguard.notices.languages import NAMED_MAX
from smtpguard.notices.letter import SUBJECT_CHARACTERS_MAX, clean_line

NAME_CHARACTERS_MAX = 100
# What looks like a piece of a code is cut to so much: words of ours beside it (mail, your) may look like groups, too.
CODE_LIKE_CHARACTERS_MAX = 40

_CODE_LABEL = re.compile(rf"(?i)\b{LABEL}\s*:")
# Six groups of four, or as many letters and digits at a stretch as no word has.
_CODE_LIKE = re.compile(r"(?i)(?<![a-z2-7])(?:[a-z2-7]{4}[\W_]{1,3}){5}[a-z2-7]{4}(?![a-z2-7])|[a-z2-7]{36}")
# Mail programs make links of these by themselves. A blank behind them leaves them to be read, and nothing to press.
_LINK = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]{1,20}://|\bwww\.|\b(?:mailto|javascript|data|tel):)(?=\S)")


def harmless(fact: str, most: int = SUBJECT_CHARACTERS_MAX) -> str:
    """`fact` as one line of at most `most` characters, wherever it is wrapped.

    Without the label that marks our code, and too short for a code if it looks like a piece of one: an answer that
    quotes our mail must name one mail only.
    """
    line = clean_line(_LINK.sub(r"\1 ", _CODE_LABEL.sub(LABEL, clean_line(fact, most))), most)
    looks_like_code = _CODE_LIKE.search(line) is not None or find_tokens(line)
    return clean_line(line, CODE_LIKE_CHARACTERS_MAX) if looks_like_code else line


def name_of(text: str) -> str:
    """An address or a list's name, of which people read some more letters."""
    return harmless(text, NAME_CHARACTERS_MAX)


def names_of(texts: Sequence[str]) -> Sequence[str]:
    """The names of a line that names a few of them (`Language.named`) and counts the others: those stay as they are."""
    few = NAMED_MAX + 1
    return [*map(name_of, texts[:few]), *texts[few:]]
