"""Shares with their 95 % intervals."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, lgamma, log

# Halvings until a bound stands to seven places.
_STEPS = 60


def interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of Clopper and Pearson (Biometrika 26, 1934) for `count` of `total`."""
    beyond = (1 - confidence) / 2
    low = 0.0 if count == 0 else _where(lambda share: 1 - _at_most(count - 1, total, share) >= beyond)
    high = 1.0 if count >= total else _where(lambda share: _at_most(count, total, share) <= beyond)
    return low, high


def percent(count: int, total: int) -> str:
    """`count` of `total` in words, with the interval."""
    if not total:
        return "none"
    low, high = interval(count, total)
    return f"{count} of {total} = {100 * count / total:.2f} % ({100 * low:.2f} to {100 * high:.2f})"


def per_thousand(count: int, total: int) -> str:
    """`percent` for what is rare."""
    if not total:
        return "none"
    low, high = interval(count, total)
    return f"{count} of {total} = {1000 * count / total:.2f} in 1,000 ({1000 * low:.2f} to {1000 * high:.2f})"


def _where(reached: Callable[[float], bool]) -> float:
    """The smallest share for which `reached` is true; it must be true from there on."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _at_most(count: int, total: int, share: float) -> float:
    """How likely at most `count` of `total` are, each with probability `share`."""
    if share <= 0 or count >= total:
        return 1.0
    if share >= 1:
        return 0.0
    if count > total // 2:
        return 1 - _at_most(total - count - 1, total, 1 - share)
    return sum(exp(_log_of(total, number) + number * log(share) + (total - number) * log(1 - share))
               for number in range(count + 1))  # fmt: skip


def _log_of(total: int, number: int) -> float:
    """The logarithm of how many choices of `number` out of `total` there are."""
    return lgamma(total + 1) - lgamma(number + 1) - lgamma(total - number + 1)
