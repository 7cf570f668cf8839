"""The commands for whoever looks after the guard's machine; `cli` puts them beside its own."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click

from smtpguard import maillog
from smtpguard.accounts import Directory
from smtpguard.certificates import Certificates
from smtpguard.config.named_files import read_password
from smtpguard.config.places import Endpoint, endpoint_of
from smtpguard.config.problems import printable
from smtpguard.config.settings import Settings, SettingsError
from smtpguard.config.sources import FileError
from smtpguard.doors import outbox
from smtpguard.exits import BROKEN_SETTINGS, CANNOT_CREATE, FOUND_SOMETHING, UNAVAILABLE
from smtpguard.key_file import KeyFolderError
from smtpguard.mail.address import parse_address
from smtpguard.notices.languages import Texts
from smtpguard.store import StoreError
from smtpguard.tools import waiting_words
from smtpguard.tools.doctor.examination import examine
from smtpguard.tools.doctor.premises import Premises, ProofAccount
from smtpguard.tools.doctor.sheet import as_object, as_words, exit_code
from smtpguard.tools.expire import Dropped, expiring
from smtpguard.tools.standing import in_force, in_force_with_texts

_SITE = click.Path(path_type=Path, dir_okay=False, exists=True)
_CONFIG = click.option("--config", "config", type=_SITE, required=True, help="The site's settings: smtpguard.yaml.")
_STATE_DIR = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="That of the guard, if not as in the settings.",
)
_FORMAT = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people, or programs."
)


@click.command("doctor")
@click.option("--login", metavar="NAME", help="A test account, to prove that it may not send as somebody else.")
@click.option("--password-file", type=_SITE, help="Its password, in one line; without it you are asked.")
@click.option("--other", metavar="ADDRESS", help="An address that is not its own; without it `contact`.")
@click.option("--outside", metavar="HOST:PORT", help="Where mail from outside comes in; without it port 25 of the MX.")
@_FORMAT
@_STATE_DIR
@_CONFIG
def doctor_command(
    login: str | None,
    password_file: Path | None,
    other: str | None,
    outside: str | None,
    form: Literal["text", "json"],
    state_dir: Path | None,
    config: Path,
) -> None:
    """Look at everything that the guard needs: databases, keys, mail server, outbox, guard domain, page, certificates,
    DNS.

    It changes nothing, sends no mail, and may be called beside a running guard, by root or by the guard's own user.
    Exit code 0: all well; 1: something was found; 69: a mail server or database that must be there cannot be reached.
    """
    maillog.set_up("error")
    settings, _, directory = in_force(config, state_dir)
    account = None
    if login is not None:
        elsewhere = None if other is None else parse_address(other)
        if other is not None and (elsewhere is None or not elsewhere.domain):
            raise click.UsageError(printable(f"--other {other}: this is no address"))
        account = ProofAccount(login, _password(password_file), other)
    elif password_file is not None or other is not None:
        raise click.UsageError("--password-file and --other need --login")
    lines = asyncio.run(examine(Premises(settings, directory, _now(), account=account, outside=_place(outside))))
    if form == "json":
        click.echo(json.dumps(as_object(lines)))
    else:
        for each in as_words(lines):
            click.echo(each)
    raise SystemExit(exit_code(lines))


def _place(text: str | None) -> Endpoint | None:
    try:
        return None if text is None else endpoint_of(text)
    except ValueError as error:
        raise click.UsageError(printable(f"--outside {text}: {error}")) from error


def _password(file: Path | None) -> str:
    if file is None:
        typed: str = click.prompt("Password", hide_input=True, err=True)
        return typed
    try:
        return read_password(file)
    except FileError as error:
        raise click.UsageError(printable(f"--password-file {file}: {error}")) from error


@click.command("held")
@_FORMAT
@click.option("--state-dir", type=click.Path(path_type=Path, file_okay=False), help="That of the guard.")
@click.option("--config", "config", type=_SITE, help="The site's settings: smtpguard.yaml.")
def held_command(form: Literal["text", "json"], state_dir: Path | None, config: Path | None) -> None:
    """Show how many mails wait for an answer, by age, and when the next one's time is over. It names nobody.

    It only reads, and may be called while the guard runs, by root or by the guard's own user.
    """
    maillog.set_up("warning")
    if config is not None:
        settings, _, _ = in_force(config, state_dir)
    elif state_dir is not None:
        settings = Settings().overridden(state_dir=state_dir)
    else:
        raise click.UsageError("give --config FILE, or --state-dir FOLDER")
    try:
        found = asyncio.run(waiting_words.waiting(settings, _now()))
    except (StoreError, OSError) as error:
        click.echo(printable(f"smtpguard: {error}"), err=True)
        raise SystemExit(UNAVAILABLE) from error
    if form == "json":
        click.echo(json.dumps(waiting_words.as_object(found)))
        return
    for each in waiting_words.as_words(found):
        click.echo(each)


@click.command("status")
@_FORMAT
@click.option("--state-dir", type=click.Path(path_type=Path, file_okay=False), help="That of the guard.")
@click.option("--config", "config", type=_SITE, help="The site's settings: smtpguard.yaml.")
def status_command(form: Literal["text", "json"], state_dir: Path | None, config: Path | None) -> None:
    """Say how the running guard fares: what is in force, whether it takes mail, and its totals, if `metrics` is set.

    Exit code 0: all well; 1: it runs, and something is to be looked at; 69: none runs. Call it as root or as the
    guard's own user.
    """
    from smtpguard.tools.running import running  # noqa: PLC0415 - a parser that no other command needs

    maillog.set_up("warning")
    at = None
    if config is not None:
        settings, _, _ = in_force(config, state_dir)
        state_dir, at = settings.state_dir, None if settings.metrics is None else settings.metrics.listen
    elif state_dir is None:
        raise click.UsageError("give --config FILE, or --state-dir FOLDER")
    guard = running(state_dir, at, _now())
    if form == "json":
        click.echo(json.dumps({"runs": guard.alive, "found": guard.found, "said": guard.said}))
    else:
        for each in (*guard.found, *guard.said):
            click.echo("\n".join(map(printable, each.splitlines())))
    raise SystemExit(guard.exit_code)


@click.command("expire")
@click.option("--account", metavar="NAME", help="What waits for one account: its login, or its mailbox.")
@click.option("--all", "everything", is_flag=True, help="All that waits.")
@click.option("--now", "due", is_flag=True, help="What is due, also while a set clock makes the guard wait.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_STATE_DIR
@_CONFIG
def expire_command(
    account: str | None, everything: bool, due: bool, yes: bool, state_dir: Path | None, config: Path
) -> None:
    """Drop mail that waits for an answer, unseen and for good: of an account whose owner has left, or that others have
    broken into; or all of it.

    Nobody is told of it, because an account that was broken into may be in wrong hands. With --now only what is due
    goes, as it does by itself, and each sender gets the usual line. It may be called while the guard runs, by root or
    by the guard's own user.
    """
    maillog.set_up("warning")
    if [account is not None, everything, due].count(True) != 1:
        raise click.UsageError("give one of --account NAME, --all, --now")
    settings, _, directory, texts = in_force_with_texts(config, state_dir)
    missing = settings.missing_to_hold()
    if missing:
        raise click.UsageError(printable(f"this guard holds no mail: {' '.join(missing)}"))
    try:
        dropped = asyncio.run(_drop_due(settings, texts) if due else _drop(settings, account, directory, yes))
    except SettingsError as error:
        click.echo(printable(f"smtpguard: {error}"), err=True)
        raise SystemExit(BROKEN_SETTINGS) from error
    except KeyFolderError as error:
        click.echo(printable(f"smtpguard: {error}"), err=True)
        raise SystemExit(CANNOT_CREATE) from error
    except (StoreError, OSError) as error:
        click.echo(printable(f"smtpguard: {error}"), err=True)
        raise SystemExit(UNAVAILABLE) from error
    if dropped.busy:
        click.echo(f"{dropped.busy} are being decided at this moment and were not dropped; try again in a minute.")
        raise SystemExit(FOUND_SOMETHING)


async def _drop_due(settings: Settings, texts: Texts) -> Dropped:
    own_way = outbox(settings, Certificates())
    async with expiring(settings) as work:
        dropped = await work.drop_due(own_way, texts)
    click.echo(f"{_mails(dropped.gone)} whose time was over went; their senders get the usual line.")
    return dropped


async def _drop(settings: Settings, account: str | None, directory: Directory, yes: bool) -> Dropped:
    async with expiring(settings) as work:
        ids = await work.of_all() if account is None else await work.of_account(account, directory)
        whose = "" if account is None else " of this account"
        if not ids:
            click.echo(f"No mail{whose} waits for an answer.")
            return Dropped(0, 0)
        if not yes:
            click.echo(f"{_mails(len(ids))}{whose} waiting for an answer. Nobody will be told, and nothing comes back.")
            click.confirm("Drop them unseen?", abort=True)
        dropped = await work.drop(ids)
    told = "Nobody was told" + ("." if account is None else ", since the account may be in wrong hands.")
    click.echo(f"{_mails(dropped.gone)} dropped. {told} Their keys go with the guard's next sweep.")
    return dropped


def _mails(number: int) -> str:
    return "1 mail" if number == 1 else f"{number} mails"


COMMANDS = (doctor_command, status_command, held_command, expire_command)


def _now() -> datetime:
    return datetime.now(UTC)
