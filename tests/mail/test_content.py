"""Wire form and message: dots are added and taken away exactly (RFC 5321, 4.5.2)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpguard.mail.content import WireContent, stuffed, unstuffed


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (b"", b""),
        (b"\r\n", b"\r\n"),
        (b"a\r\n", b"a\r\n"),
        (b".\r\n", b"..\r\n"),
        (b"..\r\n.a\r\n", b"...\r\n..a\r\n"),
        (b"a.\r\n\r\n.\r\n.\r\n", b"a.\r\n\r\n..\r\n..\r\n"),
        (b"a\r\n.b", b"a\r\n..b\r\n"),
    ],
)
def test_a_leading_dot_is_doubled(message: bytes, wire: bytes) -> None:
    assert stuffed(message) == wire
    assert unstuffed([wire]) == (message if message.endswith(b"\r\n") or not message else message + b"\r\n")


def test_a_dot_after_a_bare_line_feed_is_no_leading_dot() -> None:
    assert unstuffed([b"a\n.b\r.c\r\n"]) == b"a\n.b\r.c\r\n"
    assert stuffed(b"a\n.b\r\n") == b"a\n.b\r\n"


def test_a_dot_at_the_border_of_two_pieces_is_found() -> None:
    assert unstuffed([b"a\r", b"\n", b".", b".b\r\n"]) == b"a\r\n.b\r\n"


@settings(deadline=None, database=None)
@given(
    st.lists(
        st.binary(max_size=6).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b"")) | st.just(b"."), max_size=12
    )
)
def test_stuffing_and_unstuffing_give_the_message_back(lines: list[bytes]) -> None:
    message = b"".join(line + b"\r\n" for line in lines)
    wire = stuffed(message)

    assert unstuffed([wire]) == message
    assert b"\r\n.\r\n" not in b"\r\n" + wire


def test_content_in_memory_can_be_read_again_until_it_is_closed() -> None:
    content = WireContent(b"a\r\n")

    assert content.size == 3
    assert list(content.pieces()) == list(content.pieces()) == [b"a\r\n"]
    content.close()
    assert content.size == 0
    assert list(content.pieces()) == []
