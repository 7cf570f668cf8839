"""The command line. Exit codes: 0 done, 1 `check` found something, 2 wrong command line, 69 no store, port or output,
73 state_dir not writable, 78 settings broken (sysexits.h names the last three)."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from smtpguard import __version__, maillog, replies
from smtpguard.accounts import Directory
from smtpguard.app import Application, allow_connections, load_for_workers
from smtpguard.config.in_force import InForce, Standing, UnusableSettingsError
from smtpguard.config.loading import Loaded, load
from smtpguard.config.named_files import file_troubles
from smtpguard.config.places import Endpoint, endpoint_of
from smtpguard.config.private_mail import switched_off
from smtpguard.config.problems import format_problem, printable
from smtpguard.config.settings import Settings, SettingsError
from smtpguard.config.sources import FileError, regular_octets
from smtpguard.exits import BROKEN_SETTINGS, CANNOT_CREATE, FOUND_SOMETHING, UNAVAILABLE
from smtpguard.explain import account_for, explain
from smtpguard.keeper import Charge
from smtpguard.key_file import KeyFolderError
from smtpguard.mail.address import parse_address
from smtpguard.policy import Policy
from smtpguard.process import harden, keep_what_is_loaded, take_short_turns, tell_faults, use_one_heap
from smtpguard.signals import run_until_signal
from smtpguard.state import StateFolderError
from smtpguard.status import live_findings
from smtpguard.store import StoreError
from smtpguard.supervisor import Supervisor
from smtpguard.systemd import ServiceManager
from smtpguard.tools.rehearsal import failures, rehearse
from smtpguard.tools.report import FORMATS, Format, report
from smtpguard.workplace import Workplace

# What `explain` reads of one message; mail servers take a tenth of it.
MESSAGE_OCTETS_MAX = 256 * 1024 * 1024

_CONFIG = click.option(
    "--config", "config", type=click.Path(path_type=Path, dir_okay=False), help="The site's settings: smtpguard.yaml."
)


# Commands of admins, by the module below tools/ that has them in COMMANDS. Loaded when they are called: `serve` would
# keep the 5 MB for as long as it runs.
TOOLS: Mapping[str, tuple[str, ...]] = {
    "commands": ("schema", "new-list", "edit", "lists", "rules-page", "stats", "remember", "replay"),
    "admin_commands": ("doctor", "status", "held", "expire"),
    "importing.commands": ("import",),
    "manual_commands": ("manual", "completion"),
    "setup.commands": ("setup",),
}


class Commands(click.Group):
    """The commands. What the system refuses, such as a full disk behind stdout, is one line and no traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in order."""
        return sorted({*super().list_commands(ctx), *(name for names in TOOLS.values() for name in names)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, or None."""
        for module, names in TOOLS.items():
            if cmd_name in names and cmd_name not in self.commands:
                for each in import_module(f"smtpguard.tools.{module}").COMMANDS:
                    self.add_command(each)
        return super().get_command(ctx, cmd_name)

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
    manager = _service_manager()
    charge = _charge(config, listen, upstream, state_dir)
    log = charge.settings.log
    maillog.set_up(log.level, log.format)
    harden()
    tell_faults(maillog.fault)
    take_short_turns()
    use_one_heap()
    if charge.settings.workers > 1:
        load_for_workers(charge)
    keep_what_is_loaded()
    allow_connections(charge.settings.limits.connections)
    if charge.settings.workers == 1:
        _run(run_until_signal(charge, _say_ports_of, manager=manager))
        return
    _event_loop()

    def work(workplace: Workplace, charge: Charge) -> None:
        _run(run_until_signal(charge, workplace=workplace, manager=manager.of_worker))

    with _exit_codes():
        raise SystemExit(Supervisor(charge, work, _say_ports, manager).run())


def _service_manager() -> ServiceManager:
    try:
        return ServiceManager.of(os.environ, os.getpid())
    except SettingsError as error:
        click.echo(printable(f"smtpguard: {error}"), err=True)
        raise SystemExit(BROKEN_SETTINGS) from error


def _say_ports_of(application: Application) -> None:
    _say_ports(application.ports, application.page, application.metrics)


def _say_ports(ports: tuple[int, ...], page: str | None, metrics: str | None) -> None:
    """On stdout, for whoever started us with port 0."""
    click.echo(f"listening on port {' '.join(str(port) for port in ports)}")
    if page is not None:
        click.echo(f"page at {page}")
    if metrics is not None:
        click.echo(f"metrics at {metrics}")
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
        at = _endpoint("--listen", listen) if listen else None
        behind = _endpoint("--upstream", upstream) if upstream else None
        in_force = InForce(config, lambda said: said.overridden(listen=at, upstream=behind, state_dir=state_dir))
        standing = in_force.start()
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except UnusableSettingsError as error:
        for each in error.problems:
            click.echo(format_problem(each), err=True)
        raise SystemExit(BROKEN_SETTINGS) from error
    _say_last_good(standing)
    broken = [str(each) for each in file_troubles(standing.settings, datetime.now(UTC)) if each.is_fatal]
    for trouble in broken:
        click.echo(printable(f"{config}: {trouble}"), err=True)
    if broken:
        raise SystemExit(BROKEN_SETTINGS)
    return Charge(standing.settings, standing.policy, standing.directory, in_force, standing, standing.texts)


