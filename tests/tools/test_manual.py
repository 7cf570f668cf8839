"""The manual pages and the completion, read by the programs that read them on an admin's machine."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from smtpguard.cli import main
from smtpguard.tools.manual.roff import Page, bold, escaped
from smtpguard.tools.manual_commands import PAGES, SHELLS
from tests.conftest import REMEDY

PROGRAM = Path(sys.executable).with_name("smtpguard")


def run(*arguments: str) -> str:
    """What a command prints."""
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def skip_without(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is missing here; {REMEDY}")


def page(name: str) -> str:
    return run("manual", name)


def printed(roff: str) -> str:
    """What a reader sees, in one line a paragraph."""
    skip_without("groff")
    done = subprocess.run(
        ["groff", "-Tutf8", "-K", "utf8", "-man", "-ww", "-rLL=20000n", "-P", "-cbou"],
        input=roff.encode(), capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr == b""
    return re.sub(r"[ \t]+", " ", done.stdout.decode())


@pytest.mark.parametrize("name", PAGES)
def test_troff_has_nothing_to_say_against_a_page(name: str) -> None:
    text = printed(page(name))

    for head in ("NAME", "DESCRIPTION", "SEE ALSO"):
        assert f"\n{head}\n" in text


def test_the_page_of_the_program_has_every_command_and_option() -> None:
    text = printed(page("smtpguard.8"))

    context = click.Context(main)
    assert len(main.list_commands(context)) > 15
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None, name
        assert re.search(rf"(?m)^ {command.name}\b", text), command.name
        for each in command.params:
            for option in each.opts if each.param_type_name == "option" else ():
                assert option in text, (command.name, option)
    assert "78 the settings have a mistake" in text


def test_a_command_of_two_words_has_its_own_words_and_its_examples_line_by_line() -> None:
    text = printed(page("smtpguard.8"))

    assert "\n import COMMAND\n" in text
    assert "keeps every word" in text
    assert re.search(r"(?m)^ cd /var/lib/sympa/list_data$", text)


@pytest.mark.parametrize(("name", "kind"), [("smtpguard.yaml.5", "site"), ("smtpguard-list.yaml.5", "list")])
def test_a_page_of_settings_has_every_key_with_its_default_and_meaning(name: str, kind: str) -> None:
    text = printed(page(name))
    meanings = [
        line.split(": ", 1) for line in Path("smtpguard/tools/meanings.txt").read_text("utf-8").splitlines()
    ]  # fmt: skip
    wanted = [each for each in meanings if each[0].startswith("lists/") == (kind == "list")]

    assert len(wanted) > 30
    for key, meaning in wanted:
        assert re.search(rf"(?m)^ {re.escape(key.removeprefix('lists/'))} \(", text), key
        assert " ".join(meaning.split()) in text, key
    assert "timeouts.idle (5m)" in text or kind == "list"


def test_what_troff_would_obey_is_printed() -> None:
    made = Page("x", 1, "y", "z")
    made.head("Name")
    made.raw("x \\- y")
    hostile = [".SH no", "'ti 5", r"\fBno\n(.x \*[no]", '"quoted"', "a--b ^~`'"]
    for each in hostile:
        made.entry(bold(each), each)
    made.example([*hostile, "", "  two blanks"])
    text = printed(str(made))

    for each in hostile:
        assert text.count(each) == 3, each
    assert escaped("a\nb") == "a b"


def typed_in_zsh(script: str, words: str, environment: dict[str, str]) -> str:
    """What stands on the line of a terminal's shell once the tabulator was pressed: the last word of it."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**environment, "TERM": "dumb"})  # pragma: no cover - it is zsh's
    try:
        setup = "unsetopt zle_bracketed_paste; autoload -U compinit; compinit -D -u; "
        # The key that shows the line is obeyed after the tabulator, however long that takes.
        setup += "show() { print -r -- \"<$BUFFER>\" }; zle -N show; bindkey '^X' show\n"
        with tempfile.NamedTemporaryFile("w", suffix=".zsh") as file:
            file.write(setup + script + "\nprint rea''dy\n")
            file.flush()
            os.write(terminal, f"source {file.name}\n".encode())
            until(terminal, b"ready\r\n")
        os.write(terminal, f"{words}\t\x18".encode())
        return until(terminal, b">\r\n").decode().rpartition("<")[2].split(">")[0].split()[-1]
    finally:
        os.close(terminal)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def until(terminal: int, wanted: bytes) -> bytes:
    """What comes from the terminal until `wanted` has come."""
    seen = b""
    while wanted not in seen:
        assert select.select([terminal], [], [], 60)[0], seen
        seen += os.read(terminal, 4096)
    return seen


def completed(shell: str, words: str) -> list[str]:
    """What the shell offers for the last of `words`, by the completion as it is printed."""
    script = run("completion", shell)
    environment = {"PATH": f"{PROGRAM.parent}:/usr/bin:/bin"}
    if shell == "bash":
        script += f"\nCOMP_WORDS=({words}); COMP_CWORD={len(words.split()) - 1}\n"
        script += "_smtpguard_completion smtpguard\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
    elif shell == "fish":
        script += f"\ncomplete -C {json.dumps(words)}\n"
    else:
        return [typed_in_zsh(script, words, environment)]
    # Completion has no exit code that says anything.
    done = subprocess.run(
        [shell, "-c", script], env=environment, capture_output=True, timeout=60, text=True, check=False
    )  # fmt: skip
    return [re.split(r"[\t:]", line)[0] for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_commands_and_options(shell: str) -> None:
    skip_without(shell)
    assert shutil.which("smtpguard", path=str(PROGRAM.parent))

    assert completed(shell, "smtpguard che") == ["check"]
    assert completed(shell, "smtpguard check --st") == ["--state-dir"]
