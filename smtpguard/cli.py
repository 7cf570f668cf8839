"""The command line. Exit codes: 0 done, 1 `check` found something, 2 wrong command line, 69 no store, port or output,
73 state_dir not writable, 78 settings broken (sysexits.h names the last three)."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from smtpguard import __version__, maillog, replies
from smtpguard.accounts import Directory
from smtpguard.app import Application, Charge, run_until_signal
from smtpguard.config.loading import Loaded, load
from smtpguard.config.named_files import file_troubles
from smtpguard.config.places import Endpoint, endpoint_of
from smtpguard.config.problems import format_problem, printable
from smtpguard.config.settings import Settings, SettingsError
from smtpguard.config.sources import FileError, regular_octets
from smtpguard.explain import account_for, explain
from smtpguard.keys import KeyFolderError
from smtpguard.mail.address import parse_address
from smtpguard.policy import Policy
from smtpguard.process import allow_descriptors, descriptors_for, harden, take_short_turns
from smtpguard.state import StateFolderError
from smtpguard.store import StoreError

FOUND_SOMETHING = 1
WRONG_COMMAND_LINE = 2
UNAVAILABLE = 69
CANNOT_CREATE = 73
BROKEN_SETTINGS = 78

# What `explain` reads of one message; mail servers take a tenth of it.
MESSAGE_OCTETS_MAX = 256 * 1024 * 1024

_CONFIG = click.option(
    "--config", "config", type=click.Path(path_type=Path, dir_okay=False), help="The site's settings: smtpguard.yaml."
)


class Commands(click.Group):
    """The commands. What the system refuses, such as a full disk behind stdout, is one line and no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # click's own business: whoever reads us has seen enough
            _throw_away_output()
            click.echo(printable(f"smtpguard: {error.strerror or error}"), err=True)
            raise SystemExit(UNAVAILABLE) from error


def _throw_away_output() -> None:
    """What waits in stdout's buffer would fail once more at the end, with a traceback of the interpreter's own."""
    try:
        sys.stdout.flush()
    except OSError:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="smtpguard")
def main() -> None:
    """smtpguard asks the sender before a mail goes where it cannot be taken back from."""


@main.command()
@_CONFIG
@click.option(
    "--listen", metavar="HOST:PORT", help="Listen here for members' mail programs, instead of the listeners set."
)
@click.option("--upstream", metavar="HOST:PORT", help="The mail server, instead of upstream.server.")
@click.option("--state-dir", type=click.Path(path_type=Path, file_okay=False), help="Instead of state_dir.")
def serve(config: Path | None, listen: str | None, upstream: str | None, state_dir: Path | None) -> None:
    """Run the guard in the foreground, until SIGTERM.

    With --listen and --upstream and no --config it is a pure relay: no list, no hold.
    """
    charge = _charge(config, listen, upstream, state_dir)
    log = charge.settings.log
    maillog.set_up(log.level, log.format)
    harden()
    take_short_turns()
    _allow_descriptors(charge.settings.limits.connections)
    _run(run_until_signal(charge, _say_ports))


def _allow_descriptors(connections: int) -> None:
    wanted = descriptors_for(connections)
    allowed = allow_descriptors(wanted)
    if allowed < wanted:
        maillog.warning(
            "too few open files are allowed for limits.connections; clients will be kept waiting",
            connections=connections,
            wanted=wanted,
            allowed=allowed,
            remedy=f"LimitNOFILE={wanted} in the systemd unit, a higher hard limit (ulimit -Hn), or fewer connections",
        )


def _say_ports(application: Application) -> None:
    """On stdout, for whoever started us with port 0."""
    click.echo(f"listening on port {' '.join(str(port) for port in application.ports)}")
    sys.stdout.flush()


def _charge(config: Path | None, listen: str | None, upstream: str | None, state_dir: Path | None) -> Charge:
    try:
        if config is None:
            if listen is None or upstream is None:
                raise click.UsageError("give --config, or --listen and --upstream for a pure relay")
            settings = Settings.from_command_line(
                _endpoint("--listen", listen), _endpoint("--upstream", upstream), state_dir
            )
            policy = Policy()
            return Charge(settings, policy, Directory(policy))
        loaded = load(config)
        _print_problems(loaded)
        if not loaded.ok or loaded.settings is None or loaded.policy is None or loaded.directory is None:
            raise SystemExit(BROKEN_SETTINGS)
        settings = loaded.settings.overridden(
            listen=_endpoint("--listen", listen) if listen else None,
            upstream=_endpoint("--upstream", upstream) if upstream else None,
            state_dir=state_dir,
        )
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    missing = settings.missing_to_serve()
    if loaded.policy.lists:
        missing += settings.missing_to_hold()
    missing += [str(each) for each in file_troubles(settings, datetime.now(UTC)) if each.is_fatal]
    if missing:
        for each in missing:
            click.echo(printable(f"{config}: {each}"), err=True)
        raise SystemExit(BROKEN_SETTINGS)
    return Charge(settings, loaded.policy, loaded.directory)


