"""Prose shingles: the four words in a row by which a text is known again when somebody pastes it elsewhere.

Only what reads like prose counts: one function word at least and one other word, no number, no lone letter, no word
three times. Tables, logs, programs and addresses are alike in mails that have nothing to do with each other. What a
paste changes is undone first: line breaks, quote marks, case, hyphens, apostrophes, invisible and look-alike letters.

A shingle is 16 octets, 32 bits for each word, without any key: `copying` makes keyed fingerprints of it. So one look-up
a word serves all keys, and a member has as many as there are weeks. Measured on list archives (tests/corpus/copies.py).
"""

from __future__ import annotations

import re
import sys
import unicodedata
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from itertools import compress
from operator import not_

from smtpguard import stock
from smtpguard.layout import prose_text, running_text

WORDS_A_SHINGLE = 4
SHINGLE_OCTETS = 16
# What is looked at of one passage. 100 KB of text are some 17,000 words; a longer one is a book or a log, and whoever
# passes on a book's page passes on one of the first hundred.
WORDS_MAX = 40_000
CHARACTERS_MAX = 256 * 1024
# What is kept of one passage of private mail: twelve pages. It bounds the room that one mail takes.
WORDS_KEPT_MAX = 6_000
# In scripts of which no language is shipped, words of so many letters bind.
_SHORT = 3
_CYRILLIC_LAST = "\u052f"
_VIETNAMESE_FIRST, _VIETNAMESE_LAST = "\u1e00", "\u1eff"  # Latin letters with two marks
# Words as they are typed whose hash is kept at hand. When full it begins anew.
_WORDS_KNOWN_MAX = 20_000

# Words that are looked for as they are typed have so many letters together, and so much that is no letter between two
# of them and within one; what is longer is shown as it was read.
_TYPED_MAX = 200
_BETWEEN = r"[\W_]{1,80}"
_WITHIN = r"[\W_]{0,8}"

# Where the halves of a word's value lie in this machine's order of octets.
_HASH_AT, _CLASS_AT = (0, 4) if sys.byteorder == "little" else (1, 3)
_FUNCTION, _CONTENT, _NEITHER = 1, 2, 4
# Windows whose four words together are function and content words and nothing else.
_IS_PROSE = bytes(each == _FUNCTION | _CONTENT for each in range(256))

_TOKEN = re.compile(r"[^\W_]+")
# What nobody sees: soft hyphens, combining joiner, zero width, direction, variation selectors, byte order mark, tags.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\U000e0000-\U000e0fff]"
)
# How these begin in UTF-8: most texts have none of them, and a search for octets is quicker than one for characters.
_INVISIBLE_LEADS = (
    b"\xc2\xad", b"\xcd\x8f", b"\xd8\x9c", b"\xe1\x85", b"\xe1\x9e", b"\xe1\xa0", b"\xe2\x80", b"\xe2\x81",
    b"\xe3\x85", b"\xef\xb8", b"\xef\xbb", b"\xef\xbe", b"\xf3\xa0",
)  # fmt: skip
_APOSTROPHES = "'\u2018\u2019\u02bc\u00b4`"
# By octet of UTF-8: what is no ASCII letter and no digit parts words; of other letters nothing changes.
_PARTED = bytes(each if each > 127 or chr(each).isalnum() else ord(" ") for each in range(256))
_GONE = b"-'`"
# The most common punctuation outside ASCII: no-break space, guillemets, dashes, quotation marks, bullet, ellipsis.
_SPACES = tuple(each.encode() for each in "\u00a0\u00ab\u00bb\u2013\u2014\u201a\u201c\u201d\u201e\u2022\u2026")
_NOTHING = tuple(each.encode() for each in _APOSTROPHES if not each.isascii())

