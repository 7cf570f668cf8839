"""Characters that cannot be seen, and change what is read: which of them may stand where in a settings file."""

from __future__ import annotations

import re
import unicodedata

# Blanks that look like a space and are none, and characters without width (Unicode 15, categories Zs and Cf), to be put
# into [] of a regular expression.
ODD_SPACE = "\u00a0\u00ad\u1680\u180e\u2000-\u200f\u202f\u205f\u2060-\u2064\u3000\ufeff"
# These end lines for YAML or turn the direction of writing: what an editor shows is not what is read (Trojan Source).
NEVER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# No width and no use in any language's writing, unlike the joiners of Persian and the marks of direction of Hebrew.
USELESS = re.compile(
    "[\u00ad\u034f\u115f\u1160\u180e\u200b\u2060-\u2064\u206a-\u206f\u2800\u3164\ufeff\uffa0\ufff0-\ufff8]"
)
# Letters of Persian and of Indian languages are written with them.
JOINERS = "\u200c\u200d"
# They choose between two pictures of one letter.
_VARIATIONS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def unseen_in_text(text: str) -> str | None:
    """The first character of `text` that no text needs, as `U+200B`; None if there is none."""
    found = NEVER.search(text) or USELESS.search(text)
    return None if found is None else code(found[0])


def unseen_in_name(text: str, allowed: str = "") -> str | None:
    """Likewise of a name or word that is compared letter by letter; those in `allowed` are none."""
    for each in text:
        if each not in allowed and not each.isascii() and _is_unseen(each):
            return code(each)
    return unseen_in_text(text)


def code(character: str) -> str:
    """`U+200B`."""
    return f"U+{ord(character):04X}"


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Zs", "Zl", "Zp", "Cc") or bool(_VARIATIONS.match(character))
