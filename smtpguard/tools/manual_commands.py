"""The commands that print what goes with an installation: manual pages and completion."""

from __future__ import annotations

from typing import Literal

import click
from click.shell_completion import get_completion_class

from smtpguard.tools.manual.commands import commands_page
from smtpguard.tools.manual.settings import settings_page

PAGES = ("smtpguard.8", "smtpguard.yaml.5", "smtpguard-list.yaml.5")
SHELLS = ("bash", "zsh", "fish")

_PROGRAM = "smtpguard"


@click.command("manual")
@click.argument("page", type=click.Choice(PAGES), default=PAGES[0])
@click.pass_context
def manual_command(context: click.Context, page: Literal["smtpguard.8", "smtpguard.yaml.5"]) -> None:
    """Print a manual page, as man(1) reads it: smtpguard manual | man -l -

    The pages are made of the commands and of the models that read the settings, so they are about this very version.
    """
    group = context.find_root().command
    assert isinstance(group, click.Group)  # noqa: S101 - a command of ours is always below the group
    made = commands_page(group) if page == PAGES[0] else settings_page("site" if page == PAGES[1] else "list")
    # Octets: troff reads them, and no locale may change them.
    click.echo(made.encode(), nl=False)


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands and options.

    For bash: smtpguard completion bash > /etc/bash_completion.d/smtpguard. For zsh: into a file _smtpguard on its
    fpath. For fish: into ~/.config/fish/completions/smtpguard.fish.
    """
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - click has all of SHELLS
    root = context.find_root().command
    # Not `source()`: it runs bash to see how old it is, and what is made here may be for another machine.
    completion = made(root, {}, _PROGRAM, "_SMTPGUARD_COMPLETE")
    click.echo(completion.source_template % completion.source_vars())


COMMANDS = (manual_command, completion_command)
