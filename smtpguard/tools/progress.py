"""How far a long command is: a bar on a terminal, a line now and then elsewhere. Both go to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from smtpguard.config.problems import printable
from smtpguard.tools.remembering import Counts

# A line for each of these.
LINE_SECONDS = 10.0
# The bar is drawn so often, at most, until it is full.
STEPS = 200

Tell = Callable[[int], None]


class Progress:
    """Shows the progress of one archive after the other."""

    def __init__(self, *, bar: bool | None = None, line_seconds: float = LINE_SECONDS) -> None:
        self._bar = sys.stderr.isatty() if bar is None else bar
        self._line_seconds = line_seconds

    @contextmanager
    def of(self, path: Path, size: int, counts: Counts) -> Iterator[Tell]:
        """What to tell how much of `size` has been read of the archive at `path`; `counts` says what came of it."""
        name = printable(path.name or str(path))
        if not self._bar:
            yield self._lines(name, size, counts)
            return
        steps = max(1, size // STEPS)
        with click.progressbar(length=size, label=name, file=sys.stderr, update_min_steps=steps) as bar:
            shown = 0

            def tell(read: int) -> None:
                nonlocal shown
                bar.update(read - shown)
                shown = read

            yield tell

    def _lines(self, name: str, size: int, counts: Counts) -> Tell:
        following = time.monotonic() + self._line_seconds

        def tell(read: int) -> None:
            nonlocal following
            if time.monotonic() >= following:
                share = min(100, 100 * read // max(size, 1))
                click.echo(f"{name}: {share} %, {counts.posts:,} posts", err=True)
                following = time.monotonic() + self._line_seconds

        return tell
