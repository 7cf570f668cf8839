"""`explain` names the lines that mattered, and what would let a mail pass."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.tools.site import BERLIN, list_text, run

SOON = (date.today() + timedelta(days=20)).isoformat()  # noqa: DTZ011 - twenty days are far enough from any time zone


def explained(site: Path, *to: str, subject: str = "Agenda", account: str = "anna") -> str:
    path = site.parent / "mail.eml"
    header = f"From: anna@example.org\r\nTo: {', '.join(f'{each}@lists.example.org' for each in to)}\r\n"
    path.write_bytes(f"{header}Subject: {subject}\r\n\r\nThis is a text of a few words, and nobody minds.\r\n".encode())
    said = run("explain", path, "--account", account, "--config", site)
    assert 0 == said.exit_code, said.output
    return said.stdout


def write(site: Path, name: str, *more: str) -> None:
    (site.parent / "lists" / f"{name}.yaml").write_text(list_text(name, *more), "utf-8")


def grounds(said: str) -> list[str]:
    return [each.removeprefix("  Said in ") for each in said.splitlines() if each.startswith("  Said in ")]


def ways(said: str) -> list[str]:
    return [each.strip() for each in said.splitlines() if each.startswith("  It would pass ")]


def test_an_agreed_pair_is_told_by_both_lines(site: Path) -> None:
    said = explained(site, "berlin", "brandenburg")

    assert [
        "lists/berlin.yaml:1: list: berlin@lists.example.org",
        "lists/brandenburg.yaml:1: list: brandenburg@lists.example.org",
        "lists/berlin.yaml:5: crosspost_with: [brandenburg]",
        "lists/brandenburg.yaml:5: crosspost_with: [berlin]",
    ] == grounds(said)
    assert [] == ways(said)


def test_a_pair_of_the_site_is_told_by_its_line(site: Path) -> None:
    assert "smtpguard.yaml:9: - [press, harbour]" in grounds(explained(site, "press", "harbour"))


def test_one_half_of_a_pair_is_told_and_whose_half_is_missing(site: Path) -> None:
    said = explained(site, "berlin", "harbour")

    assert "lists/harbour.yaml:5: crosspost_with: [berlin]" in grounds(said)
    assert [
        'It would pass to one of these lists alone; or if lists/berlin.yaml said "crosspost_with: [harbour]".'
    ] == ways(said)


def test_more_lists_than_may_ever_be_written_to_together(site: Path) -> None:
    with site.open("a") as file:
        file.write("max_lists: 2\n")

    said = explained(site, "berlin", "brandenburg", "press")

    assert "smtpguard.yaml:10: max_lists: 2" in grounds(said)
    assert "no more than 2 may ever be written to together (max_lists)" in ways(said)[0]


def test_an_exception_is_told_by_the_lines_of_both(site: Path) -> None:
    for one, other in (("press", "berlin"), ("berlin", "press")):
        entry = (f"  - until: {SOON}", f"    crosspost_with: [{other}]", '    reason: "congress"')
        write(site, one, "exceptions:", *entry)
    write(site, "brandenburg")
    write(site, "harbour")

    said = explained(site, "berlin", "press")

    assert ": pass\n" in said
    assert ["lists/berlin.yaml:7: crosspost_with: [press]", "lists/press.yaml:7: crosspost_with: [berlin]"] == grounds(
        said
    )[2:]


def test_the_alias_that_was_used_is_told(site: Path) -> None:
    write(site, "press", "aliases:", "  - news@lists.example.org", "  - other@lists.example.org")

    assert ["lists/press.yaml:6: - news@lists.example.org"] == grounds(explained(site, "news"))


def test_the_kind_of_a_list_and_its_posters_are_told(site: Path) -> None:
    write(site, "press", "kind: announce", "posters: [ben]")

    said = explained(site, "press")

    assert ": hold\n" in said
    assert {"lists/press.yaml:5: kind: announce", "lists/press.yaml:6: posters: [ben]"} <= set(grounds(said))
    assert ["It would pass if one of its posters sent it (posters in the file of press)."] == ways(said)
    assert ": pass\n" in explained(site, "press", account="ben")


def test_an_umbrella_is_told_by_what_it_includes(site: Path) -> None:
    write(site, "press", "includes: [harbour]")
    site.write_text(site.read_text().replace("crosspost_pairs:\n  - [press, harbour]\n", ""), "utf-8")

    said = explained(site, "press", "harbour")

    assert "Decided by 12-04" in said
    assert "lists/press.yaml:5: includes: [harbour]" in grounds(said)
    assert ["It would pass to press alone: it reaches its sub-lists as well."] == ways(said)


def test_the_parent_of_two_children_is_told_though_it_is_not_addressed(site: Path) -> None:
    write(site, "press", "includes: [harbour, berlin]")

    said = explained(site, "berlin", "harbour")

    assert "Decided by 12-05" in said
    assert "lists/press.yaml:5: includes: [harbour, berlin]" in grounds(said)


def test_words_of_another_list_are_told_by_the_line_that_asks_for_them(site: Path) -> None:
    write(site, "press", "wrong_if:", "  - {subject_has: [receipt], use: harbour}")

    said = explained(site, "press", subject="A receipt for you")

    assert "Decided by 12-23" in said
    assert "lists/press.yaml:5: wrong_if:" in grounds(said)
    assert ["It would pass to harbour, or without the words that belong there."] == ways(said)


@pytest.mark.parametrize(("line", "action"), [("on_alarm: refuse", "refuse"), ("on_alarm: hold", "hold")])
def test_what_an_alarm_leads_to_is_told_by_whoever_says_it(site: Path, line: str, action: str) -> None:
    write(site, "harbour", line)

    said = explained(site, "berlin", "harbour")

    assert f": {action}\n" in said
    assert f"lists/harbour.yaml:5: {line}" in grounds(said)


def test_a_program_that_is_not_named_is_told_what_would_name_it(site: Path) -> None:
    write(site, "press", "kind: announce", "posters: [ben]", "automatic: [calendar]")
    path = site.parent / "mail.eml"
    path.write_bytes(
        b"From: x@example.org\r\nTo: press@lists.example.org\r\nAuto-Submitted: auto-generated\r\n\r\nSome words.\r\n"
    )

    said = run("explain", path, "--account", "scanner", "--config", site).stdout

    assert "Decided by 90-01" in said
    assert "lists/press.yaml:7: automatic: [calendar]" in grounds(said)
    assert 'It would pass if the one list that it goes to named its account in "automatic".' in ways(said)
    assert ": pass\n" in run("explain", path, "--account", "calendar", "--config", site).stdout


def test_a_list_that_is_only_observed_says_so_by_its_line(site: Path) -> None:
    for name in ("harbour", "brandenburg"):
        write(site, name, "on_alarm: observe")

    said = explained(site, "harbour", "brandenburg")

    assert ": pass\n" in said
    assert {"lists/harbour.yaml:5: on_alarm: observe", "lists/brandenburg.yaml:5: on_alarm: observe"} <= set(
        grounds(said)
    )
    assert [] == ways(said)


def test_json_has_lines_and_ways(site: Path) -> None:
    explained(site, "berlin", "harbour")

    said = run("explain", "--json", site.parent / "mail.eml", "--account", "anna", "--config", site)

    told = json.loads(said.stdout)
    assert "12-02" == told["decided_by"]
    assert {"file": "lists/harbour.yaml", "line": 5, "text": "crosspost_with: [berlin]"} in told["settings"]
    assert 1 == len(told["to_pass"])


def test_without_settings_nothing_is_said_of_lines(site: Path) -> None:
    explained(site, "berlin")

    assert "Said in" not in run("explain", site.parent / "mail.eml").stdout


def test_a_line_that_could_move_the_cursor_cannot(site: Path) -> None:
    (site.parent / "lists" / "berlin.yaml").write_text(BERLIN.replace("[brandenburg]\n", '["brandenburg"] # \u202e\n'))

    said = explained(site, "berlin", "brandenburg") if run("check", "--config", site).exit_code == 0 else ""

    assert "\u202e" not in said


@pytest.mark.parametrize(
    ("said", "ground"),
    [
        ("member_domains: [example.org]", "smtpguard.yaml:10: member_domains: [example.org]"),
        ("roster: roster.txt", "smtpguard.yaml:10: roster: roster.txt"),
    ],
)
def test_who_is_a_member_is_told_by_the_line_that_says_so_and_by_no_address(site: Path, said: str, ground: str) -> None:
    (site.parent / "roster.txt").write_text("anna@example.org\nclara@example.org\n")
    site.write_text(site.read_text() + said + "\n")
    path = site.parent / "mail.eml"
    path.write_text(
        "From: anna@example.org\nTo: dora@elsewhere.example\nSubject: Fwd: our talk\n\nHave a look.\n\n"
        "---------- Forwarded message ---------\nFrom: Clara <clara@example.org>\nDate: Sat, 21 Nov 2026 at 10:12\n"
        "Subject: our talk\nTo: Anna <anna@example.org>\n\n"
        "Between us, I think the new plan is too expensive. Please keep this to yourself for now.\n"
    )

    to_a_person = run("explain", path, "--account", "anna", "--config", site).stdout
    to_a_list = run("explain", path, "--account", "anna", "--to", "berlin@lists.example.org", "--config", site).stdout

    assert "Decided by 11-08" in to_a_person
    assert [ground] == grounds(to_a_person)
    assert "Decided by 11-08" in to_a_list
    assert ground not in grounds(to_a_list)


QUOTE = (
    "No.\n\nOn Sat, Nov 21, 2026 at 10:12 AM Clara <clara@example.org> wrote:\n"
    "> Between us, I think the new plan is too expensive. Please keep this to yourself for now.\n"
)
OUTLOOK = QUOTE.replace(
    "On Sat, Nov 21, 2026 at 10:12 AM Clara <clara@example.org> wrote:\n> ",
    "-----Original Message-----\nFrom: Clara <clara@example.org>\nSent: Saturday, November 21, 2026 10:12\n"
    "To: council@lists.example.org\nSubject: our talk\n\n",
)


@pytest.mark.parametrize(
    ("body", "file", "line", "row", "way"),
    [
        (QUOTE, "press", "strict: true", "11-10", 'without that quote, or with "strict: false" in the file of press'),
        (
            OUTLOOK,
            "council",
            "audience: closed",
            "11-11",
            'without that text, or if the file of the closed list named the others in "may_quote_to"',
        ),
        (
            "-----BEGIN PGP MESSAGE-----\n\nhQEMA12345\n",
            "press",
            "encrypted: false",
            "11-20",
            'unencrypted, or with "encrypted: true" in the file of press',
        ),
    ],
)
def test_what_a_list_says_of_quotes_and_codes_is_told_by_its_line(
    site: Path, body: str, file: str, line: str, row: str, way: str
) -> None:
    write(site, file, line)
    path = site.parent / "mail.eml"
    path.write_text(f"From: anna@example.org\nTo: press@lists.example.org\nSubject: Re: our talk\n\n{body}")

    said = run("explain", path, "--account", "anna", "--config", site).stdout

    assert f"Decided by {row}" in said
    assert f"lists/{file}.yaml:5: {line}" in grounds(said)
    assert [f"It would pass {way}."] == ways(said)


def test_90_08_is_told_by_the_limits_of_what_may_wait_and_be_asked(site: Path) -> None:
    limits = "limits: {hold_size: 64KiB, holds_per_account: 3, held_bytes_per_account: 1MiB, message_size: 10MiB}"
    settings = site.read_text("utf-8").splitlines()
    site.write_text("\n".join([*settings, limits]) + "\n", "utf-8")
    path = site.parent / "large.eml"
    header = "From: anna@example.org\r\nTo: berlin@lists.example.org, press@lists.example.org\r\nSubject: x\r\n\r\n"
    path.write_bytes(header.encode() + b"This is a text.\r\n" * 5000)
    said = run("explain", path, "--account", "anna", "--config", site).stdout

    assert "Decided by 90-08: What would be held is refused if " in said
    # One line that says three of them is named once.
    assert [f"smtpguard.yaml:{len(settings) + 1}: {limits}"] == [each for each in grounds(said) if "limits" in each]
