"""When a word that somebody typed is a word that is known: case, accents and umlauts do not count.

Keyboards of travellers have no umlauts, people leave accents out of capitals, and telephones put in what was not meant.
What is not done: letters that only look like others (full-width, long s, Kelvin sign) stay what they are.
"""

from __future__ import annotations

import re
import unicodedata

WORD_CHARACTERS_MAX = 40
# More than this is a sentence.
WORD_PARTS_MAX = 4

# Written in two letters where a keyboard lacks them.
_TWO_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
# What has no accent that could be taken away. Turkish has two letters for i, of which other keyboards have one.
_BARE = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u00b4`", "'") | dict.fromkeys("\u2010\u2011", "-"))
# Combining diacritical marks: those of Latin, Greek and Cyrillic. In other scripts marks are letters. Strokes through a
# letter (U+0334 to U+0338) are none: whoever crosses a word out means the contrary.
_ACCENTS = re.compile("[\u0300-\u0333\u0339-\u036f]+")
_WORD = re.compile(r"[^\W\d_](?:[\w' -]*\w)?")
_DIGIT = re.compile(r"\d")


def plain(text: str) -> str | None:
    """`text` in lower case, with one form for each letter and one blank between words.

    None where a letter would only become an ASCII one by that (U+212A, the Kelvin sign): it is not the letter meant.
    """
    if not text.isascii():
        for each in text:
            if not each.isascii() and (unicodedata.normalize("NFC", each) + each.lower()).isascii():
                return None
        text = unicodedata.normalize("NFC", text).translate(_APOSTROPHES)
    return " ".join(text.lower().split())


def bare(text: str) -> str:
    """`text`, as `plain` makes it, without accents and umlauts: "zuruck"."""
    letters = text.translate(_BARE)
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", letters)))


def bare_spellings(text: str) -> frozenset[str]:
    """All that `bare` may make of what people type for `text`, as `plain` makes it: "zuruck" and "zurueck"."""
    return frozenset((bare(text), bare(text.translate(_TWO_LETTERS))))


def is_word(text: str) -> bool:
    """Whether `text` can be a word of a choice: letters, with blanks, hyphens and apostrophes between them."""
    text = text.translate(_APOSTROPHES)
    return (
        0 < len(text) <= WORD_CHARACTERS_MAX
        and len(text.split()) <= WORD_PARTS_MAX
        and _WORD.fullmatch(text) is not None
        and _DIGIT.search(text) is None
        and "_" not in text
    )
