"""The Debian package: made, installed in a fresh root, run there as anybody would, and purged."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fresh_root import FreshRoot, built, fresh_root
from tests.e2e.guard import Guard
from tests.e2e.mail_programs import Said
from tests.e2e.scene import READ, Scene, once
from tests.e2e.stack import Stack
from tests.e2e.writing import new_subject

pytestmark = pytest.mark.e2e

# A link within the papers: another has a colon.
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
PAPERS = Path("/usr/share/doc/smtpguard")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("package"))


@pytest.fixture
def debian(package: Path, tmp_path: Path) -> Iterator[FreshRoot]:
    """With the package installed."""
    place = tmp_path / "root"
    place.mkdir()
    with fresh_root(place) as root:
        assert "not configured yet" in root.run("dpkg", "--install", str(package))
        yield root


def test_it_needs_no_more_than_debians_python_and_tells_nothing_of_where_it_was_made(package: Path) -> None:
    said = subprocess.run(["dpkg-deb", "--field", package], capture_output=True, text=True, check=True).stdout
    depends = next(line for line in said.splitlines() if line.startswith("Depends: "))
    listed = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    octets = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True).stdout

    assert depends == "Depends: python3 (>= 3.11), python3 (<< 3.12)"
    owners = {line.split()[1] for line in listed.splitlines()}
    assert owners == {"root/root"}
    assert str(Path(__file__).parents[2]).encode() + b"/" not in octets
    assert b"/tmp/tmp." not in octets


def test_the_example_is_in_order_and_the_manual_is_there(debian: FreshRoot) -> None:
    said = debian.run("smtpguard", "check", "--config", f"{PAPERS}/config/smtpguard.yaml", user="nobody")
    assert "no error" in said

    manual = debian.run("sh", "-c", "zcat /usr/share/man/man8/smtpguard.8.gz")
    assert manual.startswith('.TH "SMTPGUARD" 8')
    assert "smtpguard" in debian.run("bash", "-c", ". /usr/share/bash-completion/completions/smtpguard; complete -p")


def test_every_link_of_its_papers_leads_to_a_file(package: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    papers = tmp_path / PAPERS.relative_to("/")
    pages = sorted(papers.rglob("*.md"))
    assert {"README.md", "docs/operators.md", "config/README.md", "deploy/postfix/README.md"} <= {
        str(each.relative_to(papers)) for each in pages
    }
    links = [(page, link) for page in pages for link in LINK.findall(page.read_text("utf-8"))]

    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_no_code_of_the_folder_or_of_variables_takes_the_place_of_ours(debian: FreshRoot, tmp_path: Path) -> None:
    (tmp_path / "smtpguard.py").write_text("print('not ours')\n")
    tmp_path.chmod(0o755)

    said = debian.run("env", f"PYTHONPATH={tmp_path}", "sh", "-c", f"cd {tmp_path}; smtpguard --version")
    assert said == "smtpguard, version 0.1.0\n"


def test_it_gives_the_tour(debian: FreshRoot) -> None:
    assert "notice" in debian.run("smtpguard", "demo", user="nobody").lower()


def test_it_is_upgraded_with_its_settings_and_removed_without_a_trace(
    debian: FreshRoot, package: Path, tmp_path: Path
) -> None:
    debian.run("sh", "-c", "echo 'address: mailcheck@check.example.org' > /etc/smtpguard/smtpguard.yaml")
    debian.run("sh", "-c", "mkdir -p /var/lib/smtpguard/keys")
    later = tmp_path / "later"
    subprocess.run(["dpkg-deb", "--raw-extract", package, later], check=True)
    control = later / "DEBIAN" / "control"
    control.write_text(control.read_text().replace("Version: 0.1.0", "Version: 0.1.1"))
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", later, tmp_path / "later.deb"], check=True)
    shutil.rmtree(later)

    assert "not configured" not in debian.run("dpkg", "--install", str(tmp_path / "later.deb"))
    assert "address" in debian.run("cat", "/etc/smtpguard/smtpguard.yaml")

    debian.run("dpkg", "--remove", "smtpguard")
    assert "address" in debian.run("cat", "/etc/smtpguard/smtpguard.yaml")
    debian.run("ls", "/var/lib/smtpguard/keys")
    debian.run("dpkg", "--purge", "smtpguard")
    assert not [each for each in debian.changed() if "smtpguard" in each]


def test_behind_it_real_servers_and_before_it_a_member_whose_mail_is_held_and_answered(
    stack: Stack, debian: FreshRoot, tmp_path: Path
) -> None:
    """Settings from deploy/postfix, as the package has them, too."""
    assert (Path("deploy/postfix/smtpguard.yaml").read_text()) == debian.run(
        "cat", f"{PAPERS}/deploy/postfix/smtpguard.yaml"
    )
    folder = tmp_path / "etc"
    folder.mkdir()
    both, subject = ("berlin", "brandenburg"), new_subject()

    with Guard(stack, folder, program=debian.command("/usr/bin/smtpguard")) as guard:
        assert "no error" in debian.run("smtpguard", "check", "--config", str(guard.config))
        anna = Scene(stack, guard)
        notice = anna.hold(subject, *both)
        assert anna.got(subject) == {}
        assert anna.answer(notice, "ONLY 1") == Said(250, READ)
        anna.told("Sent", subject)
        assert anna.counts(subject) == once(stack, "berlin")
