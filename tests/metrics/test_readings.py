"""Numbers and how they are added up, without a guard."""

from __future__ import annotations

import inspect
import re
import threading

import pytest

from smtpguard import maillog
from smtpguard.metrics import families
from smtpguard.metrics.exposition import exposition
from smtpguard.metrics.families import FAMILIES, Across, Kind
from smtpguard.metrics.meters import _EVENTS, Meters, measured
from smtpguard.metrics.readings import Histogram, Spread, together
from smtpguard.store import StoreError
from tests.metrics.site import samples_of


def test_a_histogram_counts_each_time_into_the_first_bucket_that_holds_it() -> None:
    histogram = Histogram((0.1, 1.0))
    for each in (0.05, 0.1, 0.2, 1.0, 7.0):
        histogram.add(each)

    assert Spread((2, 2, 1), pytest.approx(8.35)) == histogram.spread()  # type: ignore[arg-type]


def test_buckets_are_printed_cumulated_as_prometheus_wants_them() -> None:
    meters = Meters()
    for seconds in (0.0001, 0.003, 400.0):
        meters.members.replied(seconds, 250, content=True)
    samples = samples_of(exposition(meters.values()).decode())

    def bucket(le: str) -> float:
        labels = frozenset({("way", "members"), ("to", "content"), ("le", le)})
        return samples["smtpguard_upstream_reply_seconds_bucket", labels]

    assert [1, 1, 2, 2, 3] == [bucket(each) for each in ("0.001", "0.0025", "0.005", "300.0", "+Inf")]


def test_a_label_value_that_nobody_declared_is_never_printed() -> None:
    with pytest.raises(ValueError, match="smtpguard_mails_total"):
        exposition({families.MAILS.name: {("anna@example.test",): 1}})


def test_what_is_not_known_is_left_out() -> None:
    assert b"" == exposition({})
    assert b"smtpguard_holds_waiting" not in exposition({families.STORE_UP.name: {(): 0}})


def test_several_processes_are_one_guard() -> None:
    one, other = Meters(), Meters()
    one.event("passed", "mail", 1)
    other.event("passed", "mail", 2)
    other.outbox.replied(0.02, 250, content=False)
    one.outbox.replied(0.02, 250, content=False)
    gauges = ({families.SESSIONS_OPEN.name: {(): 3}, families.WAITING.name: {(): 7}, families.STORE_UP.name: {(): 1}},)
    gauges += ({families.SESSIONS_OPEN.name: {(): 4}, families.WAITING.name: {(): 7}, families.STORE_UP.name: {(): 0}},)
    whole = together([{**one.values(), **gauges[0]}, {**other.values(), **gauges[1]}])

    assert 3 == whole[families.MAILS.name][("passed",)]
    assert 7 == whole[families.SESSIONS_OPEN.name][()]
    assert 7 == whole[families.WAITING.name][()], "all of them see the same store"
    assert 0 == whole[families.STORE_UP.name][()]
    replies = whole[families.REPLY.name][("outbox", "command")]
    assert isinstance(replies, Spread)
    assert 2 == sum(replies.buckets)
    assert 2 / 50 == pytest.approx(replies.sum)
    assert samples_of(exposition(whole).decode())


def test_names_are_as_prometheus_asks() -> None:
    for each in FAMILIES:
        assert re.fullmatch(r"(smtpguard|process)_[a-z_]+", each.name)
        assert each.name.endswith("_total") is (each.kind is Kind.COUNTER)
        assert bool(each.bounds) is (each.kind is Kind.HISTOGRAM)
        assert list(each.bounds) == sorted(each.bounds)
        assert each.across is Across.SUM or each.kind is Kind.GAUGE
    assert len(FAMILIES) == len({each.name for each in FAMILIES})


def test_every_event_that_is_counted_is_one_of_the_log() -> None:
    source = inspect.getsource(maillog)
    written = set(re.findall(r'_event\(\s*"([a-z-]+)"', source)) | {"not-taken", "passed"}

    assert {name for name, _ in _EVENTS} <= written


def test_events_are_counted_below_the_log_s_level_too_and_from_threads() -> None:
    maillog.set_up("error")
    meters = Meters()
    with maillog.observed_by(meters.event):
        threads = [
            threading.Thread(target=lambda: [maillog.resent("id") for _ in range(500)] and None) for _ in range(8)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        maillog.expired(5)
    maillog.resent("id")

    assert 4000 == meters.values()[families.MAILS.name][("held_again",)]
    assert 5 == meters.values()[families.ENDED.name][("time",)]


class Failing:
    """A store that fails."""

    async def close(self) -> None:
        raise StoreError("gone")

    async def waits(self, number: int, *, more: int) -> int:
        return number + more

    def said(self) -> str:
        return "as it is"


async def test_a_store_is_counted_around_each_question_and_otherwise_itself() -> None:
    meters = Meters()
    store = measured(Failing(), meters.stores["holds"])

    assert 5 == await store.waits(2, more=3)
    assert "as it is" == store.said()
    with pytest.raises(StoreError):
        await store.close()
    values = meters.values()
    asked = values[families.STORE.name][("holds",)]
    assert isinstance(asked, Spread)
    assert 2 == sum(asked.buckets)
    assert 1 == values[families.STORE_ERRORS.name][("holds",)]
    assert 0 == values[families.STORE_ERRORS.name][("memory",)]
