"""What is shipped in deploy/: its table of values is right and complete, so that replacing them makes a site of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from tests.deployed import DEPLOY, adapted, table, values_in
from tests.loopback.certificates import Authority

SHIPPED = sorted(
    path.relative_to(DEPLOY)
    for folder in ("caddy", "dovecot", "mailman", "nginx", "postfix", "sympa")
    for path in (DEPLOY / folder).iterdir()
    if path.suffix != ".md"
)
# What looks like a site's own: names for examples, ports at addresses, folders.
SITES_OWN = re.compile(
    r"(?:[\w-]+\\?\.)*example\\?\.\w+|(?<=[\d\]]):\d{2,5}\b|(?<![\w.])/(?:etc|var|usr|run|opt)/[\w./-]+"
)


def _said(text: str) -> str:
    """A file without its comments."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


@pytest.mark.parametrize("path", SHIPPED, ids=str)
def test_whatever_names_a_site_is_in_the_table(path: Path) -> None:
    ours = _said(adapted(str(path), dict.fromkeys(table(), "@")))

    assert [] == SITES_OWN.findall(ours)


def test_each_value_stands_in_the_folders_that_the_table_names_and_in_no_other() -> None:
    found: dict[str, set[str]] = {value: set() for value in table()}
    for path in SHIPPED:
        for value in values_in((DEPLOY / path).read_text("utf-8")):
            found[value].add(path.parts[0])

    assert {value: set(folders) for value, folders in table().items()} == found


def test_a_value_is_replaced_where_it_stands_by_itself() -> None:
    site = dict.fromkeys(table(), "?") | {"check.example.org": "c.test", "/etc/postfix/": "/p/"}

    assert "/@c\\.test$/ ?" in adapted("postfix/smtpguard_senders", site)
    assert "texthash:/p/smtpguard_closed" in adapted("postfix/closed.master.cf", site)
    with pytest.raises(LookupError, match=r"nothing to put in place of \['check\.example\.org'\]"):
        adapted("postfix/smtpguard_domain", {"2526": "1", "/etc/postfix/": "/p/"})
    with pytest.raises(LookupError, match=r"has no value \['2529'\]"):
        adapted("postfix/smtpguard_domain", site | {"2529": "1"})


@pytest.mark.parametrize("folder", ["caddy", "dovecot", "mailman", "nginx", "postfix", "sympa"])
def test_every_folder_says_what_goes_where_and_which_test_runs_it(folder: str) -> None:
    text = (DEPLOY / folder / "README.md").read_text("utf-8")

    for path in SHIPPED:
        if path.parts[0] == folder:
            assert f"`{path.name}`" in text
    for heading in ("## What goes where", "## Check", "## Take it out again", "## Which tests run these files"):
        assert heading in text
    tests = re.findall(r"`(tests/[\w/]+\.py)`", text)
    assert tests
    assert all((DEPLOY.parent / each).is_file() for each in tests)


def test_the_two_outboxes_differ_by_the_cleanup_that_takes_the_login_out() -> None:
    def outbox(name: str) -> list[str]:
        services = re.split(r"\n(?=\S)", _said((DEPLOY / "postfix" / name).read_text("utf-8")))
        return next(each for each in services if each.startswith("127.0.0.1:3588 ")).splitlines()

    alone, behind_a_filter = outbox("members.master.cf"), outbox("filter.master.cf")

    assert ["  -o cleanup_service_name=guardclean"] == [line for line in behind_a_filter if line not in alone]
    assert set(alone) <= set(behind_a_filter)


def test_the_settings_that_are_shipped_are_settings(tmp_path: Path) -> None:
    """Those beside members.master.cf and filter.master.cf, and those that README.md shows for the taps."""
    folder = tmp_path / "etc"
    (folder / "tls").mkdir(parents=True)
    authority = Authority(tmp_path)
    certificate, key = authority.issue()
    for file, name in ((authority.pem, "upstream.pem"), (certificate, "tls/fullchain.pem"), (key, "tls/key.pem")):
        (folder / name).write_bytes(file.read_bytes())
    (folder / "tls" / "key.pem").chmod(0o600)
    (folder / "lists").mkdir()
    (folder / "lists" / "berlin.yaml").write_text(
        "list: berlin@lists.example.org\nmanager: mailman3\nabout: Berlin\ncontact: berlin-owner@lists.example.org\n"
    )
    site = {each: each for each in table()} | {"/etc/smtpguard/": f"{folder}/"}
    settings = yaml.safe_load(adapted("postfix/smtpguard.yaml", site))
    text = (DEPLOY / "postfix" / "README.md").read_text("utf-8")
    blocks = [yaml.safe_load(dedent(each)) for each in re.findall(r"(?m)^    # smtpguard\.yaml\n(?:    .*\n)+", text)]
    assert [["tap", "tap"]] == [[each["kind"] for each in block["listeners"]] for block in blocks]
    behind = yaml.safe_load(adapted("postfix/filter.smtpguard.yaml", site))
    assert {**behind, "listeners": behind["listeners"][1:]}.items() <= {
        **settings, "listeners": settings["listeners"][2:]
    }.items()  # fmt: skip
    settings["listeners"] += [behind["listeners"][0]]
    settings["listeners"] += [each for block in blocks for each in block["listeners"]]
    own = {"contact": "office@example.org", "state_dir": str(tmp_path / "state"), "remember": "threads"}
    (folder / "smtpguard.yaml").write_text(yaml.safe_dump(settings | own | {"members_informed": "2026-11-01"}))

    checked = subprocess.run(
        [sys.executable, "-m", "smtpguard", "check", "--config", str(folder / "smtpguard.yaml")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert 0 == checked.returncode, checked.stdout + checked.stderr
