"""Sympa's files: what is understood of one list's, and from where they may come."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from smtpguard.lists import ListKind
from smtpguard.tools.importing.described import Described, SourceError
from smtpguard.tools.importing.sympa import ListFiles, described
from smtpguard.tools.importing.sympa_export import read_sympa
from tests.tools.importing.sympa_site import ALL, BOARD, CLOSED, DISCUSSION, EDITORS, NEWSLETTER, packed, write_lists

NOWHERE: frozenset[str] = frozenset()


def told(config: str, name: str = "choir", *, owners: str = "", editors: str = "") -> Described:
    found = described(ListFiles(name, "lists.example.org", config, owners, editors))
    assert found is not None
    return found


def names(place: Path, *domains: str) -> list[str]:
    return sorted(each.address.normal for each in read_sympa(str(place), None, frozenset(domains)).lists)


def test_a_list_for_discussion_is_read() -> None:
    found = told(DISCUSSION)

    assert "choir@lists.example.org" == found.address.normal
    assert ("Choir: rehearsals and concerts", ListKind.DISCUSSION, False) == (found.about, found.kind, found.is_hidden)
    assert ((), (), ()) == (found.aliases, found.posters, found.includes)


def test_a_newsletter_is_posted_to_by_its_editors_and_talked_of_elsewhere() -> None:
    found = told(NEWSLETTER, "news")

    assert (ListKind.ANNOUNCE, ("dora@example.org", "erik@example.org")) == (found.kind, found.posters)
    assert "choir@lists.example.org" == str(found.discussion)


def test_a_dump_counts_more_than_what_the_file_kept() -> None:
    assert ("fred@example.org", "gina@example.org") == told(NEWSLETTER, editors=EDITORS).posters


def test_without_editors_the_owners_are_those() -> None:
    text = "status open\n\nsend newsletter\n\nowner\nemail cara@example.org\n"
    assert ("cara@example.org",) == told(text).posters
    assert ("fred@example.org", "gina@example.org") == told(text, owners=EDITORS).posters


def test_a_list_of_its_owners_names_no_editor() -> None:
    text = "status open\n\nsend ownerauth\n\neditor\nemail erik@example.org\n\nowner\nemail cara@example.org\n"
    assert (ListKind.ANNOUNCE, ("cara@example.org",)) == (told(text).kind, told(text).posters)


@pytest.mark.parametrize("scenario", ["editorkey", "editorkeyonly", "privateandeditorkey", "closed", "our_own", ""])
def test_what_sympa_leaves_open_is_not_guessed(scenario: str) -> None:
    found = told(f"status open\n\nsend {scenario}\n")
    assert found.kind is None
    assert found.remark


@pytest.mark.parametrize("scenario", ["private", "privateoreditorkey", "public", "publickey", "confidential"])
def test_where_members_may_send_it_is_a_discussion(scenario: str) -> None:
    assert ListKind.DISCUSSION is told(f"send {scenario}\n").kind


def test_more_posters_than_a_newsletter_has_make_none() -> None:
    editors = "".join(f"email member-{number}@example.org\n\n" for number in range(101))
    found = told("send newsletter\n", editors=editors)
    assert (None, ()) == (found.kind, found.posters)
    assert "more than 100 persons" in found.remark


def test_an_umbrella_reaches_whole_lists_only_and_a_secret_one_is_hidden() -> None:
    found = told(ALL, "everybody")
    expected = ["choir@lists.example.org", "news@lists.example.org", "elsewhere@lists.example.net"]
    assert expected == [each.normal for each in found.includes]
    assert found.is_hidden


def test_a_closed_list_is_none() -> None:
    assert described(ListFiles("old", "lists.example.org", CLOSED)) is None


@pytest.mark.parametrize(
    "text",
    ["", "\n\n\n", "#\n#\n", "!!!\n\x00\n", "send\n", "owner\n\nowner\nemail\n", "subject " + "x" * 200_000, "\r\n\r",
     "include_sympa_list\n\ninclude_list\n\nreply_to_header\n"],
)  # fmt: skip
def test_any_text_is_read_without_a_fault(text: str) -> None:
    assert "choir@lists.example.org" == told(text).address.normal


def test_a_subject_becomes_one_line_that_fits() -> None:
    found = told("subject \u202eevil\u200b " + "long words " * 50)
    assert found.about.startswith("evil long words")
    assert found.about.endswith(" ...")
    assert len(found.about) <= 200


def test_a_folder_of_domains_and_one_of_lists_are_read_and_shared_documents_are_not(tmp_path: Path) -> None:
    write_lists(tmp_path / "robots")
    write_lists(tmp_path / "flat", None)
    lists = [f"{each}@lists.example.org" for each in ("board", "choir", "everybody", "news")]

    assert lists == names(tmp_path / "robots")
    assert lists == names(tmp_path / "flat", "lists.example.org")
    assert [] == names(tmp_path / "robots", "lists.example.net")
    with pytest.raises(SourceError, match="name it by --domain"):
        names(tmp_path / "flat")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_says_what_the_folder_says(tmp_path: Path, mode: str) -> None:
    folder = write_lists(tmp_path / "list_data")
    (folder / "lists.example.org" / "news" / "editor.dump").write_text(EDITORS)
    path = tmp_path / "lists.tar.gz"
    path.write_bytes(packed(folder, mode))

    assert read_sympa(str(folder), None, NOWHERE) == read_sympa(str(path), None, NOWHERE)
    assert ("fred@example.org", "gina@example.org") == read_sympa(str(path), None, NOWHERE).lists[-1].posters


def test_one_file_is_one_list_and_says_nothing_of_others(tmp_path: Path) -> None:
    folder = write_lists(tmp_path)
    for place in ("news", "news/config"):
        found = read_sympa(str(folder / "lists.example.org" / place), None, NOWHERE)
        assert ["news@lists.example.org"] == [each.address.normal for each in found.lists]
        assert not found.is_whole


def test_a_file_that_is_not_utf_8_is_read_as_sympa_once_wrote(tmp_path: Path) -> None:
    folder = write_lists(tmp_path)
    assert BOARD.encode("latin-1") == (folder / "lists.example.org" / "board" / "config").read_bytes()
    assert "Vorstand: ältere Akten" == read_sympa(str(folder), None, NOWHERE).lists[0].about


def test_a_place_without_lists_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no list here"):
        names(tmp_path)
    with pytest.raises(SourceError, match="there is no such file"):
        names(tmp_path / "nothing")


def test_a_broken_archive_is_told(tmp_path: Path) -> None:
    whole = packed(write_lists(tmp_path / "list_data"))
    for number, octets in enumerate((whole[:200], whole[:-20], gzip.compress(b"no archive at all" * 100))):
        path = tmp_path / f"{number}.tar.gz"
        path.write_bytes(octets)
        with pytest.raises(SourceError, match="no whole tar archive"):
            names(path)


@pytest.mark.parametrize("damage", ["end", "between", "header"])
def test_an_archive_that_ends_too_early_or_is_broken_within_is_told(tmp_path: Path, damage: str) -> None:
    whole = packed(write_lists(tmp_path / "list_data"), "w")
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        members = archive.getmembers()
    third = members[len(members) // 2].offset
    cut = {
        "end": whole[: members[-1].offset_data + 512],
        "between": whole[:third],
        "header": whole[:third] + b"?" * 512 + whole[third + 512 :],
    }
    path = tmp_path / "x.tar"
    path.write_bytes(cut[damage])

    with pytest.raises(SourceError, match=r"x\.tar: this is no whole tar archive"):
        names(path)


@pytest.mark.parametrize(
    "text", ["", "\n\n", "root:x:0:0:root:/root:/bin/sh\n", '{"lists": []}', "<list>\n<subject>x</subject>\n</list>\n",
             "[core]\n\tbare = false\n"]
)  # fmt: skip
def test_what_sympa_never_wrote_is_no_list(tmp_path: Path, text: str) -> None:
    folder = write_lists(tmp_path)
    path = folder / "lists.example.org" / "choir" / "config"
    path.write_text(text)

    with pytest.raises(SourceError, match="nothing in this file that Sympa writes"):
        names(path)
    found = read_sympa(str(folder), None, NOWHERE)
    assert "choir@lists.example.org" not in [each.address.normal for each in found.lists]
    assert ["choir@lists.example.org"] == [each.normal for each in found.unread]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(SourceError, match="not a regular file"):
        names(path, "lists.example.org")


def test_the_folder_of_one_domain_says_nothing_of_others(tmp_path: Path) -> None:
    write_lists(tmp_path)
    write_lists(tmp_path, "lists.example.net")

    assert frozenset() == read_sympa(str(tmp_path), None, NOWHERE).domains
    found = read_sympa(str(tmp_path / "lists.example.net"), None, NOWHERE)
    assert {"lists.example.net"} == found.domains
    assert {"lists.example.net"} == {each.address.domain for each in found.lists}


def test_a_file_larger_than_any_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lists.example.org" / "big").mkdir(parents=True)
    (tmp_path / "lists.example.org" / "big" / "config").write_text("#" * 300_000)
    with pytest.raises(SourceError, match="256 KiB"):
        names(tmp_path)
    path = tmp_path / "x.tar"
    path.write_bytes(packed(tmp_path / "lists.example.org", "w"))
    with pytest.raises(SourceError, match="256 KiB"):
        names(path)


@pytest.mark.parametrize("name", ["config", "owner.dump"])
def test_a_list_with_a_file_larger_than_any_is_named_and_the_others_are_read(tmp_path: Path, name: str) -> None:
    folder = write_lists(tmp_path / "list_data")
    (folder / "lists.example.org" / "choir" / name).write_text("#" * 300_000)
    # A shared document is no list's file, whatever it is called.
    shared = folder / "lists.example.org" / "news" / "shared"
    shared.mkdir(exist_ok=True)
    (shared / "config").write_text("#" * 300_000)
    path = tmp_path / "lists.tar.gz"
    path.write_bytes(packed(folder))

    for place in (folder, path):
        found = read_sympa(str(place), None, NOWHERE)
        assert [f"{each}@lists.example.org" for each in ("board", "everybody", "news")] == [
            each.address.normal for each in found.lists
        ]
        assert ["choir@lists.example.org"] == [each.normal for each in found.unread]
        why = next(iter(found.unread.values()))
        assert why.endswith(f"lists.example.org/choir/{name} is larger than 256 KiB, the most that is read.")
        assert found.is_whole


def test_an_archive_that_grows_beyond_bounds_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtpguard.tools.importing.sympa_export.EXPORT_OCTETS_MAX", 4 * 1024 * 1024)
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w:gz") as archive:
        member = tarfile.TarInfo("archive")
        member.size = 64 * 1024 * 1024
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(octets.getvalue())

    assert len(octets.getvalue()) < 100_000
    with pytest.raises(SourceError, match="larger than 4 MiB"):
        names(path)


@pytest.mark.parametrize(("type_", "octets"), [(tarfile.XHDTYPE, 80_000), (tarfile.GNUTYPE_LONGNAME, 80_000),
                                               (tarfile.XGLTYPE, 2**62), (tarfile.XHDTYPE, 60_000)])  # fmt: skip
def test_names_without_end_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type_: bytes, octets: int
) -> None:
    monkeypatch.setattr("smtpguard.tools.importing.sympa_export.LONG_HEADERS_OCTETS_MAX", 100_000)
    header = tarfile.TarInfo("lists.example.org/x/config")
    header.type, header.size = type_, octets
    remark = b"9 a=bbbb\n" * (min(octets, 80_000) // 9)
    path = tmp_path / "x.tar"
    one = header.tobuf(tarfile.GNU_FORMAT) + remark + bytes(-len(remark) % 512)
    path.write_bytes(one * 2 + packed(write_lists(tmp_path / "list_data"), "w"))

    with pytest.raises(SourceError, match="names or remarks of a length that no file has"):
        names(path)


def test_long_names_and_remarks_of_real_archives_are_read(tmp_path: Path) -> None:
    folder = write_lists(tmp_path / ("d" * 150) / ("e" * 150))
    (folder / "ü.txt").touch()

    for number, format_ in enumerate((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)):
        path = tmp_path / f"{number}.tar"
        with tarfile.open(path, "w", format=format_) as archive:
            archive.add(folder)
        assert 4 == len(names(path))


def test_links_and_ways_out_of_an_archive_lead_nowhere(tmp_path: Path) -> None:
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w") as archive:
        link = tarfile.TarInfo("lists.example.org/spy/config")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        out = tarfile.TarInfo("../../lists.example.org/out/config")
        out.size = 7
        archive.addfile(out, io.BytesIO(b"send x\n"))
    path = tmp_path / "x.tar"
    path.write_bytes(octets.getvalue())

    assert ["out@lists.example.org"] == names(path)
    assert ["x.tar"] == [each.name for each in tmp_path.iterdir()]
