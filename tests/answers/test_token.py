"""Codes: printed, read back with all that people and programs do to them, and found in mail that carries them on."""

from __future__ import annotations

import base64
import random
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.answers.token import FOUND_MAX, Token, find_tokens, parse_token

TOKENS = st.binary(min_size=32, max_size=32).map(Token)
# One with every kind of sign in it, also where a line or a quoted-printable line would be cut.
TOKEN = Token(bytes(range(7, 39)))


def quoted(text: str, mark: str = "> ") -> str:
    return "\n".join(mark + line for line in text.splitlines())


def notice(token: Token) -> str:
    one, other = token.lines
    return (
        "Hello Anna,\n\nyour mail has not gone to anyone yet. What shall we do?\n\n"
        f"   SEND       send it to both, just as it is\n\ncode: {one}\ncode: {other}\n-- \nthe mail check\n"
    )


@given(TOKENS)
def test_a_code_is_52_signs_that_fit_into_a_local_part(token: Token) -> None:
    assert len(token.code) == 52
    assert set(token.code) <= set(string.ascii_uppercase + "234567")
    assert len(f"mailcheck00+{token.code}") == 64  # RFC 5321, 4.5.3.1.1


@given(TOKENS)
def test_the_notice_prints_two_short_lines_of_groups_of_four(token: Token) -> None:
    lines = token.lines

    assert [len(line) for line in lines] == [34, 29]
    assert all(len(group) == 4 for line in lines for group in line.split("-"))
    assert "".join(lines).replace("-", "") == token.code


@given(TOKENS)
def test_printed_codes_are_read_back(token: Token) -> None:
    assert parse_token(token.code) == token
    assert parse_token("\n".join(token.lines)) == token


@given(
    TOKENS, st.lists(st.sampled_from(["-", " ", "\n", "\t", "\u00a0", "\u2013", '"', "'", "\u201e", "> "]), max_size=40)
)
def test_dashes_blanks_case_and_quote_marks_are_ignored(token: Token, junk: list[str]) -> None:
    signs = list(token.code.lower())
    for number, mark in enumerate(junk):
        signs[number % 52] += mark

    assert parse_token("".join(signs)) == token


@given(TOKENS, st.integers(0, 51), st.characters())
def test_any_other_sign_makes_it_unknown(token: Token, place: int, sign: str) -> None:
    text = token.code[:place] + sign + token.code[place + 1 :]

    read = parse_token(text)

    assert read is None or read.code == text.upper()


@pytest.mark.parametrize("last", [sign for sign in string.ascii_uppercase + "234567" if sign not in "AQ"])
def test_a_code_with_spare_bits_set_is_unknown(last: str) -> None:
    assert base64.b32decode(TOKEN.code[:-1] + last + "====")  # python would take it
    assert parse_token(TOKEN.code[:-1] + last) is None


@pytest.mark.parametrize(
    "text", ["", "-", TOKEN.code[:-1], TOKEN.code + "A", TOKEN.code * 2, TOKEN.code[:-1] + "\u017f", " " * 10_000_000]
)
def test_what_is_not_one_code_is_unknown(text: str) -> None:
    assert parse_token(text) is None


@given(st.text())
def test_reading_never_fails(text: str) -> None:
    assert parse_token(text) is None
    assert find_tokens(text) == ()


def test_a_token_does_not_show_in_a_traceback() -> None:
    assert repr(TOKEN) == "Token()"


def test_octets_of_another_length_are_no_token() -> None:
    with pytest.raises(ValueError, match="32 octets"):
        Token(b"short")


