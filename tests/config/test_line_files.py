"""Files with one entry a line: what is read as an address or a phrase, what is bounded, and what is never told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.config import line_files
from smtpguard.config.line_files import (
    PHRASES_MAX,
    ROSTER_ADDRESSES_MAX,
    ROSTER_OCTETS_MAX,
    LineFile,
    LineKind,
    key_of,
    line_file,
    of_key,
    read_lines,
    shown_name,
)
from smtpguard.config.problems import Problem, format_problem
from smtpguard.config.sources import source_of
from smtpguard.mail.address import parse_address

ROSTER, STOCK = LineKind.ROSTER, LineKind.STOCK


def read(kind: LineKind, text: str) -> tuple[LineFile, tuple[Problem, ...]]:
    return line_file(kind, Path("/etc/guard/file.txt"), source_of("file.txt", text), "file.txt")


def read_octets(folder: Path, kind: LineKind, octets: bytes) -> tuple[LineFile, tuple[Problem, ...]]:
    path = folder / "file.txt"
    path.write_bytes(octets)
    return line_file(kind, path, read_lines(kind, path, "file.txt")[0], "file.txt")


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("anna@example.org", ("anna", "example.org")),
        ("  Anna.Lind+news@Mail.Example.ORG\t", ("anna.lind+news", "mail.example.org")),
        ("ben_cole@example.org # treasurer, since 2020", ("ben_cole", "example.org")),
        ("o'neil@example.org", ("o'neil", "example.org")),
        ("a#b@example.org", ("a#b", "example.org")),
        ("zoë@bücher.example", ("zoë", "xn--bcher-kva.example")),
        ("ZOË@bücher.example", ("zoë", "xn--bcher-kva.example")),
        ("kim@xn--bcher-kva.example", ("kim", "xn--bcher-kva.example")),
        ("kim@mail.local", ("kim", "mail.local")),
    ],
)
def test_a_line_of_the_roster_is_an_address_as_it_is_compared(line: str, address: tuple[str, str]) -> None:
    file, problems = read(ROSTER, f"# members\n\n{line}\n")

    assert () == problems
    assert {address} == file.addresses
    assert file.is_usable


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_and_begin_as_editors_have_it(tmp_path: Path, end: str) -> None:
    octets = b"\xef\xbb\xbf" + end.join(["anna@example.org", "", "ANNA@example.org", "ben@example.org"]).encode()

    file, problems = read_octets(tmp_path, ROSTER, octets)

    assert () == problems
    assert {("anna", "example.org"), ("ben", "example.org")} == file.addresses


@given(st.lists(st.sampled_from(["anna", "Ben.Cole", "o'neil", "zoë", "strasse", "straße", "x_y-z+t"]), min_size=1))
def test_whatever_way_an_address_is_read_it_is_found_as_mail_is_looked_up(names: list[str]) -> None:
    written = [f"{each}@Example.org" for each in names]

    file, _ = read(ROSTER, "\n".join(written))

    assert {each.folded for each in map(parse_address, written) if each is not None} == file.addresses


@given(st.text(st.characters(exclude_characters="\n\r"), min_size=4, max_size=60))
def test_nothing_that_stands_in_a_roster_is_told_in_a_message(line: str) -> None:
    for text in (line, f"anna@example.org\n{line}, secret@example.org", f"- {line}"):
        _, problems = read(ROSTER, text)

        for each in problems:
            assert "" == each.quoted
            assert "secret" not in format_problem(each)
            assert each.text in TEXTS or each.text.startswith("there is an invisible character (U+")


NOBODY = "there is no address in this file, so everybody would be an outsider."
TEXTS = {
    "write the address alone, without a dash, quotes or brackets: this file is no YAML.",
    "there are two addresses in this line. Write one in each line.",
    "this is no mail address like name@example.org. Write the address alone, one in each line.",
    "this is no mail address: write it in full, like name@example.org.",
    f'{NOBODY} Write one in each line, or take "roster" out of the site file.',
}


def test_a_roster_that_is_not_utf_8_is_told_without_its_line(tmp_path: Path) -> None:
    file, (problem,) = read_octets(tmp_path, ROSTER, "löwen@example.org\n".encode("latin-1"))

    assert not file.is_usable
    assert (1, "") == (problem.line, problem.quoted)


def test_one_wrong_line_keeps_the_whole_roster_from_counting() -> None:
    file, (problem,) = read(ROSTER, "anna@example.org\nben\n")

    assert not file.is_usable
    assert frozenset() == file.addresses
    assert 2 == problem.line


def test_a_roster_has_at_most_so_many_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_files, "ROSTER_ADDRESSES_MAX", 3)
    lines = [f"member{number}@example.org" for number in range(4)]

    assert read(ROSTER, "\n".join(lines[:3]))[0].is_usable
    file, (problem,) = read(ROSTER, "\n".join(lines))
    assert not file.is_usable
    assert "there are more than 3 addresses in this file." == problem.text
    assert 100_000 == ROSTER_ADDRESSES_MAX


@pytest.mark.parametrize("line", [b"x", b"a@" + b"a" * 400, b"a@" + b"a." * 200, b"\xc3\xa4" * 200])
def test_a_hostile_roster_ends_after_some_mistakes(tmp_path: Path, line: bytes) -> None:
    file, problems = read_octets(tmp_path, ROSTER, (line + b"\n") * (1024 * 1024 // len(line)))

    assert not file.is_usable
    assert 100 == len(problems)


@pytest.mark.parametrize("octet", [b"a", b"@", b".", b"\x00", b"-"])
def test_a_roster_of_one_endless_line_is_one_mistake(tmp_path: Path, octet: bytes) -> None:
    file, (problem,) = read_octets(tmp_path, ROSTER, b"a@" + octet * (ROSTER_OCTETS_MAX - 2))

    assert not file.is_usable
    assert 200 > len(problem.text)


def test_a_file_that_is_too_large_or_not_there_is_one_mistake_that_names_its_key(tmp_path: Path) -> None:
    _, (large,) = read_octets(tmp_path, ROSTER, b"#" * (ROSTER_OCTETS_MAX + 1))
    gone = read_lines(STOCK, tmp_path / "gone.txt", "gone.txt")[0]

    assert 'this file is larger than 8192 KiB, the most that is read (it is named by "roster" in the site file).' == (
        large.text
    )
    assert isinstance(gone, Problem)
    assert 'cannot be read: No such file or directory (it is named by "stock" in the site file).' == gone.text


def test_phrases_are_kept_as_they_are_written() -> None:
    file, problems = read(
        STOCK, "# greetings\n\n  With kind regards from #1 of us  \nDiese Nachricht ist vertraulich.\n"
    )

    assert () == problems
    assert ("With kind regards from #1 of us", "Diese Nachricht ist vertraulich.") == file.phrases


def test_a_stock_file_has_at_most_so_many_phrases() -> None:
    phrase = "with kind regards from us\n"

    assert read(STOCK, phrase * PHRASES_MAX)[0].is_usable
    file, (problem,) = read(STOCK, phrase * (PHRASES_MAX + 1))
    assert not file.is_usable
    assert problem.is_error


@pytest.mark.parametrize("path", ["/etc/guard/roster.txt", "/etc/my guard/a  b", "/"])
@pytest.mark.parametrize("kind", LineKind)
def test_a_key_says_which_file_it_is_of(kind: LineKind, path: str) -> None:
    assert (kind, Path(path)) == of_key(key_of(kind, Path(path)))


@pytest.mark.parametrize("key", ["", "berlin", "roster", "stock", "roster x", "/", "/x y", "/roster", "/roster "])
def test_no_list_is_taken_for_such_a_file(key: str) -> None:
    assert of_key(key) is None


def test_a_file_is_shown_from_the_folder_of_the_site_file() -> None:
    folder = Path("/etc/guard")

    assert ["roster.txt", "members/roster.txt", "/srv/members.txt"] == [
        shown_name(Path(each), folder)
        for each in ("/etc/guard/roster.txt", "/etc/guard/members/roster.txt", "/srv/members.txt")
    ]
