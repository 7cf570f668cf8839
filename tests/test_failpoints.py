"""Fail points kill the process where a test asked for it, and only there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CHILD = "import sys; from smtpguard.failpoints import reach; reach(sys.argv[1]); print('alive')"


def run(point: str, chosen: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "SMTPGUARD_FAIL_AT"}
    if chosen is not None:
        environment["SMTPGUARD_FAIL_AT"] = chosen
    return subprocess.run(
        [sys.executable, "-c", CHILD, point],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize(
    ("chosen", "code", "said"),
    [("hold.sealed", -9, ""), ("hold.committed", 0, "alive\n"), (None, 0, "alive\n")],
)
def test_a_process_dies_at_the_chosen_step_only(chosen: str | None, code: int, said: str) -> None:
    done = run("hold.sealed", chosen)

    assert (done.returncode, done.stdout) == (code, said)


def test_an_unknown_step_is_refused_at_start_with_those_there_are() -> None:
    done = run("hold.sealed", "hold.seeled")

    assert done.returncode == 1
    assert "SMTPGUARD_FAIL_AT names no step" in done.stderr
    assert "release.sending" in done.stderr