FORMS = {
    "address": "Reply-To: mailcheck+{code}@guard.example.org",
    "address in angle brackets": "<mailcheck+{code}@guard.example.org>",
    "address in lower case": "to: mailcheck+{lower}@guard.example.org, x@example.org",
    "mailto link": 'href="mailto:mailcheck%2B{code}@guard.example.org?subject=x"',
    "mailto link in lower case": "mailto:mailcheck%2b{lower}%40guard.example.org",
    "rewritten link": "https://safe.example/?url=mailto%3Amailcheck%252B{code}%2540guard.example.org&x=1",
    "address broken by a line end": "mailcheck+{start}\n{end}@guard.example.org",
    "address broken in a quotation": "> mailcheck+{start}\n> {end}@guard.example.org",
    "soft line end": "mailcheck+{start}=\r\n{end}@guard.example.org",
    "page link": "https://mailcheck.example.org/h#{one}-{other}",
    "page link, rewritten": "https://safe.example/?u=https%3A%2F%2Fmailcheck.example.org%2Fh%23{one}-{other}&d=7",
    "page link, broken": "https://mailcheck.example.org/h#{one}-\n{other}",
    "two lines": "code: {one}\ncode: {other}",
    "two lines, crlf": "code: {one}\r\ncode: {other}\r\n",
    "two lines, quoted": "> code: {one}\n> code: {other}",
    "two lines, quoted four times": "> >> | > code: {one}\n> >> | > code: {other}",
    "two lines, empty line between": "> code: {one}\n>\n> code: {other}",
    "two lines, bold": "*code:* {one}\n*code:* {other}",
    "two lines, label capital": "Code : {one}\nCode : {other}",
    "two lines without labels": "{one}\n{other}",
    "one line": "code: {one}-{other}",
    "lines joined": "with this code: {one} code: {other} best wishes from Anna",
    "four letters before": "with this {one}-{other} then",
    "typographic dashes": "code: {typographic}",
    "dashes lost": "code: {nodash1}\ncode: {nodash2}",
    "dashes to blanks": "code: {blank1}\ncode: {blank2}",
    "re-wrapped at dashes": "> code: {one14}\n> {one_rest}\n> code: {other}",
    "re-wrapped anywhere": "> code: {one13}\n> {one_rest2}\n> code: {other11}\n> {other_rest}",
    "zero-width spaces": "code: {zero1}\ncode: {zero2}",
    "alone": "{code}",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(token=TOKENS)
def test_a_code_is_found_in_every_form_it_travels_in(form: str, token: Token) -> None:
    one, other = token.lines
    text = form.format(
        code=token.code,
        lower=token.code.lower(),
        start=token.code[:31],
        end=token.code[31:],
        one=one,
        other=other,
        typographic=f"{one}-{other}".replace("-", "\u2013"),
        nodash1=one.replace("-", ""),
        nodash2=other.replace("-", ""),
        blank1=one.replace("-", " "),
        blank2=other.replace("-", " "),
        one14=one[:15],
        one_rest=one[15:],
        one13=one[:13],
        one_rest2=one[13:],
        other11=other[:11],
        other_rest=other[11:],
        zero1=one.replace("-", "-\u200b"),
        zero2=other.replace("-", "-\u200b"),
    )

    assert token in find_tokens(f"Dear all, please read that.\n\n{text}\n\nyours, Anna\n")


@given(TOKENS)
def test_a_forwarded_notice_gives_its_code_and_no_other(token: Token) -> None:
    assert find_tokens(notice(token)) == (token,)
    assert find_tokens(quoted(quoted(notice(token)), ">")) == (token,)


@given(st.lists(TOKENS, min_size=1, max_size=5, unique=True))
def test_all_codes_of_a_text_are_found_once_each(tokens: list[Token]) -> None:
    text = "\n".join(notice(token) + quoted(notice(token)) for token in tokens)

    assert set(find_tokens(text)) == set(tokens)
    assert len(find_tokens(text)) == len(tokens)


def test_ordinary_words_are_no_codes() -> None:
    pick = random.Random(1)
    words = "with from that this code have ONLY more than been +were + #when # time said a is to of it all-members"
    text = " ".join(pick.choice(words.split()) for _ in range(100_000))

    assert find_tokens(text) == ()


def test_a_code_is_found_among_many_other_marked_words() -> None:
    text = "+ a line of a patch\n# a heading\ncode: one of many\n" * 5000

    assert TOKEN in find_tokens(text + notice(TOKEN))


def test_the_number_found_is_bounded() -> None:
    text = "\n".join(Token(number.to_bytes(32, "big")).code for number in range(500))

    assert len(find_tokens(text)) == FOUND_MAX


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        " ", "a", "abca ", "abcd ", "code:", "code: a ", "+a", "#" + ("a" + " " * 39) * 3, "abca" + " " * 39,
        "code:" + " " * 30 + "a" + " " * 39, "%25", "%", "a-", "abcd-" * 12 + "abc-", "=\n", "+a\n", "#a-\n>",
        TOKEN.code, TOKEN.code + "A", "\n".join(TOKEN.lines) + "\n", "> code: " + TOKEN.lines[0] + "\n",
    ],
)  # fmt: skip
def test_a_hostile_text_takes_linear_time(piece: str) -> None:
    text = piece * (2_000_000 // len(piece))

    began = time.process_time()
    find_tokens(text)

    assert time.process_time() - began < 2.0  # measured: below 0.3
