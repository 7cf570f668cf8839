"""Three hundred mails that want to break the reading of mail: too long, too deep, too many, or not what they say.

Made by code, each from a name and a size; the same on every run. Nobody's mail and nobody's address is in them. `SMALL`
is the size of most of them: a tenth of what a message may have in text, so that all of them are read in some seconds.
"""

from __future__ import annotations

import base64
import quopri
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

SMALL = 256 * 1024
LARGE = 10 * 1024 * 1024
_HEAD = (
    b"From: Anna <anna@example.test>\r\nTo: berlin@lists.example.test\r\nSubject: Fwd: Minutes\r\nMIME-Version: 1.0\r\n"
)
_SAID = b"Between us, it was never counted, and nobody should hear of it before the summer is over.\r\n"
_BLOCK = b"From: Carl <carl@example.test>\r\nTo: Anna <anna@example.test>\r\nDate: 3 May 2026\r\nSubject: x\r\n\r\n"

# What a mail of one text repeats, by a name; the type of the text stands in front.
_HTML = {
    "div": b"<div>", "quote": b"<blockquote>", "hidden": b"<p hidden>", "display": b"<p style='display:none'>",
    "entity": b"&amp;", "number": b"&#x41;", "broken-entity": b"&#", "break": b"<br>", "cell": b"<td>", "open": b"<a ",
    "attribute": b"<a b=\"", "quotes": b"<a '\"", "comment": b"<!--", "script": b"<script>", "title": b"<title>",
    "preformatted": b"<pre>\n", "cdata": b"<![CDATA[", "question": b"<?", "less": b"<", "end": b"</", "rule": b"<hr>",
    "divider": b"<div style='border-top:solid 1pt'>", "table": b"<table><tr><td>x</table>", "void": b"<img hidden>",
    "block": b"<p><b>From:</b> a@b.test<br><b>To:</b> b@c.test<br><b>Sent:</b> 1<br><b>Subject:</b> x</p>",
    "closing": b"</div></blockquote>", "deep": b"<span><font><b><i>", "nul": b"<\0div>", "style": b"<style>a{}</style>",
}  # fmt: skip
_PLAIN = {
    "quote": b">\r\n", "quotes": b"> " * 50 + b"\r\n", "steps": b"> x\r\ny\r\n", "label": b"a:\r\n",
    "from": b"From: a@b.test\r\n", "block": _BLOCK, "attribution": b"On 1 May a@b.test wrote:\r\n> x\r\n",
    "open-attribution": b"On 1 May 2026 Carl\r\n", "original": b"-----Original Message-----\r\n", "lines": b"\r\n",
    "forwarded": b"---------- Forwarded message ---------\r\n", "apple": b"Begin forwarded message:\r\n\r\n",
    "colon": b":", "wide-colon": "\uff1a".encode(), "wide-label": "\u53d1\u4ef6\u4eba\uff1aa@b.test\n".encode(),
    "zero-width": "\u200b".encode(), "zero-width-block": "F\u200brom: a@b.test\r\nT\u200bo: b@c.test\r\n".encode(),
    "look-alike": "Fr\u043em: a@b.test\r\n\u0422o: b@c.test\r\nSubject: x\r\n".encode(), "signature": b"-- \r\n",
    "dashes": b"--\r\n", "rule": b"_" * 40 + b"\r\n", "long-rule": b"-", "underscore": b"_", "equals": b"= ",
    "commas": b"To: " + b"a@b.test, " * 2000,
    "recipients": b"To: a@b.test,\r\n b@c.test,\r\n", "at": b"@", "less": b"<",
    "supercite": b'>>>>> "AM" == A <a@b.test> writes:\r\nAM> x\r\n', "bidi": "\u202e\u202dabc\u2069".encode(),
    "combining": "a\u0301\u0301\u0301".encode(), "bare-cr": b"a\r", "form-feed": b"\x0c\x0b\x1c\x85", "nul": b"\0",
    "notes": b"Anna on 05/04/2026 09:02 AM\r\nTo: Ben\r\ncc: Carl\r\nSubject: x\r\n", "device": b"Sent from my x\r\n",
    "words": b"a b c d e f g\r\n", "one-word": b"x", "armour": b"-----BEGIN PGP MESSAGE-----\r\n",
    "one-line": b"----- Forwarded Message -----From: a@b.testTo: b@c.testSubject: x" + b":" * 60 + b"\r\n",
    "uuencoded": b"begin 644 x\r\nM" + b"#" * 60 + b"\r\n", "invalid": b"\xff\xfe\xc3", "emoji": "\U0001f600".encode(),
}  # fmt: skip
# One emoji makes Python take four octets for each letter of a text, and each copy of it.
_WIDE = "\U0001f600\u200b\u00a0\n".encode()
_FLOWED = {"soft": b"a \r\n", "soft-quote": b"> \r\n", "deep": b">" * 26 + b" a \r\n", "stuffed": b" >x \r\n"}
_CHARSETS = (
    "utf-7", "iso-2022-jp", "hz", "utf-16", "utf-16-be", "utf-32", "gb18030", "big5hkscs", "iso-2022-kr", "punycode",
    "idna", "unicode_escape", "zip", "hex", "rot13", "x-unknown", "utf-8\xff", "", "cp037", "ISO-8859-8-I", "utf-8-sig",
)  # fmt: skip
_CODINGS = ("base64", "quoted-printable", "x-uuencode", "BASE64 (x)", "binary", '"base64"', "7bit;8bit")
_HEADERS = {
    "long-subject": b"Subject: " + b"x" * SMALL,
    "encoded-words": b"Subject: " + b"=?utf-8?q?=41?= " * 16_000,
    "open-words": b"Subject: " + b"=?" * 100_000,
    "broken-word": b"Subject: =?utf-8?b?" + b"A" * SMALL,
    "odd-charset": b"Subject: " + b"=?zip?b?QUJD?= " * 4000,
    "word-in-word": b"Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3F41?=",
    "parentheses": b"To: " + b"(" * 50_000,
    "quotes": b"To: " + b'"' * 50_000,
    "angles": b"To: " + b"<" * 50_000,
    "routes": b"To: " + b"@a.test," * 10_000 + b":x@b.test",
    "group": b"To: " + b"g: a@b.test;" * 10_000,
    "groups": b"To: " + b"g:" * 50_000,
    "escapes": b"To: " + b"\\" * 50_000,
    "addresses": b"Cc: " + b"a@b.test, " * 50_000,
    "fields": b"X: y\r\n" * 50_000 + b"X: y",
    "folded": b"To: a@b.test" + b",\r\n b@c.test" * 20_000,
    "blank-folds": b"X: " + b"\r\n " * 50_000,
    "ids": b"References: " + b"<a@b>" * 50_000,
    "parameters": b"Content-Type: text/plain" + b"; a=b" * 20_000,
    "split-parameters": b"Content-Type: text/plain" + b"".join(b"; name*%d*=x" % n for n in range(5000)),
    "type-quotes": b'Content-Type: text/plain; a="' + b'"' * 50_000,
    "thread-index": b"Thread-Index: " + b"A" * SMALL,
    "sensitivity": b"Sensitivity: " + b"private " * 50_000,
    "many-from": b"From: x@y.test\r\n" * 2500 + b"From: x@y.test",
    "received": b"Received: by x; y\r\n" * 9000 + b"X: y",
    "coding": b"Content-Transfer-Encoding: " + b"(" * SMALL,
    "raw": b"Subject: " + b"\xff\xc3" * 50_000,
    "colonless": b"no header at all " * 10_000,
    "nul": b"Subject: a\0b" + b"\0" * 50_000,
    "cr": b"Subject: a" + b"\r" * 50_000,
}
_FILES = {
    "winmail.dat": bytes.fromhex("789f3e22") + b"\0" * 4096,
    "letter.msg": bytes.fromhex("d0cf11e0a1b11ae1") * 500,
    "locked.zip": b"PK\x03\x04\x14\0\x01\0" + b"x" * 4096,
    "open.zip": b"PK\x03\x04\x14\0\0\0" * 5000,
    "locked.7z": bytes.fromhex("377abcaf271c") + b"x" * 4096 + bytes.fromhex("06f10701"),
    "locked.rar": b"Rar!\x1a\x07\x01\x00" + b"crc4\x05\x04" + b"\0" * 99,
    "old.rar": b"Rar!\x1a\x07\x00" + b"xxs\x80\0\x0d\0",
    "torn.rar": b"Rar!\x1a\x07\x01\x00" + b"\xff" * 5000,
    "bomb.gz": zlib.compress(b"\0" * 5_000_000),
    "empty.zip": b"",
    "odd.p7m": b"\x30\x80" * 4000,
    "open.p7m": b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0" + b"\x80\x30" * 4000,
    "sealed.p7m": b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80" + b"x" * 4000,
    "long.p7m": b"\x30\x84\xff\xff\xff\xff\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x84\xff\xff\xff\xff"
    + b"\x30\x80" * 99,
    "plan.ics": b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n" + b"DESCRIPTION:x\r\n y\r\n" * 9000,
    "quoted.ics": b"BEGIN:VCALENDAR\r\n" + b'SUMMARY;X="' * 9000 + b":x",
    "escaped.ics": b"BEGIN:VCALENDAR\r\nSUMMARY:" + b"\\" * 90_000,
    "letter.eml": _HEAD + b"\r\n" + _SAID,
    "deep.eml": b"Content-Type: message/rfc822\r\n\r\n" * 2000,
    "x" * 9000 + ".eml": _SAID,
}


