"""A mail of the guard's own as octets.

It is put together by hand, because every policy of the email package that was tried folds or encodes the long Reply-To
with the code in it, and none writes an attached mail back to the octet. What a stranger wrote can only get into
Subject, which is cleaned and encoded here, and into the body, which is quoted-printable.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import encodebytes
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from email.header import Header
from email.quoprimime import body_encode
from email.utils import format_datetime
from textwrap import fill

from smtpguard.mail.address import Address

# A notice's subject carries the held mail's subject; more than this is no help on a phone.
SUBJECT_CHARACTERS_MAX = 80
# Our own words around it ("NOT SENT YET: ... - please choose by ...") and the whole subject together.
SUBJECT_LINE_CHARACTERS_MAX = 200
# An encoded word of it stays below 75 characters (RFC 2047, 2), whatever the script.
PHRASE_CHARACTERS_MAX = 20
# RFC 5322, 2.1.1: a line has at most 998 octets without CRLF.
LINE_OCTETS_MAX = 998
# The same section: and should have at most 78.
LINE_CHARACTERS = 76

_WHITE = re.compile(r"\s+")
# Control, format (bidi), surrogate, private and unassigned characters: none belongs in a subject line.
_UNWANTED = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_ATOMS = re.compile(r"[A-Za-z0-9-]+( [A-Za-z0-9-]+)*")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]+>")


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What every mail of the guard carries. `message_id` has angle brackets; `reply_to` is an address without them."""

    guard: Address
    message_id: str
    date: datetime
    to: Address = field(repr=False)
    reply_to: str | None = field(default=None, repr=False)
    in_reply_to: str | None = field(default=None, repr=False)


def clean_line(text: str, most: int = SUBJECT_CHARACTERS_MAX) -> str:
    """`text` as one line of at most `most` visible characters."""
    line = _WHITE.sub(" ", text)
    line = "".join(each for each in line if unicodedata.category(each) not in _UNWANTED).strip()
    return line if len(line) <= most else line[: most - 3].rstrip() + "..."


@dataclass(frozen=True, slots=True)
class Body:
    """What a mail says, as plain text and, for most readers, as HTML; both say the same."""

    text: str
    html: str | None = None


def compose_letter(
    head: Letterhead, subject: str, body: Body, attached: bytes | None = None, *, sender: str = "Mail check"
) -> bytes:
    """The mail as octets with CRLF line ends and ASCII only, so that it needs nothing of the upstream.

    `sender` is the name beside the guard's address. `attached` is a whole message with CRLF line ends that goes along
    as message/rfc822, or as application/octet-stream where its lines or octets forbid that (RFC 2046, 5.2.1 allows no
    base64 around message/rfc822).
    """
    id_ = re.sub(r"\W", "", head.message_id)
    kind, octets = _read(body, f"text-{id_}")
    if attached is not None:
        first = _lines(kind).encode("ascii") + b"\r\n" + octets
        kind, octets = _parted("mixed", f"part-{id_}", (first, _attachment(attached)))
    return _header_block(head, sender, subject, kind) + b"\r\n" + octets


def _read(body: Body, boundary: str) -> tuple[tuple[str, ...], bytes]:
    """The fields and the octets of what is to be read: two parts of which mail programs show the last they can (RFC
    2046, 5.1.4)."""
    if body.html is None:
        return _TEXT_TYPE, _quoted_printable(body.text)
    both = ((_TEXT_TYPE, body.text), (_HTML_TYPE, body.html))
    parts = (_lines(kind).encode("ascii") + b"\r\n" + _quoted_printable(text) for kind, text in both)
    return _parted("alternative", boundary, parts)


def _parted(kind: str, boundary: str, parts: Iterable[bytes]) -> tuple[tuple[str, ...], bytes]:
    """A multipart of `parts`, each with its own fields. No line of theirs can be the boundary: it holds our Message-ID,
    which is made afterwards."""
    line = f"--{boundary}".encode("ascii")
    pieces = [piece for each in parts for piece in (line, b"\r\n", each, b"\r\n")]
    return (f'Content-Type: multipart/{kind}; boundary="{boundary}"',), b"".join((*pieces, line, b"--\r\n"))


