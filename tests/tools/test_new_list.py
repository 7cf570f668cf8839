"""`smtpguard new-list` (story 1): a file that is right from the first moment, and never over another one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smtpguard.config.lists import ListSettings
from smtpguard.config.loading import load
from tests.tools.site import list_text, run

# A remark that is a setting: "# key:", or a line that belongs to one.
SETTING = re.compile(r"^# (?=[a-z_]+:|  )", re.MULTILINE)


def test_the_new_file_is_loaded_without_a_word_and_passes_check(site: Path) -> None:
    said = run("new-list", "hamburg@lists.example.org", "--config", site)

    assert (0, "") == (said.exit_code, said.stderr)
    assert f"{site.parent}/lists/hamburg.yaml was written." in said.stdout
    loaded = load(site)
    assert loaded.policy is not None
    assert "hamburg-owner@lists.example.org" == loaded.policy.by_id["hamburg"].contact
    assert not [each for each in loaded.problems if each.file == "lists/hamburg.yaml"]
    assert "5 lists, no error" in run("check", "--config", site).stdout
    assert 0o644 == (site.parent / "lists" / "hamburg.yaml").stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("manager", "contact"), [("sympa", "-request"), ("mailman3", "-owner"), ("ezmlm", "-owner"), ("plain", "-owner")]
)
def test_the_contact_is_the_owners_address_as_the_list_manager_spells_it(
    site: Path, manager: str, contact: str
) -> None:
    said = run("new-list", "Hamburg@lists.example.org", "--manager", manager, "--config", site)

    assert 0 == said.exit_code
    text = (site.parent / "lists" / "hamburg.yaml").read_text("utf-8")
    assert f"contact: hamburg{contact}@lists.example.org\n" in text.lower()
    assert f"manager: {manager} " in text


def test_what_is_given_stands_in_the_file(site: Path) -> None:
    about = 'The "old" harbour: boats \\ tides #1'

    run("new-list", "boats@lists.example.org", "--about", about, "--contact", "it@example.org", "--config", site)

    policy = load(site).policy
    assert policy is not None
    assert (about, "it@example.org") == (policy.by_id["boats"].about, policy.by_id["boats"].contact)


def test_every_remark_is_a_setting_that_can_be_switched_on(site: Path) -> None:
    run("new-list", "hamburg@lists.example.org", "--config", site)
    path = site.parent / "lists" / "hamburg.yaml"
    (site.parent / "lists" / "other-list.yaml").write_text(list_text("other-list"), "utf-8")
    for name in ("part-one", "part-two"):
        (site.parent / "lists" / f"{name}.yaml").write_text(list_text(name), "utf-8")

    settings = SETTING.sub("", path.read_text("utf-8"))
    path.write_text(settings, "utf-8")

    assert [] == [each for each in load(site).problems if each.is_error]
    file = next(each for each in load(site).files if each.id == "hamburg")
    assert file.settings is not None
    assert ListSettings.model_fields.keys() == file.settings.model_fields_set


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("paris@lists.example.net", "paris@lists.example.net is not in a list domain. Only the site admin can"),
        ("trust@lists.example.org", "trust@lists.example.org is a desk of the site (smtpguard.yaml line 6)."),
        ("berlin-owner@lists.example.org", "this is the owners' address of berlin, not the list."),
    ],
)
def test_what_check_would_refuse_is_refused_in_the_same_words(site: Path, address: str, said: str) -> None:
    before = sorted(site.parent.rglob("*"))

    result = run("new-list", address, "--config", site)

    assert 1 == result.exit_code
    assert f"{address.partition('@')[0]}.yaml:" in result.stderr
    assert said in result.stderr
    assert result.stderr.endswith("Nothing was written.\n")
    assert before == sorted(site.parent.rglob("*"))


@pytest.mark.parametrize("name", ["berlin.yaml", "berlin.yml", "Berlin.yaml"])
def test_no_file_is_ever_overwritten(site: Path, name: str) -> None:
    (site.parent / "lists" / "berlin.yaml").rename(site.parent / "lists" / name)
    before = (site.parent / "lists" / name).read_bytes()

    result = run("new-list", "berlin@lists.example.org", "--config", site)

    assert 1 == result.exit_code
    assert "there is a file of berlin already" in result.stderr
    assert before == (site.parent / "lists" / name).read_bytes()
    assert 4 == len(list((site.parent / "lists").iterdir()))


@pytest.mark.parametrize(("address", "said"), [("berlin", "is no mail address"), ("ü@lists.example.org", "can be no")])
def test_an_address_that_can_be_no_list_is_refused(site: Path, address: str, said: str) -> None:
    result = run("new-list", address, "--config", site)

    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert 4 == len(list((site.parent / "lists").iterdir()))


def test_an_alias_of_another_list_cannot_become_a_list(site: Path) -> None:
    with (site.parent / "lists" / "press.yaml").open("a") as file:
        file.write("aliases: [news@lists.example.org]\n")

    result = run("new-list", "news@lists.example.org", "--config", site)

    assert 1 == result.exit_code
    assert "already belongs to" in result.stderr


def test_errors_of_other_files_do_not_keep_a_list_from_being_made(site: Path) -> None:
    (site.parent / "lists" / "press.yaml").write_text("list: [", "utf-8")

    assert 0 == run("new-list", "hamburg@lists.example.org", "--config", site).exit_code


def test_the_first_list_of_a_site_makes_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "smtpguard.yaml"
    path.write_text("list_domains: [lists.example.org]\n", "utf-8")

    assert 0 == run("new-list", "hamburg@lists.example.org", "--config", path).exit_code
    assert ["hamburg.yaml"] == [each.name for each in (tmp_path / "lists").iterdir()]


def test_the_line_for_editors_is_there_where_the_schema_is(site: Path) -> None:
    schema = run("schema", "list")
    (site.parent / "lists" / "list.schema.json").write_text(schema.stdout, "utf-8")

    run("new-list", "hamburg@lists.example.org", "--config", site)

    text = (site.parent / "lists" / "hamburg.yaml").read_text("utf-8")
    assert text.startswith("# yaml-language-server: $schema=list.schema.json\n")
    assert "list.schema.json" not in run("check", "--config", site).output
