"""The MIME walk: from octets to the texts that a reader sees, and the mails that hang on (RFC 2045, 2046).

Lazy: parts are offsets into the message, split at their boundaries; only text and attached mails are decoded, so a 10
MB attachment costs one search for its boundary. Headers are read as the email package reads them (`header.py`).
"""

from __future__ import annotations

import binascii
import quopri
import re
from base64 import b64decode
from codecs import getincrementaldecoder
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from smtpguard.mail.header import (
    ContentType,
    Header,
    charset_name,
    content_type,
    octets_text,
    read_header,
    transfer_codings,
)

# SEMANTICS 90-07: what is looked at of one message.
TEXT_OCTETS_MAX = 10 * 1024 * 1024
PARTS_MAX = 500
DEPTH_MAX = 20
# Of an attachment that is no text: the code of a notice that was saved to a file stands near its beginning.
ATTACHMENT_OCTETS_MAX = 128 * 1024
ATTACHMENTS_OCTETS_MAX = 1024 * 1024

_ATTACHED_MAIL = frozenset(("message/rfc822", "message/global", "message/news"))
_NEVER_TEXT = ("image/", "audio/", "video/", "font/")
_NOT_BASE64 = re.sub(rb"[A-Za-z0-9+/]", b"", bytes(range(256)))
_STRETCH = 256 * 1024
_TRAILING = b" \t\r\n"


@dataclass(slots=True)
class Body:
    """One text of the message, decoded. `shadow` is an HTML text of which a plain version is in `text`."""

    text: str
    html: bool
    shadow: str = ""
    flowed: bool = False
    delsp: bool = False


@dataclass(slots=True)
class AttachedMail:
    """A mail that is attached: its header, and the texts of it and of what hangs on it."""

    header: Header
    bodies: list[Body]


@dataclass(slots=True)
class Walk:
    """What has been found, and how much is left of what one message may cost.

    `kind` is the content type of the whole; `headers` are those of all attached mails, also of mails within mails;
    `attachments` are the beginnings of parts that are neither text nor mail, decoded, where `wanted` says so of them;
    `unwanted` is the size of the others. `skipped` octets of the message need no reading any more.
    """

    octets: bytes
    kind: ContentType
    wanted: Callable[[bytes], bool]
    bodies: list[Body] = field(default_factory=list)
    mails: list[AttachedMail] = field(default_factory=list)
    headers: list[Header] = field(default_factory=list)
    attachments: list[bytes] = field(default_factory=list)
    defects: dict[str, None] = field(default_factory=dict)
    unwanted: int = 0
    skipped: int = 0
    attachments_left: int = ATTACHMENTS_OCTETS_MAX
    parts_left: int = PARTS_MAX
    text_left: int = TEXT_OCTETS_MAX

    def defect(self, words: str) -> None:
        self.defects[words] = None

    def taken(self, size: int) -> int:
        """How many of `size` octets of text may still be read; they are counted as read."""
        granted = min(size, self.text_left)
        if granted < size:
            self.defect("text cut")
        self.text_left -= granted
        return granted


def walk(octets: bytes, header: Header, start: int, wanted: Callable[[bytes], bool]) -> Walk:
    """Find the texts and attached mails of the message whose body begins at `start`. Never raises; bounded."""
    found = Walk(octets, content_type(header), wanted)
    found.bodies = _part(found, header, found.kind, start, len(octets), 0, found.mails)
    # What has been found is read next, and needs the memory.
    found.octets = b""
    return found


def _part(
    found: Walk,
    header: Header,
    kind: ContentType,
    start: int,
    end: int,
    depth: int,
    mails: list[AttachedMail],
) -> list[Body]:
    """Texts of the part with `header` and content start..end; attached mails are added to `mails`."""
    if found.parts_left <= 0:
        found.defect("too many parts")
        return []
    found.parts_left -= 1
    if not header.complete:
        found.defect("header cut")
    if not kind.readable:
        found.defect("content type unreadable")
    if kind.type.startswith("multipart/"):
        return _multipart(found, header, kind, start, end, depth, mails)
    if kind.type in _ATTACHED_MAIL or kind.filename.lower().endswith(".eml"):
        _attached(found, header, start, end, depth, mails)
        return []
    if kind.type in ("text/plain", "text/html") or (kind.type.startswith("text/") and not kind.filename):
        return _texts(found, header, kind, start, end)
    if kind.type.startswith(_NEVER_TEXT) or not _attachment(found, header, start, end):
        found.skipped += end - start
    return []


