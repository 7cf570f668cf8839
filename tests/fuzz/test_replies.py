"""The mail server's replies: read alike however cut, bounded, and rendered as they came."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from smtpguard.mail.reply import REPLY_LINE_OCTETS_MAX, REPLY_LINES_MAX, Reply, ReplyError, ReplyParser
from smtpguard.upstream.connection import extensions_of
from tests.fuzz.octets import PLACES, all_cuts, cuts, heap, mutated
from tests.fuzz.running import corpus, each_of, fuzz

PIECES = [
    b"250 ", b"250-", b"250", b"220 mail.example.test ESMTP", b"354 go", b"421 4.3.2 bye", b"550 5.1.1 no",
    b"334 VXNlcg==", b"235", b"199 x", b"600 x", b"2500 x", b"25 x", b"25", b"abc", b" 250 x", b"-", b" ", b"\r\n",
    b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n", b"\0", b"250-SIZE 100", b"250-AUTH PLAIN LOGIN", b"250-AUTH=LOGIN",
    b"250 STARTTLS", b"\xff", b"\xc3\xbc", b"\xe2\x80\xa8", b"\t", b"x" * 4092, b"y" * 5000, b"250-x\r\n" * 511,
    b"250-\r\n" * 600, "\u0662\u0665\u0660 x".encode(), b"+25 x", b"2_0 x",
]  # fmt: skip
SEEDS = corpus("replies")
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])[^\r\0]*)?")


def read(segments: Iterable[bytes]) -> tuple[list[Reply], bool]:
    """The replies, and whether the parser then gave up."""
    parser = ReplyParser()
    replies: list[Reply] = []
    try:
        for segment in segments:
            replies += parser.feed(segment)
            assert len(parser._buffer) <= REPLY_LINE_OCTETS_MAX
            assert len(parser._lines) <= REPLY_LINES_MAX
    except ReplyError as error:
        return replies + list(error.replies), True
    return replies, False


def expected(octets: bytes) -> tuple[list[bytes], bool]:
    """Line by line: the wire form of each reply, lines ended by CRLF; and whether something is no reply."""
    *lines, rest = octets.split(b"\n")
    replies: list[bytes] = []
    open_lines: list[bytes] = []
    for line in lines:
        text = line.rstrip(b"\r")
        match = _LINE.fullmatch(text)
        too_long = len(line) > REPLY_LINE_OCTETS_MAX
        if too_long or match is None or any(each[:3] != match[1] for each in open_lines):
            return replies, True
        open_lines.append(text)
        if len(open_lines) > REPLY_LINES_MAX:
            return replies, True
        if match[2] != b"-":
            replies.append(b"".join(each + b"\r\n" for each in open_lines))
            open_lines = []
    return replies, len(rest) > REPLY_LINE_OCTETS_MAX


def check(octets: bytes, places: Iterable[int] = ()) -> None:
    wires, broken = expected(octets)
    for segments in cuts(octets, places):
        found, gave_up = read(segments)
        assert [each.wire for each in found] == wires
        assert gave_up == broken
    found, _ = read([octets])
    for reply in found:
        check_reply(reply)
    if b"\n" not in octets.replace(b"\r\n", b"") and b"\r\r" not in octets:
        assert octets.startswith(b"".join(wires))


def check_reply(reply: Reply) -> None:
    """It reads the same from its own octets, and its words make the same octets again."""
    assert read([reply.wire]) == ([reply], False)
    assert 200 <= reply.code <= 599
    assert reply.ok + reply.transient + reply.permanent + (300 <= reply.code < 400) == 1
    lines = reply.wire.split(b"\r\n")[:-1]
    assert len(lines) == len(reply.lines)
    if all(len(each) > 3 for each in lines):
        assert Reply.of(reply.code, *reply.lines).wire == reply.wire
    assert "\n" not in reply.text
    for keyword in extensions_of(reply):
        assert keyword == keyword.upper()
        assert " " not in keyword


@each_of("replies")
def test_corpus(octets: bytes) -> None:
    check(octets)
    wires, broken = expected(octets)
    for segments in all_cuts(octets):
        found, gave_up = read(segments)
        assert ([each.wire for each in found], gave_up) == (wires, broken)


@pytest.mark.slow
def test_fuzz_upstream_replies() -> None:
    fuzz(check, octets=heap(PIECES) | mutated(SEEDS, PIECES), places=PLACES)
