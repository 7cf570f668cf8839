"""How far a replay is: a bar on a terminal (stderr), nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from smtpguard.config.problems import printable

# The bar is drawn so often, at most, until it is full.
STEPS = 200


class Bars:
    """Shows one bar after the other; `shown` says whether at all, by default if stderr is a terminal."""

    def __init__(self, *, shown: bool | None = None) -> None:
        self._shown = sys.stderr.isatty() if shown is None else shown

    @contextmanager
    def of(self, label: str, size: int) -> Iterator[Callable[[int], None]]:
        """What to tell how much of `size` is done."""
        if not self._shown:
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
