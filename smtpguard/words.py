"""When two words are the same: letter for letter, case aside; for topics, endings aside as well."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Distinct phrases of list files whose words are kept apart; a thousand lists have some twenty each.
_PHRASES_KEPT_MAX = 32 * 1024

_WORD = re.compile(r"\w+")
_DIGITS = "0123456789"
# What an ending that does not count may end in: most words need no second look.
_LAST = frozenset("seny" + _DIGITS)


def words_in(text: str) -> list[str]:
    """The words of `text` in their order, each as it is compared."""
    return _WORD.findall(folded(text))


@lru_cache(maxsize=_PHRASES_KEPT_MAX)
def phrase_words(phrase: str) -> tuple[str, ...]:
    """The words of a phrase of a list file as they are compared. Words of mails do not belong here: they are kept."""
    return tuple(words_in(phrase))


def folded(text: str) -> str:
    """`text` as words are compared: case and the way in which accents are written do not count."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.casefold())


def stem(word: str) -> str:
    """A compared word without the endings of a plural or a case, and without a number behind it.

    It only brings forms of one word together: invoice and invoices, query and queries, Kasse and Kassen, Sitzung and
    Sitzungen, raid and raid5. It is no word to be shown. Short words stay as they are (news is not new, a theme not
    them), and so do endings that make another word of it (a farmer is no farm).
    """
    if len(word) < 4 or word[-1] not in _LAST:
        return word
    bare = word.rstrip(_DIGITS)
    if len(bare) >= 4:
        word = bare
    if len(word) >= 5 and word[-1] == "s" and word[-2] != "s":
        word = word[:-1]
    if len(word) >= 6 and word.endswith("en"):
        word = word[:-1]
    if word[-1] == "y":
        return word[:-1] + "i"
    if word.endswith("ie"):
        return word[:-1]
    return word[:-1] if len(word) >= 6 and word[-1] == "e" else word
