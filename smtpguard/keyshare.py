"""How several nodes without a common folder have the same keys (THREAT-MODEL T-04).

A share is where they meet; each node has a copy of every key in a folder of its own. A key is in the share and in the
folder before anybody uses it. What lies in the share is wrapped under a secret that only the nodes have, and the name
of a key is bound in: one that is put under another name does not open.

A wrapped key is: format version (1 octet), nonce (12 octets), AES-256-GCM cipher text with its tag.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from smtpguard.decided_file import Decision

SECRET_OCTETS = 32
# So long a node may be away and still be told, when it is back, which of its keys were erased meanwhile.
AWAY_MAX = timedelta(days=400)

_KEY_OCTETS = 32
_NONCE_OCTETS = 12
_VERSION = b"\1"


class KeyShareError(Exception):
    """The share cannot be used, or must not be: the text says why."""


class KeyAwayError(KeyShareError):
    """The key was made, but whoever has it has not put it into the share."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """What a node learns at the share: `fetched` are keys that it lacks, by name; `erased` the days on which keys were
    erased; `differing` the names under which it has another key than the others.
    """

    fetched: Mapping[str, bytes]
    erased: Mapping[str, date]
    differing: frozenset[str]


class KeyShare(Protocol):
    """Where nodes meet. Names are those of key files. Calls wait, each for some seconds at most; call them from a
    thread. Every method raises KeyShareError.
    """

    def offer(self, name: str, key: bytes) -> bytes:
        """The key that all nodes have under `name`: `key`, if this one is the first to offer any. The same key may be
        offered again: whoever got no answer does not know whether it was the first.

        Raises KeyAwayError if there is one that nobody can have now.
        """

    def fetch(self, name: str) -> bytes | None:
        """The key under `name`, None if there is none, or none any more.

        Raises KeyAwayError if there is one that nobody can have now.
        """

    def erase(self, name: str, day: date | None) -> None:
        """Nobody shall have the key `name` any more, nor know what was decided beside the key of `day`."""

    def meet(self, keys: Mapping[str, bytes], erased: Mapping[str, date]) -> Meeting:
        """Give what the share lacks of a node's `keys` and of those it knows to be `erased`, and take what it has."""

    def meet_decided(
        self, days: Mapping[date, tuple[int, int]], decisions: Callable[[date], Mapping[bytes, Decision]]
    ) -> Mapping[date, Mapping[bytes, Decision]]:
        """Give what the share lacks of a node's `decisions`, and take those that the node lacks. `days` has, for each
        day whose key is there, how many it knows and the sum of their `number`: where both agree, none is asked for.
        """

    def close(self) -> None:
        """End the connection."""


class Wrapping:
    """Wraps and unwraps keys. `secret` is 32 octets that all nodes have."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_OCTETS:
            raise ValueError(f"the nodes' secret has {SECRET_OCTETS} octets")
        self._key, self._proof_key = (
            HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)
            for info in (b"smtpguard key wrap v1", b"smtpguard key proof v1")
        )

    def wrapped(self, name: str, key: bytes) -> bytes:
        """`key` as it may lie in the share under `name`."""
        if len(key) != _KEY_OCTETS:
            raise ValueError(f"a key has {_KEY_OCTETS} octets")
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        return _VERSION + nonce + AESGCM(self._key).encrypt(nonce, key, _VERSION + name.encode())

    def proof(self, name: str, key: bytes) -> bytes:
        """What tells whoever has `key` that it is the one under this name, and others nothing."""
        return hmac.digest(self._proof_key, name.encode() + b"\0" + key, "sha256")

    def unwrapped(self, name: str, wrapped: bytes) -> bytes:
        """What `wrapped` was given under this name. Raises KeyShareError."""
        nonce, text = wrapped[1 : 1 + _NONCE_OCTETS], wrapped[1 + _NONCE_OCTETS :]
        try:
            if wrapped[:1] == _VERSION and len(nonce) == _NONCE_OCTETS:
                key = AESGCM(self._key).decrypt(nonce, text, _VERSION + name.encode())
                if len(key) == _KEY_OCTETS:
                    return key
        except InvalidTag:
            pass
        raise KeyShareError(
            f"the key {name} in the database was not wrapped under this node's secret: is secret_file the same on all?"
        )
