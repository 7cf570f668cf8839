"""`smtpguard setup` at the real Postfix and Mailman: what it writes is taken, started, and holds mail."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.closed import closed
from tests.e2e.guard import Guard
from tests.e2e.mail_programs import Said
from tests.e2e.scene import READ, Scene, once
from tests.e2e.stack import CONTACT, GUARD_ADDRESS, LIST_DOMAIN, MEMBER_DOMAIN, Stack
from tests.e2e.stack.mailman import REST_PASSWORD
from tests.e2e.stack.people import SERVER_NAME
from tests.e2e.stack.ports import HOST, free_ports
from tests.e2e.stack.settings import services
from tests.e2e.writing import new_subject

pytestmark = pytest.mark.e2e


def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "smtpguard", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip


def set_up(stack: Stack, folder: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """What `setup` writes below `folder` for this site, found at its own servers; members come in at free ports."""
    for name, file in (("tls.pem", stack.certificate), ("tls.key", stack.key)):
        (folder / name).write_bytes(file.read_bytes())
        (folder / name).chmod(0o600)
    config = folder / "etc" / "smtpguard.yaml"
    submission, submissions = free_ports(2)
    said = call(
        "setup", "--yes", "--organisation", "Example Union", "--on-alarm", "hold", "--timezone", "Europe/Berlin",
        "--contact", CONTACT, "--certificate", folder / "tls.pem", "--key", folder / "tls.key",
        "--submission", f"{HOST}:{submission}", "--submissions", f"{HOST}:{submissions}",
        "--postfix", stack.postfix.conf, "--mailman", stack.mailman.folder / "mailman.cfg",
        "--state-dir", folder / "state", "--config", config,
    )  # fmt: skip
    return config, said


class Ready(Guard):
    """A guard by settings that are there, at the ports that they name; its log is in `folder`."""

    def __init__(self, stack: Stack, config: Path, folder: Path) -> None:
        folder.mkdir()
        super().__init__(stack, folder)
        self.config = config
        listens = [each["listen"] for each in yaml.safe_load(config.read_text())["listeners"]]
        self.submission, self.submissions, self.answers = [(HOST, int(each.split(":")[1])) for each in listens]
        self._ports = [self.submission[1], self.submissions[1], self.answers[1]]


def imported(config: Path, next_steps: str) -> None:
    """Type the line for Mailman's lists that setup has printed, with the password that it names the place of."""
    [line] = [each.strip() for each in next_steps.splitlines() if each.strip().startswith("smtpguard import mailman")]
    password = config.parent.parent / "password"
    password.write_text(REST_PASSWORD)
    password.chmod(0o600)
    done = call(*shlex.split(line)[1:], "--password-file", password)
    assert (0, "") == (done.returncode, done.stderr)


def test_what_it_finds_and_writes_is_what_the_site_runs_with_and_holds_mail(stack: Stack, tmp_path: Path) -> None:
    config, said = set_up(stack, tmp_path)

    assert (0, "") == (said.returncode, said.stderr)
    assert f"mailman3 in {stack.mailman.folder}/mailman.cfg: {LIST_DOMAIN}" in said.stdout
    assert REST_PASSWORD not in said.stdout
    # Found at Postfix: names, domains, and the ports at which it has the guard's services already.
    written = yaml.safe_load(config.read_text())
    assert GUARD_ADDRESS == written["address"]
    assert [LIST_DOMAIN] == written["list_domains"]
    assert f"{HOST}:{stack.submission[1]}" == written["upstream"]["server"]
    assert f"{HOST}:{stack.trusted[1]}" == written["outbox"]["server"]
    assert f"{HOST}:{stack.guard_answers_port}" == written["listeners"][2]["listen"]
    # So there is nothing to add to it: the lines are those that it runs with.
    ready = config.parent / "for-postfix"
    assert "Postfix has the guard's tables, lines and services already" in said.stdout
    # Other tests may have left the table of the closed port there already.
    assert {each.name for each in ready.iterdir()} in ({"smtpguard.nft", "smtpguard_closed"}, {"smtpguard.nft"})

    imported(config, said.stdout)
    # The certificate of Postfix's port for the guard: step 1 would have made one.
    (config.parent / "upstream.pem").write_bytes(stack.ca_file.read_bytes())
    check = call("check", "--config", config)
    assert (0, "") == (check.returncode, check.stderr)
    assert f"{len(stack.lists)} lists, no error" in check.stdout

    with Ready(stack, config, tmp_path / "guard") as guard:
        scene = Scene(stack, guard)
        subject = new_subject()
        notice = scene.hold(subject, "berlin", "brandenburg")
        with closed(stack) as outside:
            examined = call("doctor", "--config", config, "--outside", f"{HOST}:{outside}", "--format", "json")
        found = json.loads(examined.stdout)["checks"]
        assert [] == [each for each in found if each["result"] in ("warning", "problem")]
        assert 0 == examined.returncode
        assert {} == scene.counts(subject)
        assert scene.answer(notice, "ONLY 2") == Said(250, READ)
        scene.told("Sent", subject)
        assert once(stack, "brandenburg") == scene.counts(subject)


def test_the_lines_for_a_bare_postfix_are_those_that_the_site_runs_with(stack: Stack, tmp_path: Path) -> None:
    bare = tmp_path / "postfix"
    bare.mkdir()
    (bare / "main.cf").write_text(
        f"compatibility_level = 3.6\nmyhostname = {SERVER_NAME}\nmydomain = {MEMBER_DOMAIN}\n"
    )
    (bare / "master.cf").write_text("")

    said = call(
        "setup", "--yes", "--organisation", "Example Union", "--list-domains", LIST_DOMAIN, "--postfix", bare,
        "--members-port", str(stack.submission[1]), "--outbox-port", str(stack.trusted[1]),
        "--answers-port", str(stack.guard_answers_port), "--config", tmp_path / "smtpguard.yaml",
    )  # fmt: skip

    assert (0, "") == (said.returncode, said.stderr)
    conf, ready = stack.postfix.conf, tmp_path / "for-postfix"
    files = {each.name: each.read_text().replace(f"{bare}/", f"{conf}/") for each in ready.iterdir()}
    running = services((conf / "master.cf").read_text())
    wanted = services(files["master.cf"])
    assert {f"{HOST}:{stack.submission[1]}", f"{HOST}:{stack.trusted[1]}"} == wanted.keys()
    for place, service in wanted.items():
        assert set(service.splitlines()) <= set(running[place].splitlines())
    values = dict(line.split(" = ") for line in (conf / "main.cf").read_text().splitlines() if " = " in line)
    wanted_values = dict(line.split(" = ") for line in files["main.cf"].splitlines())
    assert 4 == len(wanted_values)
    for name, value in wanted_values.items():
        assert value in values[name].split(", ")
    for table in ("smtpguard_domain", "smtpguard_recipients", "smtpguard_senders"):
        assert (conf / table).read_text() == files[table]
