"""Octets to commands and content: one end of line, one end of content, and the same events however octets are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.listener.framing import (
    COMMAND_OCTETS_MAX,
    DIALOGUE_OCTETS_MAX,
    BadCommand,
    Flaw,
    Framing,
)


def commands(segments: list[bytes]) -> list[bytes | BadCommand]:
    framing = Framing()
    found: list[bytes | BadCommand] = []
    for segment in segments:
        framing.feed(segment)
        while (command := framing.next_command()) is not None:
            found.append(command)
    return found


def content(segments: list[bytes]) -> tuple[bytes | None, bool, list[bytes | BadCommand]]:
    """The wire form (None if bad), whether the end was found, and what is read as commands behind it."""
    framing = Framing()
    pieces: list[bytes] = []
    receipt = framing.begin_content(pieces.append)
    for segment in segments:
        framing.feed(segment)
    behind: list[bytes | BadCommand] = []
    while receipt.ended and (command := framing.next_command()) is not None:
        behind.append(command)
    return (None if receipt.bad else b"".join(pieces)), receipt.ended, behind


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


# Octets that matter here are frequent, so that every combination of them comes up.
telling = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"\x00", b"a", b"..", b"\r\n.\r\n", b"EHLO x", b"\xff"]), max_size=30
).map(b"".join)
places = st.lists(st.integers(0, 200), max_size=8)


@given(telling, places)
def test_commands_are_the_same_however_the_octets_are_cut(data: bytes, where: list[int]) -> None:
    assert commands([data]) == commands(cut(data, where))


@given(telling, places)
def test_content_is_the_same_however_the_octets_are_cut(data: bytes, where: list[int]) -> None:
    whole, one_by_one = content([data]), content([bytes([each]) for each in data])

    assert content(cut(data, where))[1:] == whole[1:] == one_by_one[1:]
    if whole[1]:
        assert content(cut(data, where))[0] == whole[0] == one_by_one[0]


@given(telling)
def test_content_that_is_taken_has_no_octet_that_anybody_could_read_as_another_end(data: bytes) -> None:
    wire, ended, _ = content([data + b"\r\n.\r\n"])

    assert ended
    if wire is not None:
        bare = wire.replace(b"\r\n", b"")
        assert b"\r" not in bare
        assert b"\n" not in bare
        assert b"\x00" not in bare
        assert not wire or wire.endswith(b"\r\n")
        assert b"\r\n.\r\n" not in b"\r\n" + wire


@pytest.mark.parametrize("length", [COMMAND_OCTETS_MAX - 2, 10])
def test_a_command_of_allowed_length_is_taken(length: int) -> None:
    assert commands([b"x" * length + b"\r\n"]) == [b"x" * length]


@pytest.mark.parametrize("length", [COMMAND_OCTETS_MAX - 1, COMMAND_OCTETS_MAX, 100_000])
@pytest.mark.parametrize("step", [1, 7, 1_000_000])
def test_a_longer_command_ends_the_conversation(length: int, step: int) -> None:
    data = b"NOOP\r\n" + b"x" * length + b"\r\nNOOP\r\n"

    segments = [data[at : at + step] for at in range(0, min(len(data), 5_000), step)]

    assert commands(segments) == [b"NOOP", BadCommand(Flaw.LENGTH)]


def test_auth_and_its_responses_may_be_longer() -> None:
    longest = DIALOGUE_OCTETS_MAX - 2
    framing = Framing()
    framing.feed(b"x" * longest + b"\r\n")

    assert commands([b"auth PLAIN ".ljust(longest, b"A") + b"\r\n"]) == [b"auth PLAIN ".ljust(longest, b"A")]
    assert framing.next_command(dialogue=True) == b"x" * longest
    assert commands([b"AUTH PLAIN ".ljust(longest + 1, b"A") + b"\r\n"]) == [BadCommand(Flaw.LENGTH)]


@pytest.mark.parametrize("bad", [b"NO\rOP\r\n", b"NOOP\n", b"NO\x00OP\r\n", b"NOOP\r\r\n", b"\n", b"NOOP\n\r\n"])
def test_good_commands_before_a_bad_one_are_read_and_none_behind_it(bad: bytes) -> None:
    assert commands([b"EHLO a\r\nMAIL FROM:<>\r\n" + bad + b"QUIT\r\n"]) == [
        b"EHLO a",
        b"MAIL FROM:<>",
        BadCommand(Flaw.OCTETS),
    ]


@pytest.mark.parametrize("wire", [b"", b"\r\n", b"a\r\n", b"..\r\n", b"..a\r\n\r\n", b".a\r\n", b"\xff\xfe\r\n"])
def test_content_ends_at_crlf_dot_crlf_alone(wire: bytes) -> None:
    assert content([wire + b".\r\nQUIT\r\n"]) == (wire, True, [b"QUIT"])


# What one server or another has been seen to take for the end of content.
SMUGGLING = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r.\n", b"\n\n.\n\n",
    b"\r\r\n.\r\r\n", b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\r\n.\r\x00\n", b"\n.\x00\n", b"\r\n.\r\r\n",
    b"\r\n.\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("end", SMUGGLING)
@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_every_other_spelling_of_the_end_makes_content_bad_and_ends_it_all(end: bytes, step: int) -> None:
    data = b"Subject: a\r\n\r\nb" + end + b"MAIL FROM:<evil@example.test>\r\n.\r\nNOOP\r\n"

    assert content([data[at : at + step] for at in range(0, len(data), step)]) == (None, True, [])


def test_content_cannot_begin_while_octets_wait() -> None:
    framing = Framing()
    framing.feed(b"early")

    with pytest.raises(ValueError, match="before the 354"):
        framing.begin_content(lambda piece: None)


def test_bad_content_is_swallowed_without_being_handed_on() -> None:
    framing = Framing()
    pieces: list[bytes] = []
    receipt = framing.begin_content(pieces.append)

    framing.feed(b"bare\nLF")
    for _ in range(100):
        framing.feed(b"more\r\n")

    assert (receipt.bad, receipt.ended, pieces) == (True, False, [])
    framing.feed(b".\r\n")
    assert (receipt.ended, framing.deaf) == (True, True)
