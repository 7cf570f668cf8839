"""What judging reads from a mail: headers, MIME, quotes and forwards. Never raises, and does not depend on dress."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import strategies as st

from smtpguard.mail.address import parse_address
from smtpguard.mail.message import Message, Voice
from smtpguard.mail.parsing import parse_message
from tests.fuzz.mails import SPELLINGS, encoded, mail, part, text, torn
from tests.fuzz.octets import heap, mutated
from tests.fuzz.running import HALF, SIDE, corpus, each_of, fuzz

_GOLDEN = Path(__file__).parents[1] / "golden" / "passages"
SEEDS = [path.read_bytes() for path in sorted(_GOLDEN.glob("*/message.eml"))] + corpus("mails")
PIECES = [
    b"\r\n", b"\n", b"\r\n\r\n", b"--b1", b"--b1\r\n", b"--", b">", b"> ", b":", b"=?utf-8?q?", b"?=", b"=?", b"(",
    b")", b'"', b"<", b">", b"@", b",", b";", b"\0", b"\xff", b"\xc3", b"\xe2\x80\x8b",
    b"Content-Type: multipart/mixed; boundary=b1\r\n", b"Content-Type: message/rfc822\r\n", b"=\r\n", b"=C3", b"=4",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Type: text/html; charset=utf-7\r\n", b"; charset*=''%", b"; charset=utf-16", b"; format=flowed",
    b"<blockquote>", b"<div hidden>", b"<!--", b"<style>", b"&#", b"&lt;", b"-----Original Message-----\r\n",
    b"---------- Forwarded message ----------\r\n", b"Begin forwarded message:\r\n", b"From: ", b"Von: ", b"To: ",
    b"Subject: ", b"Sent: ", b"On 1 wrote:\r\n", b"On Mon, 5 Jan 2026 a@b.cc wrote:\r\n", b"-- \r\n", b"Resent-To: ",
    b"a@b.cc", b"QUJD", b"begin 644 x\r\n", b"Auto-Submitted: ", b"Message-ID: <",
]  # fmt: skip


def check(octets: bytes) -> None:
    message = parse_message(octets)
    assert message == parse_message(octets)
    check_bounds(message, octets)


def check_bounds(message: Message, octets: bytes) -> None:
    """No more text comes out than the octets can hold, and what has to be one line is one."""
    for passage in message.passages:
        assert passage.words >= 0
        assert passage.kind is None or passage.voice is Voice.FORWARDED
    # A text is there once as it is written and once as it is seen; an HTML entity makes two letters of five.
    assert sum(len(each.text) for each in message.passages) <= 4 * len(octets) + 1000
    assert "\n" not in message.subject
    assert "\n" not in message.opening
    assert all(each == parse_address(str(each)) or not each.is_clear for each in message.destinations)


def check_dress(number: int, coding: str, charset: str) -> None:
    """The same words say the same, whatever they are encoded in."""
    written = text(random.Random(number))
    written = re.sub(r"[^\x20-\x7e\n\u00e0-\u00ff]", "x", written)
    # Transfer codings may add a line end; none is lost.
    written = "\n".join(each.rstrip() for each in written.splitlines()).strip("\n") + "\n"
    plain = parse_message(b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + written.replace("\n", "\r\n").encode())
    head = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {coding}\r\n\r\n".encode()
    dressed = parse_message(head + encoded(written, coding, charset))
    assert dressed.passages == plain.passages
    assert dressed.opening == plain.opening
    inner = head + encoded(written, coding, charset)
    wrapped = parse_message(
        b"Content-Type: multipart/mixed; boundary=fuzz\r\n\r\n--fuzz\r\n" + inner + b"\r\n--fuzz--\r\n"
    )
    assert [each.text.strip() for each in wrapped.passages] == [each.text.strip() for each in plain.passages]


def check_found(number: int, name: str) -> None:
    """An address in To or Cc is found in whatever spelling it stands, and whatever stands around it."""
    chance = random.Random(number)
    shown = chance.choice(SPELLINGS)("berlin@lists.example.test")
    others = [chance.choice(SPELLINGS)("x@example.org") for _ in range(chance.randint(0, 2))]
    after = part(chance, 4)
    octets = f"{name}: {', '.join([shown, *others])}\r\nSubject: x\r\n".encode() + after
    found = parse_message(octets).destinations
    assert parse_address("berlin@lists.example.test") in found


@each_of("mails")
def test_corpus(octets: bytes) -> None:
    check(octets)


@pytest.mark.slow
def test_fuzz_header_and_mime_walk() -> None:
    fuzz(check, octets=heap(PIECES, 60) | mutated(SEEDS, PIECES))


@pytest.mark.slow
def test_fuzz_mails_of_chance_with_quotes_and_forwards() -> None:
    def check_torn(number: int) -> None:
        chance = random.Random(number)
        check(torn(chance, mail(chance, ["ben@example.test"])))

    fuzz(check_torn, share=HALF, number=st.integers(0, 2**64))


@pytest.mark.slow
def test_fuzz_encodings_change_nothing() -> None:
    codings = st.sampled_from(["8bit", "base64", "quoted-printable", "BASE64", "quoted-printable (x)"])
    charsets = st.sampled_from(["utf-8", "iso-8859-1", "windows-1252", "ISO-8859-15", "latin1"])
    fuzz(check_dress, share=SIDE, number=st.integers(0, 2**64), coding=codings, charset=charsets)


@pytest.mark.slow
def test_fuzz_addresses_in_the_header_are_found() -> None:
    fuzz(check_found, share=SIDE, number=st.integers(0, 2**64), name=st.sampled_from(["To", "Cc", "to", "CC"]))
