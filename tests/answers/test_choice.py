"""The choice in an answer: the first own line that a reader sees, one word, and nothing is guessed (SEMANTICS c6)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.answers.choice import Choice, Word, choice_in, parse_choice
from smtpguard.held import HeldMail
from smtpguard.mail.parsing import parse_message
from smtpguard.notices.choices import choices
from tests.notices.samples import CROSSPOST, ENGLISH, LETTER, crosspost, held, mail, notice, text

LISTS = {1: "berlin", 2: "all-members", 12: "press"}


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
        ("*SEND*", Choice(Word.SEND)),
        ("**Discard**", Choice(Word.DISCARD)),
        ("_SEND_", Choice(Word.SEND)),
        ("'BACK'", Choice(Word.BACK)),
        ('"SEND"', Choice(Word.SEND)),
        ('"SEND."', Choice(Word.SEND)),
        ('"SEND".', Choice(Word.SEND)),
        ("„SEND“", Choice(Word.SEND)),
        ("»SEND«", Choice(Word.SEND)),
        ("« SEND »", Choice(Word.SEND)),
        ("*ONLY 1*", Choice(Word.ONLY, 1)),
        ("ONLY1", Choice(Word.ONLY, 1)),
        ("ONLY #1", Choice(Word.ONLY, 1)),
        ("ONLY (1)", Choice(Word.ONLY, 1)),
        ("ONLY 1)", Choice(Word.ONLY, 1)),
        ("ONLY berlin", Choice(Word.ONLY, 1)),
        ("only All-Members.", Choice(Word.ONLY, 2)),
    ],
)
def test_a_choice_is_read_in_any_case_with_what_people_put_around_a_word(line: str, choice: Choice) -> None:
    assert choice == parse_choice(line, LISTS)


@pytest.mark.parametrize(
    "line",
    [
        "", " ", ".", "!", "SEND,", "SEND;", "SEND:", "SEND!!", "- SEND", "•SEND",
        "SEND please", "Please SEND", "SEND it", "SENDER", "RESEND", "SEND..", "SEND...", "SEND.!",
        "SEND?", "DON'T SEND", "not SEND", "SEND SEND", "SEND\u200b", "S E N D", "-SEND", "- - SEND", "~~SEND~~",
        "1. SEND", "(SEND)", "> SEND", "SEND / DISCARD", "SEND or BACK", "yes", "ok", "YES.", "ONLY", "ONLY 3",
        "ONLY 0", "ONLY -1", "ONLY 1 2", "ONLY 1,2", "ONLY 1 and 2", "ONLY hamburg", "ONLY berlin and press",
        "ONLY ber", "ONLY ((1))", "ONLY 11111111111111", "ONLY \u0661", "ONLY \uff11", "ONLY 1.0",
        "\uff33\uff25\uff2e\uff24", "\u017fEND", "D\u0131SCARD", "BACK to me", "SE\u0301ND", "1", "SEND\x00",
    ],
)  # fmt: skip
def test_anything_else_is_no_choice(line: str) -> None:
    assert parse_choice(line, LISTS) is None


def test_only_needs_a_list_of_the_notice() -> None:
    assert parse_choice("ONLY 1", {}) is None
    assert parse_choice("ONLY berlin", {}) is None
    assert Choice(Word.ONLY, 2) == parse_choice("ONLY 2", {1: "2", 2: "1"})
    assert parse_choice("ONLY berlin", {1: "berlin", 2: "Berlin"}) is None


@pytest.mark.parametrize(
    "held_mail", [crosspost(), held(mail(", ".join(CROSSPOST), LETTER, "Fwd: our talk"), CROSSPOST)]
)
def test_a_line_quoted_unmarked_from_the_notice_is_no_choice(held_mail: HeldMail) -> None:
    lists = {each.number: each.id for each in held_mail.lists}
    lines = text(notice(held_mail)).splitlines()
    for each in choices(held_mail, ENGLISH):
        copied = next(line for line in lines if line.startswith(f"   {each.word}  "))

        assert parse_choice(copied, lists) is None


@given(st.text(max_size=60) | st.text('SENDONLYBACK1 "*_!.-(#)', max_size=14))
def test_no_line_raises_and_only_the_words_themselves_are_choices(line: str) -> None:
    choice = parse_choice(line, LISTS)

    if choice is not None:
        assert choice.word.value in line.upper()
        assert len(line.split()) <= 5


def test_a_hostile_line_takes_no_time() -> None:
    start = time.process_time()
    for piece in ("*", " ", "SEND ", "ONLY 1", "ONLY  ", "!", "- ", "1", '". '):
        assert parse_choice(piece * 100_000, LISTS) is None
        parse_choice((piece * 400)[:400], LISTS)
    assert time.process_time() - start < 0.5


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
    assert line == parse_message(message(body)).opening


def test_a_bare_reply_is_no_choice_though_the_quoted_notice_has_all_the_words() -> None:
    assert choice_in(parse_message(message(QUOTED)), LISTS) is None


def test_a_bare_reply_is_no_choice_though_the_notice_in_it_has_no_quote_marks() -> None:
    notice_text = text(notice(crosspost()))

    assert choice_in(parse_message(message(notice_text)), LISTS) is None
    assert choice_in(parse_message(message(f"\n\n{notice_text}")), LISTS) is None
    assert choice_in(parse_message(message(f"Sent from my telephone\n\n{notice_text}")), LISTS) is None
    head = "From: Mail check <mailcheck@check.example.org>\nTo: Anna <anna@example.org>\nSubject: NOT SENT YET\n\n"
    assert choice_in(parse_message(message(f"{head}{notice_text}")), LISTS) is None


@pytest.mark.parametrize(
    "attribution",
    [
        "* Mail check <mailcheck@check.example.org> [2026-11-22 18:00]:",
        "Hello Mail,\n\nSunday, November 22, 2026, 6:00:00 PM, you wrote:\n",
        "Hallo Mail,\n\nam Sonntag, 22. November 2026 um 18:00 schrieben Sie, du schriebst:\n",
        '>>>>> "Mail" == Mail check <mailcheck@check.example.org> writes:\n',
    ],
)
def test_what_a_program_writes_above_a_quote_is_not_the_answer(attribution: str) -> None:
    quote = "> Hello Anna,\n>\n> your mail has not gone to anyone yet.\n"

    assert choice_in(parse_message(message(f"{attribution}\n{quote}\nSEND\n")), LISTS) == Choice(Word.SEND)
    assert choice_in(parse_message(message(f"{attribution}\n{quote}\n")), LISTS) is None


def test_lines_with_the_mark_of_a_supercited_attribution_are_quotes() -> None:
    quote = '>>>>> "MC" == Mail check <mailcheck@check.example.org> writes:\n\n    MC> SEND\n    MC> it\n'

    assert choice_in(parse_message(message(f"{quote}\nDISCARD\n")), LISTS) == Choice(Word.DISCARD)
    assert choice_in(parse_message(message(quote)), LISTS) is None


@pytest.mark.parametrize(
    "line",
    ["Von meinem/meiner Galaxy gesendet", "Sent with Proton Mail secure email.", "Sent from my iPhone"],
)
def test_what_a_program_says_of_itself_above_the_word_is_not_the_answer(line: str) -> None:
    assert choice_in(parse_message(message(f"{line}\n\nSEND\n")), LISTS) == Choice(Word.SEND)


HTML = "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"


@pytest.mark.parametrize(
    "page",
    [
        "<div>SEND</div><br><blockquote type=cite>DISCARD</blockquote>",
        "<html><head><title>Re: NOT SENT YET</title></head><body>SEND</body></html>",
        "<div style='display: none; max-height:0'>A <div>preview</div> of it</div><p>SEND</p>",
        '<span hidden>BACK</span><span STYLE="color:red;DISPLAY:NONE">DISCARD<br></span>SEND',
        "<img style='display:none' src=x><br hidden>SEND",
        "<p class=\"hidden-sm\" aria-hidden='false'>SEND</p>",
    ],
)
def test_the_choice_of_a_page_is_its_first_line_that_a_reader_sees(page: str) -> None:
    assert Choice(Word.SEND) == choice_in(parse_message(message(page, HTML)), LISTS)


@pytest.mark.parametrize(
    "page", ["<div style='display:none'>SEND</div>", "<div hidden>Hello<p>SEND", "<title>SEND</title>"]
)
def test_hidden_text_is_never_an_answer(page: str) -> None:
    assert choice_in(parse_message(message(page, HTML)), LISTS) is None


def test_the_choice_of_an_html_only_answer_is_read() -> None:
    html = "<html><body><div>only 1</div><br><blockquote type=cite>SEND</blockquote></body></html>"
    answer = message(html, "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n")

    assert Choice(Word.ONLY, 1) == choice_in(parse_message(answer), LISTS)


def test_the_choice_of_an_encoded_answer_is_read() -> None:
    answer = message(
        "RElTQ0FSRA0K", "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n"
    )

    assert Choice(Word.DISCARD) == choice_in(parse_message(answer), LISTS)


def test_a_signature_is_not_the_answer() -> None:
    assert "" == parse_message(message("-- \nSEND\n")).opening
