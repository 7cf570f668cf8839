"""The short look at a text's shape misses no code: what the forms find in it is what is found."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.answers import token
from smtpguard.answers.token import CANDIDATES_MAX, FOUND_MAX, Token, find_tokens, parse_token

TOKENS = st.binary(min_size=32, max_size=32).map(Token)
SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567abcdefghijklmnopqrstuvwxyz"
GROUP = st.text(SIGNS, min_size=4, max_size=4)


def joined(signs: str, breaks: list[str]) -> str:
    return "".join(sign + breaks[number % len(breaks)] for number, sign in enumerate(signs))


PIECES = st.one_of(
    TOKENS.map(lambda each: each.code),
    TOKENS.map(lambda each: f"code: {each.lines[0]}\ncode: {each.lines[1]}"),
    st.builds(
        lambda each, mark, breaks: mark + joined(each.code, breaks),
        TOKENS, st.sampled_from(["+", "#", "%2B", "%252b", "code:", "Code :", "cOdE  :"]),
        st.lists(st.sampled_from(["", "", "", "=\n", "\n> ", "-", " ", "> ", "\u2013", "*"]), min_size=1, max_size=9),
    ),
    st.builds(
        lambda each, gap: gap.join(each.code[start : start + 4] for start in range(0, 52, 4)),
        TOKENS, st.sampled_from([" ", "-", "\n> ", " " * 40, " " * 41]),
    ),
    st.builds(
        lambda each, gap, label: f"{each.lines[0]}{' ' * gap}{label}{' ' * gap}{each.lines[1]}",
        TOKENS, st.sampled_from([0, 1, 39, 40, 41]), st.sampled_from(["", "code:", "CODE  :"]),
    ),
    st.lists(GROUP, max_size=16).map(" ".join),
    st.sampled_from(["X" * 51, "X" * 52, "X" * 76, "%20", "%zz", "\udc80", "\u00e9\U0001f600", "a", " ", "\n"]),
)  # fmt: skip


def by_all_forms(text: str) -> tuple[Token, ...]:
    text = token._ESCAPE.sub(token._unescaped, text)
    found: dict[Token, None] = {}
    for form in (token._WORD, token._GROUPS, token._BEHIND_LABEL, token._BEHIND_MARK):
        for match in islice(form.finditer(text), CANDIDATES_MAX):
            signs = token._BETWEEN_SIGNS.sub("", token._LABEL_INSIDE.sub("", match["code"]))
            if (read := parse_token(signs)) is not None and len(found) < FOUND_MAX:
                found[read] = None
    return tuple(found)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_all_codes_that_any_form_finds_are_found(text: str) -> None:
    assert find_tokens(text) == by_all_forms(text)


@pytest.mark.parametrize("filler", ["X ", "abcd ", "A", "ab-cd "])
@pytest.mark.parametrize("before", [0, 1, 40, 52, 100, 400, 1024, 1100])
def test_a_code_at_the_edge_of_a_slice_is_found(filler: str, before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token, "_SLICE", 8192)
    one, other = (Token(bytes(range(number, number + 32))) for number in (7, 8))
    wide = (" " * 40).join(other.code[start : start + 4] for start in range(0, 52, 4))
    for code in (f"\n{one.code}\n", f"\n{wide} ", f"\n{other.lines[0]}\n code: {other.lines[1]} "):
        text = (filler * token._SLICE)[: token._SLICE - before] + code
        assert find_tokens(text) == by_all_forms(text) != ()
