"""The commands for list admins; `cli` puts them beside its own."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click

from smtpguard import maillog
from smtpguard.config.lists import FOLDER
from smtpguard.config.loading import Loaded, load
from smtpguard.config.problems import format_problem, printable
from smtpguard.config.values import read_duration
from smtpguard.exits import BROKEN_SETTINGS, CANNOT_CREATE, FOUND_SOMETHING, INTERRUPTED, UNAVAILABLE
from smtpguard.key_file import KeyFolderError
from smtpguard.lists import Manager
from smtpguard.mail.address import parse_address
from smtpguard.rules_page.facts import facts_of
from smtpguard.rules_page.pages import rules_files
from smtpguard.store import StoreError
from smtpguard.tools.editing import Edit, EditError, editor_command
from smtpguard.tools.figures_file import UnreadableFiguresError, read_figures
from smtpguard.tools.new_list import NewListError, RefusedError, file_of, new_list
from smtpguard.tools.overview import overview, table
from smtpguard.tools.progress import Progress
from smtpguard.tools.remember import AlreadyRunningError, NothingToRememberError, Remember, list_named
from smtpguard.tools.replay.commands import replay_command
from smtpguard.tools.schema import DIALECT, schema
from smtpguard.tools.standing import in_force
from smtpguard.tools.statistics import UnknownListError, statistics
from smtpguard.tools.statistics_words import as_object, as_words
from smtpguard.tools.texts_schema import texts_schema

_CONFIG = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    required=True,
    help="The site's settings: smtpguard.yaml.",
)


@click.command("schema")
@click.argument("kind", type=click.Choice(["site", "list", "texts"]), default="site")
def schema_command(kind: Literal["site", "list", "texts"]) -> None:
    """Print the JSON Schema of smtpguard.yaml (site), of a list's file (list) or of the guard's own words in one
    language (texts), for editors."""
    made = texts_schema(DIALECT) if kind == "texts" else schema(kind)
    click.echo(json.dumps(made, indent=2, ensure_ascii=False))


@click.command("new-list")
@click.argument("address")
@click.option("--manager", type=click.Choice([each.value for each in Manager]), default="mailman3", show_default=True)
@click.option("--about", metavar="TEXT", help="One sentence for members.")
@click.option("--contact", metavar="ADDRESS", help="Who looks after the list. Without it, its owners' address.")
@_CONFIG
def new_list_command(address: str, manager: str, about: str | None, contact: str | None, config: Path) -> None:
    """Write the file of a new list, with remarks on everything that can be set in it.

    ADDRESS is what people will write to, like berlin@lists.example.org. No file is ever overwritten.
    """
    found = parse_address(address)
    if found is None or not found.domain:
        raise click.UsageError(printable(f'"{address}" is no mail address: write it in full, like name@example.org.'))
    try:
        path, warnings = new_list(config, found, Manager(manager), about, contact, _now().date())
    except NewListError as error:
        raise click.ClickException(printable(str(error))) from error
    except RefusedError as error:
        for problem in error.problems:
            click.echo(format_problem(problem), err=True)
        click.echo("Nothing was written.", err=True)
        raise SystemExit(FOUND_SOMETHING) from error
    except OSError as error:
        raise _cannot_write(f"{FOLDER}/", error) from error
    for problem in warnings:
        click.echo(format_problem(problem))
    click.echo(printable(f"{path} was written. Next: smtpguard edit {path.stem} --config {config}"))


@click.command("edit")
@click.argument("name", metavar="LIST")
@_CONFIG
def edit_command(name: str, config: Path) -> None:
    """Change a list's file in an editor ($VISUAL, $EDITOR): it is replaced only once it has no mistake.

    LIST is the list's id, its file or its address. What the change means for the file's `examples` is shown.
    """
    maillog.set_up("warning")
    file = file_of(load(config), name)
    if file is None:
        raise click.UsageError(printable(f'there is no list "{name}". smtpguard lists shows them all.'))
    try:
        settled = Edit(config, file, _now(), _say, _ask).run(editor_command(os.environ))
    except EditError as error:
        raise click.ClickException(printable(str(error))) from error
    except OSError as error:
        raise _cannot_write(file.name, error) from error
    if not settled:
        raise SystemExit(FOUND_SOMETHING)


def _say(line: str) -> None:
    click.echo("\n".join(map(printable, line.split("\n"))))


def _ask() -> str:
    """The answer's first letter; whoever goes away keeps what he wrote."""
    try:
        answer: str = click.prompt(
            "(e)dit again, (d)rop your changes, or (q)uit and keep them aside",
            type=click.Choice(["e", "d", "q", "edit", "drop", "quit"], case_sensitive=False),
            show_choices=False,
        )
    except click.Abort:
        click.echo()
        return "q"
    return answer[0]


@click.command("lists")
@click.option("--json", "as_json", is_flag=True, help="An array of objects instead of a table.")
@_CONFIG
def lists_command(as_json: bool, config: Path) -> None:
    """Show every list: its address, what it may be combined with, what an alarm leads to, and its exceptions."""
    rows = overview(_without_errors(config), _now())
    if as_json:
        click.echo(json.dumps([each.as_json() for each in rows]))
        return
    for line in table(rows):
        click.echo(printable(line))


