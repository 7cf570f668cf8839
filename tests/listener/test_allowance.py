"""Commands without mail: keeping a session open is fine for ever, a flood is not."""

from __future__ import annotations

import pytest

from smtpguard.listener.allowance import COMMANDS_MAX, Allowance


@pytest.mark.parametrize("seconds", [10, 30, 60, 270])
def test_a_noop_now_and_then_is_allowed_for_days(seconds: int) -> None:
    allowance = Allowance()

    assert all(allowance.spend(float(now)) for now in range(1000, 1000 + 3 * 86400, seconds))


def test_a_burst_is_allowed_and_a_flood_is_not() -> None:
    allowance = Allowance()
    burst = [allowance.spend(50.0) for _ in range(COMMANDS_MAX + 1)]

    assert all(burst[:-1])
    assert not burst[-1]


@pytest.mark.parametrize("a_second", [1, 20, 1000])
def test_whoever_goes_on_comes_to_the_end_of_it(a_second: int) -> None:
    allowance = Allowance()
    said = next(number for number in range(10_000) if not allowance.spend(number / a_second))

    assert said < 1.2 * COMMANDS_MAX


def test_a_mail_gives_all_back() -> None:
    allowance = Allowance()
    for _ in range(50):
        assert all(allowance.spend(0.0) for _ in range(COMMANDS_MAX))
        allowance.renew()
