"""Every command in README.md and the guides is run here, or is on the list of those that another test runs."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import pytest

from smtpguard import __version__
from smtpguard.cli import main
from smtpguard.store.memory import SQLiteMemory
from tests.archives.posts import mboxrd, post
from tests.docs.allowed import ALLOWED, reason_for
from tests.docs.pages import COMMANDS, ROOT, Command, blocks, commands_of
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import PASSWORDS, XCLIENT, write_config
from tests.loopback.serving import serving
from tests.tools.importing.rest_server import PASSWORD, Lists, as_mailman, web_server
from tests.tools.importing.sympa_site import write_lists
from tests.tools.site import list_text, run_program, write_site

# Commands that want a guard that runs, or its state. They are run beside one.
BESIDE_A_GUARD = {"serve", "check --live", "status", "held", "doctor", "stats", "expire"}
# The fakes have no DNS and no guard domain, and the doctor says so; tests/e2e/test_doctor.py has all that it wants.
FINDS_SOMETHING = {"doctor"}
# Commands that ask questions, or look at the whole machine.
ELSEWHERE = {"smtpguard setup": "tests/tools/setup/test_transcripts.py::test_questions_answered_by_typing"}
# Programs that are run as they stand, in a folder of their own.
PLAIN = ("tar", "rm", "openssl rand", "chmod")
# What a guide names on the reader's machine, and what stands for it here.
PLACES = {
    "/etc/smtpguard/smtpguard.yaml": "config/smtpguard.yaml",
    "/var/lib/mailman/archives/private/berlin.mbox/berlin.mbox": "berlin.mbox",
    "/var/lib/sympa/list_data": "list_data",
    "/var/www/mailcheck": "www",
    "/var/lib/smtpguard": "state",
    "/var/backups/": "",
}
# Words that a reader replaces.
STANDS_FOR = {"NAME": "anna", "LOGIN": "anna", "FILE": "password", "ADDRESS": "harbour@lists.example.org"}

# The second is a script of deploy/systemd that calls the first as the service's user.
OURS = ("smtpguard", "smtpguard-as-service")
OWN = [each for each in COMMANDS if each.words[0] in OURS]
OTHERS = [each for each in COMMANDS if each.words[0] not in (*OURS, "make")]


def subcommand(command: Command) -> str:
    words = command.words[1:]
    if words[:1] == ["check"] and "--live" in words:
        return "check --live"
    return words[0] if words else ""


def model(command: Command) -> tuple[click.Command, list[str]]:
    """The command as the program knows it, and the words that are left for it."""
    found: click.Command = main
    words = command.words[1:]
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        inner = found.get_command(click.Context(found), words.pop(0))
        assert inner is not None, f"{command}: there is no such command"
        found = inner
    return found, words


def here(command: Command) -> list[str]:
    """The words of a command, with places of this machine, and with settings where it leaves them out."""
    text = command.text
    for theirs, ours in PLACES.items():
        text = text.replace(theirs, ours)
    known, _ = model(command)
    words = [STANDS_FOR.get(each, each) for each in Command("", 0, text, True).words[1:]]
    if any(each.name == "config" for each in known.params) and not {"--config", "--help"} & {*words}:
        words += ["--config", "config/smtpguard.yaml"]
    return words


def mentioned(command: Command) -> bool:
    """In a sentence, a command is often named without what it needs."""
    return not command.whole and (
        "--config" not in command.words or re.search(r"\b[A-Z]{3,}\b", command.text) is not None
    )


def unfinished(command: Command) -> bool:
    """In a sentence, an option without its value."""
    return not command.whole and command.words[-1] in ("...", "--outside", "--login")


# ---------------------------------------------------------------- every command is looked at


@pytest.mark.parametrize("command", OWN, ids=str)
def test_every_command_and_option_of_ours_exists(command: Command) -> None:
    known, words = model(command)
    options = {name for each in known.params for name in each.opts} | {"--help", "--version"}

    assert [] == [each for each in words if each.startswith("--") and each.split("=")[0] not in options]


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.words[0] == "make"], ids=str)
def test_every_target_of_make_exists(command: Command) -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    targets = {*re.findall(r"^([a-z][a-z0-9-]*):", text, re.MULTILINE)}

    for word in command.words[1:]:
        if "=" in word:
            assert f"$(if $({word.split('=')[0]})" in text
        else:
            assert word in targets


@pytest.mark.parametrize("command", OTHERS, ids=str)
def test_every_other_command_is_run_or_held_to_the_list(command: Command) -> None:
    assert is_plain(command) or reason_for(command.text) is not None or a_module(command) is not None, (
        f"{command}\nNo test runs this line. Let one run it, or name it in tests/docs/allowed.py with the reason."
    )


def is_plain(command: Command) -> bool:
    """One of those that `test_what_is_copied_is_put_back_as_the_guide_says` runs."""
    return command.page == "docs/operators.md" and command.text.startswith(PLAIN)


def a_module(command: Command) -> Path | None:
    """The file of `python -m MODULE`, if it is one of ours."""
    if command.words[:2] != ["python", "-m"]:
        return None
    path = ROOT.joinpath(*command.words[2].split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__main__.py") if each.exists()), None)


def test_the_list_has_nothing_that_no_page_says() -> None:
    assert [] == [each.pattern for each in ALLOWED if not any(re.fullmatch(each.pattern, one.text) for one in OTHERS)]


@pytest.mark.parametrize("test", sorted({*ELSEWHERE.values(), *(each.test for each in ALLOWED if each.test)}))
def test_the_tests_that_the_list_names_are_there(test: str) -> None:
    path, _, name = test.partition("::")

    assert f"def {name}" in (ROOT / path).read_text("utf-8")


def test_packages_and_extras_have_the_names_that_are_said() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]

    for command in OTHERS:
        for package, extra in re.findall(r"'(smtpguard|\.)\[(\w+)\]'", command.text):
            assert extra in extras, f"{command}: {package}"
        for version in re.findall(r"smtpguard_([\d.]+)_", command.text):
            assert __version__ == version


def test_a_line_that_nobody_runs_is_seen(tmp_path: Path) -> None:
    """What is collected at all: programs by name, others by their looks, in blocks of any kind and in sentences."""
    page = ROOT / "docs" / "no-such-page.md"
    text = (
        "Call `systemctl halt now` or `smtpguard\ncheck --live`, `smtpguard.yaml` is a file.\n\n"
        "    frobnicate --all /etc    # a remark\n    your mail has not gone\n\n"
        "1. First:\n\n   ```sh\n   anything goes && sed 1d x\n   ```\n\n```yaml\nrm: -rf\n```\n"
    )
    page.write_text(text, "utf-8")
    try:
        found = [each.text for each in commands_of(page)]
    finally:
        page.unlink()

    assert [
        "frobnicate --all /etc", "anything goes", "sed 1d x", "systemctl halt now", "smtpguard check --live",
    ] == found  # fmt: skip


# ---------------------------------------------------------------- and run


MAIL = (
    b"From: anna@example.org\r\nTo: berlin@lists.example.org\r\nSubject: Minutes of Tuesday\r\n\r\n"
    b"Here are the minutes of our meeting on Tuesday evening.\r\n"
)


def folder_of_the_start(folder: Path) -> None:
    """As somebody has it who has followed README.md: its settings to the letter, and a mail."""
    [settings] = [each.text for each in blocks((ROOT / "README.md").read_text("utf-8")) if each.language == "yaml"]
    (folder / "config").mkdir()
    (folder / "config" / "smtpguard.yaml").write_text(settings + "\nstate_dir: ../state\n" * (folder.name != "start"))
    (folder / "mail.eml").write_bytes(MAIL)


def folder_of_a_list_admin(folder: Path) -> None:
    folder_of_the_start(folder)
    (folder / "config" / "lists").mkdir()
    (folder / "config" / "lists" / "press.yaml").write_text(list_text("press"), "utf-8")
    archive(folder)
    asyncio.run(_memory(folder / "state"))


def folder_of_a_mail_admin(folder: Path) -> None:
    site = write_site(folder / "config")
    site.write_text(site.read_text("utf-8") + "state_dir: ../state\n", "utf-8")
    write_site(folder / "new")
    archive(folder)
    shutil.copy(folder / "berlin.mbox", folder / "press.mbox")
    write_lists(folder / "list_data")
    (folder / "rest-password").write_text(PASSWORD)
    (folder / "rest-password").chmod(0o600)
    (folder / "mail.eml").write_bytes(MAIL)
    asyncio.run(_memory(folder / "state"))


def archive(folder: Path) -> None:
    (folder / "berlin.mbox").write_bytes(mboxrd([post(1), post(2)]))


async def _memory(state: Path) -> None:
    """The state of a guard that has run."""
    state.mkdir(mode=0o700)
    memory = await SQLiteMemory.open(state / "memory.sqlite3", lambda: datetime.now(UTC))
    await memory.close()


def folder_of_containers(folder: Path) -> None:
    shutil.copytree(ROOT / "deploy" / "container", folder, dirs_exist_ok=True)


FOLDERS: dict[str, Callable[[Path], None]] = {
    "README.md": folder_of_the_start,
    "docs/list-admins.md": folder_of_a_list_admin,
    "deploy/container/README.md": folder_of_containers,
}
RUN = [
    each for each in OWN
    if subcommand(each) not in BESIDE_A_GUARD and each.text not in ELSEWHERE and not mentioned(each)
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({each.page for each in RUN}))
def test_the_commands_of_a_page_do_what_they_say(page: str, tmp_path: Path) -> None:
    folder = tmp_path / ("start" if page == "README.md" else "admin")
    folder.mkdir()
    FOLDERS.get(page, folder_of_a_mail_admin)(folder)
    editor = folder / "editor"
    editor.write_text('#!/bin/sh\necho "call: Sam, 030 123" >> "$1"\n')
    editor.chmod(0o700)
    mailman = Lists()
    for name in ("berlin", "brandenburg", "harbour", "press", "orchestra"):
        mailman.add(name)
    # The page about settings stands beside them.
    at = folder / "config" if page == "config/README.md" else folder
    commands = {each.text: each for each in RUN if each.page == page}
    if page == "docs/list-admins.md":
        commands |= {each.text: each for each in OWN if each.page == page and subcommand(each) == "stats"}
    with web_server(as_mailman(mailman)) as url:
        for command in commands.values():
            words = [each.replace("http://127.0.0.1:8001", url) for each in here(command)]
            done = run_program(*words, folder=at, environment={"EDITOR": str(editor), "VISUAL": ""})
            assert 0 == done.returncode, f"{command}\n{done.stdout}{done.stderr}"
            if page == "README.md" and words[0] == "explain":
                assert done.stdout.startswith("mail.eml: hold")


@pytest.mark.slow
async def test_the_commands_for_a_running_guard(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "password").write_text("x")
    (tmp_path / "password").chmod(0o600)
    beside = {each.text: each for each in OWN if subcommand(each) in BESIDE_A_GUARD and not unfinished(each)}
    assert {subcommand(each) for each in beside.values()} == BESIDE_A_GUARD
    async with FakeUpstream(users=PASSWORDS) as up, FakeUpstream(xclient=XCLIENT) as out:
        config = write_config(tmp_path / "config", up, out, metrics={"listen": "127.0.0.1:0"})
        shutil.copytree(config.parent / "lists", tmp_path / "lists")
        async with serving(config):
            for command in beside.values():
                name = subcommand(command)
                words = [each.replace("YOUR-ADDRESS:25", f"127.0.0.1:{out.port}") for each in here(command)]
                if name == "serve":
                    continue  # it runs, and a second one may not
                words = ["config/smtpguard.yaml" if each == "smtpguard.yaml" else each for each in words]
                if name == "expire" and not {"--account", "--all", "--now"} & {*words}:
                    words.append("--now")
                run = partial(run_program, *words, folder=tmp_path, text="y\n")
                done = await asyncio.to_thread(run)
                wanted = (0, 1) if name in FINDS_SOMETHING else (0,)
                assert done.returncode in wanted, f"{command}\n{done.stdout}{done.stderr}"


def test_what_is_copied_is_put_back_as_the_guide_says(tmp_path: Path) -> None:
    """The lines with tar and rm, in their order; and that the copy has no key."""
    state = tmp_path / "state"
    (state / "keys").mkdir(parents=True)
    for name in ("holds.sqlite3", "holds.sqlite3-wal", "holds.sqlite3-shm", "memory.sqlite3", "keys/2026-11-23"):
        (state / name).write_text(name)
    lines = [each for each in OTHERS if is_plain(each)]
    backup, away, back, secret, closed, no_keys = lines

    sh(backup, tmp_path)
    names = subprocess.run(
        ["tar", "--list", "--file", "smtpguard-state.tar"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert ("memory.sqlite3" in names, "keys" in names) == (True, False)
    (state / "holds.sqlite3").write_text("broken")
    sh(away, tmp_path)
    assert ["keys", "memory.sqlite3"] == sorted(each.name for each in state.iterdir())
    sh(back, tmp_path)
    assert ("holds.sqlite3", True) == ((state / "holds.sqlite3").read_text(), (state / "keys" / "2026-11-23").exists())
    if shutil.which("openssl"):
        sh(secret, tmp_path)
        sh(closed, tmp_path)
        node_secret = tmp_path / "node-secret"
        assert (65, 0o600) == (node_secret.stat().st_size, node_secret.stat().st_mode & 0o777)
    sh(no_keys, tmp_path)
    assert not (state / "keys").exists()


def sh(command: Command, folder: Path) -> None:
    text = command.text
    for theirs, ours in PLACES.items():
        text = text.replace(theirs, ours)
    assert " /" not in text, text
    subprocess.run(["sh", "-c", text], cwd=folder, timeout=60, check=True, env={"PATH": os.environ["PATH"]})
