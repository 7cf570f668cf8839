"""The labels of header blocks in a text: what a word before a colon means, in which languages."""

from __future__ import annotations

import unicodedata

from smtpguard.mail.labels import LANGUAGES

LABEL_CHARACTERS_MAX = 40
# Colons that are looked at in a line into which banner and block are glued.
ONE_LINE_COLONS_MAX = 40

Meanings = tuple[tuple[str, str], ...]
"""(language, field) pairs."""

_FIELDS = ("from", "date", "to", "cc", "bcc", "subject", "reply_to")
# Around a label and its value: emphasis of a plain version, bars of a table.
_AROUND = " \t*_|"


def folded(word: str) -> str:
    """`word` in lower case, composed (NFC). The Turkish capital I becomes an i: Python makes two characters of it."""
    lower = word.lower()
    return lower if lower.isascii() else unicodedata.normalize("NFC", lower).replace("i\u0307", "i")


def words_of(key: str) -> dict[str, str]:
    """Every word for `key` (see `labels.py`), folded, with the first language that has it."""
    found: dict[str, str] = {}
    for language, words in LANGUAGES.items():
        for word in words.get(key, "").split("|"):
            if word:
                found.setdefault(folded(word), language)
    return found


def _labels() -> dict[str, Meanings]:
    """Label to the (language, field) pairs it can mean: "da" is "from" in Italian only, "od" in four languages."""
    labels: dict[str, Meanings] = {}
    for language, words in LANGUAGES.items():
        for name in _FIELDS:
            for word in dict.fromkeys(map(folded, words.get(name, "").split("|"))):
                if word:
                    labels[word] = (*labels.get(word, ()), (language, name))
    return labels


LABELS = _labels()


def is_first_word(word: str, language: str, name: str) -> bool:
    """True if `word` is the first that the table has for field `name`: "date", where "sent" would do as well."""
    return folded(LANGUAGES[language].get(name, "").partition("|")[0]) == word


def read_label(text: str) -> tuple[Meanings, str, str] | None:
    """(what it can mean, the label, its value) of a line "*From:* Anna"."""
    colon = text.find(":", 0, LABEL_CHARACTERS_MAX)
    if not text.isascii():
        wide = text.find("\uff1a", 0, LABEL_CHARACTERS_MAX)
        colon = wide if colon < 0 or 0 <= wide < colon else colon
    if colon < 1:
        return None
    word = folded(text[:colon].strip(_AROUND))
    pairs = LABELS.get(word)
    return None if pairs is None else (pairs, word, text[colon + 1 :].strip(_AROUND))


def glued_labels(text: str) -> list[tuple[int, str, int]]:
    """(start, label, start of the value); a label may be glued to what stands before it: "example.orgTo: Ben"."""
    found: list[tuple[int, str, int]] = []
    colon = -1
    for _ in range(ONE_LINE_COLONS_MAX):
        floor, colon = colon + 1, text.find(":", colon + 1)
        if colon < 0:
            break
        head = text[max(floor, colon - LABEL_CHARACTERS_MAX) : colon].rstrip()
        for size in range(min(len(head), LABEL_CHARACTERS_MAX), 0, -1):
            word = head[-size:]
            # "A" or "À" at the end of a word is no label; longer ones may be glued to a word.
            if word[0].isupper() and folded(word) in LABELS and (size > 1 or not head[-2:-1].isalpha()):
                found.append((len(text[:colon].rstrip()) - size, folded(word), colon + 1))
                break
    return found
