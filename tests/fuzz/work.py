"""Work, counted instead of timed: the calls that Python makes, which are the same on every machine and under any load.

What one call does is not counted; whoever is slow within one (a regular expression, a search) is found by the clock of
`running.fuzz` and by `tests/fuzz/test_parsing.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

_Result = TypeVar("_Result")
_CALLS = ("call", "c_call")


def calls_of(function: Callable[[], _Result]) -> tuple[_Result, int]:
    """What `function` returns, and how many calls it took."""
    count = 0

    def counted(_frame: object, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in _CALLS

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        result = function()
    finally:
        sys.setprofile(before)
    return result, count