def _multipart(
    found: Walk, header: Header, kind: ContentType, start: int, end: int, depth: int, mails: list[AttachedMail]
) -> list[Body]:
    if depth >= DEPTH_MAX:
        found.defect("nested too deep")
        return []
    spans = _spans(found, kind.boundary, start, end)
    if not spans:
        found.defect("multipart without parts")
        return _texts(found, header, ContentType("text/plain"), start, end)
    default = "message/rfc822" if kind.type == "multipart/digest" else "text/plain"
    bodies: list[Body] = []
    for first, last in spans:
        inner, position = read_header(found.octets, first, last)
        bodies += _part(found, inner, content_type(inner, default), min(position, last), last, depth + 1, mails)
    return _alternative(bodies) if kind.type == "multipart/alternative" else bodies


def _alternative(bodies: list[Body]) -> list[Body]:
    """Of versions of one text keep the plain ones, with the HTML as their shadow; HTML where no plain one has words."""
    plain = [each for each in bodies if not each.html and each.text.strip()]
    pages = [each for each in bodies if each.html]
    if not plain:
        return pages or bodies[:1]
    plain[0].shadow = "\n".join(each.text for each in pages)
    return plain


def _spans(found: Walk, boundary: str, start: int, end: int) -> list[tuple[int, int]]:
    """Offsets of the parts between the delimiter lines (RFC 2046, 5.1.1); a missing end is the end of the content."""
    delimiter = b"--" + boundary.encode("utf-8", "surrogateescape").rstrip()
    octets = found.octets
    spans: list[tuple[int, int]] = []
    opened = -1
    position = start
    while boundary and len(spans) <= found.parts_left:
        at = octets.find(delimiter, position, end)
        if at < 0:
            break
        position = at + len(delimiter)
        if at > start and octets[at - 1] != 0x0A:
            continue
        # Only what fits into a line of delimiter and white space is looked at; a longer line is no delimiter.
        stop = octets.find(b"\n", position, min(end, position + 256))
        rest = octets[position : end if stop < 0 else stop]
        closing = rest.startswith(b"--")
        if (rest[2:] if closing else rest).strip(_TRAILING):
            continue
        if opened >= 0:
            spans.append((opened, _line_end_before(octets, at, opened)))
        if closing:
            return spans
        opened = end if stop < 0 else stop + 1
    if opened >= 0:
        if boundary:
            found.defect("multipart not closed")
        if opened < end:
            spans.append((opened, end))
    return spans


def _line_end_before(octets: bytes, at: int, floor: int) -> int:
    """The line end before a delimiter belongs to the delimiter."""
    if at > floor and octets[at - 1] == 0x0A:
        at -= 1
        if at > floor and octets[at - 1] == 0x0D:
            at -= 1
    return max(at, floor)


def _attached(found: Walk, outer: Header, start: int, end: int, depth: int, mails: list[AttachedMail]) -> None:
    """Read an attached mail with all that hangs on it. RFC 2046 forbids to encode it; programs do it all the same."""
    if depth >= DEPTH_MAX:
        found.defect("nested too deep")
        return
    codings = transfer_codings(outer)
    skipped = found.skipped
    for coding in codings:
        octets, position, stop = found.octets, start, end
        if coding:
            granted = found.taken(end - start)
            octets = bytes(_decoded(found, coding, start, start + granted))
            position, stop = 0, len(octets)
        mails.append(_attached_mail(found, octets, position, stop, depth))
    if codings != ("",):
        # Read once or more after decoding: all of it counts.
        found.skipped = skipped


