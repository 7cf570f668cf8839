"""What `smtpguard import` says and does once it knows the lists of a manager and the files that are there."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from smtpguard.config.lists import FOLDER, LIST_FILES_MAX
from smtpguard.config.problems import format_problem, printable
from smtpguard.exits import CANNOT_CREATE
from smtpguard.tools.editing import EditError
from smtpguard.tools.importing.comparison import Comparison
from smtpguard.tools.importing.described import Source
from smtpguard.tools.importing.placing import Settlement, place
from smtpguard.tools.importing.proposal import Proposal, proposals
from smtpguard.tools.schema import FILE_NAMES

_ADVICE = 'If only some may post, write "kind: announce" and their accounts as "posters".'


def tell_drift(source: Source, comparison: Comparison) -> bool:
    """Say what has changed; True if anything has."""
    lines = list(comparison.drift())
    for line in lines:
        click.echo(printable(line))
    if not lines:
        click.echo(f"{_counted(len(source.lists))} of {source.name}: all as in {FOLDER}/")
    return bool(lines)


def write_lists(
    source: Source, comparison: Comparison, config: Path, now: datetime, *, add: bool, dry_run: bool
) -> bool:
    """Write what is missing; True if something is left for the admin."""
    folder = config.parent / FOLDER
    has_schema = (folder / FILE_NAMES["list"]).exists()
    wanted, impossible = proposals(comparison, source, folder, now.date(), editor_line=has_schema)
    new = sum(each.file is None for each in wanted)
    if new + len(comparison.ids) > LIST_FILES_MAX:
        raise click.ClickException(f"{FOLDER}/ would have more than {LIST_FILES_MAX} files: more than are read.")
    lacking = [] if add else [each for each in wanted if each.file is not None]
    settled = Settlement(config, [each for each in wanted if each not in lacking])
    # Before anything is written: it compares with the files as they are.
    unfit = settled.unfit_examples(now)
    left = [*comparison.unread(), *impossible, *(line for each in settled.accepted for line in _left_out(each))]
    written = 0
    for each in settled.accepted:
        if each.file is not None and not each.said:
            continue  # all of it has been left out
        try:
            done = "would be written" if dry_run else place(each)
        except EditError as error:
            left.append(str(error))
            continue
        except OSError as error:
            click.echo(printable(f"smtpguard: {each.name} cannot be written: {error.strerror or error}"), err=True)
            raise SystemExit(CANNOT_CREATE) from error
        written += 1
        click.echo(printable(f"{each.name}: {done}{_of(each)}."))
        if each.file is None and each.pair.described.remark:
            click.echo(printable(f"{each.name}: note: without a kind: {each.pair.described.remark}. {_ADVICE}"))
    for each in lacking:
        click.echo(printable(f"{each.name}: lacks {_summary(each)}. --add writes that at its end."))
    for problem in (*settled.problems, *unfit):
        click.echo(format_problem(problem), err=True)
    left += [f"{each.pair.described.address}: {each.name} was {_undone(each)}." for each in settled.rejected]
    for line in left:
        click.echo(printable(line), err=True)
    would = "would be " if dry_run else ""
    click.echo(f"{_counted(len(source.lists))} of {source.name}, {written} {would}written.")
    return bool(left or settled.problems or unfit)


def _left_out(proposal: Proposal) -> list[str]:
    return [f"{proposal.name}: left out: {each}" for each in proposal.left_out]


def _of(proposal: Proposal) -> str:
    return f" ({proposal.pair.described.address.normal})" if proposal.file is None else f" ({_summary(proposal)})"


def _summary(proposal: Proposal) -> str:
    return "; ".join(f"{key}: {', '.join(values)}" for key, values in proposal.said.items())


def _undone(proposal: Proposal) -> str:
    return "not written" if proposal.file is None else "left as it was"


def _counted(number: int) -> str:
    return "1 list" if number == 1 else f"{number} lists"
