"""`smtpguard import`: list files from Mailman or Sympa, and `--check`: what has changed there since."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from smtpguard import maillog
from smtpguard.config.lists import FOLDER
from smtpguard.config.loading import load, site_file
from smtpguard.config.named_files import read_password
from smtpguard.config.places import address_of, is_domain, surroundings_of
from smtpguard.config.problems import format_problem, printable
from smtpguard.config.sources import SITE_FILE_OCTETS_MAX, FileError, read_source
from smtpguard.exits import BROKEN_SETTINGS, CANNOT_CREATE, FOUND_SOMETHING, UNAVAILABLE
from smtpguard.mail.address import Address, domain_normal
from smtpguard.tools.importing.comparison import Comparison
from smtpguard.tools.importing.described import Source, SourceError
from smtpguard.tools.importing.mailman import read_mailman
from smtpguard.tools.importing.sympa_export import read_sympa
from smtpguard.tools.importing.web_server import Login, WebServer
from smtpguard.tools.importing.writing import tell_drift, write_lists

# Whoever waits for thousands of lists sees now and then that it goes on.
_TELL_SECONDS = 10.0

_Command = Callable[..., Any]
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_OF_ALL = (
    click.option("--check", "only_check", is_flag=True, help="Write nothing; a line for each thing that has changed."),
    click.option("--add", is_flag=True, help="Also write what a file lacks at its end, into files that are there."),
    click.option("--dry-run", is_flag=True, help="Only say what would be written."),
    click.option("--domain", "names", metavar="DOMAIN", multiple=True, help="Only lists in it; may be repeated."),
    click.option("--except", "others", metavar="ADDRESS", multiple=True, help="Not this list; may be repeated."),
    click.option("--config", type=_FILE, required=True, help="The site's settings: smtpguard.yaml."),
)
_OF_SERVERS = (
    click.option("--password-file", type=_FILE, help="The password, in one line; nobody else may read this file."),
    click.option("--ca", type=_FILE, help="Who signed the server's certificate (PEM), if not one the system trusts."),
    click.option("--without-tls", is_flag=True, help="Send the password by http:// to another machine."),
)


def _with(*options: tuple[_Command, ...]) -> Callable[[_Command], _Command]:
    def decorate(command: _Command) -> _Command:
        for each in reversed([one for some in options for one in some]):
            command = each(command)
        return command

    return decorate


@click.group("import")
def import_command() -> None:
    """Write list files from what Mailman or Sympa knows of its lists, or check what has changed there (--check).

    A new file has the list's address, aliases, manager, about and contact (its owners' address, never a person's),
    says who may post to announcements, which lists an umbrella reaches, and closes lists that the manager hides. A file
    that is there keeps every word; what it lacks is shown, and written at its end with --add. `check` finds no
    mistake afterwards that it did not find before: what it would refuse is left out and named. Lists that shall be
    otherwise here, or have no file, are named by --except, so that --check is silent on the rest.

    Exit code 0: all done, or with --check all as it is there; 1: something is left for you; 69: the list manager's
    settings cannot be read; 73: no file can be written; 78: smtpguard.yaml is broken.
    """


@import_command.command("mailman")
@click.argument("url")
@click.option("--user", default="restadmin", show_default=True, help="Its admin_user.")
@_with(_OF_SERVERS, _OF_ALL)
def mailman_command(
    url: str,
    user: str,
    password_file: Path | None,
    ca: Path | None,
    without_tls: bool,
    only_check: bool,
    add: bool,
    dry_run: bool,
    names: tuple[str, ...],
    others: tuple[str, ...],
    config: Path,
) -> None:
    """Import from Mailman 3.

    URL is the address of its REST interface, like http://127.0.0.1:8001/3.1 (mailman.cfg, [webservice]: hostname, port,
    admin_user, admin_pass). Without --password-file you are asked for the password. Nothing is changed in Mailman, and
    of its members only those are read who may post to a list of announcements.
    """
    domains = _domains(names)

    def read() -> Source:
        password = _typed_password() if password_file is None else _password(password_file)
        server = WebServer(url, Login(user, password), ca=ca, without_tls=without_tls)
        return read_mailman(server, domains, _Patience().tell)

    _work(read, config, domains, _addresses(others), only_check=only_check, add=add, dry_run=dry_run)


@import_command.command("sympa")
@click.argument("place", metavar="FILE|URL")
@click.option("--user", help="Who asks for URL, if it wants a password.")
@_with(_OF_SERVERS, _OF_ALL)
def sympa_command(
    place: str,
    user: str | None,
    password_file: Path | None,
    ca: Path | None,
    without_tls: bool,
    only_check: bool,
    add: bool,
    dry_run: bool,
    names: tuple[str, ...],
    others: tuple[str, ...],
    config: Path,
) -> None:
    """Import from Sympa 6.2.

    Sympa has no interface that tells a list's settings, so its `config` files are read. FILE is the folder of all lists
    (/var/lib/sympa/list_data), the `config` file of one list, in a folder called like the list, or a tar archive (also
    .tar.gz) of that folder. URL is such an archive on a web server. On Sympa's machine, as its user:

    \b
      sympa dump --roles=owner,editor '*'      (before 6.2.70:
        sympa.pl --dump_users --list=ALL --role=owner,editor)
      cd /var/lib/sympa/list_data
      find . -name config -o -name owner.dump -o -name editor.dump |
        tar -czf /tmp/lists.tar.gz -T -

    The dump names who posts to newsletters; there are no members in these files. Lists that lie in no folder called
    like their domain belong to that of --domain. Sympa knows no aliases: write those of your mail server by hand. Only
    open lists are imported.
    """
    domains = _domains(names)
    is_url = place.startswith(("http://", "https://"))
    if user is not None and not is_url:
        raise click.UsageError("--user is for a URL.")

    def read() -> Source:
        if not is_url:
            return read_sympa(place, None, domains)
        login = None
        if user is not None:
            login = Login(user, _typed_password() if password_file is None else _password(password_file))
        return read_sympa(place, WebServer(place, login, ca=ca, without_tls=without_tls), domains)

    _work(read, config, domains, _addresses(others), only_check=only_check, add=add, dry_run=dry_run)


def _work(
    read: Callable[[], Source], config: Path, domains: frozenset[str], others: frozenset[Address],
    *, only_check: bool, add: bool, dry_run: bool,
) -> None:  # fmt: skip
    if only_check and (add or dry_run):
        raise click.UsageError("--check writes nothing: leave out --add and --dry-run.")
    maillog.set_up("warning")
    _usable(config)
    try:
        source = read()
    except SourceError as error:
        click.echo(printable(f"smtpguard: {error}"), err=True)
        raise SystemExit(UNAVAILABLE) from error
    comparison = Comparison(source, load(config).files, domains, others)
    found = (
        tell_drift(source, comparison)
        if only_check
        else write_lists(source, comparison, config, _now(), add=add, dry_run=dry_run)
    )
    if found:
        raise SystemExit(FOUND_SOMETHING)


def _usable(config: Path) -> None:
    """End where smtpguard.yaml cannot be understood: which lists are the site's, nobody could say then."""
    site = site_file(
        read_source(config, config.name, SITE_FILE_OCTETS_MAX), config.name, surroundings_of(config.parent.absolute())
    )
    if site.settings is None:
        for each in site.problems:
            click.echo(format_problem(each), err=True)
        raise SystemExit(BROKEN_SETTINGS)
    folder = config.parent / FOLDER
    if folder.exists() and not folder.is_dir():
        click.echo(printable(f"smtpguard: {folder} is no folder; the list files have to lie there."), err=True)
        raise SystemExit(CANNOT_CREATE)


