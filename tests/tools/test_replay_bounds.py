"""What an archive may cost, whoever has written into it."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from smtpguard.tools.replay import gathering
from smtpguard.tools.replay.posts import as_submitted
from tests.tools.replays import FIRST, gathered, mbox, of_list, replayed


def copy(mail: bytes, list_id: str) -> bytes:
    """The same mail from the archive of another list."""
    return mail.replace(b"List-Id: <berlin.lists.example.org>", f"List-Id: <{list_id}>".encode())


def test_copies_of_one_mail_are_followed_to_so_many_archives_and_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "HOMES_MAX", 3)
    mail = of_list("berlin", 1, FIRST)

    found = gathered(tmp_path, mbox(tmp_path / "x.mbox", *(copy(mail, f"l{each}.x") for each in range(9))))

    [entry] = found.entries
    assert ["<l0.x>", "<l1.x>", "<l2.x>"] == [each.list_id for each in entry.homes]
    assert (1, 8) == (found.archives[0].mails, found.archives[0].twice)


def test_mails_beyond_all_lists_that_there_can_be_belong_to_the_archives_own(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "DISTINCT_HOMES_MAX", 2)
    names = ["l0.x", "l1.x", "press.lists.example.org", "l0.x"]
    mails = [copy(of_list("berlin", each, FIRST), name) for each, name in enumerate(names)]

    archive = mbox(tmp_path / "harbour.mbox", *mails)
    found = gathered(tmp_path, archive)

    assert ["<l0.x>", "<l1.x>", "", "<l0.x>"] == [each.homes[0].list_id for each in found.entries]
    assert 4 == replayed(site, archive).tallies[0].judged


def test_a_mail_of_as_many_lines_as_can_be_takes_little_more_than_its_size() -> None:
    mail = b"From: anna@example.org\n\n" + b"ab\n" * 1_000_000
    tracemalloc.start()
    try:
        found = as_submitted(mail)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 1_000_002 == found.count(b"\r\n")
    assert peak < 6 * len(mail)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_footer_is_found_among_the_last_lines_alone(end: bytes) -> None:
    rule = b"_" * 47
    lines = [b"From: anna@example.org", b"", rule, *(b"text %d" % each for each in range(14)), b""]

    far = end.join(lines)
    near = end.join([*lines[:2], *lines[3:-1], rule, b"list@example.org", b"http://example.org/", b""])

    assert rule in as_submitted(far.replace(b"text 13", b"text 13" + end + b"text 14"))
    assert b"\r\n".join([*lines[:2], b""]) == as_submitted(far)
    assert b"\r\n".join([*lines[:2], *lines[3:]]) == as_submitted(near)
