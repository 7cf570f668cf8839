"""Fixtures for the tests towards the mail server."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.loopback.certificates import authority

__all__ = ["authority"]


@pytest.fixture(autouse=True)
async def nothing_for_the_loop_to_report() -> AsyncIterator[None]:
    """No fault may end as a traceback written by the event loop or the garbage collector."""
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    yield
    gc.collect()
    gc.freeze()  # what is left need not be looked through again
    await asyncio.sleep(0)
    assert reports == []