class _Patience:
    """Tells now and then how many lists have been read, on stderr."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _TELL_SECONDS

    def tell(self, read: int, of: int) -> None:
        """`read` lists have been read, of so many."""
        if time.monotonic() >= self._next:
            click.echo(f"{read} of {of} lists", err=True)
            self._next = time.monotonic() + _TELL_SECONDS


def _domains(names: tuple[str, ...]) -> frozenset[str]:
    found = frozenset(map(domain_normal, names))
    for each in found:
        if not is_domain(each):
            raise click.UsageError(printable(f"--domain {each}: this is no domain like lists.example.org."))
    return found


def _addresses(texts: tuple[str, ...]) -> frozenset[Address]:
    found = {text: address_of(text) for text in texts}
    for text, address in found.items():
        if address is None:
            raise click.UsageError(printable(f"--except {text}: this is no address like berlin@lists.example.org."))
    return frozenset(each for each in found.values() if each is not None)


def _password(file: Path) -> str:
    try:
        if file.stat().st_mode & 0o004:
            click.echo(
                printable(f"warning: {file} can be read by every user of the machine (correct it with chmod o=)"),
                err=True,
            )
        return read_password(file)
    except FileError as error:
        raise click.UsageError(printable(f"--password-file {file}: {error}")) from error


def _typed_password() -> str:
    if not sys.stdin.isatty():
        raise click.UsageError("give --password-file FILE: there is nobody here to ask for the password.")
    typed: str = click.prompt("Password", hide_input=True, err=True)
    return typed


def _now() -> datetime:
    return datetime.now(UTC)


COMMANDS = (import_command,)
