"""Reading an mbox: each dialect, from any place on, within bounds."""

from __future__ import annotations

import gzip
import io
import os
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.archives import MAIL_OCTETS_MAX, Archive, ArchivedMail, ArchiveError, Bookmark
from smtpguard.archives.from_lines import CHUNK_OCTETS, FROM_LINE_OCTETS_MAX, is_from_line, stretches
from smtpguard.archives.opening import open_archive
from tests.archives.posts import from_line, mboxo, mboxrd, post, posts, without_blanks


def keyed(octets: bytes) -> bytes:
    return blake2b(octets, digest_size=16).digest()


def opened(path: Path) -> Archive:
    return open_archive(path, nullcontext)


def mails(path: Path, bookmarks: Mapping[str, Bookmark] | None = None) -> list[ArchivedMail]:
    archive = opened(path)
    return [each for group in archive.groups() for each in archive.mails(group, bookmarks or {}, keyed)]


def noted(read: list[ArchivedMail]) -> dict[str, Bookmark]:
    return {each.piece.name: each.after for each in read}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "berlin.mbox"


def same(found: list[bytes], expected: list[bytes]) -> bool:
    """But for the empty line that ends a mail."""
    return [each.rstrip(b"\n") for each in found] == [each.rstrip(b"\n") for each in expected]


SENTENCES = "From here on it was dark.\n>From here on it was quoted.\nFrom Tuesday, 12:30 on we meet:\nTo: all"


@pytest.mark.parametrize("dialect", [mboxrd, mboxo, without_blanks])
@pytest.mark.parametrize("packed", [False, True])
def test_every_dialect_is_read(file: Path, dialect: object, packed: bool) -> None:
    expected = [*posts(5), post(5, body=SENTENCES.replace(">", "")), post(6, body="")]
    octets = dialect(expected)  # type: ignore[operator]
    file.write_bytes(gzip.compress(octets) if packed else octets)
    assert same([each.octets for each in mails(file)], expected)


def test_mboxrd_gives_back_what_was_quoted(file: Path) -> None:
    expected = post(body=SENTENCES)
    file.write_bytes(mboxrd([expected]))
    assert same([each.octets for each in mails(file)], [expected])


def test_lines_that_begin_with_from_are_text_where_nothing_is_quoted(file: Path) -> None:
    expected = [
        post(1, body=SENTENCES.replace(">", "") + "\n\nFrom Anna on Tue Nov 22 18:00:00 2026\n\nthat is all."),
        post(2),
    ]
    file.write_bytes(without_blanks(expected))
    assert same([each.octets for each in mails(file)], expected)


def test_content_length_is_not_trusted(file: Path) -> None:
    expected = [post(1, "", None, "Content-Length: 100000"), post(2, "", None, "Content-Length: 3"), post(3)]
    file.write_bytes(without_blanks(expected))
    assert same([each.octets for each in mails(file)], expected)


@pytest.mark.parametrize(
    "line",
    [
        b"From anna at example.org  Tue Nov  3 18:02:03 2026",
        b"From - Tue Nov 22 18:02:03 2026",
        b"From 1234@xxx Sun Nov 22 18:02:03 +0000 2026",
        b"From anna@example.org Sun Nov 22 18:02 CET 2026",
        b"From anna@example.org Sun, 22 Nov 2026 18:02:03 +0100",
        b"From anna@example.org Sun Nov 22 18:02:03 2026 remote from host\r",
        b"From MAILER-DAEMON 2026-11-22 18:02:03",
    ],
)
def test_all_kinds_of_dates_begin_a_mail(file: Path, line: bytes) -> None:
    assert is_from_line(line, dated=True)
    file.write_bytes(line + b"\n" + post(1) + line + b"\n" + post(2))
    assert same([each.octets for each in mails(file)], [post(1), post(2)])


def test_where_no_date_is_written_an_empty_line_begins_a_mail(file: Path) -> None:
    expected = [post(1, body="He said:\nFrom me: nothing\nTo: nobody"), post(2)]
    file.write_bytes(b"".join(b"From \n" + each + b"\n" for each in expected))
    assert same([each.octets for each in mails(file)], expected)


