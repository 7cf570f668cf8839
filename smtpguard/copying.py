"""Copying: whether a text has stood in an earlier private mail, told by keyed fingerprints of its prose shingles.

A member is compared with the mail alone that he wrote or got: every recipient has a key of his own, made of the week's
key (THREAT-MODEL T-10, T-11), so a look-up cannot reach anybody else's. Without the key they tell nothing but that
two of one member's mails have words in common; whoever has it can rebuild text by trying words, so it lives outside the
database and not for long (section 4).
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import compress
from typing import Literal, TypeVar

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from smtpguard.prose import SHINGLE_OCTETS, WORDS_A_SHINGLE, Prose

# Those of one mailbox are compared with one mail at a time, and a run takes several: 32 bits never agree by chance, are
# quicker to compare and tell less. Those of list posts lie in one table, with a year of all lists.
MAILBOX_OCTETS = 4
TABLE_OCTETS = 8
# SQLite's numbers have a sign.
_TYPES: Mapping[int, Literal["I", "q"]] = {MAILBOX_OCTETS: "I", TABLE_OCTETS: "q"}
# Words that must be copied in one run: half a short sentence (SEMANTICS c1, "Minimum size").
RUN_MIN = 8
# Words between two copied stretches of one run. A changed word takes four shingles with it; of every fifth word changed
# nothing but one shingle in five words is left, and some of these are no prose.
GAP_WORDS = 8
# Words between two stock phrases that belong to them: a name, a number, a turn of phrase that the files do not have. No
# run fits in there.
STOCK_GAP_WORDS = RUN_MIN - 1

Source = TypeVar("Source", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Run:
    """Copied words that lie close together: the place of the first, one beyond that of the last, how many there are."""

    start: int
    end: int
    words: int


class Copier:
    """Makes fingerprints of so many `octets` with one key of 32 octets. Those of two keys have nothing in common."""

    def __init__(self, key: bytes, octets: int = MAILBOX_OCTETS) -> None:
        block_key = blake2b(key=key, digest_size=32, person=b"smtpguard copies").digest()
        # Each shingle is one block, encrypted for itself: equal ones shall have equal fingerprints.
        self._cipher = Cipher(AES(block_key), ECB())  # noqa: S305 - a keyed function, nothing is kept secret by it
        self._type = _TYPES[octets]
        self._pace = SHINGLE_OCTETS // octets

    def fingerprints(self, prose: Prose) -> array[int]:
        """The fingerprint of every four words in a row, prose or not, in their order."""
        return self.of_shingles(prose.blocks)

    def of_prose(self, prose: Prose) -> set[int]:
        """The fingerprints of all prose shingles."""
        return set(compress(self.fingerprints(prose), prose.marks))

    def of_shingles(self, shingles: bytes) -> array[int]:
        """The fingerprints of shingles that lie behind each other."""
        # A part of each block: with all of it, whoever has the key could turn it back.
        made = memoryview(self._cipher.encryptor().update(shingles)).cast(self._type)
        return array(self._type, made[:: self._pace].tobytes())

    def kept(self, prose: Prose, known: Collection[bytes] = frozenset()) -> array[int]:
        """What is kept of a private mail's passage: each fingerprint of a prose shingle, once, but those `known` to
        prove nothing (stock phrases).

        They are sorted, so that nothing tells the order of the words. `prose` was read as `stored`.
        """
        made = self.fingerprints(prose)
        return array(self._type, sorted({made[place] for place, shingle in prose.shingles() if shingle not in known}))


def hits(fingerprints: array[int], known: Collection[int]) -> list[int]:
    """The places of fingerprints that are in `known`. What is no prose was never kept, so it is not asked for."""
    return list(compress(range(len(fingerprints)), map(known.__contains__, fingerprints)))


def runs(found: Mapping[int, Iterable[Source]], excused: Collection[int] = frozenset()) -> dict[Source, Run]:
    """The longest run from each earlier mail. `found` has, for the place of a copied shingle, the mails that have it.

    What does not count is left out of `found` by the caller: shingles that stood in a list post the member may read,
    in two threads of his, or in a mail of his own. `excused` are the places of words that do not count whatever mail
    has them (`stock_words`).
    """
    places: dict[Source, list[int]] = {}
    for place, sources in found.items():
        for source in sources:
            places.setdefault(source, []).append(place)
    longest = {source: longest_run(each, excused) for source, each in places.items()}
    return {source: run for source, run in longest.items() if run is not None}


def longest_run(places: Iterable[int], excused: Collection[int] = frozenset()) -> Run | None:
    """The run with the most copied words; None if there is none.

    `places` are those of copied shingles, `excused` those of words that do not count.
    """
    best: Run | None = None
    start = end = words = 0
    for place in sorted(set(places)):
        counted = [each for each in range(max(place, end), place + WORDS_A_SHINGLE) if each not in excused]
        if not counted:
            continue
        if words and counted[0] - end > GAP_WORDS:
            best = _better(best, start, end, words)
            words = 0
        if not words:
            start = counted[0]
        words += len(counted)
        end = counted[-1] + 1
    return _better(best, start, end, words) if words else best


def stock_words(prose: Prose, stock: Collection[bytes]) -> frozenset[int]:
    """The places of all words of stock phrases, and of the few words between two of them."""
    places = [place for place, shingle in prose.shingles() if shingle in stock]
    found: set[int] = set()
    end: int | None = None
    for place in places:
        first = place if end is None or place - end > STOCK_GAP_WORDS else end
        found.update(range(first, place + WORDS_A_SHINGLE))
        end = place + WORDS_A_SHINGLE
    return frozenset(found)


def _better(best: Run | None, start: int, end: int, words: int) -> Run:
    return Run(start, end, words) if best is None or words > best.words else best
