"""Tests once more on uvloop, which delivers, pauses and closes in another order than asyncio."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.loopback.certificates import Authority

# What a test may ask for; one that wants another fixture runs on asyncio alone.
_FIXTURES = frozenset({"authority", "tmp_path"})


def cases(*modules: ModuleType) -> Iterator[Any]:
    """Every coroutine test of `modules` with every combination of its parameters."""
    for module in modules:
        for name, test in inspect.getmembers(module, inspect.iscoroutinefunction):
            if not name.startswith("test_"):
                continue
            found = getattr(test, "pytestmark", [])
            if any(mark.name.startswith("skip") for mark in found):
                continue
            marks = [mark.args for mark in found if mark.name == "parametrize"]
            for values in product(*(list(values) for _, values in marks)):
                arguments: dict[str, Any] = {}
                for (names, _), value in zip(marks, values, strict=True):
                    arguments.update({names: value} if isinstance(names, str) else dict(zip(names, value, strict=True)))
                if set(inspect.signature(test).parameters) - set(arguments) <= _FIXTURES:
                    words = [str(value)[:30] for value in arguments.values()]
                    title = "-".join([module.__name__.rpartition("_")[2], name[5:], *words])
                    yield pytest.param(test, arguments, id=title)


def run_on_uvloop(test: Any, arguments: dict[str, Any], authority: Authority, tmp_path: Path) -> None:
    """Run one of `cases`; nothing may be left for the event loop or the garbage collector to report."""
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed (extra `fast`)")
    wanted = inspect.signature(test).parameters
    fixtures = {"authority": authority, "tmp_path": tmp_path}
    arguments = {**arguments, **{name: value for name, value in fixtures.items() if name in wanted}}
    reports: list[dict[str, Any]] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
        await test(**arguments)
        gc.collect()
        gc.freeze()  # what is left need not be looked through again
        await asyncio.sleep(0)

    # What was there before is not looked at each time: thousands of collected tests.
    gc.freeze()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
    finally:
        gc.unfreeze()

    assert reports == []
