"""The choice in an answer: the first own line, one word, and nothing is guessed (SEMANTICS c6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.answers.choice import Choice, Word, choice_in, first_own_line, parse_choice
from smtpguard.mail.parsing import parse_message

NUMBERS = (1, 2, 12)


@pytest.mark.parametrize(
    ("line", "choice"),
    [
        ("SEND", Choice(Word.SEND)),
        ("send", Choice(Word.SEND)),
        ("  Send  ", Choice(Word.SEND)),
        ("SEND.", Choice(Word.SEND)),
        ("Send !", Choice(Word.SEND)),
        ("DISCARD", Choice(Word.DISCARD)),
        ("discard!", Choice(Word.DISCARD)),
        ("Back", Choice(Word.BACK)),
        ("ONLY 1", Choice(Word.ONLY, 1)),
        ("only   2", Choice(Word.ONLY, 2)),
        ("Only\u00a02", Choice(Word.ONLY, 2)),
        ("ONLY\t12.", Choice(Word.ONLY, 12)),
        ("ONLY 0001", Choice(Word.ONLY, 1)),
        ("\u3000SEND\u3000", Choice(Word.SEND)),
    ],
)
def test_a_choice_is_read_in_any_case_with_one_mark_behind_it(line: str, choice: Choice) -> None:
    assert choice == parse_choice(line, NUMBERS)


@pytest.mark.parametrize(
    "line",
    [
        "", " ", ".", "!", "SEND please", "Please SEND", "SEND it", "SENDER", "RESEND", "SEND..", "SEND!!", "SEND.!",
        "SEND?", "SEND,", "DON'T SEND", "not SEND", "SEND SEND", "SEND\u200b", "S E N D", '"SEND"', "'SEND'", "*SEND*",
        "> SEND", "SEND / DISCARD", "SEND or BACK", "yes", "ok", "YES.", "ONLY", "ONLY 3", "ONLY 0", "ONLY -1",
        "ONLY 1 2", "ONLY1",
        "ONLY 1,2", "ONLY 1 and 2", "ONLY berlin", "ONLY 11111111111111", "ONLY \u0661", "ONLY \uff11", "ONLY 1.0",
        "\uff33\uff25\uff2e\uff24", "\u017fEND", "D\u0131SCARD", "BACK to me", "SE\u0301ND", "1", "SEND\x00",
    ],
)  # fmt: skip
def test_anything_else_is_no_choice(line: str) -> None:
    assert parse_choice(line, NUMBERS) is None


def test_only_needs_a_number_of_the_notice() -> None:
    assert parse_choice("ONLY 1", ()) is None
    assert Choice(Word.ONLY, 2) == parse_choice("ONLY 2", iter([1, 2]))


@given(st.text(max_size=60))
def test_no_line_raises_and_only_the_words_themselves_are_choices(line: str) -> None:
    choice = parse_choice(line, NUMBERS)

    if choice is not None:
        words = line.upper().split()
        assert words[0].rstrip(".!") in {each.value for each in Word}
        assert len(words) <= 3


def message(body: str, head: str = "") -> bytes:
    return f"From: anna@example.org\r\nSubject: Re: NOT SENT YET\r\n{head}\r\n{body}".replace("\n", "\r\n").encode()


QUOTED = (
    "On Sun, 22 Nov 2026 at 18:00, Mail check <mailcheck@check.example.org> wrote:\n"
    "> your mail has not gone to anyone yet.\n> SEND       send it just as it is\n> DISCARD    throw it away\n"
)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("SEND\n", "SEND"),
        ("\n\n   \n  ONLY 2  \nand more\n", "ONLY 2"),
        (f"DISCARD\n\n{QUOTED}", "DISCARD"),
        (f"{QUOTED}\nBACK\n", "BACK"),
        (QUOTED, ""),
        ("> SEND\n", ""),
        ("", ""),
        ("Hello,\n\nSEND\n", "Hello,"),
    ],
)
def test_the_first_own_line_counts(body: str, line: str) -> None:
    assert line == first_own_line(parse_message(message(body)))


def test_a_bare_reply_is_no_choice_though_the_quoted_notice_has_all_the_words() -> None:
    assert choice_in(parse_message(message(QUOTED)), NUMBERS) is None


def test_the_choice_of_an_html_only_answer_is_read() -> None:
    html = "<html><body><div>only 1</div><br><blockquote type=cite>SEND</blockquote></body></html>"
    answer = message(html, "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n")

    assert Choice(Word.ONLY, 1) == choice_in(parse_message(answer), NUMBERS)


def test_the_choice_of_an_encoded_answer_is_read() -> None:
    answer = message(
        "RElTQ0FSRA0K", "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n"
    )

    assert Choice(Word.DISCARD) == choice_in(parse_message(answer), NUMBERS)


def test_a_signature_is_not_the_answer() -> None:
    assert "" == first_own_line(parse_message(message("-- \nSEND\n")))
