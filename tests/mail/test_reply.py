"""Replies of the mail server: read the same however they are cut into segments, kept octet for octet, bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpguard.mail.reply import REPLY_LINE_OCTETS_MAX, REPLY_LINES_MAX, Reply, ReplyError, ReplyParser


def read(segments: list[bytes]) -> tuple[list[Reply], str | None, bool]:
    """What a parser gives for `segments`: replies, the error if one came, and whether something is pending."""
    parser = ReplyParser()
    replies: list[Reply] = []
    for segment in segments:
        try:
            replies += parser.feed(segment)
        except ReplyError as error:
            return replies + list(error.replies), str(error), False
    return replies, None, parser.pending


def test_one_line_is_a_reply() -> None:
    (reply,) = ReplyParser().feed(b"250 2.1.0 Ok\r\n")

    assert (reply.code, reply.lines, reply.wire) == (250, ("2.1.0 Ok",), b"250 2.1.0 Ok\r\n")
    assert reply.text == "250 2.1.0 Ok"


def test_several_lines_are_one_reply_and_kept_as_they_came() -> None:
    wire = b"550-5.7.1  two  blanks\r\n550-\r\n550-5.7.1 \xc3\xa4 \xff\ttab\r\n550 5.7.1 end \r\n"

    (reply,) = ReplyParser().feed(wire)

    assert reply.wire == wire
    assert len(reply.lines) == 4
    assert reply.lines[0] == "5.7.1  two  blanks"
    assert reply.permanent


@pytest.mark.parametrize("wire", [b"250\r\n", b"250 \r\n", b"250-\r\n250\r\n"])
def test_the_text_may_be_left_out(wire: bytes) -> None:
    (reply,) = ReplyParser().feed(wire)

    assert reply.wire == wire
    assert set(reply.lines) == {""}


@pytest.mark.parametrize("end", [b"\n", b"\r\r\n"])
def test_sloppy_line_ends_are_taken_and_made_right(end: bytes) -> None:
    (reply,) = ReplyParser().feed(b"250-a" + end + b"250 b" + end)

    assert reply.wire == b"250-a\r\n250 b\r\n"


@pytest.mark.parametrize(
    "wire",
    [
        b"\r\n", b"25\r\n", b"2500 x\r\n", b"250_x\r\n", b"abc x\r\n", b"150 x\r\n", b"650 x\r\n", b" 250 x\r\n",
        b"HTTP/1.1 400 Bad Request\r\n", b"250-a\r\n251 b\r\n", b"250-a\r\nb\r\n", b"250 a\r250 b\r\n", b"250 a\0b\r\n",
        "٢٥٠ x\r\n".encode(),
    ],
)  # fmt: skip
def test_what_is_no_reply_is_an_error(wire: bytes) -> None:
    with pytest.raises(ReplyError):
        ReplyParser().feed(wire)


def test_good_replies_before_the_garbage_are_not_lost() -> None:
    with pytest.raises(ReplyError) as caught:
        ReplyParser().feed(b"250 ok\r\n354 go\r\ngarbage\r\n")

    assert [reply.code for reply in caught.value.replies] == [250, 354]


def test_a_line_is_bounded_with_and_without_its_end() -> None:
    longest = b"250 " + b"x" * (REPLY_LINE_OCTETS_MAX - 5) + b"\r"

    assert ReplyParser().feed(longest + b"\n")[0].code == 250
    for wire in (b"x" + longest, b"250 x" + longest + b"\n", b"x" * 10_000_000):
        with pytest.raises(ReplyError, match="too long"):
            ReplyParser().feed(wire)


def test_the_number_of_lines_is_bounded() -> None:
    assert len(ReplyParser().feed(b"250-x\r\n" * (REPLY_LINES_MAX - 1) + b"250 x\r\n")[0].lines) == REPLY_LINES_MAX
    with pytest.raises(ReplyError, match="too many"):
        ReplyParser().feed(b"250-x\r\n" * 50_000)


def test_an_unfinished_reply_is_pending() -> None:
    parser = ReplyParser()

    assert not parser.pending
    assert parser.feed(b"250-a\r\n") == []
    assert parser.pending
    assert len(parser.feed(b"250 b\r\n")) == 1
    assert not parser.pending
    assert parser.feed(b"2") == []
    assert parser.pending


def test_a_reply_of_our_own_is_read_back_as_it_was_made() -> None:
    ours = Reply.of(450, "4.7.1 first", "4.7.1 sécond", "4.7.1 last")

    assert ours.wire == "450-4.7.1 first\r\n450-4.7.1 sécond\r\n450 4.7.1 last\r\n".encode()
    assert ReplyParser().feed(ours.wire) == [ours]
    assert (ours.ok, ours.transient, ours.permanent) == (False, True, False)


LINES = st.one_of(
    st.tuples(
        st.sampled_from([b"250", b"250", b"354", b"421", b"550", b"99", b"25x"]),
        st.sampled_from([b" ", b"-", b"-", b""]),
        st.binary(max_size=12).map(lambda text: text.replace(b"\n", b"")),
        st.sampled_from([b"\r\n", b"\r\n", b"\n"]),
    ).map(b"".join),
    st.binary(max_size=8),
    st.just(b"250 " + b"y" * REPLY_LINE_OCTETS_MAX),
    st.just(b"250-z\r\n" * (REPLY_LINES_MAX - 1)),
)


@settings(deadline=None, database=None)
@given(st.lists(LINES, max_size=8).map(b"".join), st.data())
def test_how_octets_are_cut_into_segments_changes_nothing(wire: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(wire)), max_size=12)))
    segments = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]

    assert read(segments) == read([wire])


@settings(database=None, max_examples=settings().max_examples // 2)
@given(st.lists(LINES, max_size=4).map(b"".join).filter(lambda wire: len(wire) < 500))
def test_octet_by_octet_is_the_same_as_at_once(wire: bytes) -> None:
    assert read([wire[n : n + 1] for n in range(len(wire))]) == read([wire])