_TEXT_TYPE = ('Content-Type: text/plain; charset="utf-8"', "Content-Transfer-Encoding: quoted-printable")
_HTML_TYPE = ('Content-Type: text/html; charset="utf-8"', "Content-Transfer-Encoding: quoted-printable")


def _lines(lines: tuple[str, ...]) -> str:
    return "".join(f"{each}\r\n" for each in lines)


def _header_block(head: Letterhead, sender: str, subject: str, kind: tuple[str, ...]) -> bytes:
    line = clean_line(subject, SUBJECT_LINE_CHARACTERS_MAX)
    # Text that looks like an encoded word (RFC 2047) is encoded itself: nobody shall decode a stranger's words twice.
    coded = Header(line, "utf-8", header_name="Subject").encode()
    if line.isascii() and "=?" not in line:
        # RFC 5322, 2.2.3: folded before a blank.
        coded = fill(f"Subject: {line}", LINE_CHARACTERS, break_long_words=False, break_on_hyphens=False)[
            len("Subject: ") :
        ]
    lines = [
        f"From: {_phrase(sender)} <{head.guard.normal}>",
        f"To: <{_ascii_address(head.to)}>",
        "Subject: " + "\r\n ".join(each.strip() for each in coded.splitlines()),
        f"Date: {format_datetime(head.date)}",
        f"Message-ID: {head.message_id}",
        # RFC 3834, 5: an automatic answer to somebody's mail. No Precedence: list managers drop such mail.
        "Auto-Submitted: auto-replied",
        "X-Auto-Response-Suppress: All",
    ]
    if head.reply_to is not None:
        lines.append(f"Reply-To: <{head.reply_to}>")
    if head.in_reply_to is not None and _is_message_id(head.in_reply_to):
        lines += [f"In-Reply-To: {head.in_reply_to}", f"References: {head.in_reply_to}"]
    return _lines((*lines, "MIME-Version: 1.0", *kind)).encode("ascii")


def _phrase(name: str) -> str:
    """A name before an address (RFC 5322, 3.2.5), as atoms or as an encoded word; it is ours and short."""
    name = clean_line(name, PHRASE_CHARACTERS_MAX)
    return name if _ATOMS.fullmatch(name) else Header(name, "utf-8", maxlinelen=LINE_OCTETS_MAX).encode()


def _ascii_address(address: Address) -> str:
    """A mailbox with a UTF-8 local part would need SMTPUTF8 for the header; only the envelope has it then."""
    return address.normal if address.normal.isascii() else f"undisclosed@{address.domain}"


def _is_message_id(text: str) -> bool:
    """A Message-ID comes from a stranger's mail: taken only in its plain form, so that no header can hide in it."""
    return len(text) <= LINE_OCTETS_MAX - len("In-Reply-To: ") and _MESSAGE_ID.fullmatch(text) is not None


def _quoted_printable(text: str) -> bytes:
    octets = text.replace("\r\n", "\n").encode("utf-8", "replace").decode("latin-1")
    return body_encode(octets, eol="\r\n").encode("ascii") + b"\r\n"


def _attachment(attached: bytes) -> bytes:
    lines_fit = all(len(line) <= LINE_OCTETS_MAX for line in attached.split(b"\r\n"))
    disposition = 'Content-Disposition: attachment; filename="your-mail.eml"'
    if attached.isascii() and lines_fit:
        return _lines(("Content-Type: message/rfc822", disposition, "")).encode("ascii") + attached
    head = ('Content-Type: application/octet-stream; name="your-mail.eml"', disposition)
    coded = encodebytes(attached).replace(b"\n", b"\r\n")
    return _lines((*head, "Content-Transfer-Encoding: base64", "")).encode("ascii") + coded
