"""deploy/prometheus and deploy/grafana: every query names metrics that exist, and every alert fires when it should.

`promtool` judges; each alert has a scene in which it fires, and there is one in which none does.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from smtpguard.metrics.exposition import exposition
from smtpguard.metrics.families import FAMILIES, Family, Kind
from smtpguard.metrics.meters import Meters

pytestmark = pytest.mark.e2e

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "smtpguard.rules.yml"
DASHBOARD = DEPLOY / "grafana" / "smtpguard.json"

# Minutes that a scene lasts: longer than any alert waits, but for one that waits a day.
MINUTES = 120
ONE = 'job="smtpguard", instance="one:9125"'
# What a guard tells all along in which nothing is wrong; values in the notation of promtool: begin + step x times.
WELL: Mapping[str, str] = {
    "up": "1x120",
    'smtpguard_mails_total{outcome="passed"}': "0+60x120",
    'smtpguard_mails_total{outcome="not_taken"}': "0+1x120",
    'smtpguard_mails_total{outcome="held"}': "0+1x120",
    'smtpguard_mails_total{outcome="deferred"}': "0x120",
    'smtpguard_notices_total{result="taken"}': "0+1x120",
    'smtpguard_notices_total{result="refused"}': "0x120",
    'smtpguard_notices_total{result="failed"}': "0x120",
    "smtpguard_letters_lost_total": "0x120",
    'smtpguard_releases_failed_total{why="refused"}': "0x120",
    'smtpguard_upstream_errors_total{way="members", what="unreachable"}': "0x120",
    'smtpguard_upstream_errors_total{way="members", what="lost"}': "0x120",
    'smtpguard_upstream_refusals_total{way="members", reply="4xx"}': "0x120",
    'smtpguard_upstream_refusals_total{way="members", reply="5xx"}': "0+1x120",
    'smtpguard_upstream_reply_seconds_bucket{way="members", to="content", le="0.1"}': "0+60x120",
    'smtpguard_upstream_reply_seconds_bucket{way="members", to="content", le="30"}': "0+60x120",
    'smtpguard_upstream_reply_seconds_bucket{way="members", to="content", le="+Inf"}': "0+60x120",
    'smtpguard_upstream_reply_seconds_count{way="members", to="content"}': "0+60x120",
    'smtpguard_store_seconds_bucket{store="holds", le="0.1"}': "0+60x120",
    'smtpguard_store_seconds_bucket{store="holds", le="5"}': "0+60x120",
    'smtpguard_store_seconds_bucket{store="holds", le="+Inf"}': "0+60x120",
    'smtpguard_store_errors_total{store="holds"}': "0x120",
    "smtpguard_store_up": "1x120",
    "smtpguard_sweep_age_seconds": "20x120",
    "smtpguard_holds_waiting": "30x120",
    "smtpguard_holds_oldest_seconds": "604800x120",
    'smtpguard_settings_files{state="last_good"}': "0x120",
    'smtpguard_settings_files{state="unused"}': "0x120",
    "smtpguard_settings_needing_restart": "0x120",
    "smtpguard_certificate_end_seconds": "2000000x120",
    "smtpguard_certificates_kept_total": "0x120",
    'smtpguard_loop_lag_seconds_bucket{le="0.1"}': "0+60x120",
    'smtpguard_loop_lag_seconds_bucket{le="1.0"}': "0+60x120",
    'smtpguard_loop_lag_seconds_bucket{le="+Inf"}': "0+60x120",
    "smtpguard_sessions_turned_away_total": "0x120",
    "smtpguard_faults_total": "0x120",
    "process_open_fds": "100x120",
    "process_max_fds": "20000x120",
}
# What is otherwise when an alert is due, and the alerts that then fire at the end.
SCENES: Mapping[str, tuple[Mapping[str, str], set[str]]] = {
    "nothing": ({}, set()),
    "down": ({"up": "1x110 0x10"}, {"SmtpguardDown"}),
    "unreachable": (
        {
            'smtpguard_upstream_errors_total{way="members", what="unreachable"}': "0x60 0+1x60",
            'smtpguard_upstream_reply_seconds_count{way="members", to="content"}': "0+60x60 3600x60",
        },
        {"SmtpguardUpstreamUnreachable"},
    ),
    "unreachable for four minutes, and back": (
        {
            'smtpguard_upstream_errors_total{way="members", what="unreachable"}': "0x112 1 2 3 4 4x3",
            'smtpguard_upstream_reply_seconds_count{way="members", to="content"}': "0+60x112 6720x3 6780+60x3",
        },
        set(),
    ),
    "breaks": (
        {'smtpguard_upstream_errors_total{way="members", what="lost"}': "0+1x120"},
        {"SmtpguardUpstreamBreaks"},
    ),
    "slow": (
        {'smtpguard_upstream_reply_seconds_bucket{way="members", to="content", le="0.1"}': "0x120"},
        {"SmtpguardUpstreamSlow"},
    ),
    "refuses": ({'smtpguard_mails_total{outcome="not_taken"}': "0+60x120"}, {"SmtpguardUpstreamRefuses"}),
    "puts off": (
        {'smtpguard_upstream_refusals_total{way="members", reply="4xx"}': "0x60 0+1x60"},
        {"SmtpguardUpstreamPutsOff"},
    ),
    "put off": ({'smtpguard_mails_total{outcome="deferred"}': "0x60 0+1x60"}, {"SmtpguardMailPutOff"}),
    "notice refused": (
        {'smtpguard_notices_total{result="refused"}': "0x110 1x10"},
        {"SmtpguardNoticeNotDelivered"},
    ),
    "notice failed": ({'smtpguard_notices_total{result="failed"}': "0x110 1x10"}, {"SmtpguardNoticeNotDelivered"}),
    "letter": ({"smtpguard_letters_lost_total": "0x110 1x10"}, {"SmtpguardLetterLost"}),
    "release": ({'smtpguard_releases_failed_total{why="refused"}': "0x110 1x10"}, {"SmtpguardReleaseRefused"}),
    "many wait": ({"smtpguard_holds_waiting": "101x120"}, {"SmtpguardManyHoldsWaiting"}),
    "old": ({"smtpguard_holds_oldest_seconds": "777600x120"}, {"SmtpguardHoldsOld"}),
    "sweep": ({"smtpguard_sweep_age_seconds": "20x100 0+60x20"}, {"SmtpguardSweepStopped"}),
    "settings": ({'smtpguard_settings_files{state="last_good"}': "0x100 1x20"}, {"SmtpguardSettingsRejected"}),
    "new settings": ({'smtpguard_settings_files{state="unused"}': "0x100 1x20"}, {"SmtpguardSettingsRejected"}),
    "restart": ({"smtpguard_settings_needing_restart": "1x1600"}, {"SmtpguardNeedsRestart"}),
    "certificate": ({"smtpguard_certificate_end_seconds": "900000x120"}, {"SmtpguardCertificateEnds"}),
    "certificate soon": (
        {"smtpguard_certificate_end_seconds": "200000x120"},
        {"SmtpguardCertificateEnds", "SmtpguardCertificateEndsSoon"},
    ),
    "certificate kept": ({"smtpguard_certificates_kept_total": "0x110 1x10"}, {"SmtpguardCertificateRejected"}),
    "store": ({"smtpguard_store_up": "1x110 0x10"}, {"SmtpguardStoreDown"}),
    "store errors": ({'smtpguard_store_errors_total{store="holds"}': "0x115 1x5"}, {"SmtpguardStoreErrors"}),
    "store slow": ({'smtpguard_store_seconds_bucket{store="holds", le="0.1"}': "0x120"}, {"SmtpguardStoreSlow"}),
    "lag": ({'smtpguard_loop_lag_seconds_bucket{le="0.1"}': "0x120"}, {"SmtpguardLoopLag"}),
    "turned away": ({"smtpguard_sessions_turned_away_total": "0x60 0+5x60"}, {"SmtpguardClientsTurnedAway"}),
    "files": ({"process_open_fds": "17000x120"}, {"SmtpguardFewOpenFilesLeft"}),
    "fault": ({"smtpguard_faults_total": "0x115 1x5"}, {"SmtpguardFault"}),
}


def alerts() -> list[dict[str, Any]]:
    return [each for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for each in group["rules"]]


def promtool(*arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    command = ["promtool", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=300, check=False)


def with_instance(series: str) -> str:
    name, _, labels = series.rstrip("}").partition("{")
    return f"{name}{{{ONE}{', ' + labels if labels else ''}}}"


def scene(name: str) -> dict[str, Any]:
    """A test in promtool's notation: what is firing at the end, and nothing else."""
    changes, firing = SCENES[name]
    assert changes.keys() <= WELL.keys()
    end = MINUTES if name != "restart" else 1500
    series = {**{key: value for key, value in WELL.items() if end == MINUTES or key in changes}, **changes}
    expected = [{"labels": f'{{alertname="{each}"}}', "value": 1} for each in sorted(firing)]
    query = 'count by (alertname) (ALERTS{alertstate="firing"})'
    return {
        "interval": "1m",
        "name": name,
        "input_series": [{"series": with_instance(key), "values": value} for key, value in series.items()],
        "promql_expr_test": [{"expr": query, "eval_time": f"{end}m", "exp_samples": expected}],
    }


