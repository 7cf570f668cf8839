"""deploy/grafana: what a dashboard must not do to whoever looks at it on a bad day. (Its queries: tests/e2e.)"""

from __future__ import annotations

import json
import re
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from smtpguard.metrics.families import FAMILIES

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "smtpguard.json"
PANELS: list[dict[str, Any]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
STATS = [each for each in PANELS if each["type"] == "stat"]
CURVES = [each for each in PANELS if each["type"] == "timeseries"]
LABELS = {each.name: each.labels for each in FAMILIES}

# Series that mean that something is wrong, and those that mean that all is well.
BAD = {
    *("deferred", "refused", "failed", "not_taken", "release refused", "release deferred", "letter lost"),
    *("members unreachable", "members lost", "outbox unreachable", "outbox lost", "holds", "memory"),
    *("members 4xx", "members 5xx", "outbox 4xx", "outbox 5xx"),
    *("turned away", "last_good", "unused", "need a restart", "certificates not used", "warnings", "bugs"),
}
GOOD = {"passed", "taken", "done", "ended by sender", "in_force"}


def title(panel: dict[str, Any]) -> str:
    return str(panel["title"])


def queries(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def names(target: dict[str, Any]) -> set[str]:
    """What the legend can say for one query: each combination of the label values that it names and lets through."""
    query, legend = target["expr"], target["legendFormat"]
    metric = re.search(r"\bsmtpguard_[a-z_]+", query)
    wanted = re.findall(r"{{(\w+)}}", legend)
    if not wanted or metric is None:
        return {legend}
    labels = LABELS[re.sub(r"_(bucket|sum|count)$", "", metric[0])]
    found = set()
    for values in product(*(labels[each] for each in wanted)):
        name = legend
        for label, value in zip(wanted, values, strict=True):
            name = name.replace(f"{{{{{label}}}}}", value)
        found.add(name)
    return found


def colours(panel: dict[str, Any]) -> dict[str, str]:
    """The colours that do not depend on which series happen to come first."""
    return {
        each["matcher"]["options"]: each["properties"][0]["value"]["fixedColor"]
        for each in panel["fieldConfig"]["overrides"]
    }


@pytest.mark.parametrize("panel", STATS, ids=title)
def test_a_number_is_of_this_moment_and_not_the_last_that_was_known(panel: dict[str, Any]) -> None:
    # A query over the range would show for hours what a guard told before it went down.
    assert all(target["instant"] and not target["range"] for target in panel["targets"])


@pytest.mark.parametrize(
    "panel", [each for each in CURVES if "{{instance}}" not in each["targets"][0]["legendFormat"]], ids=title
)
def test_every_series_has_its_colour_and_what_is_wrong_is_not_green(panel: dict[str, Any]) -> None:
    series = set().union(*(names(target) for target in panel["targets"]))
    fixed = colours(panel)
    assert series == fixed.keys()
    assert not [name for name in series & BAD if "green" in fixed[name]]
    assert not [name for name in series & GOOD if "green" != fixed[name]]
    assert len(set(fixed.values())) == len(fixed)


@pytest.mark.parametrize("panel", CURVES, ids=title)
def test_a_title_says_over_which_time_it_counts(panel: dict[str, Any]) -> None:
    told = " ".join(queries(panel))
    assert ("per minute" in title(panel)) == ("* 60" in told)
    assert "* 3600" not in told, "a rate over minutes draws one held mail as many an hour"
    if "[1h]" in told:
        assert "in the hour before" in title(panel) + panel["description"]


@pytest.mark.parametrize("panel", [each for each in CURVES if "quantile" in queries(each)[0]], ids=title)
def test_times_are_seen_where_there_is_little_mail(panel: dict[str, Any]) -> None:
    if "{{instance}}" in panel["targets"][0]["legendFormat"]:
        return  # the event loop is looked at every second
    drawn = panel["fieldConfig"]["defaults"]["custom"]
    # Without mail there is no time: what stands alone between two gaps is a point, or nothing.
    assert "auto" == drawn["showPoints"]
    assert drawn["spanNulls"] == 3_600_000
    assert all("2m" == target["interval"] for target in panel["targets"])


@pytest.mark.parametrize("panel", CURVES, ids=title)
def test_an_axis_begins_at_nought_and_does_not_go_to_a_hundred_for_nothing(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    assert 0 == defaults["min"]
    assert "axisSoftMax" in defaults["custom"] or "max" in defaults or "bytes" == defaults["unit"]


def test_outcomes_are_stacked_as_bars() -> None:
    # A line of an outcome that there was not would lie on the edge of the one below it, in its own colour.
    for each in CURVES:
        drawn = each["fieldConfig"]["defaults"]["custom"]
        if "stacking" in drawn:
            assert ("bars", 0) == (drawn["drawStyle"], drawn["lineWidth"]), title(each)


def test_no_panel_lies_on_another_and_none_leaves_the_page() -> None:
    for each in PANELS:
        assert each["gridPos"]["x"] + each["gridPos"]["w"] <= 24
    for one, other in combinations([each["gridPos"] for each in PANELS], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


def test_what_is_wrong_is_seen_without_scrolling() -> None:
    top = " ".join(query for each in STATS if each["gridPos"]["y"] < 14 for query in queries(each))
    for each in (
        *("ALERTS", "up", "smtpguard_upstream_errors_total", "smtpguard_mails_total", "smtpguard_notices_total"),
        "smtpguard_upstream_refusals_total",
        *("smtpguard_store_up", "smtpguard_faults_total", "smtpguard_log_warnings_total", "smtpguard_holds_waiting"),
        *("smtpguard_certificate_end_seconds", "smtpguard_settings_files", "smtpguard_settings_needing_restart"),
    ):
        assert re.search(rf"\b{each}\{{", top), each
