"""The report as a page: one file without scripts that loads nothing, for any browser (`--html`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined

from smtpguard import __version__
from smtpguard.config.problems import printable
from smtpguard.tools.replay.plots import alarms_by_list, alarms_by_rule, alarms_by_time, mails_by_time
from smtpguard.tools.replay.tables import (
    LETTERS,
    case_name,
    fate_words,
    notes,
    read_of,
    rules_named,
    tables,
    total,
)
from smtpguard.tools.replay.tallies import Case, Replay

# Mails that are shown one by one: a page with more is slow on a phone. --json has all.
CASES_MAX = 1000


def page(replay: Replay, now: datetime) -> str:
    """The HTML of the report, made at `now`. What mails and file names bring in is text in it, and nothing else."""
    found = {each.subject: each for each in tables(replay)}
    cases = replay.differing if replay.compares else replay.alarmed
    told = {
        "compares": replay.compares,
        "configurations": [*zip(LETTERS, [each.name for each in replay.tallies], strict=False)],
        "read": read_of(replay),
        "notes": [*notes(replay)],
        "troubles": [(each.source.name, each.trouble) for each in replay.archives if each.trouble is not None],
        "total": total(replay),
        "sections": [
            ("By month", [mails_by_time(replay), alarms_by_time(replay)], [], found.get("month")),
            ("By list", [], [alarms_by_list(replay)], found.get("list")),
            ("By rule", [], [alarms_by_rule(replay)], found.get("rule")),
            ("By list and rule", [], [], found.get("list and rule")),
        ],
        "rules": [*rules_named(replay)],
        "cases": _told(cases[:CASES_MAX]),
        "cases_left_out": max(0, len(cases) - CASES_MAX),
        "cases_count": len(cases),
        "made": f"{now:%Y-%m-%d %H:%M} UTC",
        "version": __version__,
    }
    return _environment().get_template("report.html").render(told)


def _told(cases: Sequence[Case]) -> list[tuple[tuple[str, ...], list[str]]]:
    return [(case_name(each), [fate_words(fate) for fate in each.fates]) for each in cases]


@cache
def _environment() -> Environment:
    folder = files("smtpguard.tools.replay") / "layouts"
    environment = Environment(
        loader=DictLoader({each.name: each.read_text("utf-8") for each in folder.iterdir()}),
        undefined=StrictUndefined,
        autoescape=True,
        # No character may turn a line round, or say something that is not seen.
        finalize=lambda said: printable(said) if type(said) is str else said,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["percent"] = lambda share: f"{share:.2f}%"
    environment.filters["figure"] = lambda figure: f"{figure:,}"
    return environment