# Letters that look like Latin ones, small, after case folding (Unicode TR 39 has them all; these are in fonts and
# keyboards). They count as Latin everywhere, in whatever word: what is mixed cannot be told from what is not.
_LOOK_ALIKE = str.maketrans(
    # Cyrillic, Greek; Turkish, phonetic and Armenian ones.
    "\u0430\u0432\u0435\u0456\u0458\u043a\u043c\u043d\u043e\u0440\u0441"
    "\u0442\u0443\u0445\u0455\u0501\u051b\u051d\u04bb\u044c\u04cf\u0475"
    "\u03b1\u03b2\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4"
    "\u03c5\u03c7\u03b3\u03b7\u03bc\u03c9\u03c3\u03f2\u03f3"
    "\u0131\u0261\u0251\u0578\u057d\u0585\u0581",
    "abeijkmhopctyxsdqwhblvabeikvoptuxynmwocjiganuoq",
)


@dataclass(frozen=True, slots=True)
class Prose:
    """The words of one passage as they are typed, and their shingles.

    `blocks` has SHINGLE_OCTETS for every four words in a row, `marks` one octet: 1 where they are prose, else 0.
    Of several texts read together, `starts` are the places of their first words.
    """

    words: list[str] = field(repr=False)
    blocks: bytes = field(repr=False)
    marks: bytes = field(repr=False)
    starts: tuple[int, ...] = (0,)

    @property
    def places(self) -> list[int]:
        """Where prose shingles begin, by word."""
        return list(compress(range(len(self.marks)), self.marks))

    def shingle(self, place: int) -> bytes:
        """The shingle that begins with word `place`."""
        return self.blocks[place * SHINGLE_OCTETS : (place + 1) * SHINGLE_OCTETS]

    def shingles(self) -> list[tuple[int, bytes]]:
        """Every prose shingle with its place, in order."""
        return [(place, self.shingle(place)) for place in self.places]


class ProseReader:
    """Reads passages. It keeps common words at hand, in memory alone; one serves all keys and accounts."""

    def __init__(self) -> None:
        self._values = _Values()

    def read(self, text: str, *, stored: bool = False) -> Prose:
        """The prose of `text`, LF between its lines: its first WORDS_MAX words. Linear; never raises.

        `stored` is true for text that is kept. Then what has no prose is left out: the signature, lines and words as
        programs and logs have them, shingles with the same word three times; and there are at most WORDS_KEPT_MAX
        words. A text that is looked up is taken as it is: a paste may stand below the signature, its lines may be
        broken elsewhere, and what is not kept cannot be found.
        """
        text = _visible(text[:CHARACTERS_MAX])
        words = _words(prose_text(text) if stored else running_text(text))
        return self._prose(words[:WORDS_KEPT_MAX] if stored else words, stored=stored)

    def read_together(self, texts: Sequence[str]) -> Prose:
        """The prose of several texts one behind the other, as it is looked up: WORDS_MAX words of all of them."""
        words: list[str] = []
        starts = []
        room = CHARACTERS_MAX
        for text in texts:
            starts.append(len(words))
            words += _words(running_text(_visible(text[:room])))
            room = max(0, room - len(text))
        return self._prose(words[:WORDS_MAX], tuple(starts), stored=False)

    def _prose(self, words: list[str], starts: tuple[int, ...] = (0,), *, stored: bool) -> Prose:
        count = len(words) - WORDS_A_SHINGLE + 1
        if count < 1:
            return Prose(words, b"", b"", starts)
        octets = array("Q", self._values.of(words)).tobytes()
        hashes = array("I", octets)[_HASH_AT::2]
        classes = int.from_bytes(octets[_CLASS_AT::8], "little")
        # Or-ed with the next three, all words at once: what kinds of words a window has.
        together = classes | classes >> 8 | classes >> 16 | classes >> 24
        marks = together.to_bytes(len(words), "little")[:count].translate(_IS_PROSE)
        blocks = array("I", bytes(count * SHINGLE_OCTETS))
        for at in range(WORDS_A_SHINGLE):
            blocks[at::WORDS_A_SHINGLE] = hashes[at : at + count]
        return Prose(words, blocks.tobytes(), _without_repeats(marks, hashes) if stored else marks, starts)

    def phrases(self, phrases: Iterable[str]) -> frozenset[bytes]:
        """The shingles of stock phrases, each for itself."""
        return frozenset(shingle for each in phrases for _, shingle in self.read(each).shingles())


def words_of(text: str) -> list[str]:
    """The first WORDS_MAX words of `text` as they are typed, without what hides them, header lines and addresses."""
    return _words(running_text(_visible(text[:CHARACTERS_MAX])))


