"""Octets as strangers send them: pieces that mean something, mutations of known inputs, and every way to cut them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from hypothesis import strategies as st

# How far from its ends a long input is cut at every place.
NEAR = 250
Change = tuple[float, int, bytes]

PLACES = st.lists(st.integers(0, 4000), max_size=8)
"""Where octets are cut into segments; counted round, so that any place fits any length."""


def heap(pieces: Sequence[bytes], most: int = 24) -> st.SearchStrategy[bytes]:
    """Telling pieces, now and then noise, one behind the other."""
    noise = st.binary(max_size=6)
    return st.lists(st.sampled_from(pieces) | noise, max_size=most).map(b"".join)


def mutated(seeds: Sequence[bytes], pieces: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """A known input with pieces put in, put over others, or cut out."""
    change = st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from([*pieces, b""]) | st.binary(max_size=4))
    return st.tuples(st.sampled_from(seeds), st.lists(change, max_size=6)).map(_changed)


def _changed(seed_and_changes: tuple[bytes, list[Change]]) -> bytes:
    seed, changes = seed_and_changes
    octets = bytearray(seed)
    for where, length, piece in changes:
        at = int(where * len(octets))
        octets[at : at + length] = piece
    return bytes(octets)


def cut(octets: bytes, places: Iterable[int]) -> list[bytes]:
    """`octets` in segments that end at `places`; some may be empty."""
    edges = [0, *sorted(place % (len(octets) + 1) for place in places), len(octets)]
    return [octets[start:end] for start, end in pairwise(edges)]


def cuts(octets: bytes, places: Iterable[int] = ()) -> Iterator[list[bytes]]:
    """In one piece, octet by octet, and cut at `places`."""
    yield [octets]
    yield [octets[at : at + 1] for at in range(len(octets))]
    yield cut(octets, places)


def all_cuts(octets: bytes) -> Iterator[list[bytes]]:
    """In one piece, octet by octet, and cut in two at each place near the beginning and near the end."""
    yield from cuts(octets)
    for at in {*range(1, min(len(octets), NEAR)), *range(max(1, len(octets) - NEAR), len(octets))}:
        yield [octets[:at], octets[at:]]