def test_the_files_are_what_prometheus_reads() -> None:
    for checked in (
        promtool("check", "rules", RULES),
        promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yml"),
    ):
        assert 0 == checked.returncode, checked.stdout + checked.stderr


def test_each_alert_fires_when_it_should_and_no_other_does(tmp_path: Path) -> None:
    told = {"rule_files": [str(RULES)], "evaluation_interval": "5m", "tests": [scene(each) for each in SCENES]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(told), "utf-8")

    tested = promtool("test", "rules", tmp_path / "tests.yml")

    assert 0 == tested.returncode, tested.stdout + tested.stderr
    assert {each["alert"] for each in alerts()} == {each for _, firing in SCENES.values() for each in firing}


def test_what_a_guard_tells_is_as_prometheus_wants_it() -> None:
    values = Meters().values()
    gauges = {each.name: dict.fromkeys(each.series, 1) for each in FAMILIES if each.name not in values}
    checked = promtool("check", "metrics", given=exposition({**values, **gauges}).decode())

    assert (0, "", "") == (checked.returncode, checked.stdout, checked.stderr)


def test_every_alert_says_what_to_do() -> None:
    for each in alerts():
        assert each["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description"} == set(each["annotations"])


def samples_of(family: Family) -> Iterator[str]:
    """The names that Prometheus has for one metric."""
    if family.kind is Kind.HISTOGRAM:
        yield from (f"{family.name}_{each}" for each in ("bucket", "sum", "count"))
    else:
        yield family.name


