"""The files of deploy/systemd as systemd reads them, without starting anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from smtpguard.config.loading import load

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICE = FOLDER / "smtpguard.service"
SOCKETS = sorted(FOLDER.glob("*.socket"))
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(
    ANALYZE is None and os.environ.get("SMTPGUARD_E2E") != "required",
    reason="systemd-analyze is missing; the Debian package systemd (`make e2e-deps`) adds it",
)
# In tenths; a service without a line of hardening has 96. What is left to the guard is the network.
EXPOSURE_MAX = 20


def analyzed(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ANALYZE), *arguments], capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL
    )


def lines(unit: Path, key: str) -> list[str]:
    """All values of `key` in a unit."""
    return re.findall(rf"(?m)^{key}=(.*)$", unit.read_text("utf-8"))


@needs_systemd
def test_the_service_is_exposed_to_little_and_no_more_than_that() -> None:
    said = analyzed("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(SERVICE))

    assert said.returncode == 0, said.stdout + said.stderr
    assert "Overall exposure level for smtpguard.service" in said.stdout


@needs_systemd
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    program = tmp_path / "smtpguard"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for each in (SERVICE, *SOCKETS):
        (tmp_path / each.name).write_text(each.read_text("utf-8").replace("/usr/bin/smtpguard", str(program)))
    drop_in = tmp_path / "smtpguard.service.d" / "several-nodes.conf"
    drop_in.parent.mkdir()
    shutil.copy(FOLDER / drop_in.name, drop_in)

    # It also looks at units of the machine that ours name; what is wrong with those is not ours.
    said = analyzed("verify", "--man=no", *(str(tmp_path / each.name) for each in (SERVICE, *SOCKETS)))

    ours = [each for each in (said.stdout + said.stderr).splitlines() if "smtpguard" in each]
    assert ours == []


@needs_systemd
def test_a_line_that_systemd_does_not_know_would_be_seen(tmp_path: Path) -> None:
    broken = tmp_path / "smtpguard.service"
    broken.write_text(SERVICE.read_text("utf-8").replace("ProtectHome=", "ProtectHouse="))

    assert "ProtectHouse" in analyzed("verify", "--man=no", str(broken)).stderr


def test_every_socket_goes_to_the_service_under_the_name_in_its_file(tmp_path: Path) -> None:
    doors = []
    page = None
    for each in SOCKETS:
        assert ["smtpguard.service"] == lines(each, "Service")
        assert len(lines(each, "ListenStream")) == 1  # two would have one name
        assert lines(each, "Accept") == []
        [name] = lines(each, "FileDescriptorName")
        assert f"smtpguard-{name}.socket" == each.name
        [said] = re.findall(r"(?m)^# In smtpguard.yaml: (.*)$", each.read_text("utf-8"))
        said = said.replace("[the mail server]", '["192.0.2.1"]')
        assert f'"fd:{name}"' in said
        if name == "page":
            page = yaml.safe_load(said)["web"]
        else:
            doors.append(yaml.safe_load(said))
    site = {
        "listeners": doors, "web": page, "public_url": "https://mailcheck.example.org", "list_domains": [],
        "address": "mailcheck@check.example.org", "upstream": {"server": "127.0.0.1:588", "tls": "none"},
        "tls": {"certificate": "tls-certificate.pem", "key_file": "tls-key.pem"},
    }  # fmt: skip
    (tmp_path / "smtpguard.yaml").write_text(yaml.safe_dump(site))

    loaded = load(tmp_path / "smtpguard.yaml")

    assert loaded.ok, loaded.problems
    assert loaded.settings is not None
    assert loaded.settings.missing_to_serve() == []


def test_every_credential_has_its_file_in_one_folder_and_is_empty_without_it() -> None:
    loaded = dict(each.split(":", 1) for each in lines(SERVICE, "LoadCredential"))
    empty = dict(each.split(":", 1) for each in lines(SERVICE, "SetCredential"))

    assert {name: f"/etc/smtpguard/credentials/{name}" for name in loaded} == loaded
    assert dict.fromkeys(loaded, r"\n") == empty
    more = dict(each.split(":", 1) for each in lines(FOLDER / "several-nodes.conf", "LoadCredential"))
    assert {name: f"/etc/smtpguard/credentials/{name}" for name in more} == more
    nothing = dict(each.split(":", 1) for each in lines(FOLDER / "several-nodes.conf", "SetCredential"))
    assert dict.fromkeys(more, r"\n") == nothing


def test_the_readme_says_what_each_line_of_hardening_is_for() -> None:
    unit = ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",))
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(SERVICE, "utf-8")
    said = (FOLDER / "README.md").read_text("utf-8")

    plain = {"Type", "ExecStart", "ExecReload", "Restart", "RestartSec"}
    assert [key for key in unit["Service"] if key not in plain and f"`{key}" not in said] == []
