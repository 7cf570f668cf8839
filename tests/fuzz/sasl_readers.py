"""How mail servers read the identity from SASL messages: strictly as the RFCs say, and in the loose ways that are met.

Each reader takes the message without base64 and gives the identity (the authorization identity if there is one), or
None where it refuses. They are said without the expressions that the guard uses.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

Reader = Callable[[bytes], str | None]
DIGITS = "0123456789abcdefABCDEF"


def messages(response: bytes) -> set[bytes]:
    """What strict and loose readers of base64 make of a response."""
    found = set()
    for decode in (
        lambda: binascii.a2b_base64(response, strict_mode=True),
        lambda: base64.b64decode(response),  # leaves out what is not of its alphabet
        lambda: binascii.a2b_base64(response.split(b"=")[0] + b"=="),  # ends at the first padding
        lambda: base64.urlsafe_b64decode(response),
    ):
        try:
            found.add(decode())
        except binascii.Error:
            pass
    return found


def plain_strict(message: bytes) -> str | None:
    """RFC 4616, 2."""
    parts = message.decode().split("\0")
    if len(parts) != 3 or not parts[1] or not parts[2]:
        return None
    return parts[0] or parts[1]


def plain_as_c(message: bytes) -> str | None:
    """Three strings, each to its NUL; what comes behind is not looked at."""
    parts = message.decode().split("\0", 3)
    return (parts[0] or parts[1] or None) if len(parts) >= 3 else None


def login_strict(message: bytes) -> str | None:
    return message.decode() or None


def login_as_c(message: bytes) -> str | None:
    return message.split(b"\0")[0].decode() or None


def cram_from_the_right(message: bytes) -> str | None:
    """RFC 2195, 2: the name, a blank, the digest."""
    name, blank, digest = message.decode().rpartition(" ")
    return name if name and blank and len(digest) == 32 and all(each in DIGITS for each in digest) else None


def cram_as_c(message: bytes) -> str | None:
    return cram_from_the_right(message.split(b"\0")[0])


def scram_strict(message: bytes) -> str | None:
    """RFC 5802, 7: attribute by attribute, in their order."""
    flag, comma, rest = message.decode().partition(",")
    if flag not in ("n", "y") or not comma:
        return None
    authzid, comma, bare = rest.partition(",")
    attributes = bare.split(",")
    if (
        not comma
        or len(attributes) < 2
        or attributes[0][:2] != "n="
        or attributes[1][:2] != "r="
        or not attributes[1][2:]
    ):
        return None
    if authzid and authzid[:2] != "a=":
        return None
    name = saslname(attributes[0][2:])
    other = saslname(authzid[2:]) if authzid else None
    return None if name is None or (authzid and other is None) else other or name


def scram_by_name(message: bytes) -> str | None:
    """Attributes collected by their letter, wherever they stand; the last of a name wins."""
    attributes = dict(each.split("=", 1) for each in message.decode().split(",") if "=" in each)
    return saslname(attributes.get("a", "")) or saslname(attributes.get("n", ""))


def scram_first_by_name(message: bytes) -> str | None:
    """Likewise; the first of a name wins."""
    pairs = [each.split("=", 1) for each in message.decode().split(",") if "=" in each]
    attributes = dict(reversed(pairs))
    return saslname(attributes.get("a", "")) or saslname(attributes.get("n", ""))


def xoauth2_strict(message: bytes) -> str | None:
    parts = message.decode().split("\1")
    if len(parts) != 4 or parts[2:] != ["", ""] or not parts[0].startswith("user="):
        return None
    return parts[0][5:] or None if parts[1][:12].lower() == "auth=bearer " else None


def pairs_by_name(message: bytes) -> str | None:
    """Pairs between ^A collected by name; the last `user` wins."""
    pairs = dict(each.split("=", 1) for each in message.decode().split("\1") if "=" in each)
    return pairs.get("user") or None


def oauthbearer_strict(message: bytes) -> str | None:
    """RFC 7628, 3.1, with its GS2 header (RFC 5801, 4)."""
    header, *pairs = message.decode().split("\1")
    parts = header.split(",")
    if len(parts) != 3 or parts[0] not in ("n", "y") or parts[1][:2] != "a=" or parts[2] or pairs[-2:] != ["", ""]:
        return None
    return saslname(parts[1][2:])


def oauthbearer_loose(message: bytes) -> str | None:
    """A `user` among the pairs, else the first "a=" there is."""
    text = message.decode()
    return pairs_by_name(message) or saslname(text.partition("a=")[2].partition(",")[0])


def saslname(text: str) -> str | None:
    """RFC 5802, 5.1: an "=" is followed by 2C or 3D."""
    first, *others = text.split("=")
    found = first
    for other in others:
        if other[:2] not in ("2C", "3D"):
            return None
        found += {"2C": ",", "3D": "="}[other[:2]] + other[2:]
    return found or None


SCRAM = (scram_strict, scram_by_name, scram_first_by_name)
READERS: dict[str, tuple[Reader, ...]] = {
    "PLAIN": (plain_strict, plain_as_c),
    "LOGIN": (login_strict, login_as_c),
    "CRAM-MD5": (cram_from_the_right, cram_as_c),
    "SCRAM-SHA-1": SCRAM,
    "SCRAM-SHA-256": SCRAM,
    "XOAUTH2": (xoauth2_strict, pairs_by_name),
    "OAUTHBEARER": (oauthbearer_strict, oauthbearer_loose),
}
"""By mechanism; the first reader is the strict one."""
