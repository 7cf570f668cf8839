"""What strangers wrote, fit to stand in a mail of ours: one line, and nothing that passes for a code."""

from __future__ import annotations

import re

from smtpguard.answers.token import LABEL
from smtpguard.notices.letter import clean_line

NAME_CHARACTERS_MAX = 100

_CODE_LABEL = re.compile(rf"(?i)\b{LABEL}\s*:")


def harmless(fact: str) -> str:
    """A fact for a reason: one line, without the label that marks our code, wherever it is wrapped."""
    return _CODE_LABEL.sub(LABEL, clean_line(fact))


def name_of(text: str) -> str:
    """An address or a list's name, of which people read some more letters."""
    return clean_line(text, NAME_CHARACTERS_MAX)
