"""`smtpguard replay --html`: no file is lost to a report, and no half report takes the place of a whole one."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from smtpguard.config.loading import load
from smtpguard.tools.replay import report_file
from smtpguard.tools.replay.homes import list_called
from tests.tools.replays import FIRST, mbox, of_list, replayed
from tests.tools.site import run

WHOLE = b"<!DOCTYPE html>\n<p>a report</p>\n"


@pytest.mark.parametrize("which", ["archive", "settings", "list", "link"])
def test_what_is_no_report_is_never_overwritten(site: Path, tmp_path: Path, which: str) -> None:
    archive = mbox(tmp_path / "berlin.mbox", of_list("berlin", 1, FIRST))
    link = tmp_path / "report.html"
    link.symlink_to(archive)
    path = {"archive": archive, "settings": site, "list": site.parent / "lists" / "press.yaml", "link": link}[which]
    before = path.read_bytes()

    said = run("replay", archive, "--config", site, "--html", path)

    assert (2, before) == (said.exit_code, path.read_bytes())
    assert "there is a file already that is no report. Give another name" in said.stderr


def test_a_former_report_an_empty_file_and_one_behind_a_link_are_replaced(tmp_path: Path) -> None:
    report, empty, link, new = (tmp_path / each for each in ("report.html", "empty", "link", "new.html"))
    report.write_bytes(b"<!DOCTYPE html>\n<p>of last week</p>\n" * 1000)
    empty.touch()
    link.symlink_to(report)
    for path in (link, empty, new):
        report_file.look_at(path)
        report_file.write(path, WHOLE)

    assert link.is_symlink()
    assert {"report.html", "empty", "link", "new.html"} == {each.name for each in tmp_path.iterdir()}
    assert {WHOLE} == {each.read_bytes() for each in tmp_path.iterdir()}


def test_a_full_disk_leaves_the_former_report(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(WHOLE)
    bounds = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, bounds[1]))
    try:
        with pytest.raises(OSError, match="File too large") as raised:
            report_file.write(path, WHOLE * 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, bounds)

    assert str(path) == raised.value.filename
    assert [(path, WHOLE)] == [(each, each.read_bytes()) for each in tmp_path.iterdir()]


def test_a_report_that_leads_to_itself_or_into_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name in ("loop", "absent/report.html"):
        with pytest.raises(report_file.ReportFileError):
            report_file.look_at(tmp_path / name)


def test_an_archive_that_leads_to_itself_is_told_and_the_others_are_replayed(site: Path, tmp_path: Path) -> None:
    loop = tmp_path / "loop.mbox"
    loop.symlink_to("loop.mbox")

    replay = replayed([site], loop, mbox(tmp_path / "berlin.mbox", of_list("berlin", 1, FIRST)))

    assert ["this is a link that leads to itself", None] == [each.trouble for each in replay.archives]
    assert 1 == replay.mails


def test_no_name_is_no_list(site: Path, tmp_path: Path) -> None:
    archive = mbox(tmp_path / "x.mbox", of_list("berlin", 1, FIRST))
    policy = load(site).policy
    assert policy is not None

    assert [None, None] == [list_called(each, policy) for each in ("", " ")]
    said = run("replay", f"={archive}", "--config", site)
    assert (2, True) == (said.exit_code, 'there is no list ""' in said.stderr)