def test_lines_may_end_with_crlf_and_empty_lines_stand_in_front(file: Path) -> None:
    expected = [each.replace(b"\n", b"\r\n") for each in posts(3)]
    file.write_bytes(b"\r\n" + b"".join(from_line().replace(b"\n", b"\r\n") + each + b"\r\n" for each in expected))
    assert [each.octets.rstrip() for each in mails(file)] == [each.rstrip() for each in expected]


def test_it_goes_on_behind_any_bookmark(file: Path) -> None:
    for packed in (False, True):
        octets = mboxrd(posts(40))
        file.write_bytes(gzip.compress(octets) if packed else octets)
        whole = mails(file)
        for number, each in enumerate(whole):
            rest = mails(file, {each.piece.name: each.after})
            assert [one.octets for one in rest] == [one.octets for one in whole[number + 1 :]]
            assert not any(one.known for one in rest)


def test_what_is_appended_is_read_on(file: Path) -> None:
    for number in range(1, 6):
        file.write_bytes(mboxrd(posts(number)))
        bookmarks = noted(mails(file))
        assert mails(file, bookmarks) == []
        file.write_bytes(mboxrd(posts(number + 2)))
        assert same([each.octets for each in mails(file, bookmarks)], posts(number + 2)[number:])


def test_wherever_a_writer_was_interrupted_each_post_is_new_once_and_whole_at_last(file: Path) -> None:
    octets = mboxrd(posts(3))
    for cut in range(0, len(octets), 7):
        file.write_bytes(octets[:cut])
        before = [each for each in mails(file) if not each.unfinished]
        bookmarks = noted(before)
        file.write_bytes(octets)
        after = mails(file, bookmarks)
        new = [each for each in (*before, *after) if not each.known]
        assert len(new) == 3, cut
        kept = {each.start: each.octets for each in (*before, *after)}
        assert same(list(kept.values()), posts(3)), cut


@pytest.mark.parametrize("change", ["front", "replaced", "shorter"])
def test_another_archive_in_its_place_is_read_from_its_beginning(file: Path, change: str) -> None:
    first = posts(30)
    file.write_bytes(mboxrd(first))
    bookmarks = noted(mails(file))
    expected = {"front": first[1:], "replaced": posts(60)[30:], "shorter": first[:1]}[change]
    file.write_bytes(mboxrd(expected))
    found = mails(file, bookmarks)
    assert same([each.octets for each in found], expected)
    assert not any(each.known for each in found)


