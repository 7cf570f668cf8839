"""Pieces of a text as people paste them, and what becomes of them on the way."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from textwrap import wrap

AMOUNTS = ("whole", "half", "paragraph", "two sentences", "one sentence")
Disguise = Callable[[str, random.Random, Sequence[str]], str]

# A shorter text is no letter; a shorter paragraph is a sentence; docs/limits.md says that sentences below some twelve
# words are not found.
WHOLE_WORDS_MIN = 40
PARAGRAPH_WORDS_MIN = 20
SENTENCE_WORDS_MIN = 10
# Code, tables and logs are not judged: nearly all words of prose are letters, and it has sentences.
LETTERS_MIN = 0.85

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-ZÄÖÜ])")
_WORD = re.compile(r"[(\"']*[^\W\d_]+(?:['’-][^\W\d_]+)*[.,;:!?)\"']*")
_LOOK_ALIKE = str.maketrans("aceopxyi", "асеорхуі")
_INVISIBLE = "\u200b\u200c\u2060\u00ad"


def pieces(text: str) -> dict[str, list[str]]:
    """What may be pasted of `text`, by amount: its prose in whole, by halves, paragraphs, and sentences."""
    paragraphs = [each for each in re.split(r"\n\s*\n", text) if _is_prose(each)]
    sentences = [[" ".join(each.split()) for each in _SENTENCE.split(one)] for one in paragraphs]
    flat = [each for one in sentences for each in one if len(each.split()) >= SENTENCE_WORDS_MIN and _is_prose(each)]
    whole = "\n\n".join(paragraphs)
    if len(whole.split()) < WHOLE_WORDS_MIN:
        return {each: [] for each in AMOUNTS}
    every = [each for one in sentences for each in one]
    halves = (" ".join(every[: len(every) // 2]), " ".join(every[len(every) // 2 :]))
    return {
        "whole": [whole],
        "half": [each for each in halves if len(each.split()) >= SENTENCE_WORDS_MIN],
        "paragraph": [each for each in paragraphs if len(each.split()) >= PARAGRAPH_WORDS_MIN],
        "two sentences": [f"{one} {other}" for one, other in pairwise(flat)],
        "one sentence": flat,
    }


def _is_prose(text: str) -> bool:
    words = text.split()
    letters = sum(_WORD.fullmatch(each) is not None for each in words)
    return len(words) >= 6 and letters >= LETTERS_MIN * len(words) and text.rstrip(" \t\"')")[-1:] in tuple(".!?:")


def _plain(text: str, _chosen: random.Random, _vocabulary: Sequence[str]) -> str:
    return text


def _quoted(text: str, _chosen: random.Random, _vocabulary: Sequence[str]) -> str:
    return "\n".join(f"> {line}" for each in text.split("\n\n") for line in (*wrap(each, 58), ""))


def _html(text: str, _chosen: random.Random, _vocabulary: Sequence[str]) -> str:
    paragraphs = (escape(each).replace("\n", "<br>\n").replace("  ", "&nbsp; ") for each in text.split("\n\n"))
    return "".join(f"<p>{each}</p>" for each in paragraphs)


def _look_alike(text: str, chosen: random.Random, _vocabulary: Sequence[str]) -> str:
    """A third of the letters that have a twin are Cyrillic; every sixth character is followed by an invisible one."""
    letters = (each.translate(_LOOK_ALIKE) if chosen.random() < 0.33 else each for each in text)
    return "".join(each + (chosen.choice(_INVISIBLE) if chosen.random() < 0.16 else "") for each in letters)


def _changed(every: int) -> Disguise:
    def disguise(text: str, chosen: random.Random, vocabulary: Sequence[str]) -> str:
        words = text.split()
        for place in range(chosen.randrange(every), len(words), every):
            words[place] = chosen.choice(vocabulary)
        return " ".join(words)

    return disguise


DISGUISES: dict[str, Disguise] = {
    "plain": _plain,
    "quoted and re-wrapped": _quoted,
    "HTML": _html,
    "look-alike and invisible letters": _look_alike,
    "every 20th word changed": _changed(20),
    "every 10th word changed": _changed(10),
    "every 5th word changed": _changed(5),
}


def mail_of(texts: Sequence[str], paste: str, *, html: bool) -> bytes:
    """A post with `texts` and `paste` below it."""
    host = "\n\n".join(texts)
    body = f"{_html(host, random.Random(0), ())}{paste}" if html else f"{host}\n\n{paste}\n"
    head = (
        "From: Erin Example <erin@example.org>\nTo: talk@lists.example.org\nSubject: News\nMIME-Version: 1.0\n"
        f"Content-Type: text/{'html' if html else 'plain'}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    )
    return (head + body).replace("\n", "\r\n").encode("utf-8", "replace")