_CODED: dict[str, Callable[[int], bytes]] = {
    "right": lambda size: base64.encodebytes(_filled(_SAID, size // 2)),
    "equals": lambda size: b"=" * size,
    "soft": lambda size: b"=\r\n" * (size // 3),
    "long": lambda size: b"A" * size,
    "torn": lambda size: quopri.encodestring(b"\xff" * (size // 4))[:-2],
}


class Hostile(NamedTuple):
    """A mail by name; `octets` makes it."""

    name: str
    octets: Callable[[], bytes]


def hostile_mails(size: int = SMALL) -> Iterator[Hostile]:
    """All of them; texts are of about `size` octets."""
    yield from _texts(size)
    yield from _encodings(size)
    for name, fields in _HEADERS.items():
        yield Hostile(f"header/{name}", lambda fields=fields: fields + b"\r\n" + _HEAD + b"\r\n" + _SAID)  # type: ignore[misc]
        yield Hostile(f"attached-header/{name}", lambda fields=fields: _attached(fields + b"\r\n\r\n" + _SAID))  # type: ignore[misc]
    for name, file in _FILES.items():
        yield Hostile(f"file/{name[:20]}", lambda name=name, file=file: _with_file(name, file))  # type: ignore[misc]
    yield from _trees()
    yield from _shapes(size)


def _texts(size: int) -> Iterator[Hostile]:
    kinds = (("html", "text/html; charset=utf-8", _HTML), ("plain", "text/plain; charset=utf-8", _PLAIN))
    for kind, type_, pieces in (*kinds, ("flowed", "text/plain; format=flowed; delsp=yes", _FLOWED)):
        for name, piece in pieces.items():
            head = _HEAD + b"Content-Type: " + type_.encode() + b"\r\n\r\n"
            yield Hostile(f"{kind}/{name}", lambda head=head, piece=piece: head + _WIDE + _filled(piece, size))  # type: ignore[misc]


def _filled(piece: bytes, size: int) -> bytes:
    return piece * max(1, size // len(piece)) + b"\r\n" + _SAID


def _encodings(size: int) -> Iterator[Hostile]:
    for charset in _CHARSETS:
        head = _HEAD + b"Content-Type: text/plain; charset=" + charset.encode("latin-1") + b"\r\n"
        for name, piece in (("text", b"+AGE-~{a"), ("escapes", b"\x1b$B\xff\xfe~{"), ("words", _SAID)):
            yield Hostile(
                f"charset/{charset}/{name}", lambda head=head, piece=piece: head + b"\r\n" + _filled(piece, size)
            )  # type: ignore[misc]
    for coding in _CODINGS:
        head = _HEAD + b"Content-Transfer-Encoding: " + coding.encode() + b"\r\n\r\n"
        for name, text in _CODED.items():
            yield Hostile(f"coding/{coding}/{name}", lambda head=head, text=text: head + text(size))  # type: ignore[misc]


def _attached(mail: bytes) -> bytes:
    return _HEAD + b"Content-Type: message/rfc822\r\n\r\n" + mail


def _with_file(name: str, octets: bytes) -> bytes:
    part = b'--b\r\nContent-Type: application/octet-stream; name="%s"\r\nContent-Transfer-Encoding: base64\r\n\r\n%s'
    parts = b"--b\r\n\r\nSee the file.\r\n" + part % (name.encode(), base64.encodebytes(octets)) + b"--b--\r\n"
    return _HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + parts


def _nested(depth: int, kind: bytes, text: bytes = _SAID) -> bytes:
    opened = b"".join(b"Content-Type: %s; boundary=b%d\r\n\r\n--b%d\r\n" % (kind, n, n) for n in range(depth))
    return _HEAD + opened + b"\r\n" + text


def _trees() -> Iterator[Hostile]:
    """Parts in parts, and mails in mails."""
    for kind in (
        b"multipart/mixed",
        b"multipart/alternative",
        b"multipart/digest",
        b"multipart/signed",
        b"multipart/related",
    ):
        for depth in (19, 21, 3000):
            yield Hostile(f"nested/{kind.decode()}/{depth}", lambda depth=depth, kind=kind: _nested(depth, kind))  # type: ignore[misc]
    for depth in (5, 19, 21, 5000):
        mails = b"Content-Type: message/rfc822\r\n\r\n" * depth + _HEAD + b"\r\n" + _SAID
        yield Hostile(f"nested/message/{depth}", lambda mails=mails: mails)  # type: ignore[misc]
    for kind in (b"mixed", b"alternative", b"digest", b"report", b"encrypted", b"parallel", b"odd"):
        for count in (499, 5000):
            parts = b"--b\r\nContent-Type: text/html\r\n\r\n<p>x\r\n" * count
            head = _HEAD + b"Content-Type: multipart/%s; boundary=b\r\n\r\n" % kind
            yield Hostile(f"parts/{kind.decode()}/{count}", lambda head=head, parts=parts: head + parts)  # type: ignore[misc]


def _shapes(size: int) -> Iterator[Hostile]:
    """MIME that is not what it says, and parts that share what one message may cost."""
    mixed = b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n"
    shapes: dict[str, bytes] = {
        "no-boundary": b"Content-Type: multipart/mixed\r\n\r\n" + _SAID,
        "no-parts": mixed % b"b" + _SAID,
        "never-closed": mixed % b"b" + b"--b\r\n\r\n" + _SAID,
        "closed-twice": mixed % b"b" + b"--b\r\n\r\n" + _SAID + b"--b--\r\n" * 2000,
        "almost-boundaries": mixed % b"b" + b"--bx\r\n" * (size // 6),
        "boundaries-only": mixed % b"b" + b"--b\r\n" * (size // 5),
        "long-boundary": mixed % (b"b" * 2000) + b"--" + b"b" * 2000 + b"\r\n\r\n" + _SAID,
        "blank-boundary": mixed % b'" "' + b"-- \r\n" * 1000,
        "same-boundary": mixed % b"b" + (b"--b\r\n" + mixed % b"b") * 1000,
        "no-body": b"",
        "header-only": b"X: y",
        "calendar": b"Content-Type: text/calendar; method=REQUEST\r\n\r\n" + b"BEGIN:VCALENDAR\r\n" * (size // 17),
        "calendar-quotes": b"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nSUMMARY;X="
        + b'"a"' * (size // 3)
        + b":x",
        "calendar-pages": b"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nSUMMARY:x\r\n"
        + b"".join(b"X-ALT-DESC:%d%s\r\n" % (n, b"<hr>" * (size // 40)) for n in range(10)),
        "partial": b"Content-Type: message/partial; id=x; number=1; total=2\r\n\r\n" + _SAID,
        "external": b"Content-Type: message/external-body; access-type=URL; URL=x\r\n\r\n" + _SAID,
        "encrypted": b"Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n\r\nVersion: 1\r\n--b--\r\n",
        "two-codings": b"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + _SAID * 900,
        "two-types": b"Content-Type: text/html\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + _SAID,
        "bare-lf": mixed.replace(b"\r", b"") % b"b" + b"--b\n\n" + _SAID,
        "html-parts": mixed % b"b"
        + (b"--b\r\nContent-Type: text/html\r\n\r\n" + b"<td>" * (size // 400) + b"\r\n") * 100,
        "label-parts": mixed % b"b" + (b"--b\r\n\r\n" + b"a:\r\n" * (size // 400)) * 100,
        "mails-of-blocks": mixed % b"b"
        + (b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + _HEAD + b"\r\n" + _BLOCK * 20) * 100,
        "headers-in-mails": mixed % b"b"
        + (b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + b"X: y\r\n" * (size // 600)) * 100,
        "shadows": (
            b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nx\r\n"
            b"--b\r\nContent-Type: text/html\r\n\r\n" + b"<p hidden>x" * (size // 11)
        ),
    }
    for name, octets in shapes.items():
        yield Hostile(f"shape/{name}", lambda octets=octets: _HEAD + octets)  # type: ignore[misc]