def as_typed(text: str, words: Sequence[str]) -> str:
    """`words`, which stand in `text` in a row, with everything between them, in one line; without it if they are not
    found so, because letters are written in another way."""
    plain = " ".join(words)
    if len(plain) > _TYPED_MAX:
        return plain
    found = re.search(
        _BETWEEN.join(_WITHIN.join(map(re.escape, each)) for each in words), _visible(text[:CHARACTERS_MAX])
    )
    return " ".join(found[0].split()) if found is not None else plain


def _words(text: str) -> list[str]:
    if text.isascii():
        # The same, in a fraction of the time.
        return text.encode("ascii").translate(_PARTED, _GONE).decode("ascii").split(None, WORDS_MAX)[:WORDS_MAX]
    octets = text.encode("utf-8", "surrogatepass")
    if b"\xe2\x80" in octets or b"\xc2" in octets or b"\xca" in octets:
        for each in _SPACES:
            octets = octets.replace(each, b" ")
        for each in _NOTHING:
            octets = octets.replace(each, b"")
    words = octets.translate(_PARTED, _GONE).decode("utf-8", "surrogatepass").split(None, WORDS_MAX)[:WORDS_MAX]
    # Few words have letters and something else that parts words.
    parted: list[str] = []
    start = 0
    for place in compress(range(len(words)), map(not_, map(str.isalnum, words))):
        parted += words[start:place]
        parted += _TOKEN.findall(_composed(words[place]))
        start = place + 1
    return (parted + words[start:])[:WORDS_MAX] if start else words


def _visible(text: str) -> str:
    """`text` without characters that nobody sees."""
    if text.isascii():
        return text
    octets = text.encode("utf-8", "surrogatepass")
    if not any(each in octets for each in _INVISIBLE_LEADS):
        return text
    return _INVISIBLE.sub("", text).replace("\u2010", "-").replace("\u2011", "-")


def normal(word: str) -> str:
    """`word` as it is compared: one way of writing a letter (NFKC), case folded, letters that look Latin as Latin."""
    if word.isascii():
        return word.lower()
    # Turkish has a capital I with a dot, which folds to two characters.
    return _composed(_composed(word).casefold()).replace("i\u0307", "i").translate(_LOOK_ALIKE)


class _Values:
    """For each word as typed 32 bits of hash and, above them, its class: one look-up a word, in C."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, words: Sequence[str]) -> list[int]:
        """The values of `words`, in their order."""
        known = self._known
        try:
            return list(map(known.__getitem__, words))
        except KeyError:
            pass
        if len(known) >= _WORDS_KNOWN_MAX:
            # Made beside the old one: another thread may be reading.
            known = self._known = {}
        for typed in set(words).difference(known):
            known[typed] = self._value(typed)
        return [known[each] for each in words]

    def _value(self, typed: str) -> int:
        word = normal(typed)
        octets = word.encode("utf-8", "surrogatepass")
        number = int.from_bytes(blake2b(octets, digest_size=4, person=b"smtpguard prose").digest(), "little")
        return self._class_of(word) << 32 | number

    def _class_of(self, word: str) -> int:
        if word in _function_words():
            return _FUNCTION
        if len(word) == 1 or not word.isalpha():
            return _NEITHER
        # Arabic, Hebrew, Hangul...: no language of these scripts is shipped, but short words bind in most languages.
        is_foreign = word[0] > _CYRILLIC_LAST and not _VIETNAMESE_FIRST <= word[0] <= _VIETNAMESE_LAST
        return _FUNCTION if is_foreign and len(word) <= _SHORT else _CONTENT


@cache
def _function_words() -> frozenset[str]:
    return frozenset(normal(part) for word in stock.function_words() for part in words_of(word))


def _composed(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _without_repeats(marks: bytes, hashes: array[int]) -> bytes:
    """`marks` without windows that have fewer than three different words ("and so on and on")."""
    found = bytearray(marks)
    for place in compress(range(len(marks)), marks):
        if len(set(hashes[place : place + WORDS_A_SHINGLE])) < WORDS_A_SHINGLE - 1:
            found[place] = 0
    return bytes(found)
