"""`smtpguard import` where it leaves things alone: broken settings, files nobody may touch, lists nobody can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpguard.tools.importing import mailman as mailman_module
from tests.tools.importing.conftest import Import
from tests.tools.importing.rest_server import Lists
from tests.tools.importing.sympa_site import write_lists
from tests.tools.site import list_text, run


@pytest.mark.parametrize(
    ("text", "said"),
    [("list_domains: [lists.example.org\n", "smtpguard.yaml:"), ("foo: bar\n", "smtpguard.yaml:1:1:")],
)
@pytest.mark.parametrize("more", [(), ("--check",)])
def test_with_broken_settings_nothing_is_written_nor_compared(
    site: Path, mailman: Lists, run_import: Import, text: str, said: str, more: tuple[str, ...]
) -> None:
    mailman.add("choir")
    site.write_text(text)

    result = run_import(*more)

    assert (78, "") == (result.exit_code, result.stdout)
    assert said in result.stderr
    assert not (site.parent / "lists" / "choir.yaml").exists()
    assert [] == mailman.asked


def test_a_file_in_the_place_of_the_lists_folder_is_told_once(tmp_path: Path, site: Path) -> None:
    config = tmp_path / "new" / "smtpguard.yaml"
    config.parent.mkdir()
    config.write_text(site.read_text().partition("crosspost_pairs")[0])
    (config.parent / "lists").touch()

    said = run("import", "sympa", write_lists(tmp_path / "list_data"), "--config", config)

    assert (73, "") == (said.exit_code, said.stdout)
    assert said.stderr.endswith("lists is no folder; the list files have to lie there.\n")
    assert 1 == said.stderr.count("\n")


@pytest.mark.parametrize("more", ["---\nfoo: bar\n", "contact: other@example.org\n", "...\nabout: again\n"])
def test_nothing_is_added_to_a_file_that_says_things_twice(
    site: Path, mailman: Lists, run_import: Import, more: str
) -> None:
    path = site.parent / "lists" / "press.yaml"
    path.write_text(list_text("press") + more)
    before = path.read_bytes()
    mailman.add("press", acceptable_aliases=["media@lists.example.org"])

    for _ in range(2):
        run_import("--add")

    assert before == path.read_bytes()


def test_nothing_is_added_to_a_file_that_nobody_may_write(site: Path, mailman: Lists, run_import: Import) -> None:
    path = site.parent / "lists" / "press.yaml"
    path.chmod(0o440)
    before = path.read_bytes()
    mailman.add("press", acceptable_aliases=["media@lists.example.org"])

    said = run_import("--add")

    assert (1, before) == (said.exit_code, path.read_bytes())
    assert "lists/press.yaml is write-protected. It was left as it is.\n" in said.stderr


def test_a_list_whose_file_sympa_has_lost_is_named_and_not_gone(site: Path, tmp_path: Path) -> None:
    place = write_lists(tmp_path / "list_data")
    assert 0 == run("import", "sympa", place, "--config", site).exit_code
    lost = place / "lists.example.org" / "choir" / "config"
    lost.write_bytes(b"")

    check = run("import", "sympa", place, "--config", site, "--check")
    again = run("import", "sympa", place, "--config", site)

    line = f"choir@lists.example.org: {lost}: there is nothing in this file that Sympa writes into a list's config."
    assert (1, [line]) == (check.exit_code, check.stdout.splitlines())
    assert (1, [line]) == (again.exit_code, again.stderr.splitlines())


def test_a_list_whose_file_is_too_large_is_named_and_the_others_are_imported(site: Path, tmp_path: Path) -> None:
    place = write_lists(tmp_path / "list_data")
    large = place / "lists.example.org" / "choir" / "config"
    text = large.read_bytes()
    large.write_bytes(text + b"#" * 300_000)

    first = run("import", "sympa", place, "--config", site)
    check = run("import", "sympa", place, "--config", site, "--check")

    line = f"choir@lists.example.org: {large} is larger than 256 KiB, the most that is read."
    assert (1, True) == (first.exit_code, line in first.stderr.splitlines())
    assert {"board.yaml", "news.yaml"} <= {each.name for each in (site.parent / "lists").iterdir()}
    assert (1, [line]) == (check.exit_code, check.stdout.splitlines())

    large.write_bytes(text)
    assert 0 == run("import", "sympa", place, "--config", site).exit_code
    assert (site.parent / "lists" / "choir.yaml").exists()


def test_one_domain_of_more_lists_than_are_read_can_be_asked_for(
    mailman: Lists, run_import: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailman_module, "LIST_FILES_MAX", 150)
    monkeypatch.setattr(mailman_module, "ALL_LISTS_MAX", 450)
    for number in range(250):
        mailman.add(f"team-{number}")
    mailman.add("zoo", "lists.example.net")

    whole, part = run_import("--dry-run"), run_import("--dry-run", "--domain", "lists.example.net")

    assert (69, True) == (whole.exit_code, "more than 150 lists: name their domains by --domain." in whole.stderr)
    assert "1 list of Mailman, 0 would be written.\n" == part.stdout
