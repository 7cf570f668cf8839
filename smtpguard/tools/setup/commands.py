"""The command `smtpguard setup`; `cli` puts it beside its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from smtpguard import maillog
from smtpguard.config.places import endpoint_of
from smtpguard.config.problems import format_problem, printable
from smtpguard.exits import CANNOT_CREATE, FOUND_SOMETHING
from smtpguard.tools.setup.answers import Answers
from smtpguard.tools.setup.asking import MissingError, all_answers
from smtpguard.tools.setup.found import Found
from smtpguard.tools.setup.lines import Doors, doors_that_are_there
from smtpguard.tools.setup.looking import LookError, look_around
from smtpguard.tools.setup.names import Records, look_up
from smtpguard.tools.setup.placing import OccupiedError, occupied, place, schemas
from smtpguard.tools.setup.plan import Place, Plan, plan
from smtpguard.tools.setup.postfix import way_to
from smtpguard.tools.setup.questions import QUESTIONS, Question
from smtpguard.tools.setup.readers import PATH
from smtpguard.tools.setup.site_file import STATE_DIR

CONFIG = Path("/etc/smtpguard/smtpguard.yaml")

_Command = Callable[..., Any]
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_NEW = click.Path(path_type=Path)
_NEW_FOLDER = click.Path(path_type=Path, file_okay=False)
# Whoever names the folder alone would find lists/ and for-postfix/ beside it.
_SUFFIXES = (".yaml", ".yml")
_PORT = click.IntRange(1, 65535)
# Where the lines of deploy/ have the guard and its mail server: on one machine.
_HERE = "127.0.0.1"
# Where the ports of deploy/ are taken by something else.
_DOORS = {
    "submission": "Where members submit mail (STARTTLS), HOST:PORT.",
    "submissions": "The same with TLS from the first octet, HOST:PORT.",
    "members_port": "Postfix's port for members' mail from the guard.",
    "outbox_port": "Postfix's port for the guard's own mail.",
    "answers_port": "The guard's port for mail to the guard domain.",
    "filter_port": "The guard's port behind Postfix's filter.",
    "reentry_port": "Postfix's port at which filtered mail comes back.",
    "page_port": "The guard's port for the web server in front of the page.",
}


def _questions(command: _Command) -> _Command:
    """An option for each question, in their order, and the ports behind them."""
    for name, text in reversed(_DOORS.items()):
        kind = _PORT if name.endswith("_port") else None
        default = getattr(Doors(), name)
        command = click.option(f"--{name.replace('_', '-')}", name, type=kind, help=f"{text} Usually {default}.")(
            command
        )
    for each in reversed(QUESTIONS):
        command = click.option(each.option, each.name, metavar="TEXT", help=each.help)(command)
    return command


@click.command("setup")
@click.option("--yes", is_flag=True, help="Ask nobody: take what was found, or is usual, where no option answers.")
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@_questions
@click.option("--postfix", type=_FOLDER, help="Postfix's settings, if not where postconf looks.")
@click.option("--mailman", metavar="FILE|URL", help="Mailman's mailman.cfg, or the address of its REST interface.")
@click.option("--sympa", type=_FILE, help="Sympa's sympa.conf.")
@click.option("--without-dns", is_flag=True, help="Ask no name server.")
@click.option("--state-dir", type=_NEW_FOLDER, default=STATE_DIR, show_default=True, help="For held mail.")
@click.option("--config", type=_NEW, default=CONFIG, show_default=True, help="The file to write.")
def setup_command(
    yes: bool, dry_run: bool, postfix: Path | None, mailman: str | None, sympa: Path | None, without_dns: bool,
    state_dir: Path, config: Path, **options: Any,
) -> None:  # fmt: skip
    """Write a first smtpguard.yaml, by some questions and by looking at what is there.

    Looks at Postfix (postconf), Mailman or Sympa, and the DNS, asks for the rest (each question is an option, too), and
    writes smtpguard.yaml, a folder lists/ and, in for-postfix/, the lines and tables that the mail server needs. At the
    end it says what is left to do, step by step; NEXT-STEPS.txt says the same. It changes nothing of Postfix and
    overwrites no file: it writes all or nothing, and only what `smtpguard check` takes.

    Exit code 0: written; 1: nothing was written; 2: an answer is missing or cannot be used; 73: the files cannot be
    written.
    """
    maillog.set_up("error")
    config = config.absolute()
    if config.suffix not in _SUFFIXES:
        raise click.UsageError(printable(f"--config {config}: name the file itself, like {config}/{CONFIG.name}."))
    given = {each.name: options[each.name] for each in QUESTIONS if options[each.name] is not None}
    if not dry_run:
        _nothing_there(config, [config.name])
        _may_be_written(config.parent)
    try:
        found = look_around(postfix, mailman, sympa)
        _tell_found(found)
        _plain_names(config, found)
        answers = all_answers(found, given, None if yes else _ask, click.echo)
    except (LookError, MissingError) as error:
        raise click.UsageError(printable(str(error))) from error
    doors = _doors(answers, options, found, str(config.parent))
    records = Records() if without_dns else asyncio.run(look_up(answers))
    made = plan(
        answers, doors, found, records, Place(str(config), str(config.parent), config.name, str(state_dir.absolute()))
    )
    if made.clashes:
        advice = "Choose another port (smtpguard setup --help), or take that service out."
        raise click.UsageError("\n".join(map(printable, (*made.clashes, advice))))
    files = {**made.files, **schemas(config.parent)}
    if dry_run:
        _show(made)
        return
    _confirm(config, files, yes)
    _write(config, files)
    click.echo("\nWhat is left to do:\n")
    click.echo(made.next_steps, nl=False)


def _doors(answers: Answers, options: dict[str, Any], found: Found, folder: str) -> Doors:
    """The ports: those of the command line, those that Postfix has already, else the usual ones."""
    said = {name: str(options[name]) for name in _DOORS if options[name] is not None}
    for name in ("submission", "submissions"):
        try:
            endpoint_of(said.get(name, getattr(Doors(), name)))
        except ValueError as error:
            raise click.UsageError(printable(f"--{name} {said[name]}: {error}")) from error
    if found.postfix is None:
        return replace(Doors(), **said)
    there = doors_that_are_there(answers, replace(Doors(), **said), found.postfix, folder)
    at = way_to(answers.guard_domain, found.postfix)
    if at is not None and at.host == _HERE:
        there = replace(there, answers_port=str(at.port))
    return replace(there, **said)


def _plain_names(config: Path, found: Found) -> None:
    """Before the first question, too: folders whose names cannot stand in lines for Postfix."""
    for folder in (str(config.parent), found.postfix.folder if found.postfix else "/"):
        if not PATH.fullmatch(folder):
            raise click.UsageError(
                printable(f"{folder}: this name cannot stand in lines for Postfix. Use a plain one.")
            )


def _tell_found(found: Found) -> None:
    """What questions cannot show: what was looked at."""
    postfix = found.postfix
    if postfix is not None:
        _say(f"Postfix {postfix.meant.get('mail_version', '')} in {postfix.folder}")
        if postfix.submissions:
            _say(f"  mail programs log in at: {', '.join(each.key for each in postfix.submissions)}")
        _say(f"  passwords: {postfix.meant.get('smtpd_sasl_type', '')} ({postfix.meant.get('smtpd_sasl_path', '')})")
    for each in found.list_servers:
        _say(f"{each.manager.value} in {each.file}: {', '.join(each.domains) or 'its domains are not known'}")
    for text in found.remarks:
        _say(text)


def _ask(question: Question, proposed: str | None) -> str:
    click.echo()
    if "\n" in question.text:
        click.echo(question.text)
        answer: str = click.prompt("Your choice", default=proposed)
    else:
        answer = click.prompt(question.text, default=proposed)
    return answer


def _confirm(config: Path, files: dict[str, str], yes: bool) -> None:
    _nothing_there(config, list(files))
    _say(f"\nIn {config.parent}:")
    for name in sorted(files):
        _say(f"  {name}")
    if not yes:
        click.confirm("Write these files?", default=True, abort=True)


def _write(config: Path, files: dict[str, str]) -> None:
    try:
        loaded = place(config, files)
    except OccupiedError as error:
        raise _is_there(config, error.name) from None
    except OSError as error:
        # What lies aside has no name that an admin knows.
        in_the_way = error.filename is not None and Path(error.filename).parent == config.parent
        what = error.filename if in_the_way else config.parent
        click.echo(printable(f"smtpguard: {what} cannot be written: {error.strerror or error}"), err=True)
        raise SystemExit(CANNOT_CREATE) from error
    for problem in loaded.problems:
        click.echo(format_problem(problem), err=True)
    if not loaded.ok:
        click.echo("Nothing was written.", err=True)
        raise SystemExit(FOUND_SOMETHING)
    _say("Written.")


def _show(made: Plan) -> None:
    for name, text in made.files.items():
        _say(f"\n---------- {name}\n{text}")


def _nothing_there(config: Path, names: list[str]) -> None:
    if (name := occupied(config, names)) is not None:
        raise _is_there(config, name)


def _may_be_written(folder: Path) -> None:
    """Before the first question: whoever has answered all of them shall not hear then that he is not root."""
    while not os.path.lexists(folder):
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK) or not folder.is_dir():
        why = "nobody but its owner may" if folder.is_dir() else "it is no folder"
        click.echo(printable(f"smtpguard: {folder} cannot be written: {why}"), err=True)
        raise SystemExit(CANNOT_CREATE)


def _is_there(config: Path, name: str) -> click.ClickException:
    return click.ClickException(
        printable(
            f"{config.parent / name} is there already. Nothing was written; move it away, or give another --config."
        )
    )


def _say(text: str) -> None:
    click.echo("\n".join(map(printable, text.split("\n"))))


COMMANDS = (setup_command,)