def _say_last_good(standing: Standing) -> None:
    """At start, to whoever stands there; the log says the same."""
    for problem in standing.warnings:
        click.echo(format_problem(problem), err=True)
    for kept in standing.kept:
        for problem in kept.problems:
            click.echo(format_problem(problem), err=True)
        counts = "NOTHING IN IT COUNTS YET" if kept.is_new else "STARTING WITH ITS LAST GOOD VERSION"
        click.echo(printable(f"{kept.name}: {counts}"), err=True)


def _endpoint(option: str, text: str) -> Endpoint:
    try:
        return endpoint_of(text)
    except ValueError as error:
        raise click.UsageError(f"{option} {text}: {error}") from error


def _event_loop() -> Callable[[Coroutine[Any, Any, None]], None]:
    """What runs a program to its end."""
    try:
        import uvloop  # noqa: PLC0415 - the extra `fast`, if it is installed
    except ImportError:
        return asyncio.run
    return uvloop.run


def _run(work: Coroutine[Any, Any, None]) -> None:
    with _exit_codes():
        _event_loop()(work)


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Say in words, and by the exit code, why the guard cannot serve."""
    try:
        yield
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
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", help="For people, programs, or GitHub.")
@click.option("--live", is_flag=True, help="Ask the running guard instead: which files count as they stand?")
@click.option("--state-dir", type=click.Path(path_type=Path, file_okay=False), help="With --live: that of the guard.")
def check(config: Path | None, form: Format, live: bool, state_dir: Path | None) -> None:
    """Read the settings and every list file, and print what is wrong with them; exit code 1 if anything is.

    The examples in list files are tried: one that fares otherwise than it says is an error. Certificates, keys and the
    password file are opened as well; what is wrong with them on this machine is a warning, and a note if they are not
    there.
    """
    if live:
        _check_live(config, state_dir)
        return
    if config is None:
        raise click.UsageError("give --config FILE")
    maillog.set_up("warning")
    loaded = load(config)
    now = datetime.now(UTC)
    problems = (*loaded.problems, *failures(loaded, rehearse(loaded, now)))
    broken = any(each.is_error for each in problems)
    for line in report(problems, [] if broken else _remarks(config, loaded, now), config, form):
        click.echo(line)
    if broken:
        raise SystemExit(FOUND_SOMETHING)


def _check_live(config: Path | None, state_dir: Path | None) -> None:
    if state_dir is None:
        if config is None:
            raise click.UsageError("give --config FILE, or --state-dir FOLDER")
        state_dir = InForce(config).state_dir()
    live = live_findings(state_dir, datetime.now(UTC))
    for each in (*live.found, *live.said):
        click.echo("\n".join(map(printable, each.splitlines())))
    if live.found:
        raise SystemExit(FOUND_SOMETHING)


def _remarks(config: Path, loaded: Loaded, now: datetime) -> list[str]:
    """What `check` says of files without errors."""
    settings, policy = loaded.settings, loaded.policy
    if settings is None or policy is None:
        return []
    remarks = [f"note: to serve, {each}" for each in settings.missing_to_serve()]
    remarks += [f"note: to hold mail, {each}" for each in settings.missing_to_hold()]
    # No error: the settings may be meant for another machine, whose files are not here at all.
    for trouble in file_troubles(settings, now):
        remarks.append(printable(f"note: to serve, {trouble}" if trouble.is_absent else f"warning: {trouble}"))
    if policy.lists:
        remarks += [f"note: {each}" for each in switched_off(settings)]
    return [*remarks, printable(f"{config}: {len(policy.lists)} lists, no error")]


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
    loaded = None
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
        sender = account_for(account, directory, octets)
        explanation = explain(str(path), octets, sender, recipients, policy, loaded=loaded)
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


def _print_problems(loaded: Loaded) -> None:
    for problem in loaded.problems:
        click.echo(format_problem(problem), err=True)


@main.command()
@click.option("--keep", is_flag=True, help="Leave it running after the tour, for a mail program, until Ctrl-C.")
def demo(keep: bool) -> None:
    """A tour over real sockets: an ordinary post, a cross-post, a forwarded private mail, a mail nobody answers."""
    from smtpguard.demo.tour import tour  # noqa: PLC0415 - the demo's mail server is loaded by the demo alone

    raise SystemExit(asyncio.run(tour(keep)))