def test_a_packed_file_that_ends_in_the_middle_gives_what_it_has(file: Path) -> None:
    # Random words, or nothing would be left of the file but its beginning.
    expected = [post(number, body=os.urandom(3000).hex()) for number in range(200)]
    octets = gzip.compress(mboxrd(expected))
    archive_file = file.with_suffix(".gz")
    archive_file.write_bytes(octets[: len(octets) // 2])
    archive = opened(archive_file)
    found: list[ArchivedMail] = []
    with pytest.raises(ArchiveError, match="ends in the middle"):
        found.extend(each for group in archive.groups() for each in archive.mails(group, {}, keyed))
    assert 50 < len(found) < 150
    archive_file.write_bytes(octets)
    rest = mails(archive_file, noted(found))
    assert same([each.octets for each in (*found, *rest)], expected)


def test_a_damaged_packed_file_is_named(file: Path) -> None:
    octets = bytearray(gzip.compress(mboxrd(posts(2000))))
    octets[len(octets) // 2 :] = os.urandom(len(octets) // 2)
    file.write_bytes(octets)
    with pytest.raises(ArchiveError, match=r"damaged|middle"):
        mails(file)


class Endless:
    """`parts`, one after the other; counts what was asked for."""

    def __init__(self, *parts: tuple[bytes, int]) -> None:
        self._parts = [list(each) for each in parts]

    def read(self, size: int, /) -> bytes:
        while self._parts and self._parts[0][1] <= 0:
            self._parts.pop(0)
        if not self._parts:
            return b""
        unit, left = self._parts[0]
        made = (unit * (size // len(unit) + 1))[: min(size, left)]  # type: ignore[operator]
        self._parts[0][1] -= len(made)  # type: ignore[operator]
        return made  # type: ignore[no-any-return]


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [b"0123456789" * 7 + b"\n", b"x", b"\nFrom ", b"\nFrom x Tue Nov 22 18:00:00 2026", b"\n>From ", b"\n"],
    ids=["lines", "one line", "From", "From_ lines without end", "quoted", "empty lines"],
)
def test_a_mail_of_100_mb_takes_no_more_memory_than_its_beginning(unit: bytes) -> None:
    begin, end = from_line() + post(1) + b"\n", b"\n" + from_line() + post(2)
    size = 100 * 1024 * 1024
    stream = Endless((begin, len(begin)), (unit, size), (end, len(end)))
    tracemalloc.start()
    try:
        # Of a mail like the fourth, the last line of the unit is no line of this one.
        found = [(each.start, each.end, len(each.octets)) for each in stretches(stream, 0, b"", dated=True)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * MAIL_OCTETS_MAX
    assert [each[1] for each in found][-1] == len(begin) + size + len(end)
    assert found[0][2] <= MAIL_OCTETS_MAX
    assert found[-1][2] == len(post(2))


def test_a_from_line_without_end_begins_nothing() -> None:
    line = b"From " + b"x" * FROM_LINE_OCTETS_MAX + b" Tue Nov 22 18:00:00 2026\n"
    stream = io.BytesIO(from_line() + post(1) + line + post(2))
    assert len(list(stretches(stream, 0, b"", dated=True))) == 1
    unending = Endless(
        (from_line() + post(1), len(from_line() + post(1))), (b"\nFrom " + b"x" * 100_000_000, 100_000_000)
    )
    assert len(list(stretches(unending, 0, b"", dated=True))) == 1


class Dribbling(io.BytesIO):
    """Gives as little at a time as `sizes` say."""

    sizes: Iterator[int]

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(next(self.sizes, CHUNK_OCTETS))


@given(
    bodies=st.lists(
        st.lists(st.sampled_from(["From ", ">From ", "From: ", "\n", "\r", "\n\n", "x", " 18:00", " Tue Nov 22 "]))
        .map("".join)
        .filter(lambda each: not each.endswith("\r")),
        max_size=6,
    ),
    sizes=st.lists(st.integers(1, 40), max_size=200),
)
def test_wherever_the_chunks_end_the_same_mails_are_found(bodies: list[str], sizes: list[int]) -> None:
    expected = [post(number, body=each) for number, each in enumerate(bodies)]
    stream = Dribbling(mboxrd(expected))
    stream.sizes = iter(sizes)
    found = list(stretches(stream, 0, b"", dated=True))
    assert [each.octets for each in found] == [each + b"\n" for each in expected]
    assert [each.end for each in found[:-1]] == [each.start for each in found[1:]]
    octets = stream.getvalue()
    assert [each.tail for each in found] == [octets[max(0, each.end - 4096) : each.end] for each in found]
    assert [each.before for each in found] == [octets[max(0, each.start - 4096) : each.start] for each in found]


@pytest.mark.parametrize("dated", [True, False])
def test_a_line_may_be_cut_in_two_anywhere(dated: bool) -> None:
    body = SENTENCES.replace(">", "") + "\nand that is all.\nFrom Friday on:\nTo: nobody"
    expected = [post(number, body=body) for number in range(3)]
    line = from_line() if dated else b"From \n"
    octets = b"".join(line + each + b"\n" for each in expected)
    for first in range(len(octets)):
        stream = Dribbling(octets)
        stream.sizes = iter([first + 1])
        found = list(stretches(stream, 0, b"", dated=dated))
        assert [each.octets for each in found] == [each + b"\n" for each in expected], first
