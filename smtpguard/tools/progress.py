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


class Bars:
    """Shows one bar after the other; `shown` says whether at all, by default if stderr is a terminal."""

    def __init__(self, *, shown: bool | None = None) -> None:
        self.shown = sys.stderr.isatty() if shown is None else shown

    @contextmanager
    def of(self, label: str, size: int) -> Iterator[Tell]:
        """What to tell how much of `size` is done."""
        if not self.shown:
            yield lambda _: None
            return
        steps = max(1, size // STEPS)
        name = printable(label)
        with click.progressbar(length=size, label=name, file=sys.stderr, update_min_steps=steps) as bar:
            done = 0

            def tell(now: int) -> None:
                nonlocal done
                bar.update(now - done)
                done = now

            yield tell


class Progress:
    """Shows the progress of one archive after the other, in lines where there is no terminal."""

    def __init__(self, *, bar: bool | None = None, line_seconds: float = LINE_SECONDS) -> None:
        self._bars = Bars(shown=bar)
        self._line_seconds = line_seconds

    @contextmanager
    def of(self, path: Path, size: int, counts: Counts) -> Iterator[Tell]:
        """What to tell how much of `size` has been read of the archive at `path`; `counts` says what came of it."""
        name = path.name or str(path)
        if not self._bars.shown:
            yield self._lines(printable(name), size, counts)
            return
        with self._bars.of(name, size) as tell:
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
