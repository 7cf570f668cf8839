"""Command lines: what is read is what was typed, cut as it may be, and no two lines are ever glued."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import pytest
from hypothesis import strategies as st

from smtpguard.listener.framing import DIALOGUE_OCTETS_MAX, BadCommand, Framing
from smtpguard.mail.address import parse_address
from smtpguard.mail.envelope import Path, parse_path
from tests.fuzz import reading
from tests.fuzz.octets import PLACES, all_cuts, cuts, heap, mutated
from tests.fuzz.running import SIDE, corpus, each_of, fuzz

PIECES = [
    b"EHLO ", b"helo ", b"MAIL FROM:", b"mAiL fRoM:", b"RCPT TO:", b"rcpt to :", b"DATA", b"RSET", b"NOOP ", b"QUIT",
    b"VRFY ", b"HELP", b"AUTH PLAIN ", b"auth login", b"STARTTLS", b"BDAT 10 LAST", b"XCLIENT LOGIN=", b"\r\n", b"\r\n",
    b"\r\n", b"\r", b"\n", b"\r\r\n", b"\n\r", b"\0", b" ", b"\t", b"\x0b", b"\x7f", b"\x80", b"\xc3\xbc", b"\xc3",
    b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\xc2\x85", b"<", b">", b"<>", b"<a@example.test>", b"a@example.test", b"@",
    b".", b"..", b",", b":", b";", b'"', b'"a b"', b"\\", b"\\\"", b"(c)", b"%", b"!", b"<@r,@s:a@b>", b"[127.0.0.1]",
    b"[IPv6:::1]", b" SIZE=10", b" SIZE=", b" size=99999999999999999999", b" BODY=8BITMIME", b" SMTPUTF8", b" RET=HDRS",
    b" ENVID=q+2B", b" NOTIFY=NEVER", b" ORCPT=rfc822;x", b" AUTH=<>", b" =", b"x" * 990, b"y" * 1999, b"z" * 12_287,
]  # fmt: skip
SEEDS = corpus("commands")


def read(segments: Iterable[bytes]) -> list[bytes | BadCommand]:
    """What the framing makes of them; it never keeps more than one command may have."""
    framing = Framing()
    found: list[bytes | BadCommand] = []
    for segment in segments:
        framing.feed(segment)
        while (command := framing.next_command()) is not None:
            found.append(command)
        assert framing.waiting < DIALOGUE_OCTETS_MAX
    assert framing.deaf == bool(found and isinstance(found[-1], BadCommand))
    return found


def check_path(argument: str) -> None:
    """Nothing typed is lost, added or moved; an address is the same one however often it is read."""
    path = parse_path(argument)
    if path is None:
        return
    name, _, _ = argument.partition(":")
    assert _visible(argument) == _visible(f"{name}:{path.typed}{''.join(path.parameters)}")
    assert path.typed in argument
    assert all(each in argument for each in path.parameters)
    assert isinstance(path, Path)
    for parameter in path.parameters:
        assert path.parameter(parameter.partition("=")[0]) is not None
    assert not (path.is_null and path.address is not None)
    check_address(path.typed)


def check_address(text: str) -> None:
    address = parse_address(text)
    if address is None:
        return
    assert str(address) in text
    assert parse_address(f"<{address}>") == address
    # The case of ASCII letters and the composition of others make no other mailbox.
    assert parse_address("".join(each.swapcase() if each.isascii() else each for each in text)) == address
    assert parse_address(unicodedata.normalize("NFD", text)) == address
    if address.is_clear:
        again = parse_address(address.normal)
        assert again == address
        assert hash(again) == hash(address)
        assert again.normal == address.normal


def check(octets: bytes, places: Iterable[int] = ()) -> None:
    expected = reading.command_lines(octets)
    for segments in cuts(octets, places):
        assert read(segments) == expected
    for line in expected:
        if isinstance(line, bytes):
            assert not set(line) & set(b"\r\n\0")
            verb, _, argument = line.partition(b" ")
            text = argument.strip().decode("utf-8", "surrogateescape")
            assert text.encode("utf-8", "surrogateescape") == argument.strip()
            check_path(text)
            check_path(verb.decode("utf-8", "surrogateescape"))


def _visible(text: str) -> str:
    return text.replace(" ", "").replace("\t", "")


@each_of("commands")
def test_corpus(octets: bytes) -> None:
    check(octets)
    expected = reading.command_lines(octets)
    assert all(read(segments) == expected for segments in all_cuts(octets))


@pytest.mark.slow
def test_fuzz_command_lines() -> None:
    fuzz(check, octets=heap(PIECES) | mutated(SEEDS, PIECES), places=PLACES)


@pytest.mark.slow
def test_fuzz_paths_and_addresses() -> None:
    signs = st.sampled_from(
        [*'ab@.<>"\\ \t=%!:;,()[]-+', "\u00a0", "\udc80", "\u00df", "\u0130", "xn--", "FROM:", "TO:", "e\u0301"]
    )
    texts = st.lists(signs, max_size=30).map("".join)

    def check_all(text: str) -> None:
        check_path(text)
        check_path(f"FROM:{text}")
        check_path(f"TO:<{text}> SIZE=1")
        check_address(text)

    fuzz(check_all, share=SIDE, text=texts | st.text(max_size=30))
