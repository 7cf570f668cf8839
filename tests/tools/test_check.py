"""`smtpguard check`: its three formats, and the examples of list files as the policy's test-suite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tools.site import BERLIN, list_text, run, run_program


def berlin(site: Path, text: str) -> None:
    (site.parent / "lists" / "berlin.yaml").write_text(text, "utf-8")


def test_examples_that_fare_as_they_say_are_no_word(site: Path) -> None:
    said = run("check", "--config", site)

    assert 0 == said.exit_code
    assert "this example" not in said.stdout


def test_an_example_that_fares_otherwise_is_an_error_with_file_and_line(site: Path) -> None:
    # The other admin has taken his half of the pair back.
    (site.parent / "lists" / "brandenburg.yaml").write_text(list_text("brandenburg"), "utf-8")

    said = run("check", "--config", site)

    assert 1 == said.exit_code
    assert (
        'lists/berlin.yaml:8:5: this example expects "pass", but such a mail would be held (12-02): '
        "A message goes to two or more lists that have not agreed to be addressed together. "
        "Correct the example, or the settings that it tests.\n"
        '    - {to: [berlin, brandenburg], subject: "Agenda", expect: pass}\n'
    ) in said.stdout.replace("      - {to", "    - {to")
    assert "no error" not in said.stdout


@pytest.mark.parametrize(
    ("example", "code"),
    [
        ('{to: berlin, subject: "x", expect: pass}', 0),
        ('{to: berlin@lists.example.org, subject: "x", expect: hold}', 1),
        ('{to: [berlin, anna@example.org], subject: "x", expect: pass}', 0),
        ('{to: [berlin, harbour], subject: "x", expect: hold}', 0),
        ('{to: [harbour, press], subject: "x", expect: pass}', 0),
        ('{to: [berlin, commission@example.org], subject: "Grüße, 你好", expect: hold}', 0),
    ],
)
def test_an_example_is_judged_as_serve_judges_a_mail(site: Path, example: str, code: int) -> None:
    berlin(site, list_text("berlin", "crosspost_with: [brandenburg]", "examples:", f"  - {example}"))

    assert code == run("check", "--config", site).exit_code


def test_an_example_may_say_who_sends_it_and_what(site: Path) -> None:
    news = ["kind: announce", "posters: [anna]", "examples:"]
    both = [
        '  - {to: berlin, subject: "News", from: anna, expect: pass}',
        '  - {to: berlin, subject: "News", text: "Dear all, here is the news of this week.", expect: hold}',
    ]
    berlin(site, list_text("berlin", *news, *both))

    said = run("check", "--config", site)

    assert 0 == said.exit_code, said.stdout


def test_an_example_of_a_refusing_or_observing_list_says_so(site: Path) -> None:
    berlin(site, list_text("berlin", "on_alarm: refuse", "examples:", "  - {to: [berlin, press], expect: refuse}"))
    assert 0 == run("check", "--config", site).exit_code

    berlin(site, list_text("berlin", "on_alarm: observe", "examples:", "  - {to: [berlin, press], expect: pass}"))
    assert 1 == run("check", "--config", site).exit_code  # press is addressed, too, and holds

    (site.parent / "lists" / "press.yaml").write_text(list_text("press", "on_alarm: observe"), "utf-8")
    assert 0 == run("check", "--config", site).exit_code
    berlin(site, list_text("berlin", "on_alarm: observe", "examples:", "  - {to: [berlin, press], expect: hold}"))
    assert "but such a mail would pass, only counted (12-02)" in run("check", "--config", site).stdout


def test_examples_are_not_tried_where_files_have_errors(site: Path) -> None:
    berlin(site, BERLIN.replace("expect: hold", "expect: pass") + "alias: x\n")

    said = run("check", "--config", site)

    assert 1 == said.exit_code
    assert "this example" not in said.stdout


# ---------------------------------------------------------------- formats


def broken(site: Path) -> None:
    berlin(site, BERLIN + 'aliases: [50%@lists.example.net, "a:b"]\n')


def test_json_is_one_object_with_every_problem(site: Path) -> None:
    broken(site)

    said = run("check", "--config", site, "--format", "json")

    assert (1, "") == (said.exit_code, said.stderr)
    assert 1 == len(said.stdout.splitlines())
    told = json.loads(said.stdout)
    assert ["ok", "problems", "remarks"] == list(told)
    assert told["ok"] is False
    first = next(each for each in told["problems"] if each["severity"] == "error")
    assert {
        "file": "lists/berlin.yaml",
        "line": 10,
        "column": 34,
        "severity": "error",
        "text": '"a:b" is no mail address: write it in full, like name@example.org.',
        "quoted": 'aliases: [50%@lists.example.net, "a:b"]',
    } == first


def test_json_of_a_site_without_errors_has_warnings_and_remarks(site: Path) -> None:
    said = run("check", "--config", site, "--format", "json")

    told = json.loads(said.stdout)
    assert (0, True) == (said.exit_code, told["ok"])
    assert ["lists/harbour.yaml"] == [each["file"] for each in told["problems"]]  # one-sided
    assert f"{site}: 4 lists, no error" == told["remarks"][-1]


def test_github_gets_a_remark_at_the_line_of_each_problem(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = BERLIN.replace("meetings", "100%: x, y") + "alias: x\n"
    berlin(site, text)

    said = run_program("check", "--config", "config/smtpguard.yaml", "--format", "github", folder=site.parents[1])

    assert 1 == said.returncode
    assert (
        '::error file=config/lists/berlin.yaml,line=10,col=1::there is no setting "alias" for a list. '
        'Did you mean "aliases"?\n'
    ) in said.stdout
    mended = text.removesuffix("alias: x\n")
    berlin(site, mended)
    monkeypatch.chdir(site.parents[1])
    said = run("check", "--config", "config/smtpguard.yaml", "--format", "github")
    assert 0 == said.exit_code
    assert "::warning file=config/lists/harbour.yaml,line=5,col=18::berlin has not agreed yet" in said.stdout


def test_what_would_end_a_workflow_command_is_escaped(site: Path) -> None:
    odd = site.parent / "lists" / "a,b:c%.yaml"
    odd.write_text("x", "utf-8")

    said = run("check", "--config", site, "--format", "github")

    assert "a%2Cb%3Ac%25.yaml::" in said.stdout


def test_the_whole_file_has_no_line(site: Path) -> None:
    (site.parent / "lists" / "old.txt").write_text("x", "utf-8")

    line = next(
        each for each in run("check", "--config", site, "--format", "github").stdout.splitlines() if "old" in each
    )

    assert "line=" not in line
    assert line.startswith("::warning file=")


def test_an_unknown_format_is_a_wrong_command_line(site: Path) -> None:
    assert 2 == run("check", "--config", site, "--format", "xml").exit_code


def notes(site: Path, more: str = "") -> list[str]:
    """What `check` notes of the site with further lines."""
    text = site.read_text("utf-8")
    site.write_text(text + more, "utf-8")
    said = run("check", "--config", site)
    site.write_text(text, "utf-8")
    assert 0 == said.exit_code, said.stdout
    found = [each.removeprefix("note: ") for each in said.stdout.splitlines() if each.startswith("note: ")]
    return [each for each in found if not each.startswith(("to serve", "to hold"))]


@pytest.mark.parametrize(
    ("more", "off"),
    [
        ("", "remember: lists: nothing of private mail is remembered"),
        ("remember: lists\n", "remember: lists: nothing of private mail is remembered"),
        ("remember: none\n", "remember: none: nothing is remembered"),
        ("remember: threads\nmembers_informed: 2026-01-01\n", "remember: threads: no words of private mail"),
    ],
)
def test_what_is_off_is_said_in_a_sentence(site: Path, more: str, off: str) -> None:
    said = notes(site, more)

    assert 2 == len(said)
    assert said[0].startswith(off)
    assert said[1].startswith("no roster: nobody is known to be an outsider")


def test_where_nothing_is_off_nothing_is_said(site: Path) -> None:
    (site.parent / "roster.txt").write_text("anna@example.org\n")

    assert [] == notes(site, "roster: roster.txt\nremember: all\nmembers_informed: 2026-01-01\n")


def test_a_site_without_lists_is_told_of_no_rule(tmp_path: Path) -> None:
    (tmp_path / "smtpguard.yaml").write_text("list_domains: [lists.example.org]\n")

    assert [] == notes(tmp_path / "smtpguard.yaml")


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_no_form_of_the_report_shows_a_line_of_the_roster(site: Path, form: str) -> None:
    (site.parent / "roster.txt").write_text("anna@example.org\nclara@example.org, secret@example.org\nzoë\n", "utf-8")
    site.write_text(site.read_text("utf-8") + "roster: roster.txt\n", "utf-8")

    said = run("check", "--format", form, "--config", site)

    assert 1 == said.exit_code
    assert "roster.txt" in said.stdout
    for word in ("anna@", "clara", "secret", "zo"):
        assert word not in said.stdout


def test_what_members_are_told_is_printed_whole(site: Path) -> None:
    site.write_text(site.read_text("utf-8") + "remember: all\n", "utf-8")

    said = run("check", "--config", site)

    assert 1 == said.exit_code
    assert "and nobody is reported. Nothing is kept of mail with commission@example.org and trust@lists" in said.stdout
    assert 'Then write "members_informed: " and the day on which you did so' in said.stdout