SAMPLES = {name: family for family in FAMILIES for name in samples_of(family)}


def check_query(query: str) -> None:
    """Names and label values in a query are those that there are."""
    named = re.findall(r"\b((?:smtpguard|process)_[a-z_]+)(?:\{([^}]*)\})?", query)
    assert named or re.search(r"\b(up|ALERTS)\{", query), query
    for name, matchers in named:
        assert name in SAMPLES, f"{name}: {query}"
        for label, _, values in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', matchers):
            known = {**SAMPLES[name].labels, "job": ("smtpguard",), "instance": ("$instance",)}
            assert label in known, f"{label}: {query}"
            assert set(values.split("|")) <= set(known[label]), query


def test_the_alerts_ask_for_metrics_that_exist() -> None:
    for each in alerts():
        check_query(each["expr"])


def panels() -> list[dict[str, Any]]:
    return [each for each in json.loads(DASHBOARD.read_text("utf-8"))["panels"] if each["type"] != "row"]


def test_the_dashboard_asks_for_metrics_that_exist_and_prometheus_reads_it(tmp_path: Path) -> None:
    queries = [target["expr"] for panel in panels() for target in panel["targets"]]
    for each in queries:
        check_query(each)
    # A recording rule is any query: promtool says whether it can be read.
    plain = [each.replace("$__rate_interval", "5m").replace("$instance", ".*") for each in queries]
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(plain)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), "utf-8")
    checked = promtool("check", "rules", tmp_path / "queries.yml")

    assert 0 == checked.returncode, checked.stdout + checked.stderr
    assert len(queries) > 20


