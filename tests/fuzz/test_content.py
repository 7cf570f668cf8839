"""The dot reader: one end of content and no other, whatever comes and however it is cut."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from smtpguard.listener.framing import BadCommand, Framing
from smtpguard.mail.content import stuffed, unstuffed
from smtpguard.mail.trace import ReceivedCount
from tests.fuzz import reading
from tests.fuzz.octets import PLACES, all_cuts, cuts, heap, mutated
from tests.fuzz.running import SIDE, corpus, each_of, fuzz

PIECES = [
    b"\r\n", b"\r\n", b"\r\n.\r\n", b"\r\n.\r\n", b".", b"..", b"\r\n.", b"\r\n..\r\n", b".\r\n", b"\r", b"\n", b"\0",
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r.\n", b"\r\r\n.\r\r\n",
    b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\0\n", b"\r\n.\r\r\n", b"\r\n.\n\r\n", b"\xff", b"\xe2\x80\xa8",
    b"\xc2\x85", b"a", b"Subject: x\r\n", b"\r\n\r\n", b"MAIL FROM:<evil@example.test>\r\n", b"QUIT\r\n", b"DATA\r\n",
    b"x" * 1000, b"x" * 3000,
]  # fmt: skip
SEEDS = corpus("content")
# What one server or another takes for the end of content.
OTHER_ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r\n", b"\r.\r\n", b"\n.\r", b"\r.\n"]


def read(segments: Iterable[bytes]) -> tuple[reading.Read, list[bytes | BadCommand], bytes]:
    """What the framing makes of content and of what stands behind it, and the pieces handed on."""
    framing = Framing()
    pieces: list[bytes] = []
    content = framing.begin_content(pieces.append)
    came = 0
    for segment in segments:
        framing.feed(segment)
        came += len(segment)
        if not content.ended and not content.bad:
            # No more than the beginning of an end is kept back.
            assert came - sum(map(len, pieces)) <= 4
    behind: list[bytes | BadCommand] = []
    while content.ended and (command := framing.next_command()) is not None:
        behind.append(command)
    wire = b"".join(pieces)
    ended = content.ended
    assert framing.receiving is (not ended)
    assert not (ended and content.bad and not framing.deaf)
    return reading.Read(None if content.bad else wire, b"" if ended else None), behind, wire


def check(octets: bytes, places: Iterable[int] = ()) -> None:
    expected = reading.content(octets)
    ended = expected.behind is not None
    behind = reading.command_lines(expected.behind or b"") if expected.wire is not None else []
    for segments in cuts(octets, places):
        found, commands, wire = read(segments)
        assert (found.behind is not None) == ended
        assert octets.startswith(wire)
        for odd in (b"\r", b"\n", b"\0"):
            assert odd not in wire.replace(b"\r\n", b"")
        if ended:
            assert found.wire == expected.wire
            assert commands == behind
        if ended and expected.wire is not None:
            check_way_out(expected.wire)
        assert counted(segments) == counted([octets])


def check_way_out(wire: bytes) -> None:
    """Any mail server behind us, whatever it takes for an end, finds one message where we found one."""
    sent = b"\r\n" + wire + b".\r\n"
    assert not wire or wire.endswith(b"\r\n")
    assert min(at for each in OTHER_ENDS if (at := sent.find(each)) >= 0) == len(sent) - 5
    assert stuffed(unstuffed([wire])) == wire or b"\r\n." in b"\r\n" + wire.replace(b"\r\n..", b"\r\n")


def counted(segments: Iterable[bytes]) -> int:
    """The Received fields that are counted in what may be content."""
    count = ReceivedCount()
    number = 0
    for segment in segments:
        number = count.take(segment)
    return number


@each_of("content")
def test_corpus(octets: bytes) -> None:
    check(octets)
    expected = reading.content(octets)
    for segments in all_cuts(octets):
        found, _, _ = read(segments)
        assert (found.behind is None) == (expected.behind is None)
        if found.behind is not None:
            assert found.wire == expected.wire


@pytest.mark.slow
def test_fuzz_dot_reader() -> None:
    fuzz(check, octets=heap(PIECES) | mutated(SEEDS, PIECES), places=PLACES)


@pytest.mark.slow
def test_fuzz_received_fields_are_counted_however_the_octets_are_cut() -> None:
    fields = [
        b"Received: x\r\n", b"\r\nReceived:", b"received :", b".Received:", b"\r\n", b"\r", b"\n", b" folded\r\n",
        b"\t", b":", b"X: y\r\n", b"From a b\r\n", b">From x\r\n", b"no field\r\n", b"N" * 900, b" " * 90, b"\r\n\r\n",
        b"..", b"\xff", b"v" * 3000,
    ]  # fmt: skip

    def check_count(octets: bytes, places: list[int]) -> None:
        assert all(counted(segments) == counted([octets]) for segments in cuts(octets, places))
        assert counted([octets]) <= octets.lower().count(b"received")

    fuzz(check_count, share=SIDE, octets=heap(fields, 40), places=PLACES)
