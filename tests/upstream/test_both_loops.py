"""The tests of this folder once more on uvloop, which delivers, pauses and closes in another order than asyncio."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from tests.loopback.certificates import Authority
from tests.upstream import test_connection, test_content, test_outbox, test_tls, test_transaction

uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed (extra `fast`)")

pytestmark = pytest.mark.slow

MODULES = (test_connection, test_content, test_tls, test_transaction, test_outbox)


def cases() -> Iterator[Any]:
    """Every coroutine test of MODULES with every combination of its parameters."""
    for module in MODULES:
        for name, test in inspect.getmembers(module, inspect.iscoroutinefunction):
            if not name.startswith("test_") or "tmp_path" in inspect.signature(test).parameters:
                continue
            marks = [mark.args for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
            for values in product(*(list(values) for _, values in marks)):
                arguments: dict[str, Any] = {}
                for (names, _), value in zip(marks, values, strict=True):
                    arguments.update({names: value} if isinstance(names, str) else dict(zip(names, value, strict=True)))
                words = [str(value)[:30] for value in arguments.values()]
                yield pytest.param(test, arguments, id="-".join([module.__name__.rpartition("_")[2], name[5:], *words]))


@pytest.mark.parametrize(("test", "arguments"), list(cases()))
def test_on_uvloop(test: Any, arguments: dict[str, Any], authority: Authority) -> None:
    if "authority" in inspect.signature(test).parameters:
        arguments = {**arguments, "authority": authority}
    reports: list[dict[str, Any]] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
        await test(**arguments)
        gc.collect()
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())

    assert reports == []