def test_every_metric_is_on_the_dashboard_and_every_panel_is_told_apart() -> None:
    text = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    assert [] == [each.name for each in FAMILIES if each.name not in text]
    ids, places = [each["id"] for each in panels()], [tuple(each["gridPos"].values()) for each in panels()]
    assert len(ids) == len(set(ids))
    assert len(places) == len(set(places))
    assert all(each["title"] and each["description"] for each in panels())


def panel(title: str) -> list[str]:
    """The queries of one panel, of all nodes."""
    found = [each for each in panels() if each["title"] == title]
    assert 1 == len(found), title
    return [target["expr"].replace("$instance", ".*") for target in found[0]["targets"]]


# A panel, what Prometheus knows, and what the panel then shows: labels and numbers, by query.
SHOWN: Sequence[tuple[str, Mapping[str, str], Sequence[Mapping[str, float]]]] = (
    ("Alerts that fire, of all nodes", {}, [{'{alertname="none"}': 0}]),
    (
        "Alerts that fire, of all nodes",
        {'ALERTS{job="smtpguard", alertname="SmtpguardLoopLag", alertstate="pending", severity="warning"}': "1x20"},
        [{'{alertname="none"}': 0}],
    ),
    (
        "Alerts that fire, of all nodes",
        {
            f'ALERTS{{{ONE}, alertname="SmtpguardDown", alertstate="firing", severity="critical"}}': "1x20",
            f'ALERTS{{{ONE}, alertname="SmtpguardLoopLag", alertstate="firing", severity="warning"}}': "1x20",
            'ALERTS{job="other", alertname="SomethingElse", alertstate="firing", severity="critical"}': "1x20",
        },
        [{'{alertname="Down"}': 2, '{alertname="LoopLag"}': 1}],
    ),
    (
        "Guards",
        {f"up{{{ONE}}}": "1x20", 'up{job="smtpguard", instance="two:9125"}': "1x10 0x10"},
        [{"{}": 1}, {"{}": 1}],
    ),
    (
        "Certificate ends in",
        {f"smtpguard_certificate_end_seconds{{{ONE}}}": "172860x20"},  # a minute less than two days, at the end
        [{"{}": 1}],
    ),
    (
        "Running for",
        {f"smtpguard_start_time_seconds{{{ONE}}}": "600x20", f'smtpguard_info{{{ONE}, version="1.0"}}': "1x20"},
        [{'{job="smtpguard", instance="one:9125", version="1.0"}': 600}],
    ),
)


def test_panels_show_what_they_say(tmp_path: Path) -> None:
    told = {
        "tests": [
            {
                "interval": "1m",
                "name": f"{title} {number}",
                "input_series": [{"series": key, "values": value} for key, value in known.items()],
                "promql_expr_test": [
                    {
                        "expr": expression,
                        "eval_time": "20m",
                        "exp_samples": [{"labels": each, "value": value} for each, value in shown.items()],
                    }
                    for expression, shown in zip(panel(title), samples, strict=True)
                ],
            }
            for number, (title, known, samples) in enumerate(SHOWN)
        ]
    }
    (tmp_path / "panels.yml").write_text(yaml.safe_dump(told), "utf-8")

    tested = promtool("test", "rules", tmp_path / "panels.yml")

    assert 0 == tested.returncode, tested.stdout + tested.stderr
