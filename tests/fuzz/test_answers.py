"""What members write back: tokens in any text, and the choice. Nothing is read that does not stand there."""

from __future__ import annotations

import re

import pytest
from hypothesis import strategies as st

from smtpguard.answers.choice import Choice, Word, choice_in, parse_choice
from smtpguard.answers.token import FOUND_MAX, Token, find_tokens, parse_token
from smtpguard.mail.parsing import parse_message
from tests.fuzz.octets import heap, mutated
from tests.fuzz.running import SIDE, corpus, each_of, fuzz

LISTS = {1: "berlin", 2: "all-members", 3: "b\u00fccher", 12: "Press"}
CODE = Token(bytes(range(32))).code
TOKEN_PIECES = [
    b"code:", b"CODE :", b"code", b"mailcheck+", b"#", b"@check.example.test", b"%2B", b"%252B", b"%40", b"AAAA",
    b"ABCD2345", b"A" * 51, CODE.encode(), CODE[:26].encode(), CODE[26:].encode(), CODE.lower().encode(), b"-", b" ",
    b"\r\n", b"\n", b"> ", b">>> ", b"=\r\n", b"*", b"_", b"\xe2\x80\x94", b"\xc2\xa0", b"\xe2\x80\x8b", b"1", b"8",
    b"\xc5\xbf", b"\xc4\xb1", b"a", b"Q", b"B", b"code: " * 50, b"ABCD-" * 40,
]  # fmt: skip
CHOICE_PIECES = [
    b"SEND", b"send", b"ONLY", b"only ", b"DISCARD", b"BACK", b" ", b"\t", b"\r\n", b".", b"!", b"*", b'"', b"'", b"> ",
    b"#", b"(", b")", b"1", b"2", b"12", b"9", b"001", b"berlin", b"B\xc3\xbccher", b"bu\xcc\x88cher", b"press",
    b"\xc5\xbf", b"\xc4\xb1", b"\xe2\x80\x9e", b"\xd9\xa1", b"-- \r\n", b"On Mon, Anna wrote:\r\n",
    b"-----Original Message-----\r\n", b"<p>", b"</p>", b"<br>", b"<blockquote>", b"x",
]  # fmt: skip
_NO_SIGN = re.compile(r"[^A-Za-z2-7]+")


def check_tokens(octets: bytes) -> None:
    text = octets.decode("utf-8", "replace")
    found = find_tokens(text)
    assert len(found) <= FOUND_MAX
    assert len(set(found)) == len(found)
    bare = _NO_SIGN.sub("", re.sub(r"(?i)code\s{0,2}:|%(?:25){0,4}(?:2b|23|40)", "", text)).upper()
    for token in found:
        assert token.code in bare, "a code that does not stand there"
    one = parse_token(text)
    assert one is None or (one.code in _NO_SIGN.sub("", text).upper() and parse_token(one.code) == one)


def check_carried(octets: bytes, before: str, behind: str) -> None:
    """A code on its two lines is found in whatever stands around it, unless that is full of other codes."""
    token = Token(octets)
    first, second = token.lines
    text = f"{before}\ncode: {first}\ncode: {second}\n{behind}"
    found = find_tokens(text)
    assert token in found or len(found) == FOUND_MAX


def check_choice(octets: bytes) -> None:
    text = octets.decode("utf-8", "replace")
    for line in (text, *text.splitlines()):
        choice = parse_choice(line, LISTS)
        assert choice is None or _said(choice, line), f"{choice} was not said"
    # A numbered word is one word: whatever is dressed around it, the answer to it alone is the same.
    message = parse_message(b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + octets)
    chosen = choice_in(message, LISTS)
    assert chosen is None or _said(chosen, message.opening)
    assert chosen is None or message.opening.strip() in " ".join(text.split()) or _said(chosen, text)
    page = parse_message(b"Content-Type: text/html; charset=utf-8\r\n\r\n" + octets)
    chosen = choice_in(page, LISTS)
    assert chosen is None or _said(chosen, page.opening)


def _said(choice: Choice, line: str) -> bool:
    """The word stands in the line in plain letters, and of the lists the one that is meant."""
    words = "".join(each if each.isalnum() or each == "\u0308" else " " for each in line).split()
    if not any(each.isascii() and each.upper() == choice.word.value for each in words):
        return choice.word is Word.ONLY and re.search(r"(?i)only[0-9]", line) is not None
    return choice.word is not Word.ONLY or choice.number in LISTS


@each_of("tokens")
def test_corpus_of_tokens(octets: bytes) -> None:
    check_tokens(octets)
    check_carried(bytes(32), octets.decode("utf-8", "replace"), "")


@each_of("choices")
def test_corpus_of_choices(octets: bytes) -> None:
    check_choice(octets)


@pytest.mark.slow
def test_fuzz_tokens() -> None:
    fuzz(check_tokens, octets=heap(TOKEN_PIECES, 40) | mutated(corpus("tokens"), TOKEN_PIECES))


@pytest.mark.slow
def test_fuzz_codes_among_other_words() -> None:
    words = st.text(max_size=40) | heap(TOKEN_PIECES[8:], 8).map(lambda octets: octets.decode("utf-8", "replace"))
    fuzz(check_carried, share=SIDE, octets=st.binary(min_size=32, max_size=32), before=words, behind=words)


@pytest.mark.slow
def test_fuzz_choices() -> None:
    fuzz(check_choice, octets=heap(CHOICE_PIECES, 10) | mutated(corpus("choices"), CHOICE_PIECES))
