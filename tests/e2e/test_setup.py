"""`smtpguard setup` at a real Postfix and Mailman: whoever does what it prints has mail held, in front and behind."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.e2e.bare import bare
from tests.e2e.guard import Guard
from tests.e2e.mail_programs import Place, Said
from tests.e2e.scene import HELD, READ, Scene, once
from tests.e2e.stack import CONTACT, GUARD_ADDRESS, LIST_DOMAIN, Stack
from tests.e2e.stack.mailman import REST_PASSWORD
from tests.e2e.stack.people import GUARD_DOMAIN
from tests.e2e.stack.postfix import RELOADED
from tests.e2e.writing import new_subject
from tests.ports import HOST, free_ports, wait_until

pytestmark = pytest.mark.e2e


def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "smtpguard", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip


def set_up(stack: Stack, folder: Path, *options: str | Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """What `setup` writes below `folder` for this organisation, whose servers the options name."""
    config = folder / "etc" / "smtpguard.yaml"
    said = call(
        "setup", "--yes", "--organisation", "Example Union", "--on-alarm", "hold", "--timezone", "Europe/Berlin",
        "--contact", CONTACT, "--mailman", stack.mailman.folder / "mailman.cfg",
        "--state-dir", folder / "state", "--config", config, *options,
    )  # fmt: skip
    return config, said


class Ready(Guard):
    """A guard by settings that are there, at the ports that they name; its log is in `folder`.

    Members send to `submission`: the guard's own door, or the Postfix in front of it.
    """

    def __init__(self, stack: Stack, config: Path, folder: Path, submission: Place) -> None:
        folder.mkdir()
        super().__init__(stack, folder)
        self.config = config
        listens = [each["listen"].split(":") for each in yaml.safe_load(config.read_text())["listeners"]]
        self.submission = submission
        self._ports = [int(port) for host, port in listens if host == HOST]


def imported(config: Path, next_steps: str) -> None:
    """Type the line for Mailman's lists that setup has printed, with the password that it names the place of."""
    [line] = [each.strip() for each in next_steps.splitlines() if each.strip().startswith("smtpguard import mailman")]
    password = config.parent.parent / "password"
    password.write_text(REST_PASSWORD)
    password.chmod(0o600)
    done = call(*shlex.split(line)[1:], "--password-file", password)
    assert (0, "") == (done.returncode, done.stderr)


def test_where_all_is_there_it_finds_and_writes_what_the_site_runs_with(stack: Stack, tmp_path: Path) -> None:
    for name, file in (("tls.pem", stack.certificate), ("tls.key", stack.key)):
        (tmp_path / name).write_bytes(file.read_bytes())
        (tmp_path / name).chmod(0o600)
    submission, submissions = free_ports(2)

    config, said = set_up(
        stack, tmp_path, "--certificate", tmp_path / "tls.pem", "--key", tmp_path / "tls.key", "--postfix",
        stack.postfix.conf, "--submission", f"{HOST}:{submission}", "--submissions", f"{HOST}:{submissions}",
    )  # fmt: skip

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


DOORS = ("members", "outbox", "answers", "filter", "reentry")
# What a member's program hears of a mail that waits, and of an answer: behind Postfix, one word for both (T-42).
TAKEN = Said(250, "2.0.0 Ok")
WORDS = {"front": (Said(250, HELD), Said(250, READ)), "filter": (TAKEN, TAKEN)}


@pytest.mark.parametrize("place", WORDS)
def test_whoever_types_what_it_prints_for_his_postfix_has_mail_held_and_answered(
    stack: Stack, tmp_path: Path, place: str
) -> None:
    with bare(stack, stack.folder / f"bare-{place}") as postfix, ExitStack() as ends:
        ports = [
            word for each, port in zip(DOORS, free_ports(5), strict=True) for word in (f"--{each}-port", str(port))
        ]
        config, said = set_up(
            stack, tmp_path, "--place", place, "--postfix", postfix.conf, *ports,
            "--submission", f"{postfix.address}:587", "--submissions", f"{postfix.address}:465",
        )  # fmt: skip
        assert (0, "") == (said.returncode, said.stderr)
        scenes = []

        def serve(line: str) -> None:
            # The second on a machine that has the package.
            assert line in (f"smtpguard serve --config {config}", "systemctl enable --now smtpguard")
            if place == "front":
                wait_until("Postfix has left the members' ports", postfix.has_left_its_members, RELOADED)
            guard = Ready(stack, config, tmp_path / "guard", (postfix.address, 587))
            scenes.append(Scene(stack, ends.enter_context(guard)))

        def checked(line: str) -> None:
            done = call(*shlex.split(line)[1:])
            assert (0, "") == (done.returncode, done.stderr)
            assert f"{len(stack.lists)} lists, no error" in done.stdout

        def not_here(line: str) -> None:
            """The firewall is the whole machine's (test_deployed), the zone somebody else's; the doctor comes below."""

        postfix.follow(said.stdout, {
            "smtpguard import mailman": lambda line: imported(config, line),
            "smtpguard check": checked, "smtpguard doctor": not_here,
            "smtpguard serve": serve, "systemctl enable": serve, "nft": not_here,
            f"{GUARD_DOMAIN}. IN": not_here, f"_dmarc.{GUARD_DOMAIN}. IN": not_here,
        })  # fmt: skip

        [scene] = scenes
        held, read = WORDS[place]
        passed, subject = new_subject(), new_subject()
        assert scene.send(scene.write(passed, "berlin"), "berlin").code == 250
        assert held == scene.send(scene.write(subject, "berlin", "brandenburg"), "berlin", "brandenburg")
        notice = scene.notice(subject)
        got = scene.got(passed)
        assert once(stack, "berlin") == {name: len(letters) for name, letters in got.items()}
        assert not any(b"Authenticated sender" in each.content for letters in got.values() for each in letters)
        assert {} == scene.counts(subject)
        examined = call("doctor", "--config", config, "--outside", f"{postfix.address}:25", "--format", "json")
        found = json.loads(examined.stdout)["checks"]
        assert [] == [each for each in found if each["result"] in ("warning", "problem")]
        assert 0 == examined.returncode
        assert read == scene.answer(notice, "ONLY 2")
        scene.told("Sent", subject)
        assert once(stack, "brandenburg") == scene.counts(subject)
