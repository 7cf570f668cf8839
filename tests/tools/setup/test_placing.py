"""What setup writes is all there or not at all, and never in the place of another file."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from smtpguard.config.loading import load
from smtpguard.tools.setup.placing import OccupiedError, place
from tests.tools.setup.postfix_folder import GIVEN, postfix_in, setup
from tests.tools.site import SITE, list_text, run

# Each asks the real postconf, many times.
pytestmark = pytest.mark.slow

FILES = {
    "smtpguard.yaml": SITE.partition("crosspost_pairs")[0],
    "for-postfix/main.cf": "x\n",
    "lists/list.schema.json": "{}\n",
}
ORGANISATION = ("--organisation", "Riverside Gardeners", "--server", "mail.example.org", "--domain", "example.org",
                "--list-domains", "lists.example.org")  # fmt: skip


def all_files(folder: Path) -> dict[str, str]:
    """Every file and folder below, and what is in the files."""
    return {
        str(each.relative_to(folder)): each.read_text("utf-8") if each.is_file() else "" for each in folder.rglob("*")
    }


def test_all_files_are_there_for_everybody_to_read_and_nothing_else(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        loaded = place(tmp_path / "new" / "etc" / "smtpguard.yaml", FILES)
    finally:
        os.umask(before)

    assert loaded.ok
    folder = tmp_path / "new" / "etc"
    assert {**FILES, "for-postfix": "", "lists": ""} == all_files(folder)
    for each in folder.rglob("*"):
        assert (0o755 if each.is_dir() else 0o644) == stat.S_IMODE(each.stat().st_mode)
    assert 0o755 == stat.S_IMODE(folder.stat().st_mode)


def test_with_a_mistake_nothing_is_left_behind(tmp_path: Path) -> None:
    loaded = place(tmp_path / "new" / "etc" / "smtpguard.yaml", {**FILES, "smtpguard.yaml": "adress: x\n"})

    assert not loaded.ok
    assert {"smtpguard.yaml"} == {each.file for each in loaded.problems}
    assert {} == all_files(tmp_path)


@pytest.mark.parametrize("name", ["smtpguard.yaml", "for-postfix/main.cf"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_that_is_there_stops_everything(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.symlink_to("/nowhere/at/all") if kind == "link" else path.write_text("mine\n")
    before = sorted(each.name for each in tmp_path.rglob("*"))

    with pytest.raises(OccupiedError) as caught:
        place(tmp_path / "smtpguard.yaml", FILES)

    assert name == caught.value.name
    assert before == sorted(each.name for each in tmp_path.rglob("*"))


def test_what_was_placed_is_taken_back_when_a_later_file_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked, whole = [], os.link

    def link(source: str, target: str, **more: bool) -> None:
        linked.append(target)
        if len(linked) == len(FILES):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole(source, target, **more)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(OSError, match="No space left"):
        place(tmp_path / "etc" / "smtpguard.yaml", FILES)

    assert len(FILES) == len(linked)
    assert {} == all_files(tmp_path)


def test_a_folder_that_was_there_stays_with_what_others_have_put_there(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "berlin.yaml").write_text(list_text("berlin"), "utf-8")
    before = all_files(tmp_path)

    loaded = place(tmp_path / "smtpguard.yaml", {**FILES, "smtpguard.yaml": "list_domains: [elsewhere.example]\n"})

    # The lists that are there are looked at together with the new file.
    assert ["lists/berlin.yaml"] == [each.file for each in loaded.problems if each.is_error]
    assert before == all_files(tmp_path)
    assert place(tmp_path / "smtpguard.yaml", FILES).ok
    policy = load(tmp_path / "smtpguard.yaml").policy
    assert policy is not None
    assert {"berlin"} == policy.by_id.keys()


def test_a_second_setup_changes_nothing_and_a_schema_that_is_there_is_kept(tmp_path: Path) -> None:
    config = tmp_path / "etc" / "smtpguard.yaml"
    (tmp_path / "etc" / "lists").mkdir(parents=True)
    (tmp_path / "etc" / "lists" / "list.schema.json").write_text("{}\n")
    first = run("setup", "--yes", "--without-dns", *ORGANISATION, "--config", config, PATH="/")
    before = all_files(tmp_path)

    second = run("setup", "--yes", "--without-dns", *ORGANISATION, "--config", config, PATH="/")

    assert (0, 1) == (first.exit_code, second.exit_code)
    assert "{}\n" == before["etc/lists/list.schema.json"]
    assert f"{config} is there already. Nothing was written; move it away" in second.stderr
    assert before == all_files(tmp_path)


def test_the_files_of_a_former_setup_are_not_written_over_either(tmp_path: Path) -> None:
    config = tmp_path / "smtpguard.yaml"
    (tmp_path / "NEXT-STEPS.txt").write_text("notes of mine\n")

    said = run("setup", "--yes", "--without-dns", *ORGANISATION, "--config", config, PATH="/")

    assert 1 == said.exit_code
    assert f"{tmp_path}/NEXT-STEPS.txt is there already." in said.stderr
    assert {"NEXT-STEPS.txt": "notes of mine\n"} == all_files(tmp_path)


@pytest.mark.parametrize("typed", ["\n" * 11 + "n\n", "\n" * 3])
def test_whoever_says_no_or_goes_away_has_nothing_written(tmp_path: Path, typed: str) -> None:
    config = tmp_path / "etc" / "smtpguard.yaml"

    said = setup(postfix_in(tmp_path / "postfix"), config, *GIVEN, typed=typed)

    assert 1 == said.exit_code
    assert "Aborted!" in said.stderr
    assert not config.parent.exists()


def test_a_dry_run_shows_all_files_and_writes_none(tmp_path: Path) -> None:
    config = tmp_path / "etc" / "smtpguard.yaml"

    said = run("setup", "--yes", "--dry-run", "--without-dns", *ORGANISATION, "--config", config, PATH="/")

    assert (0, "") == (said.exit_code, said.stderr)
    assert "---------- smtpguard.yaml\n# yaml-language-server" in said.stdout
    assert "---------- for-postfix/master.cf\n" in said.stdout
    assert {} == all_files(tmp_path)


def test_a_folder_that_cannot_be_written_to_is_named_before_the_first_question(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("a file\n")

    said = run("setup", "--without-dns", "--config", tmp_path / "etc" / "smtpguard.yaml", text="front\n", PATH="/")

    assert (73, "") == (said.exit_code, said.stdout)
    assert f"smtpguard: {tmp_path}/etc cannot be written: it is no folder\n" == said.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--submission", "587"), '--submission 587: write "HOST:PORT"'),
        (("--members-port", "3588"), "port 3588 is given twice."),
        (("--page", "https://mailcheck.example.org", "--page-port", "2526"), "port 2526 is given twice."),
        (("--answers-port", "0"), "0 is not in the range"),
        (("--place", "filter", "--key", "/k"), "--key: this belongs to --place front."),
    ],
)
def test_an_option_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    config = tmp_path / "etc" / "smtpguard.yaml"

    said = run("setup", "--yes", "--without-dns", *ORGANISATION, *options, "--config", config, PATH="/")

    assert 2 == said.exit_code
    assert words in said.stderr
    assert {} == all_files(tmp_path)


def test_a_folder_with_a_blank_is_refused_since_postfix_could_not_name_it(tmp_path: Path) -> None:
    config = tmp_path / "my settings" / "smtpguard.yaml"

    said = run("setup", "--yes", "--without-dns", *ORGANISATION, "--config", config, PATH="/")

    assert 2 == said.exit_code
    assert f"{config.parent}: this name cannot stand in lines for Postfix." in said.stderr
    assert {} == all_files(tmp_path)