@click.command("rules-page")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--language", "code", metavar="CODE", help="Like de; without it the first of the settings' languages.")
@_CONFIG
def rules_page_command(folder: Path, code: str | None, config: Path) -> None:
    """Write the page that members read, index.html and rules.txt, into DIR. It names no person.

    The files need nothing else. A guard with a page of its own (settings `web`) serves the same in all languages.
    """
    loaded = _without_errors(config)
    assert loaded.settings is not None  # noqa: S101 - there are no errors
    assert loaded.policy is not None  # noqa: S101
    language = loaded.texts.known(loaded.settings.languages[0] if code is None else code)
    if language is None:
        there = f"There are: {', '.join(loaded.texts.codes)}."
        raise click.UsageError(printable(f'--language "{code}": there are no texts in it. {there}'))
    pages = rules_files(facts_of(loaded.settings, loaded.policy, _now()), language)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            # In one step: a web server may be reading the former page.
            whole = folder / f".{name}.new"
            whole.write_text(text, "utf-8")
            whole.replace(folder / name)
    except OSError as error:
        raise _cannot_write(str(folder), error) from error
    click.echo(printable(f"{folder}: {', '.join(pages)}"))


@click.command("stats")
@click.argument("name", metavar="[LIST]", required=False)
@click.option("--since", metavar="TIME", default="14d", show_default=True, help="How far back, like 14d or 72h.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people, or programs.")
@click.option("--state-dir", type=click.Path(path_type=Path, file_okay=False), help="That of the guard.")
@_CONFIG
def stats_command(
    name: str | None, since: str, form: Literal["text", "json"], state_dir: Path | None, config: Path
) -> None:
    """Show what the guard did in the weeks that are over, by list and rule: no person, no mail, no number below five.

    LIST is a list's id, its file or its address; a closed list is shown only if it is named. It reads the guard's state
    and may be called while the guard runs, by root or by the guard's own user.
    """
    maillog.set_up("warning")
    try:
        span = read_duration(since)
    except ValueError as error:
        raise click.UsageError(printable(f'--since "{since}": write a number and its unit: 14d or 72h.')) from error
    settings, policy, _ = in_force(config, state_dir)
    try:
        kept = read_figures(settings)
        found = statistics(kept, policy, name, span, _now())
    except UnreadableFiguresError as error:
        click.echo(printable(f"smtpguard: {error}"), err=True)
        raise SystemExit(UNAVAILABLE) from error
    except UnknownListError as error:
        raise click.UsageError(printable(str(error))) from error
    if form == "json":
        click.echo(json.dumps(as_object(found)))
        return
    for line in as_words(found):
        click.echo(printable(line))


@click.command("remember")
@click.argument("archives", metavar="ARCHIVE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--list", "name", metavar="LIST", required=True, help="The list's id, its file or its address.")
@click.option("--state-dir", type=click.Path(path_type=Path, file_okay=False), help="That of the guard.")
@_CONFIG
def remember_command(archives: tuple[Path, ...], name: str, state_dir: Path | None, config: Path) -> None:
    """Let the guard know the posts of a list from before it came, so that who quotes them is not asked.

    ARCHIVE is an mbox (.gz as well), a Maildir, a folder of .eml files, or one of these. Kept are keyed fingerprints,
    for as long as the settings say (`memory`), and no text. It may be called while the guard runs, by root or by the
    guard's own user, and be interrupted at any time: called again, it goes on where it was, and reads what is new.
    """
    maillog.set_up("warning")
    settings, policy, _ = in_force(config, state_dir)
    try:
        of = list_named(policy, name)
        outcome = asyncio.run(Remember(settings, policy, of, _now(), Progress()).run(archives))
    except NothingToRememberError as error:
        raise click.UsageError(printable(str(error))) from error
    except KeyFolderError as error:
        click.echo(printable(f"smtpguard: {error}"), err=True)
        raise SystemExit(CANNOT_CREATE) from error
    except (StoreError, AlreadyRunningError) as error:
        click.echo(printable(f"smtpguard: the memory cannot be used: {error}"), err=True)
        raise SystemExit(UNAVAILABLE) from error
    except OSError as error:
        raise _cannot_write(str(error.filename or settings.state_dir), error) from error
    for line in outcome.lines:
        click.echo(printable(line))
    for line in outcome.troubles:
        click.echo(printable(f"smtpguard: {line}"), err=True)
    if outcome.stopped:
        raise SystemExit(INTERRUPTED)
    if outcome.troubles:
        raise SystemExit(FOUND_SOMETHING)


COMMANDS = (
    schema_command,
    new_list_command,
    edit_command,
    lists_command,
    rules_page_command,
    stats_command,
    remember_command,
    replay_command,
)


def _without_errors(config: Path) -> Loaded:
    loaded = load(config)
    if not loaded.ok:
        for problem in loaded.problems:
            click.echo(format_problem(problem), err=True)
        raise SystemExit(BROKEN_SETTINGS)
    return loaded


def _cannot_write(what: str, error: OSError) -> SystemExit:
    click.echo(printable(f"smtpguard: {what} cannot be written: {error.strerror or error}"), err=True)
    return SystemExit(CANNOT_CREATE)


def _now() -> datetime:
    return datetime.now(UTC)
