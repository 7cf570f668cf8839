"""The settings that a command goes by: those that count for the guard."""

from __future__ import annotations

from pathlib import Path

import click

from smtpguard.accounts import Directory
from smtpguard.config.in_force import InForce, UnusableSettingsError
from smtpguard.config.loading import load
from smtpguard.config.problems import format_problem
from smtpguard.config.settings import Settings
from smtpguard.exits import BROKEN_SETTINGS
from smtpguard.notices.languages import Texts
from smtpguard.policy import Policy


def in_force(config: Path, state_dir: Path | None) -> tuple[Settings, Policy, Directory]:
    """The settings as they stand; where a file is broken, its last good version, which the guard goes by.

    Without one the problems are printed, and SystemExit is raised.
    """
    return in_force_with_texts(config, state_dir)[:3]


def in_force_with_texts(config: Path, state_dir: Path | None) -> tuple[Settings, Policy, Directory, Texts]:
    """The same for a command that writes to members: with the words that count for the guard."""
    loaded = load(config)
    if loaded.ok and loaded.settings is not None and loaded.policy is not None and loaded.directory is not None:
        return loaded.settings.overridden(state_dir=state_dir), loaded.policy, loaded.directory, loaded.texts
    try:
        standing = InForce(config, lambda said: said.overridden(state_dir=state_dir)).start()
    except UnusableSettingsError as error:
        for problem in error.problems:
            click.echo(format_problem(problem), err=True)
        raise SystemExit(BROKEN_SETTINGS) from error
    return standing.settings, standing.policy, standing.directory, standing.texts