def _attached_mail(found: Walk, octets: bytes, position: int, stop: int, depth: int) -> AttachedMail:
    while octets[position : position + 1] in (b"\r", b"\n") and position < stop:
        position += 1
    header, body = read_header(octets, position, stop)
    found.headers.append(header)
    inner = replace(found, octets=octets)
    nested: list[AttachedMail] = []
    bodies = _part(inner, header, content_type(header), min(body, stop), stop, depth + 1, nested)
    for each in nested:
        bodies += each.bodies
    found.parts_left, found.text_left = inner.parts_left, inner.text_left
    found.attachments_left = inner.attachments_left
    found.unwanted, found.skipped = inner.unwanted, inner.skipped
    return AttachedMail(header, bodies)


def _texts(found: Walk, header: Header, kind: ContentType, start: int, end: int) -> list[Body]:
    """The text of a part, once for each transfer coding that a reader may see in its header."""
    return [_text(found, kind, coding, start, end) for coding in transfer_codings(header)]


def _text(found: Walk, kind: ContentType, coding: str, start: int, end: int) -> Body:
    granted = found.taken(end - start)
    octets = _decoded(found, coding, start, start + granted)
    text, known = _lf_text(octets, kind.charset)
    if not known:
        found.defect("unknown charset")
    return Body(text, kind.type == "text/html", flowed=kind.flowed, delsp=kind.delsp)


def _lf_text(octets: bytes | memoryview, charset: str) -> tuple[str, bool]:
    """`octets` as `octets_text` has them, with LF for each CRLF."""
    codec = charset_name(charset) if charset else "utf_8"
    if len(octets) > _STRETCH and codec in ("utf_8", "ascii", None):
        try:
            return _long_text(memoryview(octets)), codec is not None
        except UnicodeDecodeError:
            pass
    text, known = octets_text(octets, charset)
    return text.replace("\r\n", "\n"), known


def _long_text(octets: memoryview) -> str:
    """`octets` as UTF-8 with LF for each CRLF; a stretch at a time, so that other threads get their turn and no second
    copy of it all is made. Raises UnicodeDecodeError."""
    decoder = getincrementaldecoder("utf-8")()
    pieces: list[str] = []
    held = ""
    for start in range(0, len(octets), _STRETCH):
        text = held + decoder.decode(octets[start : start + _STRETCH], start + _STRETCH >= len(octets))
        held = "\r" if text.endswith("\r") else ""
        pieces.append((text[:-1] if held else text).replace("\r\n", "\n"))
    return "".join(pieces) + held


def _attachment(found: Walk, header: Header, start: int, end: int) -> bool:
    """Keep the beginning of a part that nobody reads as text, if it is wanted; true if so.

    UTF-16 loses its zero octets: Outlook saves a mail so.
    """
    kept = False
    for coding in transfer_codings(header):
        granted = min(end - start, ATTACHMENT_OCTETS_MAX, found.attachments_left)
        found.attachments_left -= granted
        if granted:
            decoded = _decoded(Walk(found.octets, found.kind, found.wanted), coding, start, start + granted)
            octets = bytes(decoded).replace(b"\0", b"")
            if found.wanted(octets):
                found.attachments.append(octets)
                kept = True
            else:
                found.unwanted += len(octets)
    return kept


def _decoded(found: Walk, coding: str, start: int, end: int) -> bytes | memoryview:
    """Content start..end with its transfer coding undone, leniently (RFC 2045, 6)."""
    match coding:
        case "quoted-printable":
            return quopri.decodestring(found.octets[start:end])
        case "base64":
            return _base64(found, found.octets[start:end])
        case _:
            return memoryview(found.octets)[start:end]


def _base64(found: Walk, octets: bytes) -> bytes:
    """Everything that is base64; other octets are ignored (RFC 2045, 6.8), a plain footer below it is cut."""
    head, padding, tail = octets.partition(b"=")
    if padding and tail.strip(b"=\r\n\t "):
        found.defect("base64 with something below it")
    clean = head.translate(None, _NOT_BASE64)
    if len(clean) % 4 == 1:
        found.defect("base64 broken")
        clean = clean[:-1]
    try:
        return b64decode(clean + b"=" * (-len(clean) % 4))
    except binascii.Error:
        found.defect("base64 broken")
        return octets
