"""`smtpguard replay` on the command line."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import click

from smtpguard import maillog
from smtpguard.config.binding import nearest
from smtpguard.config.loading import load
from smtpguard.config.problems import format_problem, printable
from smtpguard.exits import BROKEN_SETTINGS, CANNOT_CREATE, FOUND_SOMETHING, INTERRUPTED, UNAVAILABLE
from smtpguard.tools.progress import Bars
from smtpguard.tools.replay import report_file
from smtpguard.tools.replay.gathering import Gathering, Source, TooManyMailsError
from smtpguard.tools.replay.homes import list_called
from smtpguard.tools.replay.page import page
from smtpguard.tools.replay.playing import Configuration
from smtpguard.tools.replay.processes import ReplayError, play
from smtpguard.tools.replay.tallies import Replay, replay_of
from smtpguard.tools.replay.words import as_object, as_words

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command("replay")
@click.argument("archives", metavar="ARCHIVE...", nargs=-1, required=True)
@click.option("--config", "config", type=_FILE, required=True, help="The site's settings: smtpguard.yaml.")
@click.option("--against", type=_FILE, help="Other settings: what would fare differently with them?")
@click.option("--html", "html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with plots, too.")
@click.option("--mails", "with_mails", is_flag=True, help="Name each mail that would cause an alarm.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
def replay_command(
    archives: tuple[str, ...], config: Path, against: Path | None, html: Path | None, with_mails: bool, as_json: bool
) -> None:
    """Run list archives through settings, in order of time: what would have been held, by list, rule and month?

    ARCHIVE is an mbox (.gz as well), a Maildir, a folder of .eml files, or one of these. To which list it belongs, its
    mails or its name tell; else write LIST=ARCHIVE. The guard's own memory and state are never looked at: a memory of
    its own begins empty, grows as that of a guard would, and is deleted at the end.
    """
    maillog.set_up("warning")
    if html is not None:
        _look_at(html)
    configurations = [_configuration(each) for each in (config, against) if each is not None]
    sources = [_source(each, configurations) for each in archives]
    try:
        with _ended_in_order():
            replay = _replay(configurations, sources)
        if html is not None:
            report_file.write(html, page(replay, _now()).encode("utf-8", "replace"))
    except KeyboardInterrupt as error:
        raise SystemExit(INTERRUPTED) from error
    except TooManyMailsError as error:
        raise click.UsageError(str(error)) from error
    except ReplayError as error:
        click.echo(printable(f"smtpguard: {error}"), err=True)
        raise SystemExit(UNAVAILABLE) from error
    except OSError as error:
        raise _not_to_be_written(error) from error
    if as_json:
        click.echo(json.dumps(as_object(replay)))
    else:
        for line in as_words(replay, with_mails=with_mails):
            click.echo(printable(line))
    troubles = [each for each in replay.archives if each.trouble is not None]
    for each in troubles:
        click.echo(printable(f"smtpguard: {each.source.name}: {each.trouble}"), err=True)
    if troubles:
        raise SystemExit(FOUND_SOMETHING)


def _look_at(html: Path) -> None:
    try:
        report_file.look_at(html)
    except report_file.ReportFileError as error:
        raise click.UsageError(printable(f"--html {html}: {error}")) from error
    except OSError as error:
        raise _not_to_be_written(error) from error


def _not_to_be_written(error: OSError) -> SystemExit:
    what = error.filename or "the folder for temporary files"
    click.echo(printable(f"smtpguard: {what} cannot be written: {error.strerror or error}"), err=True)
    return SystemExit(CANNOT_CREATE)


def _replay(configurations: list[Configuration], sources: list[Source]) -> Replay:
    """Raises ReplayError, TooManyMailsError, OSError."""
    bars = Bars()
    with TemporaryDirectory(prefix="smtpguard-replay-") as folder:
        gathered = Gathering(Path(folder) / "mails", _now()).gather(sources, bars.of)
        with bars.of("judging", len(gathered.entries) * len(configurations)) as tell:
            fates = play(configurations, gathered, Path(folder), tell)
    return replay_of(configurations, gathered, fates)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does: no copy of mails stays behind."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _configuration(path: Path) -> Configuration:
    """The settings at `path` as they stand; never a last good version, which lies in state_dir."""
    loaded = load(path)
    if not loaded.ok or loaded.settings is None or loaded.policy is None or loaded.directory is None:
        for problem in loaded.problems:
            click.echo(format_problem(problem), err=True)
        raise SystemExit(BROKEN_SETTINGS)
    return Configuration(str(path), loaded.settings, loaded.policy, loaded.directory)


def _source(text: str, configurations: list[Configuration]) -> Source:
    """ARCHIVE or LIST=ARCHIVE; a file that is called so goes first."""
    name, equals, rest = text.partition("=")
    path = Path(text)
    if path.exists() or not equals:
        return Source(path)
    if all(list_called(name, each.policy) is None for each in configurations):
        near = nearest(name.strip().lower(), [one for each in configurations for one in each.policy.by_id])
        hint = f'Did you mean "{near}"?' if near is not None else "smtpguard lists shows them all."
        raise click.UsageError(printable(f'{text}: there is no list "{name}". {hint}'))
    return Source(Path(rest), name)


def _now() -> datetime:
    return datetime.now(UTC)
