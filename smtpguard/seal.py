"""The seal: what a held mail lies under while it waits (THREAT-MODEL T-01, T-02).

The row's id and the seal's key both come from the token in the sender's notice, the key from the day key as well.
Whoever has the database alone, or the database and the notice after the day key is gone, has nothing. The card is
sealed under the day key alone, because the line that tells of an expiry must be written without the token.

A sealed text is: format version (1 octet), nonce (12 octets), AES-256-GCM cipher text with its tag. Id, version and
expiry are bound in as associated data: a box moved to another row, or given more time, does not open.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# AES-256 and SHA-256: token, day key, id and every derived key are as long as that (octets).
KEY_OCTETS = 32
# NIST SP 800-38D, 5.2.1.1: 96 bits is the nonce that GCM takes as it is.
NONCE_OCTETS = 12
FORMAT_VERSION = 1
# Among the few answers that one notice gets, no two have the same by chance.
ANSWER_TAG_OCTETS = 16

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class SealError(Exception):
    """It did not open. Why is not told: a wrong key, a changed box and a foreign one look alike."""

    def __init__(self) -> None:
        super().__init__("the seal did not open")


def hold_id(token: bytes) -> bytes:
    """The 32 octets under which a held mail lies in the store; they tell nothing about `token`."""
    return _derived(token, salt=None, info=b"smtpguard hold id v1")


def answer_tag(token: bytes, octets: bytes) -> bytes:
    """ANSWER_TAG_OCTETS that tell one answer under `token` from the next, and nothing to whoever has no token."""
    key = _derived(token, salt=None, info=b"smtpguard answer v1")
    return hmac.digest(key, octets, "sha256")[:ANSWER_TAG_OCTETS]


def seal(mail: bytes, *, token: bytes, day_key: bytes, nonce: bytes, expires: datetime) -> bytes:
    """Seal `mail` so that only `token` and `day_key` together open it. `nonce` is 12 random octets, `expires` aware."""
    return _sealed(mail, _seal_key(token, day_key), nonce, hold_id(token), expires)


def open_box(box: bytes, *, token: bytes, day_key: bytes, expires: datetime) -> bytes:
    """What `seal` was given. Raises SealError if any of the three is not what the box was sealed with."""
    return _opened(box, _seal_key(token, day_key), hold_id(token), expires)


def seal_card(card: bytes, *, hold_id: bytes, day_key: bytes, nonce: bytes, expires: datetime) -> bytes:
    """Seal `card` under the day key alone, bound to the row `hold_id`. `nonce` is 12 random octets, `expires` aware."""
    return _sealed(card, _card_key(day_key), nonce, hold_id, expires)


def open_card(card: bytes, *, hold_id: bytes, day_key: bytes, expires: datetime) -> bytes:
    """What `seal_card` was given. Raises SealError if any of the three is not what the card was sealed with."""
    return _opened(card, _card_key(day_key), hold_id, expires)


def seal_figures(figures: bytes, *, week: str, week_key: bytes, nonce: bytes) -> bytes:
    """Seal what was counted in `week` under its key. `nonce` is 12 random octets."""
    return _sealed(figures, _figures_key(week_key), nonce, _figures_name(week), _EPOCH)


def open_figures(sealed: bytes, *, week: str, week_key: bytes) -> bytes:
    """What `seal_figures` was given. Raises SealError if week or key is not what the figures were sealed with."""
    return _opened(sealed, _figures_key(week_key), _figures_name(week), _EPOCH)


def content_digest(pieces: Iterable[bytes]) -> bytes:
    """SHA-256 of a whole content, taken piece by piece. Not keyed: it must not be stored, only go into a keyed tag."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def _seal_key(token: bytes, day_key: bytes) -> bytes:
    return _derived(token, salt=_right_length(day_key), info=b"smtpguard seal v1")


def _card_key(day_key: bytes) -> bytes:
    return _derived(day_key, salt=None, info=b"smtpguard card v1")


def _figures_key(week_key: bytes) -> bytes:
    return _derived(week_key, salt=None, info=b"smtpguard figures v1")


def _figures_name(week: str) -> bytes:
    return hashlib.sha256(week.encode("ascii")).digest()


def _derived(secret: bytes, *, salt: bytes | None, info: bytes) -> bytes:
    """HKDF-SHA256 (RFC 5869), 32 octets."""
    return HKDF(algorithm=SHA256(), length=KEY_OCTETS, salt=salt, info=info).derive(_right_length(secret))


def _sealed(plain: bytes, key: bytes, nonce: bytes, name: bytes, expires: datetime) -> bytes:
    if len(nonce) != NONCE_OCTETS:
        raise ValueError(f"a nonce has {NONCE_OCTETS} octets")
    version = bytes((FORMAT_VERSION,))
    return version + nonce + AESGCM(key).encrypt(nonce, plain, _associated(name, version, expires))


def _opened(sealed: bytes, key: bytes, name: bytes, expires: datetime) -> bytes:
    view = memoryview(sealed)
    version, nonce, text = bytes(view[:1]), bytes(view[1 : 1 + NONCE_OCTETS]), view[1 + NONCE_OCTETS :]
    if version != bytes((FORMAT_VERSION,)) or len(nonce) != NONCE_OCTETS:
        raise SealError
    try:
        return AESGCM(key).decrypt(nonce, text, _associated(name, version, expires))
    except InvalidTag:
        raise SealError from None


def _associated(name: bytes, version: bytes, expires: datetime) -> bytes:
    # Each part has a fixed length, so no two sets of parts look alike.
    return _right_length(name) + version + ((expires - _EPOCH) // _MICROSECOND).to_bytes(8, "big", signed=True)


def _right_length(secret: bytes) -> bytes:
    if len(secret) != KEY_OCTETS:
        raise ValueError(f"keys, tokens and ids have {KEY_OCTETS} octets")
    return secret
