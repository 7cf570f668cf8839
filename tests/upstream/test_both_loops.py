"""The tests of this folder once more on uvloop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.loopback.certificates import Authority
from tests.loops import cases, run_on_uvloop
from tests.upstream import (
    test_connection,
    test_content,
    test_dane,
    test_location,
    test_outbox,
    test_resolution,
    test_tls,
    test_transaction,
)

pytestmark = pytest.mark.slow

MODULES = (
    test_connection,
    test_content,
    test_tls,
    test_transaction,
    test_outbox,
    test_resolution,
    test_location,
    test_dane,
)


@pytest.mark.parametrize(("test", "arguments"), list(cases(*MODULES)))
def test_on_uvloop(test: Any, arguments: dict[str, Any], authority: Authority, tmp_path: Path) -> None:
    run_on_uvloop(test, arguments, authority, tmp_path)
