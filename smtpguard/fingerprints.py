"""Fingerprints: what is kept of a list post, so that the same text is known again after some words were changed.

Every four words in a row are one window; a keyed function makes 32 bits of each, which is enough where two posts are
compared at a time. It can then be said how much of the new one stood in the earlier one, and nothing else, by nobody
who has not the key. Whoever has key and fingerprints can rebuild text by trying words: so a key lives a week's time,
never in the database, and of held mail there are no fingerprints at all (THREAT-MODEL T-02, section 4).

The whole own text counts, not prose alone: it is compared with posts of the same account only, where a form letter
sent to two lists is just what rule 12 is about; and how much of a short German text is prose, an English list of words
cannot tell.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Sequence
from hashlib import blake2b
from itertools import compress

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

WINDOW_WORDS = 4
# What is compared of one post: eight pages. A longer text that goes to two lists is alike in its first eight, too.
WORDS_MAX = 2000
# So much text is looked at for words: more than WORDS_MAX of them have in any language that parts words by blanks.
CHARACTERS_MAX = 32 * 1024
# Words between two stretches that stood in the earlier post, which count as changed in it, not as new. A changed word
# takes four windows with it, so three that lie near each other hide a dozen: of 40 words with 10 % changed at random
# 85 % lie in a window that is whole. Measured with 80 % as the rule: without gaps 7 re-posts in 100 are missed, with 8
# words 5, with 12 words 3. Wider ones would swallow a sentence written new.
GAP_WORDS = 12
# The same at both ends of a text, where a changed word hides up to three kept ones.
EDGE_WORDS = 4
# Words whose hash is kept at hand: a language's daily words are fewer. When full it begins anew.
_HASHES_MAX = 20_000
_HASH_OCTETS = 4
_BLOCK = WINDOW_WORDS * _HASH_OCTETS

_WORD = re.compile(r"[^\W_]+")
# Left out before words are parted: what nobody sees (soft hyphens, zero width, direction) and apostrophes.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff'\u2019\u02bc]")
# By octet of UTF-8: ASCII letters become small, what is no letter and no digit parts words; of others nothing changes.
_ASCII = bytes(ord(chr(each).lower()) if chr(each).isalnum() else ord(" ") for each in range(128))
_PARTED = _ASCII + bytes(range(128, 256))


def words_of(text: str) -> list[str]:
    """The first WORDS_MAX words of `text`, in the form in which they are compared: runs of letters and digits."""
    head = text[:CHARACTERS_MAX]
    if head.isascii():
        # The same, in a sixth of the time.
        return head.encode("ascii").translate(_PARTED, b"'").decode("ascii").split(None, WORDS_MAX)[:WORDS_MAX]
    head = unicodedata.normalize("NFKC", _INVISIBLE.sub("", head)).casefold()
    octets = head.encode("utf-8", "surrogatepass").translate(_PARTED)
    words = octets.decode("utf-8", "surrogatepass").split(None, WORDS_MAX)[:WORDS_MAX]
    if all(map(str.isalnum, words)):
        return words
    return [part for each in words for part in ((each,) if each.isalnum() else _WORD.findall(each))][:WORDS_MAX]


class Fingerprinter:
    """Makes fingerprints with one key of 32 octets. Those of two keys have nothing in common."""

    def __init__(self, key: bytes) -> None:
        block_key = blake2b(key=key, digest_size=32, person=b"smtpguard window").digest()
        # Each block is encrypted for itself: equal windows shall give equal fingerprints, and one call makes them all.
        self._cipher = Cipher(AES(block_key), ECB())  # noqa: S305 - a keyed function, nothing is kept secret by it
        self._hashes = _WordHashes(blake2b(key=key, digest_size=32, person=b"smtpguard words").digest())

    def windows(self, words: Sequence[str]) -> array[int]:
        """A fingerprint for each window of `words`, in their order; none if there are fewer than four words."""
        count = len(words) - WINDOW_WORDS + 1
        if count < 1:
            return array("I")
        hashes = b"".join(map(self._hashes.__getitem__, words))
        # Shifted by one word, the row of hashes is another row of windows.
        starts = range(0, min(WINDOW_WORDS, count) * _HASH_OCTETS, _HASH_OCTETS)
        rows = [hashes[start : start + (len(hashes) - start) // _BLOCK * _BLOCK] for start in starts]
        blocks = memoryview(self._cipher.encryptor().update(b"".join(rows))).cast("I")[:: _BLOCK // 4].tobytes()
        made = array("I", blocks)
        found = array("I", bytes(count * _HASH_OCTETS))
        place = 0
        for first, row in enumerate(rows):
            following = place + len(row) // _BLOCK
            found[first::WINDOW_WORDS] = made[place:following]
            place = following
        return found


class _WordHashes(dict[str, bytes]):
    """The keyed hash of each word, made when it is asked for the first time: one look-up a word, in C."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self._key = key

    def __missing__(self, word: str) -> bytes:
        if len(self) >= _HASHES_MAX:
            self.clear()
        octets = word.encode("utf-8", "surrogatepass")
        value = self[word] = blake2b(octets, key=self._key, digest_size=_HASH_OCTETS).digest()
        return value


def to_octets(windows: array[int]) -> bytes:
    """The form in which windows are stored, in this machine's order of octets. They stay in the text's order: whoever
    has the key finds it anyway, and sorting them took as long as making them."""
    return windows.tobytes()


def share(windows: Sequence[int], stored: bytes) -> float:
    """How much of the text with `windows` stood in the one stored as `stored`: 0 to 1, by words.

    A word counts if it is part of a window that both have, or stands in a short gap between two such.
    """
    if not windows:
        return 0.0
    known = set(windows).intersection(memoryview(stored).cast("I"))
    if not known:
        return 0.0
    count = len(windows) + WINDOW_WORDS - 1
    covered = end = 0
    for place in compress(range(len(windows)), map(known.__contains__, windows)):
        gap = place - end
        bridged = gap <= (GAP_WORDS if end else EDGE_WORDS)
        covered += WINDOW_WORDS + (gap if bridged else 0)
        end = place + WINDOW_WORDS
    if count - end <= EDGE_WORDS:
        covered += count - end
    return covered / count
