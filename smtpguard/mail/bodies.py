"""The MIME walk: from octets to the texts that a reader sees, and the mails that hang on (RFC 2045, 2046).

Lazy: parts are offsets into the message, split at their boundaries; only text and attached mails are decoded, so a 10
MB attachment costs one search for its boundary. Headers are read as the email package reads them (`header.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from smtpguard.mail.bounds import BOUNDS, Bounds
from smtpguard.mail.calendars import is_calendar, read_calendar
from smtpguard.mail.cms import Cms, cms_kind, signed_content
from smtpguard.mail.decoding import lf_text, undone
from smtpguard.mail.header import ContentType, Header, content_type, read_header, transfer_codings
from smtpguard.mail.message import Defect, Protection, Unread
from smtpguard.mail.opaque import ARCHIVES, unread_file, unread_type

# Of an attachment that is no text: the code of a notice that was saved to a file stands near its beginning.
ATTACHMENT_OCTETS_MAX = 128 * 1024
ATTACHMENTS_OCTETS_MAX = 1024 * 1024
# Of the end of an archive: the directory of a zip file of some hundred files.
TAIL_OCTETS_MAX = 64 * 1024
# Of an S/MIME message that is not to be read: what kind it is stands in its first octets.
CMS_HEAD_OCTETS = 256
# Of the headers of all parts and attached mails; those of 500 parts have some 100 KB.
HEADERS_OCTETS_MAX = 2 * 1024 * 1024
# Lines of one part that begin as its delimiter does and go on with something else; a mail in a mail may have a few.
NEAR_DELIMITERS_MAX = 1000
# HTML that names its own charset does so on top (HTML, "Extracting a character encoding": in the first 1024 octets).
META_OCTETS_MAX = 1024

_ATTACHED_MAIL = frozenset(("message/rfc822", "message/global", "message/news"))
_NEVER_TEXT = ("image/", "audio/", "video/", "font/")
_CMS_TYPES = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_META_CHARSET = re.compile(rb"<meta[^<>]{0,200}charset\s{0,3}=\s{0,3}[\"']?([\w.:-]{2,40})", re.IGNORECASE)
_TRAILING = b" \t\r\n"


@dataclass(slots=True)
class Body:
    """One text of the message, decoded. `shadow` is an HTML text of which a plain version is in `text`; `calendar` is
    true for the words of an invitation, `attached` for a file that goes along (RFC 2183, 2.2).
    """

    text: str
    html: bool
    shadow: str = ""
    calendar: bool = False
    flowed: bool = False
    delsp: bool = False
    attached: bool = False


@dataclass(slots=True)
class AttachedMail:
    """A mail that is attached: its header, and its texts. Mails that hang on it are others."""

    header: Header
    bodies: list[Body]


@dataclass(slots=True)
class Walk:
    """What has been found, and how much is left of what one message may cost.

    `kind` is the content type of the whole; `headers` are those of all attached mails, also of mails within mails;
    `attachments` are the beginnings of parts that are neither text nor mail, decoded, where `wanted` says so of them;
    `unwanted` is the size of the others; `files` are all of them: what they are, their octets as they stand in the
    message, and whether those are base64. `skipped` octets of the message need no reading any more. `inside` is true
    for the walk through an attached mail.
    """

    octets: bytes
    kind: ContentType
    wanted: Callable[[bytes], bool]
    parts_left: int
    depth_max: int
    text_left: int
    markup_left: int
    bodies: list[Body] = field(default_factory=list)
    mails: list[AttachedMail] = field(default_factory=list)
    headers: list[Header] = field(default_factory=list)
    attachments: list[bytes] = field(default_factory=list)
    files: list[tuple[ContentType, int, bool]] = field(default_factory=list)
    defects: dict[Defect, None] = field(default_factory=dict)
    protections: set[Protection] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)
    unread: set[Unread] = field(default_factory=set)
    inside: bool = False
    unwanted: int = 0
    skipped: int = 0
    attachments_left: int = ATTACHMENTS_OCTETS_MAX
    headers_left: int = HEADERS_OCTETS_MAX

    def defect(self, which: Defect) -> None:
        self.defects[which] = None

    def protected(self, how: Protection) -> None:
        """Note a seal or a cipher; an attached mail that is encrypted is one that cannot be looked into."""
        if not self.inside:
            self.protections.add(how)
        elif how is Protection.ENCRYPTED:
            self.unread.add(Unread.ENCRYPTED)

    def header(self, octets: bytes, start: int, end: int) -> tuple[Header, int]:
        """The header of a part or an attached mail, as far as it may still be read, and where its body begins."""
        header, body = read_header(octets, start, end, self.headers_left)
        self.headers_left = max(0, self.headers_left - (body - start))
        return header, body

    def taken(self, size: int) -> int:
        """How many of `size` octets of text may still be read; they are counted as read."""
        granted = min(size, self.text_left)
        if granted < size:
            self.defect(Defect.TEXT_CUT)
        self.text_left -= granted
        return granted


def walk(octets: bytes, header: Header, start: int, wanted: Callable[[bytes], bool], bounds: Bounds = BOUNDS) -> Walk:
    """Find the texts and attached mails of the message whose body begins at `start`. Never raises; bounded."""
    found = Walk(octets, content_type(header), wanted, bounds.parts, bounds.depth, bounds.text, bounds.markup)
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
        found.defect(Defect.MANY_PARTS)
        return []
    found.parts_left -= 1
    if not header.complete:
        found.defect(Defect.HEADER_CUT)
    if not kind.readable:
        found.defect(Defect.CONTENT_TYPE)
    if kind.type.startswith("multipart/"):
        return _multipart(found, header, kind, start, end, depth, mails)
    if kind.type in _ATTACHED_MAIL or kind.filename.lower().endswith(".eml"):
        _attached(found, header, start, end, depth, mails)
        return []
    if is_calendar(kind.type, kind.filename):
        return _calendars(found, _texts(found, header, kind, start, end))
    if kind.type in ("text/plain", "text/html") or (kind.type.startswith("text/") and not kind.filename):
        return _texts(found, header, kind, start, end)
    if kind.type in _CMS_TYPES or kind.filename.lower().endswith(".p7m"):
        return _secured(found, header, start, end, depth, mails)
    found.files.append((kind, end - start, "base64" in transfer_codings(header)))
    unread = unread_type(kind.type, kind.filename)
    if unread is not None:
        found.unread.add(unread)
    if kind.type.startswith(_NEVER_TEXT) or not _attachment(found, header, start, end):
        found.skipped += end - start
    return []


def _multipart(
    found: Walk, header: Header, kind: ContentType, start: int, end: int, depth: int, mails: list[AttachedMail]
) -> list[Body]:
    if depth >= found.depth_max:
        found.defect(Defect.DEEP)
        return []
    spans = _spans(found, kind.boundary, start, end)
    if not spans:
        found.defect(Defect.NO_PARTS)
        return _texts(found, header, ContentType("text/plain"), start, end)
    if kind.type in ("multipart/encrypted", "multipart/signed"):
        found.protected(Protection(kind.type.removeprefix("multipart/")))
    default = "message/rfc822" if kind.type == "multipart/digest" else "text/plain"
    bodies: list[Body] = []
    for first, last in spans:
        inner, position = found.header(found.octets, first, last)
        bodies += _part(found, inner, content_type(inner, default), min(position, last), last, depth + 1, mails)
    return _alternative(bodies) if kind.type == "multipart/alternative" else bodies


def _alternative(bodies: list[Body]) -> list[Body]:
    """Of versions of one text keep the plain ones, with the HTML as their shadow; HTML where no plain one has words.
    The words of an invitation stay where they say something else.
    """
    calendars = [each for each in bodies if each.calendar]
    plain = [each for each in bodies if not each.html and not each.calendar and each.text.strip()]
    pages = [each for each in bodies if each.html]
    if not plain:
        return [*(pages or ([] if calendars else bodies[:1])), *calendars]
    plain[0].shadow = "\n".join(each.text for each in pages)
    said = [" ".join(each.text.split()) for each in plain] if calendars else []
    return plain + [each for each in calendars if not any(" ".join(each.text.split()) in text for text in said)]


def _calendars(found: Walk, bodies: list[Body]) -> list[Body]:
    """What the invitations in `bodies` say, each once: programs attach to a mail the file that is in its text, too."""
    for each in bodies:
        methods, each.text, markup, complete = read_calendar(each.text, found.markup_left)
        found.markup_left -= markup
        if not complete:
            found.defect(Defect.TEXT_CUT)
        each.html, each.calendar = False, True
        if not found.inside:
            found.methods |= methods
    return bodies


def _secured(found: Walk, header: Header, start: int, end: int, depth: int, mails: list[AttachedMail]) -> list[Body]:
    """An S/MIME part (RFC 8551, 3): the texts of what an opaque signature is wrapped around."""
    bodies: list[Body] = []
    for coding in transfer_codings(header):
        kind = cms_kind(undone(found.octets[start : min(end, start + CMS_HEAD_OCTETS)], coding, {}))
        if kind is None:
            found.defect(Defect.CMS)
            _attachment(found, header, start, end)
            continue
        if kind is Cms.COMPRESSED:
            found.unread.add(Unread.COMPRESSED)
            continue
        if kind is not Cms.SIGNED:
            found.protected(Protection.ENCRYPTED)
            continue
        found.protected(Protection.SIGNED)
        granted = found.taken(end - start)
        content = signed_content(undone(found.octets[start : start + granted], coding, found.defects))
        if content is None or not content.complete:
            found.defect(Defect.CMS)
        if content is None:
            continue
        if depth >= found.depth_max:
            found.defect(Defect.DEEP)
        else:
            octets = content.octets
            bodies += _entity(found, octets, 0, len(octets), depth, mails, found.inside)[1]
    return bodies


def _spans(found: Walk, boundary: str, start: int, end: int) -> list[tuple[int, int]]:
    """Offsets of the parts between the delimiter lines (RFC 2046, 5.1.1); a missing end is the end of the content."""
    delimiter = b"--" + boundary.encode("utf-8", "surrogateescape").rstrip()
    octets = found.octets
    spans: list[tuple[int, int]] = []
    opened = -1
    position = start
    others = 0
    while boundary and len(spans) <= found.parts_left:
        at = octets.find(delimiter, position, end)
        if at < 0:
            break
        if others > NEAR_DELIMITERS_MAX:
            # One by one they take a microsecond each; only now is it worth making an expression.
            line = re.compile(b"\n" + re.escape(delimiter) + rb"(?:--)?[ \t\r]*+(?=\n|\Z)").search(octets, at - 1, end)
            if line is None:
                break
            at = line.start() + 1
        others += 1
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
            found.defect(Defect.NOT_CLOSED)
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
    if depth >= found.depth_max:
        found.defect(Defect.DEEP)
        return
    codings = transfer_codings(outer)
    skipped = found.skipped
    for coding in codings:
        octets, position, stop = found.octets, start, end
        if coding:
            granted = found.taken(end - start)
            octets = undone(found.octets[start : start + granted], coding, found.defects)
            position, stop = 0, len(octets)
        mails += _attached_mails(found, octets, position, stop, depth)
    if codings != ("",):
        # Read once or more after decoding: all of it counts.
        found.skipped = skipped


def _attached_mails(found: Walk, octets: bytes, position: int, stop: int, depth: int) -> list[AttachedMail]:
    """The attached mail in position..stop of `octets`, and behind it those that hang on it."""
    while octets[position : position + 1] in (b"\r", b"\n") and position < stop:
        position += 1
    nested: list[AttachedMail] = []
    header, bodies = _entity(found, octets, position, stop, depth, nested, True)
    return [AttachedMail(header, bodies), *nested]


def _entity(
    found: Walk, octets: bytes, position: int, stop: int, depth: int, mails: list[AttachedMail], inside: bool
) -> tuple[Header, list[Body]]:
    """Header and texts of a message or MIME entity in other octets than those of the walk; it costs what is left."""
    header, body = found.header(octets, position, stop)
    if inside:
        found.headers.append(header)
    inner = replace(found, octets=octets, inside=inside)
    bodies = _part(inner, header, content_type(header), min(body, stop), stop, depth + 1, mails)
    found.parts_left, found.text_left, found.headers_left = inner.parts_left, inner.text_left, inner.headers_left
    found.attachments_left, found.markup_left = inner.attachments_left, inner.markup_left
    found.unwanted, found.skipped = inner.unwanted, inner.skipped
    return header, bodies


def _texts(found: Walk, header: Header, kind: ContentType, start: int, end: int) -> list[Body]:
    """The text of a part, once for each transfer coding that a reader may see in its header."""
    bodies = [_text(found, kind, coding, start, end) for coding in transfer_codings(header)]
    if header.first("content-disposition").lstrip()[:10].lower() == "attachment":
        for each in bodies:
            each.attached = True
    return bodies


def _text(found: Walk, kind: ContentType, coding: str, start: int, end: int) -> Body:
    granted = found.taken(end - start)
    octets: bytes | memoryview
    if coding:
        octets = undone(found.octets[start : start + granted], coding, found.defects)
    else:
        octets = memoryview(found.octets)[start : start + granted]
    charset = kind.charset
    if not charset and kind.type == "text/html":
        meta = _META_CHARSET.search(octets[:META_OCTETS_MAX])
        charset = meta[1].decode("ascii", "replace") if meta is not None else ""
    text, known = lf_text(octets, charset)
    if not known:
        found.defect(Defect.CHARSET)
    return Body(text, kind.type == "text/html", flowed=kind.flowed, delsp=kind.delsp)


def _attachment(found: Walk, header: Header, start: int, end: int) -> bool:
    """Keep the beginning of a part that nobody reads as text, if it is wanted; true if so.

    UTF-16 loses its zero octets: Outlook saves a mail so.
    """
    kept = False
    for coding in transfer_codings(header):
        granted = min(end - start, ATTACHMENT_OCTETS_MAX, found.attachments_left)
        found.attachments_left -= granted
        if granted:
            decoded = undone(found.octets[start : start + granted], coding, {})
            if decoded.startswith(ARCHIVES) or not decoded[:4].isascii():
                _look_into_file(found, decoded, coding, start + granted, end)
            octets = decoded.replace(b"\0", b"")
            if found.wanted(octets):
                found.attachments.append(octets)
                kept = True
            else:
                found.unwanted += len(octets)
    return kept


def _look_into_file(found: Walk, head: bytes, coding: str, read: int, end: int) -> None:
    """Note an archive with a password. Of a long one the end is decoded from the beginning of a line on."""
    tail = head
    if read < end and head.startswith(ARCHIVES):
        start = max(read, end - TAIL_OCTETS_MAX)
        line = found.octets.find(b"\n", start, end)
        tail = undone(found.octets[(line + 1 if line >= 0 else start) : end], coding, {})
    unread = unread_file(head, tail)
    if unread is not None:
        found.unread.add(unread)
