"""The relay's tests once more on uvloop: pipelining, STARTTLS, large content, resets, faults, limits, endings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.loopback import (
    test_byte_exact,
    test_client_address,
    test_entrance,
    test_listening,
    test_proxy_protocol,
    test_relay,
    test_relay_auth,
    test_relay_endings,
    test_relay_faults,
    test_relay_limits,
    test_relay_smuggling,
    test_starttls,
    test_talk,
)
from tests.loopback.certificates import Authority, authority
from tests.loops import cases, run_on_uvloop

__all__ = ["authority"]

pytestmark = pytest.mark.slow

MODULES = (
    test_relay,
    test_relay_auth,
    test_relay_endings,
    test_relay_faults,
    test_relay_limits,
    test_relay_smuggling,
    test_byte_exact,
    test_starttls,
    test_listening,
    test_talk,
    test_client_address,
    test_entrance,
    test_proxy_protocol,
)


@pytest.mark.parametrize(("test", "arguments"), list(cases(*MODULES)))
def test_on_uvloop(test: Any, arguments: dict[str, Any], authority: Authority, tmp_path: Path) -> None:
    run_on_uvloop(test, arguments, authority, tmp_path)
