"""How much of a message is looked into, and that what is beyond is said (90-07)."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from smtpguard.mail.bounds import BOUNDS, Bounds
from smtpguard.mail.message import Defect, Message
from smtpguard.mail.parsing import parse_message

TEXT = b"Nobody should hear of it before the summer is over.\r\n" * 40
SIGNED = bytes.fromhex("2a864886f70d010702")


def parts(*each: bytes) -> bytes:
    head = b"Subject: Fwd: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head + b"".join(b"--b\r\n" + one + b"\r\n" for one in each) + b"--b--\r\n"


def typed(kind: bytes, text: bytes = TEXT) -> bytes:
    return b"Content-Type: " + kind + b"\r\n\r\n" + text


def encoded(kind: bytes, text: bytes = TEXT) -> bytes:
    return (
        b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(text).strip()
    )


def wrapped(text: bytes) -> bytes:
    """An opaque signature around an entity, its lengths left open (BER)."""
    pieces = b"".join(b"\x04\x81\x64" + (text[at : at + 100]).ljust(100) for at in range(0, len(text), 100))
    inner = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80\x24\x80" + pieces + b"\0\0" * 3
    data = b"\x02\x01\x01\x31\x00\x30\x80" + inner
    return b"\x30\x80\x06\x09" + SIGNED + b"\xa0\x80\x30\x80" + data + b"\0\0" * 3


def said(message: Message) -> int:
    return sum(len(each.text) for each in message.passages)


MAILS: dict[str, bytes] = {
    "plain": typed(b"text/plain"),
    "base64": encoded(b"text/plain"),
    "page": typed(b"text/html", b"<p>" + TEXT),
    "hidden page": typed(b"text/html", b"<p hidden>" + TEXT),
    "flowed": typed(b"text/plain; format=flowed", TEXT.replace(b".\r\n", b". \r\n")),
    "utf-16": encoded(b"text/plain; charset=utf-16", TEXT.decode().encode("utf-16")),
    "two parts": parts(typed(b"text/plain", TEXT[:1060]), typed(b"text/plain", TEXT[1060:])),
    "attached mail": parts(b"\r\nx", typed(b"message/rfc822", b"From: c@example.test\r\n\r\n" + TEXT)),
    "attached mail in base64": parts(encoded(b"message/rfc822", b"From: c@example.test\r\n\r\n" + TEXT)),
    "invitation": typed(b"text/calendar", b"BEGIN:VCALENDAR\r\nDESCRIPTION:" + TEXT.replace(b"\r\n", b"\r\n ")),
    "signed": encoded(b"application/pkcs7-mime; smime-type=signed-data", wrapped(typed(b"text/plain"))),
}


@pytest.mark.parametrize("name", MAILS)
@pytest.mark.parametrize("octets", [1, 100, 1500])
def test_no_more_text_is_looked_into_than_the_bound_and_the_rest_is_said(name: str, octets: int) -> None:
    whole = parse_message(MAILS[name])
    assert not whole.cut_short
    assert said(whole) >= 1980
    cut = parse_message(MAILS[name], Bounds(text=octets))
    assert cut.cut_short
    assert Defect.TEXT_CUT in cut.defects
    # Blank lines between parts are ours.
    assert said(cut) <= octets + 4


@pytest.mark.parametrize("less", [0, 1])
def test_the_bound_counts_octets_as_they_stand_in_the_message(less: int) -> None:
    for text in (TEXT, "Grüße\r\n".encode() * 20, base64.encodebytes(TEXT)):
        coding = b"base64" if text.endswith(b"=\n") else b"8bit"
        octets = b"Content-Transfer-Encoding: " + coding + b"\r\n\r\n" + text
        assert parse_message(octets, Bounds(text=len(text) - less)).cut_short is bool(less)


def test_a_file_that_nobody_reads_as_text_costs_no_text() -> None:
    octets = parts(encoded(b"application/pdf", b"%PDF" + b"\xff" * 50_000), typed(b"text/plain"))
    assert not parse_message(octets, Bounds(text=len(TEXT) + 2)).cut_short


def test_the_text_behind_large_ones_is_what_is_cut() -> None:
    message = parse_message(parts(typed(b"text/html", b"<i>" * 2000), typed(b"text/plain")), Bounds(text=6000))
    assert message.defects == (Defect.TEXT_CUT,)
    assert message.own_text == ""


BEYOND: list[tuple[Bounds, Callable[[int], bytes], int, Defect]] = [
    (Bounds(parts=10), lambda count: parts(*[b"\r\nx"] * (count - 1)), 10, Defect.MANY_PARTS),
    (
        Bounds(parts=10),
        lambda count: parts(*[typed(b"message/rfc822", b"From: c@example.test\r\n\r\nx")] * count),
        4,
        Defect.MANY_PARTS,
    ),
    (
        Bounds(depth=5),
        lambda count: (
            b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(count))
            + b"\r\nx\r\n"
            + b"".join(b"--b%d--\r\n" % n for n in reversed(range(count)))
        ),
        5,
        Defect.DEEP,
    ),
    (Bounds(depth=5), lambda count: b"Content-Type: message/rfc822\r\n\r\n" * count + b"\r\nx", 5, Defect.DEEP),
    (Bounds(seconds=1), lambda count: typed(b"text/plain", b"a:\n" * count), 50_000, Defect.MANY_LINES),
    (
        Bounds(seconds=1),
        lambda count: typed(b"text/plain", b"On 3 May a@example.test wrote:\n> x\n" * count),
        999,
        Defect.MANY_SPEAKERS,
    ),
    (
        Bounds(seconds=1),
        # Blocks of which nothing is left to be a passage.
        lambda count: b"Subject: Re: x\r\n" + typed(b"text/plain", b"From: x\nTo: y\nSubject: z\n\n" * count),
        999,
        Defect.MANY_SPEAKERS,
    ),
    (
        Bounds(seconds=1),
        lambda count: parts(*[typed(b"text/html", b"<p>" + b"x" * (count - 3))] * 2),
        768 * 1024,
        Defect.TEXT_CUT,
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bounds", "mail", "most", "defect"), BEYOND, ids=[f"{n} {each[3]}" for n, each in enumerate(BEYOND)]
)
def test_each_bound_is_met_where_it_is_set(
    bounds: Bounds, mail: Callable[[int], bytes], most: int, defect: Defect
) -> None:
    assert not parse_message(mail(most), bounds).cut_short
    beyond = parse_message(mail(most + 2), bounds)
    assert beyond.cut_short
    assert defect in beyond.defects
    assert not parse_message(mail(most + 2)).cut_short


def test_in_flowed_text_lines_are_put_together_up_to_the_bound() -> None:
    text = b"word \r\n" * 120_000
    head = b"Content-Type: text/plain; format=flowed\r\n\r\n"
    longer = parse_message(head + text, Bounds(seconds=5))
    assert not longer.cut_short
    assert "\n" not in longer.own_text
    assert parse_message(head + text).own_text.count("word") == 120_000


def test_what_is_not_said_is_what_the_settings_have_without_a_word() -> None:
    assert Bounds() == BOUNDS == Bounds(10 * 1024 * 1024, 500, 20, 2)
    assert (BOUNDS.lines, BOUNDS.speakers, BOUNDS.markup) == (100_000, 2000, 3 * 1024 * 1024)


def test_lines_count_only_where_somebody_may_begin_to_speak() -> None:
    lines = b"words in a row\r\n" * 150_000
    assert not parse_message(typed(b"text/plain", lines)).cut_short
    for behind in (b"-- \r\nAnna\r\n", b"> x\r\n", b"On 3 May a@example.test wrote:\r\n> x\r\n"):
        assert parse_message(typed(b"text/plain", lines + behind)).defects == (Defect.MANY_LINES,)
    both = parse_message(parts(typed(b"text/plain", lines), typed(b"text/plain", b"a:\n" * 90_000)))
    assert not both.cut_short
