"""What a page shows of hostile and odd mail, and the values that its parts rest on."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from smtpguard.answers.token import Token
from smtpguard.held import HeldRow, State
from smtpguard.mail.content import stuffed
from smtpguard.web.contents import FILES_SHOWN_MAX, TEXT_CHARACTERS_MAX, contents_of
from smtpguard.web.seen import _mark, is_seen, seen

TOKEN, OTHER = Token(bytes(range(32))), Token(bytes(range(1, 33)))
NOW = datetime(2026, 11, 25, 18, 0, tzinfo=UTC)
ROW = HeldRow(id=b"i" * 32, state=State.HELD, day=date(2026, 11, 25))


def wire(text: str) -> bytes:
    return stuffed(text.replace("\n", "\r\n").encode("utf-8", "surrogateescape"))


def mail(kind: str, body: str, coding: str = "8bit") -> str:
    return f"Subject: x\nMIME-Version: 1.0\nContent-Type: {kind}\nContent-Transfer-Encoding: {coding}\n\n{body}\n"


def test_T_21_a_value_of_a_view_is_good_for_a_quarter_of_an_hour() -> None:
    value = seen(TOKEN, ROW, NOW)

    assert is_seen(value, TOKEN, ROW, NOW)
    assert is_seen(value, TOKEN, ROW, NOW + timedelta(minutes=15))
    assert not is_seen(value, TOKEN, ROW, NOW + timedelta(minutes=15, seconds=1))
    # The clocks of two nodes.
    assert is_seen(value, TOKEN, ROW, NOW - timedelta(seconds=30))
    assert not is_seen(value, TOKEN, ROW, NOW - timedelta(minutes=2))


def test_T_21_a_value_is_good_for_one_mail_as_it_was_shown() -> None:
    value = seen(TOKEN, ROW, NOW)

    assert is_seen(value, TOKEN, replace(ROW, state=State.ASKING), NOW)
    assert not is_seen(value, OTHER, ROW, NOW)
    assert not is_seen(value, TOKEN, replace(ROW, id=b"j" * 32), NOW)
    assert not is_seen(value, TOKEN, replace(ROW, state=State.SENDING), NOW)
    for number in range(len(value)):
        changed = value[:number] + ("A" if value[number] != "A" else "B") + value[number + 1 :]
        assert not is_seen(changed, TOKEN, ROW, NOW), number


def test_a_value_of_a_year_that_is_none_is_no_value() -> None:
    moment = (1 << 63).to_bytes(8, "big")
    value = base64.urlsafe_b64encode(moment + _mark(TOKEN, ROW, moment)).decode("ascii")

    assert not is_seen(value, TOKEN, ROW, NOW)


@pytest.mark.parametrize("value", ["", "=", "A" * 56, "\u00e4", "x" * 5000, "A" * 52 + "====", "\0" * 56])
def test_what_is_no_value_is_none(value: str) -> None:
    assert not is_seen(value, TOKEN, ROW, NOW)


def test_html_is_shown_as_text_and_hidden_text_is_not() -> None:
    page = "<p>One &amp; <b>two</b></p><script>alert(1)</script><div style='display:none'>hidden</div><img src=x>"

    assert "One & two" == contents_of(wire(mail("text/html; charset=utf-8", page))).text


def test_of_two_versions_of_a_text_the_plain_one_is_shown() -> None:
    parts = "--b\nContent-Type: text/plain\n\nPlain words\n--b\nContent-Type: text/html\n\n<p>Other words</p>\n--b--"

    assert "Plain words" == contents_of(wire(mail("multipart/alternative; boundary=b", parts))).text


def test_files_are_named_with_their_size_and_attached_mails_are_read() -> None:
    octets = "QUFB" * 19 + "\n"
    parts = (
        "--b\nContent-Type: text/plain\n\nSee below.\n"
        '--b\nContent-Type: application/pdf; name="a<b>.pdf"\nContent-Transfer-Encoding: base64\n\n'
        + octets
        * 100
        + "\n"
        "--b\nContent-Type: image/png\n\nxxxx\n"
        "--b\nContent-Type: message/rfc822\n\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nInner words\n--b--"
    )
    found = contents_of(wire(mail("multipart/mixed; boundary=b", parts)))

    assert "See below." == found.text
    assert [("a<b>.pdf", 5700), ("image/png", 4)] == [(each.name, each.octets) for each in found.files]
    assert (("Gr\u00fc\u00dfe", "Inner words"),) == found.mails
    assert not found.cut


def test_text_and_files_are_bounded() -> None:
    long = contents_of(wire(mail("text/plain", "word " * 50_000)))
    part = "--b\nContent-Type: application/x\n\nx\n"
    many = contents_of(wire(mail("multipart/mixed; boundary=b", part * 80 + "--b--")))

    assert len(long.text) <= TEXT_CHARACTERS_MAX
    assert long.cut
    assert FILES_SHOWN_MAX == len(many.files)
    assert many.more_files


def test_characters_that_turn_or_hide_text_are_not_shown() -> None:
    text = contents_of(
        wire(mail("text/plain; charset=utf-8", "a\u202eb\u2066c\x07d\ufeffe\u2028f \U0001f469\u200d\U0001f4bb"))
    ).text

    assert "abcde\nf \U0001f469\u200d\U0001f4bb" == text


@pytest.mark.parametrize(
    "octets",
    [b"", b".\r\n", b"\r\n", b"\xff" * 1000, b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 5000],
)
def test_whatever_lies_there_can_be_shown(octets: bytes) -> None:
    contents_of(octets)
