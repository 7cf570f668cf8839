"""Archives with a file for each mail, and what is no archive."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from smtpguard.archives import ArchiveError
from smtpguard.archives.files import GROUP_FILES
from smtpguard.archives.opening import open_archive
from tests.archives.posts import maildir, mboxrd, post, posts
from tests.archives.test_mbox import mails, noted, opened


def test_a_maildir_is_read_and_read_on(tmp_path: Path) -> None:
    folder = maildir(tmp_path / "list", posts(GROUP_FILES + 20))
    found = mails(folder)
    assert sorted(each.octets for each in found) == sorted(posts(GROUP_FILES + 20))
    assert all(each.piece.around is not None for each in found)
    bookmarks = noted(found)
    maildir(folder, [post(900)], into="cur", first=900)
    assert [each.octets for each in mails(folder, bookmarks)] == [post(900)]


def test_a_mail_that_was_moved_and_marked_as_read_is_the_same(tmp_path: Path) -> None:
    folder = maildir(tmp_path, posts(2))
    bookmarks = noted(mails(folder))
    for each in list((folder / "new").iterdir()):
        each.rename(folder / "cur" / f"{each.name}:2,RS")
    assert mails(folder, bookmarks) == []


def test_what_is_still_being_delivered_is_not_read(tmp_path: Path) -> None:
    folder = maildir(tmp_path, posts(1))
    (folder / "tmp" / "1.half").write_bytes(b"From: anna")
    (folder / "new").rename(folder / "gone")
    assert mails(folder) == []


def test_a_folder_of_eml_files_is_read(tmp_path: Path) -> None:
    for number, each in enumerate(posts(3)):
        (tmp_path / f"{number}.{'EML' if number else 'eml'}").write_bytes(each)
    (tmp_path / "README").write_text("no mail")
    (tmp_path / ".hidden.eml").write_text("no mail")
    (tmp_path / "folder.eml").mkdir()
    assert sorted(each.octets for each in mails(tmp_path)) == posts(3)
    assert opened(tmp_path).size == 3


def test_one_mail_is_an_archive(tmp_path: Path) -> None:
    file = tmp_path / "mail"
    file.write_bytes(post())
    found = mails(file)
    assert [each.octets for each in found] == [post()]
    assert mails(file, noted(found)) == []


def test_a_file_that_cannot_be_read_is_counted_and_found_again(tmp_path: Path) -> None:
    (tmp_path / "1.eml").write_bytes(post())
    (tmp_path / "2.eml").symlink_to(tmp_path / "1.eml")
    os.mkfifo(tmp_path / "3.eml")
    archive = open_archive(tmp_path, nullcontext)
    (group,) = archive.groups()
    assert len(list(archive.mails(group, {}, bytes))) == 1
    assert (archive.unreadable, archive.read, archive.size) == (2, 3, 3)


@pytest.mark.parametrize(
    ("octets", "why"),
    [(b"%PDF-1.7\n", "no mbox"), (b"\x00" * 100, "no mbox"), (b"Dear all,\nhello", "no mbox")],
)
def test_what_is_no_archive_is_said(tmp_path: Path, octets: bytes, why: str) -> None:
    (tmp_path / "file").write_bytes(octets)
    with pytest.raises(ArchiveError, match=why):
        opened(tmp_path / "file")


def test_a_folder_without_mails_says_what_to_name(tmp_path: Path) -> None:
    (tmp_path / "2026-November.mbox").write_bytes(mboxrd(posts(1)))
    with pytest.raises(ArchiveError, match="one by one"):
        opened(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArchiveError, match="no file"):
        opened(tmp_path / "pipe")
    with pytest.raises(ArchiveError, match="No such file"):
        opened(tmp_path / "nothing")


def test_an_empty_file_is_an_archive_that_has_nothing_yet(tmp_path: Path) -> None:
    file = tmp_path / "mbox"
    file.write_bytes(b"")
    assert mails(file) == []