def _endpoint(option: str, text: str) -> Endpoint:
    try:
        return endpoint_of(text)
    except ValueError as error:
        raise click.UsageError(f"{option} {text}: {error}") from error


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        try:
            import uvloop  # noqa: PLC0415 - the extra `fast`, if it is installed
        except ImportError:
            asyncio.run(work)
        else:
            uvloop.run(work)
    except SettingsError as error:
        click.echo(f"smtpguard: {error}", err=True)
        raise SystemExit(BROKEN_SETTINGS) from error
    except (StateFolderError, KeyFolderError) as error:
        click.echo(f"smtpguard: {error}", err=True)
        raise SystemExit(CANNOT_CREATE) from error
    except StoreError as error:
        click.echo(f"smtpguard: the store cannot be used: {error}", err=True)
        raise SystemExit(UNAVAILABLE) from error
    except OSError as error:
        click.echo(f"smtpguard: {error.strerror or error}", err=True)
        raise SystemExit(UNAVAILABLE) from error


@main.command()
@_CONFIG
def check(config: Path | None) -> None:
    """Read the settings and every list file, and print what is wrong with them; exit code 1 if anything is.

    Certificates, keys and the password file are opened as well; what is wrong with them on this machine is a warning.
    """
    if config is None:
        raise click.UsageError("give --config FILE")
    loaded = load(config)
    _print_problems(loaded, err=False)
    if not loaded.ok:
        raise SystemExit(FOUND_SOMETHING)
    settings, policy = loaded.settings, loaded.policy
    if settings is not None and policy is not None:
        for each in settings.missing_to_serve():
            click.echo(f"note: to serve, {each}")
        for each in settings.missing_to_hold():
            click.echo(f"note: to hold mail, {each}")
        for trouble in file_troubles(settings, datetime.now(UTC)):
            # No error: the settings may be meant for another machine.
            click.echo(printable(f"warning: {trouble}"))
        click.echo(printable(f"{config}: {len(policy.lists)} lists, no error"))


@main.command("explain")
@click.argument("messages", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--account", metavar="LOGIN", help="Who sends it, as in AUTH. Without it, the address in From:.")
@click.option("--to", "recipients", multiple=True, metavar="ADDRESS", help="A recipient (RCPT); may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each message, one line each.")
@_CONFIG
def explain_command(
    messages: tuple[Path, ...], account: str | None, recipients: tuple[str, ...], as_json: bool, config: Path | None
) -> None:
    """Say what would happen to each MESSAGE (an .eml file), and why. Nothing is sent, stored or looked up."""
    maillog.set_up("warning")
    policy = Policy()
    directory = Directory(policy)
    if config is not None:
        loaded = load(config)
        _print_problems(loaded)
        if not loaded.ok or loaded.policy is None or loaded.directory is None:
            raise SystemExit(BROKEN_SETTINGS)
        policy, directory = loaded.policy, loaded.directory
    for each in recipients:
        if (wrong := _wrong_with(each, policy)) is not None:
            raise click.UsageError(printable(f"--to {each}: {wrong}"))
    for path in messages:
        try:
            octets = regular_octets(path, MESSAGE_OCTETS_MAX)
        except FileError as error:
            raise click.UsageError(printable(f"{path} {error}")) from error
        explanation = explain(str(path), octets, account_for(account, directory, octets), recipients, policy)
        if as_json:
            # ASCII: a line stays one line for every reader (U+2028), and a file name of strange octets stays itself.
            click.echo(json.dumps(explanation.as_json()))
        else:
            click.echo(explanation.as_words().encode("utf-8", "replace"))


def _wrong_with(recipient: str, policy: Policy) -> str | None:
    """Why `recipient` can be no recipient; None if it can."""
    address = parse_address(recipient)
    if address is None:
        return "this is no address"
    if not policy.can_read(address):
        return f"the guard refuses this recipient: {replies.RECIPIENT_UNREADABLE.text}"
    if not policy.completed(address).domain:
        return "this has no domain, and account_domain is not set"
    return None


def _print_problems(loaded: Loaded, *, err: bool = True) -> None:
    for problem in loaded.problems:
        click.echo(format_problem(problem), err=err)


@main.command()
def demo() -> None:
    """A tour over real sockets: an ordinary post, a cross-post, a forwarded private mail, a mail nobody answers."""
    from smtpguard.demo.tour import tour  # noqa: PLC0415 - the demo's mail server is loaded by the demo alone

    raise SystemExit(asyncio.run(tour()))
