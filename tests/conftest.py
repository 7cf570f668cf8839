"""One switch for all tests: SMTPGUARD_E2E=required turns each skip that `make e2e-deps` would mend into a failure."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REMEDY = "make e2e-deps"

# A busy machine is no mistake of the code: no example has a deadline. `make check` asks for "quick".
settings.register_profile("whole", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("whole"), max_examples=25)
settings.load_profile("whole")


SLOW_AS_A_WHOLE = re.compile(r"^pytestmark = pytest\.mark\.slow$", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make check` does not read files all of whose tests it would leave out: each worker reads all files."""
    if config.option.markexpr != "not slow" or not collection_path.match("test_*.py"):
        return None
    return SLOW_AS_A_WHOLE.search(collection_path.read_text("utf-8")) is not None or None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Some tests look for what the garbage collector has to report. What is there before the first test is no garbage,
    and to look through it anew each time would take most of their time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("SMTPGUARD_E2E") == "required" and REMEDY in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: {report.longrepr} (SMTPGUARD_E2E=required)"
    return report
