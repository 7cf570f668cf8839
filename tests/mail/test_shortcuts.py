"""What is read in a short way is read as in the long way: line by line, and by the email package."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smtpguard.mail import decoding, header, lines, mailboxes, passages
from smtpguard.mail.address import Address
from smtpguard.mail.attributions import find_attribution
from smtpguard.mail.blocks import could_begin
from smtpguard.mail.header import Header, content_type, read_header
from smtpguard.mail.headings import Heading
from smtpguard.mail.labels import LANGUAGES
from smtpguard.mail.landmarks import DEVICE_LINES, has_landmarks, landmarks
from smtpguard.mail.lines import Line, lines_of
from smtpguard.mail.message import Passage, Voice
from smtpguard.mail.passages import passages_of

MAILS = sorted((Path(__file__).parents[1] / "golden").rglob("*.eml"))


def words(key: str) -> st.SearchStrategy[str]:
    return st.sampled_from([word for each in LANGUAGES.values() for word in each.get(key, "").split("|") if word])


DRESSES: tuple[Callable[[str], str], ...] = (str, str.capitalize, str.upper, str.title)
SAID = words("from") | words("to") | words("date") | words("subject") | words("cc")
LABELS = st.builds(
    lambda mark, dress, word, colon, value: f"{mark}{dress(word)}{colon}{value}",
    st.sampled_from(["", "*", "  "]), st.sampled_from(DRESSES), SAID, st.sampled_from([": ", ":", " : ", "\uff1a"]),
    st.sampled_from(["Anna <anna@example.org>", "x", "a@b.cc, c@d.ee,", "3 May 2020", "Minutes", ""]),
)  # fmt: skip
BANNERS = st.builds(
    lambda before, dress, word, after: f"{before}{dress(word)}{after}",
    st.sampled_from(["-----", "---------- ", "", "____ "]), st.sampled_from(DRESSES),
    words("forwarded") | words("original") | words("by") | words("of") | words("end"),
    st.sampled_from(["----", "", ":", " Anna <a@b.cc> ---"]),
)  # fmt: skip
ATTRIBUTIONS = st.builds(
    lambda opens, wrote, end: f"{opens} 3 May 2020 Anna {wrote}{end}",
    words("opens"), words("wrote"), st.sampled_from([":", ":*", ": ", "", "\t:"]),
)  # fmt: skip
DEVICES = st.builds(
    lambda blank, dress, word, end: f"{blank}{dress(word)}{end}",
    st.sampled_from(["", " "]), st.sampled_from(DRESSES), words("device"), st.sampled_from(["", " x", " " * 100]),
)  # fmt: skip
ODD_LINES = st.sampled_from(
    [
        "", " ", "\t", "-- ", "--", "---", "_" * 40, "  -- x", "\u2014", "<b>", "\x0b-", "\u2003--", "\xa0--", "\u200b",
        '>>>>> "AM" == Anna Muster <anna@example.org> writes:', "AM> x", "AM> From: a", ">From x", "From x", "\r",
        "Anna on 05/04/2001 09:02 AM", "05/04/2001 09:02", "From 0123456789012345678901234567890123456789 x",
        "2026-11-22 18:00 Anna <a@b.cc>", "* Anna <anna@example.org> [2026-11-22 18:00]:", "berlin mailing list",
        "Hello Anna,", "you wrote:", "Sunday, 22 November 2026, 18:00:00, you wrote:", "On 3 May 2020 at 10:00,",
        *(f"{'x' * size}:{end}" for size in (58, 59, 60, 61) for end in ("", "y")),
    ]
)  # fmt: skip
PROSE = st.sampled_from(["ordinary words in a row", "and more of them", "Anna", "1 2 3"])
STRETCHES = st.builds(lambda line, times: [line] * times, PROSE, st.integers(1, 12))
HEAPS = st.lists(LABELS | BANNERS | ATTRIBUTIONS | DEVICES | ODD_LINES | PROSE, min_size=1, max_size=6)
QUOTED = st.builds(
    lambda mark, lines: [mark + each for each in lines],
    st.sampled_from(["", "", "", "> ", ">", ">> ", " > ", ">\t"]), STRETCHES | HEAPS,
)  # fmt: skip
TEXTS = st.lists(QUOTED, max_size=10).map(lambda all_lines: "\n".join(line for each in all_lines for line in each))
HEADINGS = st.builds(
    Heading, st.sampled_from(["", "Re: x", "Fwd: x", "VS: x", "x"]), st.booleans(),
    st.sampled_from([frozenset(), frozenset([Address("a", "b.cc")])]),
)  # fmt: skip


def line_by_line(text: str, heading: Heading) -> tuple[Passage, ...]:
    reader = passages._Reader(lines_of(text), heading)
    reader.landmarks = None
    reader._read_lines()
    reader._turn(None)
    return passages._with_marked_quote(reader.done, reader.kind)


NOTES = "words\nand more\nof them\nand more\nAnna Muster\n05/04/2001 09:02 AM\nTo: Ben\ncc: Carl\nSubject: x\n\nhello"
LONG_ATTRIBUTION = "words\nOn Monday, 3 May\n2020 Anna Muster\n(from Berlin)\n<a@b.cc> wrote:\n> hello"


@given(TEXTS, HEADINGS)
@example(NOTES, Heading("Fwd: x"))
@example(LONG_ATTRIBUTION, Heading("Fwd: x"))
def test_who_speaks_is_the_same_where_every_line_is_read_with_care(text: str, heading: Heading) -> None:
    assert passages_of(text, heading) == line_by_line(text, heading)


@pytest.mark.parametrize("path", MAILS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_golden_mails_have_the_same_passages_line_by_line(path: Path) -> None:
    text = path.read_text("utf-8", "replace")
    for kind in ("", "Re: x", "Fwd: x"):
        heading = Heading(kind)
        assert passages_of(text, heading) == line_by_line(text, heading)


@given(TEXTS)
def test_a_line_that_is_no_landmark_begins_nothing(text: str) -> None:
    source = lines_of(text)
    found, attributions = landmarks(source.whole)
    assert attributions <= found
    for at in range(len(source)):
        assert at in found or not could_begin(source[at])
        assert at in attributions or find_attribution(source, at) is None


@given(TEXTS)
def test_there_are_landmarks_where_some_are_found(text: str) -> None:
    assert has_landmarks(text) is bool(landmarks(text)[0])


@given(TEXTS.filter(str.isascii))
def test_landmarks_of_ascii_are_those_of_any_text(text: str) -> None:
    found = landmarks(text)
    assert {each for each in landmarks(f"{text}\n\u00fc")[0] if each <= text.count("\n")} == found[0]


@given(TEXTS, st.integers(1, 40))
def test_lines_are_counted_up_to_a_bound(text: str, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "STRETCH", 7)
        number, end = lines_of(text, most).counted
    whole = lines_of(text, most).whole
    assert number == min(whole.count("\n"), most)
    assert whole[end:] == ("" if whole.count("\n") <= most else whole.split("\n", most)[most])


def test_long_texts_have_the_same_landmarks_in_each_stretch() -> None:
    line = "words " * 10 + "\n"
    marked = "-- \n"
    for size in (262_144, 262_150):
        text = line * (size // len(line)) + marked + line * 5000 + marked + line
        assert landmarks(text)[0] == {n for n, each in enumerate(text.split("\n")) if each == "-- "}


@pytest.mark.parametrize("words", DEVICE_LINES)
def test_the_line_of_a_telephone_is_a_landmark_however_it_is_cased(words: str) -> None:
    for each in (words, words.upper(), words.title(), words.swapcase()):
        if each.lower().startswith(words):
            assert landmarks(f"x\n {each}") == ({1}, set())


def test_lines_are_those_of_the_text() -> None:
    lines = lines_of("> a\r\n>>b\n\xa0c\n>From d")
    assert list(lines) == [Line(1, "a"), Line(2, "b"), Line(0, " c"), Line(0, "From d")]
    assert lines[1:3] == [Line(2, "b"), Line(0, " c")]
    assert lines.whole == "a\nb\n c\nFrom d"


FIELD_PIECES = st.sampled_from(
    [b"From: x", b"To:", b"Subject : a ", b"X", b":", b" ", b"\t", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n", b"From ",
     b">From x", b"\0", b"\xff", b"a b:"]
)  # fmt: skip


@given(st.lists(FIELD_PIECES, max_size=30).map(b"".join), st.sampled_from([(20, 2000), (50, 3), (1000, 2000)]))
def test_headers_are_the_same_field_by_field_and_line_by_line(octets: bytes, limits: tuple[int, int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(header, "HEADER_OCTETS_MAX", limits[0])
        patch.setattr(header, "HEADER_FIELDS_MAX", limits[1])
        quickly = read_header(octets)
        patch.setattr(header, "_FIELD_LINE", re.compile(rb"(?!)"))
        assert quickly == read_header(octets)


PARAMETERS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["; ", ";", " ; ", ";;"]),
    st.sampled_from(["charset=", "name=", "Format=", "delsp=", "boundary=", "filename=", "x=", "name*=", "="]),
    st.sampled_from(
        ["utf-8", '"a b"', "flowed", "yes", "==x", '""', '"x "', '"=?utf-8?q?=41?="', "US-ASCII", '"a;b"', "<x>",
         '"<x>"', '"a\\"b"', "a.eml", "\u00e9", "(c)", '"']
    ),
)  # fmt: skip
TYPES = st.builds(
    lambda kind, parameters, end: f"{kind}{''.join(parameters)}{end}".strip(),
    st.sampled_from(["text/plain", "Multipart/Mixed", "text", "a/b/c", "attachment", ""]),
    st.lists(PARAMETERS, max_size=4), st.sampled_from(["", ";", " ", "; ", ";;", "x", "\x0b"]),
)  # fmt: skip


@given(TYPES, TYPES)
@example('multipart/mixed; boundary="<x>"', "")
@example('text/plain; charset="us-ascii"', "attachment; filename=<x>")
def test_content_types_are_those_of_the_email_package(value: str, disposition: str) -> None:
    fields = (("content-type", value), ("content-disposition", disposition))
    read = content_type(Header(tuple(each for each in fields if each[1]), True))
    if value or disposition:
        assert read == header._any_type(value, disposition, "text/plain")


MAILBOXES = st.sampled_from(
    ["Anna Muster <a@b.cc>", '"Doe, J." <j@x.org>', "a@b.cc", "<x@y.z>", "J. R. <j@r.de>", "M\u00fcller <m@x.y>",
     "A  B <a@b.c>", '" x  y " <q@r.s>', "<", "x", ";", "(c)", "\xa0", "@", ".", '"', "\u2003", "=?utf-8?q?a?= <a@b.c>",
     "a..b@c.de", "\udcfc <u@x.y>", "Anna<a@b.cc>"]
)  # fmt: skip


@given(st.lists(MAILBOXES, min_size=1, max_size=5), st.sampled_from([", ", ",", " , ", ",\t", ""]))
def test_mailboxes_are_those_of_the_email_package(each: list[str], comma: str) -> None:
    value = comma.join(each)
    if mailboxes._PLAIN.fullmatch(value) is not None and (simply := mailboxes._simply(value)):
        assert simply == mailboxes._lenient(value)


@given(
    st.lists(st.sampled_from(["\r", "\n", "\r\n", "a", "\u00fc", "\U0001f600", "\ufeff"]), max_size=40).map("".join),
    st.sampled_from(["utf-8", "us-ascii", "", "x-unknown"]), st.integers(1, 9),
    st.sampled_from([b"", b"\xff", b"\xc3"]), st.booleans(),
)  # fmt: skip
def test_long_text_is_that_of_short_text(text: str, charset: str, size: int, broken: bytes, first: bool) -> None:
    octets = broken + text.encode() if first else text.encode() + broken
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_STRETCH", size)
        in_stretches = decoding.lf_text(octets, charset)
        patch.undo()
        assert in_stretches == decoding.lf_text(octets, charset)


@given(st.lists(st.sampled_from(["a", "bb", " ", "\n", "\u2003"]), max_size=30).map("".join), st.integers(1, 15))
def test_words_are_counted_up_to_a_bound(text: str, most: int) -> None:
    passage = Passage(Voice.OWN, text)
    assert passage.words_up_to(most) == min(passage.words, most)
