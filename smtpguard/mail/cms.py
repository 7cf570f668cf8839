"""S/MIME messages (CMS, RFC 5652; RFC 8551, 3): what kind they are, and what an opaque signature is wrapped around.

A reader of just these elements, in DER or BER: the lengths of large messages are left open by OpenSSL. Linear; never
raises; reads nothing twice.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

# Elements in elements, where the length is left open; CMS needs about eight.
DEPTH_MAX = 32
# Pieces of a content; OpenSSL writes 4 KiB in each.
PIECES_MAX = 100_000

_SEQUENCE, _CONTEXT, _OID, _OCTETS, _PIECES = 0x30, 0xA0, 0x06, 0x04, 0x24


class Cms(Enum):
    """Content types of CMS (RFC 5652, 4 to 8; RFC 5083; RFC 3274), by their object identifiers."""

    SIGNED = bytes.fromhex("2a864886f70d010702")
    ENVELOPED = bytes.fromhex("2a864886f70d010703")
    ENCRYPTED = bytes.fromhex("2a864886f70d010706")
    AUTH_ENVELOPED = bytes.fromhex("2a864886f70d0109100117")
    COMPRESSED = bytes.fromhex("2a864886f70d0109100109")


_KINDS = {each.value: each for each in Cms}


def cms_kind(octets: bytes) -> Cms | None:
    """What the beginning of a CMS message says that it is; None for anything else."""
    opened = _opened(octets)
    return opened[0] if opened is not None else None


class Signed(NamedTuple):
    """What a signature is wrapped around, as far as it can be read; `complete` is false where that is not all."""

    octets: bytes
    complete: bool


def signed_content(octets: bytes) -> Signed | None:
    """The content that signed-data carries (RFC 5652, 5.2), a MIME entity; None if it carries none or is unreadable."""
    opened = _opened(octets)
    if opened is None or opened[0] is not Cms.SIGNED:
        return None
    at = _inside(octets, opened[1], _CONTEXT)
    at = _inside(octets, at, _SEQUENCE)
    # version and digestAlgorithms
    at = _behind(octets, _behind(octets, at))
    at = _inside(octets, at, _SEQUENCE)
    at = _inside(octets, _behind(octets, at), _CONTEXT)
    return _octet_string(octets, at)


def _opened(octets: bytes) -> tuple[Cms, int] | None:
    """The kind of the ContentInfo at the beginning, and where its content begins."""
    at = _inside(octets, 0, _SEQUENCE)
    tag, start, end = _element(octets, at)
    kind = _KINDS.get(octets[start:end]) if tag == _OID and end >= 0 else None
    return None if kind is None else (kind, end)


def _element(octets: bytes, at: int) -> tuple[int, int, int]:
    """(tag, start of the value, its end) of the element at `at`; the end is -1 if the length is left open, and the tag
    is -1 if there is no element that can be read.
    """
    if at < 0 or at + 2 > len(octets):
        return -1, -1, -1
    tag, length, start = octets[at], octets[at + 1], at + 2
    if length == 0x80:
        return tag, start, -1
    if length > 0x80:
        size = length - 0x80
        if size > 4:
            return -1, -1, -1
        length = int.from_bytes(octets[start : start + size], "big")
        start += size
    return tag, start, start + length


def _inside(octets: bytes, at: int, wanted: int) -> int:
    """Where the value of the element at `at` begins, -1 if it is not a `wanted` one."""
    tag, start, _ = _element(octets, at)
    return start if tag == wanted else -1


def _behind(octets: bytes, at: int) -> int:
    """Where the element at `at` ends, -1 if that cannot be read."""
    opened = 0
    for _ in range(PIECES_MAX):
        tag, start, end = _element(octets, at)
        if tag < 0:
            return -1
        if end < 0:
            opened += 1
            at = start
        elif opened and tag == 0 and end == start:
            opened -= 1
            at = end
        else:
            at = end
        if not opened:
            return at
        if opened > DEPTH_MAX:
            return -1
    return -1


def _octet_string(octets: bytes, at: int) -> Signed | None:
    """The value of an OCTET STRING, which may come in pieces (X.690, 8.7.3)."""
    tag, start, end = _element(octets, at)
    if tag == _OCTETS and end >= 0:
        return Signed(octets[start:end], end <= len(octets))
    if tag != _PIECES:
        return None
    pieces: list[bytes] = []
    at, stop = start, end if end >= 0 else len(octets)
    last = False
    while at < stop and len(pieces) < PIECES_MAX:
        tag, start, end = _element(octets, at)
        if tag != _OCTETS or end < 0:
            # Two zero octets end what has no length.
            last = tag == 0 and start == end
            break
        pieces.append(octets[start:end])
        at = end
    return Signed(b"".join(pieces), last or at == stop <= len(octets))
