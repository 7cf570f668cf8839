"""parse_message takes little time for what is made to take much."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from smtpguard.mail.parsing import parse_message

# Two seconds of CPU where nobody else is. Beside other tests, which use the same caches, the same work takes twice that
# and more; what grows with the square of a mail's size takes minutes.
SECONDS_MAX = 3 * 2.0
pytestmark = pytest.mark.slow


def nested(levels: int) -> bytes:
    parts = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(levels))
    return parts + b"Content-Type: text/plain\r\n\r\nhi"


def text(octets: bytes, kind: bytes = b"text/plain; charset=utf-8") -> bytes:
    return b"From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\nContent-Type: " + kind + b"\r\n\r\n" + octets


# Made only when its turn has come: together they have some 90 MB.
HOSTILE: dict[str, Callable[[], bytes]] = {
    "comments in To": lambda: b"To: " + b"(" * 20_000 + b"\r\n\r\nx",
    "quotes in To": lambda: b"To: " + b'"a\\"' * 10_000 + b"\r\n\r\nx",
    "groups in To": lambda: b"To: " + b"g:" * 20_000 + b"\r\n\r\nx",
    "commas in To": lambda: b"To: " + b"," * 60_000 + b"\r\n\r\nx",
    "encoded words": lambda: b"Subject: " + b"=?utf-8?q?x " * 100_000 + b"\r\n\r\nx",
    "quotes in Content-Type": lambda: b"Content-Type: text/plain; " + b'a="' * 5_000 + b"\r\n\r\nx",
    "10,000 fields": lambda: b"".join(b"X-%d: y\r\n" % n for n in range(10_000)) + b"\r\nx",
    "50,000 divs": lambda: text(b"<div>" * 50_000 + b"x", b"text/html"),
    "unfinished tags": lambda: text(b"<a " * 300_000, b"text/html"),
    "unfinished comments": lambda: text(b"<!--" * 300_000, b"text/html"),
    "5,000 multiparts": lambda: nested(5_000),
    "5,000 attached mails": lambda: b"Content-Type: message/rfc822\r\n\r\n" * 5_000 + b"hi",
    "100,000 parts": lambda: text(b"--x\r\n\r\na\r\n" * 100_000, b"multipart/mixed; boundary=x"),
    "empty lines": lambda: text(b"\n" * 5_000_000),
    "banners": lambda: text(b"---------- Forwarded message ----------\n" * 100_000),
    "one-line banners": lambda: text((b"---- Forwarded message ---- From: " + b"To:" * 300 + b"\n") * 5_000),
    "blocks": lambda: text(b"From: a@b.cc\nTo: x\nSubject: y\n" * 100_000),
    "folded To of a block": lambda: text(b"From: x\n" + b"To: a,\n" * 500_000),
    "attributions": lambda: text(b"On 3 May 2020 x wrote:\n" * 200_000),
    "unfinished attributions": lambda: text(b"On 3 x\n" * 500_000),
    "quote marks": lambda: text(b">" * 5_000_000),
    "signatures": lambda: text(b"--\n" * 1_000_000),
    "attached mails with torn fields": lambda: text(
        (b"--x\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@b" + b'"' * 8_000 + b"\r\n\r\n") * 100,
        b"multipart/mixed; boundary=x",
    ),
    "attached mails with long fields": lambda: text(
        (b"--x\r\nContent-Type: message/rfc822\r\n\r\nTo: " + b"a@b.cc," * 9_000 + b"\r\n\r\n") * 100,
        b"multipart/mixed; boundary=x",
    ),
    "attached mails with encoded words": lambda: text(
        (b"--x\r\nContent-Type: message/rfc822\r\n\r\n" + b"X: =?utf-8?q?x \r\n" * 2000 + b"\r\n") * 100,
        b"multipart/mixed; boundary=x",
    ),
    "attachments": lambda: text(
        (
            b"--x\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            + b"=4" * 9000
            + b"\r\n"
        )
        * 400,
        b"multipart/mixed; boundary=x",
    ),
    "character references": lambda: text(b"&a" * 3_000_000, b"text/html"),
    "hidden elements": lambda: text(b"<div hidden>" * 300_000, b"text/html"),
    "you wrote": lambda: text(b"Hello x,\nyou wrote:\n> x\n" * 200_000),
    "supercited": lambda: text(b'>>>>> "X" == a@b.cc writes:\nX> x\n' * 200_000),
    "one long line": lambda: text(b"a:" * 3_000_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_is_read_in_bounded_time(name: str) -> None:
    octets = HOSTILE[name]()
    start = time.process_time()
    parse_message(octets)
    assert time.process_time() - start < SECONDS_MAX


# What one message that is read on the event loop may cost everybody else there.
INLINE_SECONDS_MAX = 0.5


@pytest.mark.parametrize(
    "piece",
    [
        b'"', b",", b".", b'\\"', b"g:", b"(", b"a.", b"<", b"@", b"a b ", b'"a" ', b";", b"g:;", b"a@[", b":",
        b"a@b(c),", b"a@b.cc,", b'"a@b.cc" <a@b.cc>,', b"=?utf-8?q?x ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [500, 1000, 8000, 60_000])
def test_torn_address_fields_of_a_small_message_take_little_time(piece: bytes, size: int) -> None:
    field = b"To: " + (piece * size)[:size] + b"a@b.cc\r\n"
    octets = field * (60_000 // size) + b"\r\nx"
    start = time.process_time()
    parse_message(octets)
    assert time.process_time() - start < INLINE_SECONDS_MAX


def test_an_attachment_of_ten_megabytes_is_not_decoded() -> None:
    octets = text(
        b"--x\r\n\r\nhi\r\n--x\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + (b"QUFB" * 19 + b"\r\n") * 130_000
        + b"--x--\r\n",
        b"multipart/mixed; boundary=x",
    )
    start = time.process_time()
    message = parse_message(octets)
    assert time.process_time() - start < 0.2
    assert message.own_text == "hi"
