"""How a fuzzer runs: seeded rounds of hypothesis until its time is over, and its corpus, which is tried always."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

# How long each fuzzer runs; some minutes before a release.
SECONDS = float(os.environ.get("SMTPGUARD_FUZZ_SECONDS", "20"))
# Where several fuzzers work on one parser, and for what no stranger sends (settings): so much of it each.
HALF = 0.5
# What only asks a further question of a parser that has a fuzzer already gets a part of that time.
SIDE = 0.25
# Where chance begins. A failure names the seed that shows it at once.
SEED = int(os.environ.get("SMTPGUARD_FUZZ_SEED", "20"))
# Whatever a stranger sends, one case of a fuzzer (some KB) costs less than this.
CASE_SECONDS_MAX = 5.0
CASES_IN_A_ROUND = 300

CORPUS = Path(__file__).parent / "corpus"


def corpus(name: str) -> list[bytes]:
    """The octets of all files of one fuzzer's corpus, in the order of their names."""
    found = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    assert found, f"{name} has no corpus"
    return found


def each_of(name: str) -> pytest.MarkDecorator:
    """Parametrizes a test with `octets`, each file of the corpus once."""
    files = sorted((CORPUS / name).iterdir())
    return pytest.mark.parametrize("octets", [pytest.param(path.read_bytes(), id=path.name) for path in files])


def over(share: float = 1.0) -> Callable[[], bool]:
    """A function that says whether the time of a fuzzer that begins now is over."""
    end = time.monotonic() + SECONDS * share
    return lambda: time.monotonic() >= end


def fuzz(check: Callable[..., None], *, share: float = 1.0, **strategies: st.SearchStrategy[Any]) -> None:
    """Call `check` with values of `strategies` until a share of the time is over; at least one round.

    Each round has its own seed, counted on from SEED, so that a red one can be had again without those before it.
    """
    ended = over(share)

    def timed(**values: Any) -> None:
        start = time.thread_time()
        check(**values)
        assert time.thread_time() - start < CASE_SECONDS_MAX, "took too long"

    for seed in count(SEED):
        given = hypothesis.given(**strategies)(timed)
        bounds = hypothesis.settings(
            max_examples=CASES_IN_A_ROUND,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        try:
            hypothesis.seed(seed)(bounds(given))()
        except BaseException as error:
            error.add_note(f"SMTPGUARD_FUZZ_SEED={seed} shows this again. When mended, it goes into tests/fuzz/corpus.")
            raise
        if ended():
            return
