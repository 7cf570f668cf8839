"""Messages as trees of parts, made of chance, by somebody who knows what a reader finds in them.

Every text has a word of its own (`mark`). `Tree.own` are the marks that the sender's program shows as the mail's text,
`Tree.attached` those in mails that hang on it; what is in neither is a file, or a second version of a text.
"""

from __future__ import annotations

import base64
import quopri
import random
import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple

MARK = re.compile("qu[a-z]{4}qu")
_CHARSETS = ["utf-8", "iso-8859-1", "utf-16", "koi8-r", "shift_jis", "utf-7", "gb18030"]
_MIXED = ["mixed", "related", "parallel", "report", "signed", "odd"]
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
DEPTH_MAX = 5


class Tree(NamedTuple):
    """A part, its header first; `parts` and `depth` are what the bounds count of it."""

    octets: bytes
    own: tuple[str, ...] = ()
    attached: tuple[str, ...] = ()
    parts: int = 1
    depth: int = 0
    html: bool = False


def mark_words() -> Iterator[str]:
    """Words that stand nowhere else, one after the other."""
    for number in count():
        letters = ""
        for _ in range(4):
            number, digit = divmod(number, 20)
            letters += "bcdfghjklmnprstvwxyz"[digit]
        yield f"qu{letters}qu"


