"""The sketch of a held mail: 256 bits by which a corrected copy is known again, and which give no word back (T-02).

Each bit is one bit of the smallest of many keyed hashes of the pairs of words. Two texts agree in half of the bits by
chance, and in one more of each two as far as their pairs are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

BITS = 256
# Pairs that are looked at, those with the smallest hashes: the same ones in both texts, as far as both have them. So
# many take some 5 ms, which only mail that is held takes, and mail of somebody whose mail waits.
PAIRS_MAX = 300
# Fewer words say too little: "see you there" is like every other.
WORDS_MIN = 8
# Of 256: unrelated texts agree in 128 +- 8, one with every tenth word changed in 215 +- 6. Between them, nearer to
# chance, since both mails have one Subject and one sender, too.
ALIKE_BITS = 180

_HASH_OCTETS = 16
_LANES = BITS // 4  # hashes of 32 bits in one block of AES


def sketch_of(key: bytes, words: Sequence[str]) -> bytes | None:
    """The sketch of a text by its words (fingerprints.words_of), 32 octets; None if there are too few.

    `key` has 32 octets.
    """
    if len(words) < WORDS_MIN:
        return None
    pairs = {f"{one} {other}".encode("utf-8", "surrogatepass") for one, other in pairwise(words)}
    hashes = sorted(
        blake2b(each, key=key, digest_size=_HASH_OCTETS, person=b"smtpguard sketch").digest() for each in pairs
    )[:PAIRS_MAX]
    # Many hashes of each pair: its own one, changed in its last octet and encrypted.
    cipher = Cipher(AES(blake2b(key=key, digest_size=32, person=b"smtpguard lanes").digest()), ECB())  # noqa: S305 - a keyed function
    encryptor = cipher.encryptor()
    lanes = b"".join([each[:-1] + bytes((lane,)) for each in hashes for lane in range(_LANES)])
    numbers = memoryview(encryptor.update(lanes)).cast("I")
    bits = 0
    for place in range(BITS):
        bits = bits << 1 | min(numbers[place::BITS].tolist()) & 1
    return bits.to_bytes(BITS // 8, "big")


def alike(one: bytes, other: bytes) -> bool:
    """True if two sketches under one key are those of one text, some words changed."""
    differing = (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()
    return BITS - differing >= ALIKE_BITS
