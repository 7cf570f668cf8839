"""Octets of a part to text: transfer codings and charsets undone (RFC 2045, 6; RFC 2046, 4.1.2)."""

from __future__ import annotations

import binascii
import quopri
import re
from base64 import b64decode
from codecs import getincrementaldecoder

from smtpguard.mail.header import charset_name, octets_text
from smtpguard.mail.lines import visible
from smtpguard.mail.message import Defect

_NOT_BASE64 = re.sub(rb"[A-Za-z0-9+/]", b"", bytes(range(256)))
_STRETCH = 256 * 1024
LONG_OCTETS_MIN = 1024 * 1024
_WIDE = re.compile("[\U00010000-\U0010ffff]")


def undone(octets: bytes, coding: str, defects: dict[Defect, None]) -> bytes:
    """`octets` with their transfer coding undone, leniently (RFC 2045, 6)."""
    match coding:
        case "quoted-printable":
            return quopri.decodestring(octets)
        case "base64":
            return _base64(octets, defects)
        case _:
            return octets


def _base64(octets: bytes, defects: dict[Defect, None]) -> bytes:
    """Everything that is base64; other octets are ignored (RFC 2045, 6.8), a plain footer below it is cut."""
    head, padding, tail = octets.partition(b"=")
    if padding and tail.strip(b"=\r\n\t "):
        defects[Defect.BASE64_TAIL] = None
    clean = head.translate(None, _NOT_BASE64)
    if len(clean) % 4 == 1:
        defects[Defect.BASE64] = None
        clean = clean[:-1]
    try:
        return b64decode(clean + b"=" * (-len(clean) % 4))
    except binascii.Error:
        defects[Defect.BASE64] = None
        return octets


def lf_text(octets: bytes | memoryview, charset: str) -> tuple[str, bool]:
    """`octets` as `octets_text` has them, with LF for each CRLF; whether `charset` was known.

    A text above LONG_OCTETS_MIN is `visible` at once, which later would take another copy, and characters beyond U+FFFF
    (emoji) become U+FFFD in it: one of them makes Python take four octets for each of ten million letters.
    """
    codec = charset_name(charset) if charset else "utf_8"
    if len(octets) > _STRETCH:
        for each, errors in _readings(codec):
            try:
                return _long_text(memoryview(octets), each, errors), codec is not None
            except (UnicodeError, LookupError, ValueError):
                continue
    text, known = octets_text(octets, charset)
    return text.replace("\r\n", "\n"), known


def _readings(codec: str | None) -> tuple[tuple[str, str], ...]:
    """The codecs to be tried, as `octets_text` tries them."""
    if codec in ("utf_8", "ascii", None):
        return (("utf_8", "strict"), ("utf_8", "replace") if codec == "utf_8" else ("cp1252", "replace"))
    return ((codec or "utf_8", "replace"),)


def _long_text(octets: memoryview, codec: str, errors: str) -> str:
    """`octets` with LF for each CRLF; a stretch at a time, so that other threads get their turn and no second copy of
    it all is made. Raises UnicodeError.
    """
    decoder = getincrementaldecoder(codec)(errors)
    narrow = len(octets) > LONG_OCTETS_MIN
    pieces: list[str] = []
    held = ""
    for start in range(0, len(octets), _STRETCH):
        text = held + decoder.decode(octets[start : start + _STRETCH], start + _STRETCH >= len(octets))
        if narrow and not text.isascii():
            text = visible(_WIDE.sub("\ufffd", text))
        held = "\r" if text.endswith("\r") else ""
        pieces.append((text[:-1] if held else text).replace("\r\n", "\n"))
    return "".join(pieces) + held
