"""Received fields counted as the content comes in."""

from __future__ import annotations

import pytest

from smtpguard.mail.header import HEADER_OCTETS_MAX
from smtpguard.mail.trace import ReceivedCount

FIELD = b"Received: from a by b; Sun, 1 Jan 2023 00:00:00 +0000\r\n"


def counted(content: bytes, cut: int | None = None) -> int:
    count = ReceivedCount()
    step = cut or len(content) + 1
    for start in range(0, len(content) + 1, step):
        count.take(content[start : start + step])
    return count.number


@pytest.mark.parametrize("cut", [None, 1, 2, 3, 7, 64, 1500])
@pytest.mark.parametrize(
    ("content", "number"),
    [
        (b"", 0),
        (b"\r\n" + FIELD, 0),
        (FIELD, 1),
        (FIELD * 3 + b"Subject: hi\r\n" + FIELD + b"\r\n" + FIELD * 9, 4),
        (b"RECEIVED:x\r\nreceived \t: y\r\n.Received: stuffed\r\n\r\n", 3),
        (b"X-Received: a\r\nReceived-SPF: pass\r\nReceive: x\r\nSubject: Received: y\r\n\r\n", 0),
        (b"Subject: a\r\n Received: folded\r\n\tReceived: folded\r\nReceived: from a\r\n by b\r\n\r\n", 1),
        (FIELD + b"no field at all\r\n" + FIELD, 1),
        (FIELD + b"..\r\n" + FIELD, 1),
        (b"From anna Sun Jan  1 00:00:00 2023\r\n" + FIELD * 2 + b"\r\n" + FIELD, 2),
        (FIELD + b"From anna Sun Jan  1 00:00:00 2023\r\n" + FIELD, 1),
        (b"X: " + b"x" * 5000 + b"\r\n" + FIELD + b"Received: " + b"y" * 5000 + b"\r\n" + FIELD + b"\r\n", 3),
        (FIELD + b"n" * 5000 + b": a name that is none\r\n" + FIELD, 1),
    ],
)
def test_fields_of_the_header_are_counted_however_the_octets_are_cut(
    content: bytes, number: int, cut: int | None
) -> None:
    assert number == counted(content, cut)


@pytest.mark.parametrize("cut", [None, 1000, 65536])
def test_a_header_without_end_is_looked_at_as_far_as_headers_go(cut: int | None) -> None:
    filling = b"X: " + b"x" * 995 + b"\r\n"
    most = HEADER_OCTETS_MAX // len(filling) * filling

    assert counted(FIELD * 2 + most + filling * 2 + FIELD, cut) == 2
