"""`smtpguard lists`: one line for each list, and the same as JSON."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

from tests.tools.site import list_text, run

GOLDEN = Path(__file__).parent / "golden"
SOON = (date.today() + timedelta(days=20)).isoformat()  # noqa: DTZ011 - twenty days are far enough from any time zone
LATER = (date.today() + timedelta(days=30)).isoformat()  # noqa: DTZ011


def exception(until: str, *partners: str) -> str:
    return f'exceptions: [{{until: {until}, crosspost_with: [{", ".join(partners)}], reason: "congress"}}]'


def write(site: Path) -> None:
    lists = site.parent / "lists"
    (lists / "harbour.yaml").write_text(
        list_text("harbour", "crosspost_with: [berlin]", "on_alarm: observe", exception(SOON, "berlin", "brandenburg")),
        "utf-8",
    )
    (lists / "brandenburg.yaml").write_text(
        list_text("brandenburg", "crosspost_with: [berlin@lists.example.org]", exception(LATER, "harbour")), "utf-8"
    )
    (lists / "press.yaml").write_text(list_text("press", "kind: announce", "posters: [anna]"), "utf-8")


def test_the_table_shows_what_counts_and_what_the_other_side_still_has_to_agree_to(site: Path) -> None:
    write(site)

    said = run("lists", "--config", site)

    assert (0, "") == (said.exit_code, said.stderr)
    shown = said.stdout.replace(SOON, "2026-12-01").replace(LATER, "2026-12-11")
    assert (GOLDEN / "lists.txt").read_text("utf-8") == shown


def test_json_has_the_same(site: Path) -> None:
    write(site)

    told = {each["id"]: each for each in json.loads(run("lists", "--config", site, "--json").stdout)}

    assert ["berlin", "brandenburg", "harbour", "press"] == list(told)
    assert {
        "id": "harbour",
        "address": "harbour@lists.example.org",
        "kind": "discussion",
        "pairs": ["press"],
        "asked": ["berlin"],
        "on_alarm": "observe",
        "exceptions": [
            {"with": "berlin", "until": SOON, "agreed": False},
            {"with": "brandenburg", "until": SOON, "agreed": True},
        ],
        "contact": "harbour-owner@lists.example.org",
    } == told["harbour"]
    assert ["brandenburg"] == told["berlin"]["pairs"]


def test_a_site_with_errors_is_not_shown_by_halves(site: Path) -> None:
    (site.parent / "lists" / "press.yaml").write_text("list: [", "utf-8")

    said = run("lists", "--config", site)

    assert (78, "") == (said.exit_code, said.stdout)
    assert "lists/press.yaml:1:" in said.stderr


def test_a_site_without_lists_is_a_heading(tmp_path: Path) -> None:
    path = tmp_path / "smtpguard.yaml"
    path.write_text("list_domains: [lists.example.org]\n", "utf-8")

    assert "id  address  kind  pairs  on_alarm  exceptions  contact\n" == run("lists", "--config", path).stdout
    assert "[]\n" == run("lists", "--config", path, "--json").stdout
