"""smtpguard(8): every command with its options, as `--help` has them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence

import click

from smtpguard import __version__, exits
from smtpguard.tools.manual.roff import Page, bold, escaped, slanted

_EXITS: Sequence[tuple[int, str]] = (
    (exits.DONE, "done"),
    (exits.FOUND_SOMETHING, "there is something to look at, or not everything could be done; what, has been printed"),
    (exits.WRONG_COMMAND_LINE, "the command line is wrong"),
    (exits.UNAVAILABLE, "a store, port, output, mail server or list manager cannot be had"),
    (exits.CANNOT_CREATE, "a folder or file cannot be written"),
    (exits.BROKEN_SETTINGS, "the settings have a mistake"),
    (exits.INTERRUPTED, "ended by Ctrl-C; what was done stays done"),
)
_SIGNALS: Sequence[tuple[str, str]] = (
    ("SIGTERM, SIGINT", "Take nothing new, let open mail finish within timeouts.shutdown, and end."),
    ("SIGHUP", "Read certificates, keys and settings again. What has a mistake keeps its last good version."),
)
_ENVIRONMENT: Sequence[tuple[str, str]] = (
    ("STATE_DIRECTORY", "Where held mail lies if the settings do not say; systemd sets it."),
    ("CREDENTIALS_DIRECTORY", "Where secret files named without a slash are looked for first; systemd sets it."),
    ("VISUAL, EDITOR", "The editor of smtpguard edit."),
    ("TZ", "Deadlines in notices, if the settings name no timezone."),
)
_FILES: Sequence[tuple[str, str]] = (
    ("smtpguard.yaml", "The site's settings; the other files are looked for beside it."),
    ("lists/NAME.yaml", "One mailing list each."),
    ("texts/LANGUAGE.yaml", "The guard's own words, put otherwise or in a further language."),
    ("state_dir/holds.sqlite3", "Held mail, sealed; only the notice has the key to it."),
    ("state_dir/keys/", "Keys of the day. Leave them out of backups."),
    ("state_dir/status.json", "What the running guard says of itself."),
)


def commands_page(group: click.Group) -> str:
    """The page of the program, in roff."""
    page = Page("smtpguard", 8, f"smtpguard {__version__}", "System administration")
    page.head("Name")
    page.raw(f"smtpguard \\- {escaped('ask the sender before a mail goes where it cannot be taken back from')}")
    page.head("Synopsis")
    page.raw(f"{bold('smtpguard')} {slanted('COMMAND')} [{slanted('OPTION')}]...")
    page.head("Description")
    page.text(_DESCRIPTION)
    page.head("Commands")
    context = click.Context(group, info_name="smtpguard")
    _add_commands(page, group, context)
    for title, pairs in (("Signals", _SIGNALS), ("Environment", _ENVIRONMENT), ("Files", _FILES)):
        page.head(title)
        for term, said in pairs:
            page.entry(bold(term), said)
    page.head("Exit status")
    for code, said in _EXITS:
        page.entry(bold(str(code)), said)
    page.head("See also")
    page.raw(f"{bold('smtpguard.yaml')}(5), {bold('smtpguard-list.yaml')}(5)")
    return str(page)


_DESCRIPTION = """
smtpguard stands between members' mail programs and the mail server. A mail that goes to several mailing lists at once,
or that passes on somebody's private words, is held, and its sender alone is asked by a mail. What nobody confirms
is never sent. All other mail goes through as it is.

The service is smtpguard serve. The other commands look after the settings, and look at what is there.
"""


def _add_commands(page: Page, group: click.Group, context: click.Context) -> None:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        called = inner.command_path.removeprefix("smtpguard ")
        if isinstance(command, click.Group):
            page.part(f"{called} COMMAND")
            _add_help(page, command)
            _add_commands(page, command, inner)
            continue
        page.part(" ".join((called, *command.collect_usage_pieces(inner))))
        _add_help(page, command)
        for each in command.get_params(inner):
            record = each.get_help_record(inner)
            if record is not None and "--help" not in each.opts:
                page.entry(bold(record[0]), record[1])


def _add_help(page: Page, command: click.Command) -> None:
    """What the command says of itself; paragraphs that begin with \\b stay as they are, as click has them."""
    for each in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "").split("\f")[0]):
        if each.startswith("\b"):
            page.example(each.split("\n")[1:])
        else:
            page.text(each)