class Growing:
    """Makes trees; every mark is used once."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.marks = mark_words()

    def message(self, depth: int = 0) -> Tree:
        """A mail with From, To and Subject."""
        tree = self.part(depth)
        return tree._replace(
            octets=b"From: a@b.test\r\nTo: c@d.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n" + tree.octets
        )

    def part(self, depth: int) -> Tree:
        """Any part; deep ones are leaves."""
        if depth >= DEPTH_MAX or self.chance.random() < 0.4:
            return self.chance.choices([self.text, self.invitation, self.file], [6, 1, 2])[0]()
        kind: Callable[[int], Tree] = self.chance.choices(
            [self.mixed, self.alternative, self.attached, self.digest, self.sealed], [4, 2, 2, 1, 1]
        )[0]
        return kind(depth)

    def text(self, word: str = "", html: bool | None = None) -> Tree:
        """Words around a mark, in any charset and transfer coding."""
        word = word or next(self.marks)
        html = self.chance.random() < 0.4 if html is None else html
        lines = [f"some {word} words", *["and more of them"] * self.chance.randint(0, 5)]
        text = "<p>" + "</p>\r\n<div>".join(lines) + "</div>" if html else "\r\n".join(lines)
        charset = self.chance.choice(_CHARSETS)
        fields, octets = self._coded(text.encode(charset), charset in ("utf-16", "utf-7"))
        flowed = "" if html else self.chance.choice(["", "; format=flowed"])
        kind = f"Content-Type: text/{'html' if html else 'plain'}; charset={charset}{flowed}\r\n"
        return Tree(kind.encode() + fields + octets, (word,), html=html)

    def _coded(self, octets: bytes, odd: bool = False) -> tuple[bytes, bytes]:
        """The field that names the coding, with the end of the header, and `octets` in it."""
        coding = self.chance.choice(["base64", "base64"] if odd else ["7bit", "8bit", "base64", "quoted-printable"])
        if coding == "base64":
            octets = base64.encodebytes(octets).replace(b"\n", b"\r\n")
        elif coding == "quoted-printable":
            octets = re.sub(rb"\r?\n", b"\r\n", quopri.encodestring(octets.replace(b"\r\n", b"\n")))
        return f"Content-Transfer-Encoding: {coding}\r\n\r\n".encode(), octets

    def invitation(self) -> Tree:
        """A calendar object; what people wrote there is own text."""
        word = next(self.marks)
        lines = [
            "BEGIN:VCALENDAR",
            "METHOD:REQUEST",
            "BEGIN:VEVENT",
            "SUMMARY:Meeting",
            f"DESCRIPTION:some {word} words",
        ]
        fields, octets = self._coded("\r\n".join([*lines, "X-OTHER:quwordqu", "END:VEVENT", "END:VCALENDAR"]).encode())
        return Tree(b"Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n" + fields + octets, (word,))

    def file(self) -> Tree:
        """What nobody reads as text, though words are in it."""
        kind = self.chance.choice([b"application/pdf", b"image/png", b"application/octet-stream; name=plan.bin"])
        fields, octets = self._coded(f"%PDF some {next(self.marks)} words".encode())
        return Tree(b"Content-Type: " + kind + b"\r\n" + fields + octets)

    def mixed(self, depth: int) -> Tree:
        """Parts one behind the other, with a preamble and an epilogue that nobody sees."""
        return self._multipart(self.chance.choice(_MIXED), [self.part(depth + 1) for _ in range(self._few())])

    def _few(self) -> int:
        return self.chance.choice([1, 1, 2, 3, 5])

    def _multipart(self, kind: str, parts: list[Tree]) -> Tree:
        boundary = self.chance.choice(["b1", "b1 b", f"=_{self.chance.randrange(10**6)}", "b'(x)+_,-./:=?"])
        # No part may have a line that begins as the delimiter does (RFC 2046, 5.1.1).
        while any(b"--" + boundary.encode() in each.octets for each in parts):
            boundary += self.chance.choice("xyz")
        line = b"--" + boundary.encode()
        inner = b"".join(
            line + self.chance.choice([b"", b" ", b"\t"]) + b"\r\n" + each.octets + b"\r\n" for each in parts
        )
        preamble, epilogue = self.chance.choice([(b"", b""), (b"quprequ\r\n", b"quendqu\r\n"), (b"\r\n", b"--\r\n")])
        head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
        return Tree(
            head + preamble + inner + line + b"--\r\n" + epilogue,
            tuple(word for each in parts for word in each.own),
            tuple(word for each in parts for word in each.attached),
            1 + sum(each.parts for each in parts),
            1 + max(each.depth for each in parts),
        )

    def alternative(self, depth: int) -> Tree:
        """One text twice: plain, and as a page, which may have pictures; or as a page alone."""
        word = next(self.marks)
        page = self.text(word, html=True)
        if self.chance.random() < 0.5 and depth + 1 < DEPTH_MAX:
            page = self._multipart("related", [page, self.file()])
        versions = [page] if self.chance.random() < 0.2 else [self.text(word, html=False), page]
        return self._multipart("alternative", versions)._replace(own=(word,))

    def _mail(self, depth: int) -> Tree:
        """A mail in a mail: all its texts are somebody else's."""
        tree = self.message(depth + 1) if self.chance.random() < 0.3 else self.part(depth + 1)
        head = self.chance.choice([b"", b"From: x@y.test\r\n", b"From: x@y.test\r\nSubject: y\r\nDate: now\r\n"])
        return tree._replace(octets=head + tree.octets, own=(), attached=tree.own + tree.attached, html=False)

    def attached(self, depth: int) -> Tree:
        """message/rfc822, or a file whose name says so; some programs encode it."""
        inner = self._mail(depth + 1)
        kind = self.chance.choice([b"message/rfc822", b"application/octet-stream; name=letter.eml", b"message/global"])
        coding, octets = b"\r\n", inner.octets
        if self.chance.random() < 0.3:
            coding = b"Content-Transfer-Encoding: base64\r\n\r\n"
            octets = base64.encodebytes(octets).replace(b"\n", b"\r\n")
        return inner._replace(
            octets=b"Content-Type: " + kind + b"\r\n" + coding + octets, parts=inner.parts + 1, depth=inner.depth + 1
        )

    def digest(self, depth: int) -> Tree:
        """Mails without a type of their own (RFC 2046, 5.1.5)."""
        mails = [self._mail(depth + 1) for _ in range(self._few())]
        parts = [
            each._replace(octets=b"\r\n" + each.octets, parts=each.parts + 1, depth=each.depth + 1) for each in mails
        ]
        return self._multipart("digest", parts)

    def sealed(self, depth: int) -> Tree:
        """An opaque S/MIME signature around a part (RFC 8551, 3.5.2), in DER, or in BER with its lengths left open."""
        inner = self.part(depth + 1)
        octets = signed(inner.octets, self.chance.choice([0, 1, 50, 4096]))
        head = (
            b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        )
        coded = base64.encodebytes(octets).replace(b"\n", b"\r\n")
        return inner._replace(octets=head + coded, parts=inner.parts + 1, depth=inner.depth + 1, html=False)


def _element(tag: int, value: bytes) -> bytes:
    size = len(value)
    length = bytes([size]) if size < 0x80 else b"\x84" + size.to_bytes(4, "big")
    return bytes([tag]) + length + value


def signed(content: bytes, piece: int) -> bytes:
    """CMS signed-data without signers around `content`; in pieces of so many octets, or in one where `piece` is 0."""
    data = bytes.fromhex("06092a864886f70d010701")
    if piece:
        pieces = b"".join(_element(0x04, content[at : at + piece]) for at in range(0, len(content), piece))
        wrapped = b"\x30\x80" + data + b"\xa0\x80\x24\x80" + pieces + b"\0\0" * 3
        inner = b"\x30\x80" + b"\x02\x01\x01\x31\x00" + wrapped + b"\x31\x00" + b"\0\0"
        return b"\x30\x80" + b"\x06\x09" + _SIGNED_DATA + b"\xa0\x80" + inner + b"\0\0" * 2
    wrapped = _element(0x30, data + _element(0xA0, _element(0x04, content)))
    inner = _element(0x30, b"\x02\x01\x01\x31\x00" + wrapped + b"\x31\x00")
    return _element(0x30, b"\x06\x09" + _SIGNED_DATA + _element(0xA0, inner))
