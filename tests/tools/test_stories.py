"""The ten things that a list admin wants, each done with the commands and the words of docs/list-admins.md."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from smtpguard.config.texts import shipped
from tests.tools.site import list_text, run, run_program

SOON = (date.today() + timedelta(days=20)).isoformat()  # noqa: DTZ011 - twenty days are far enough from any time zone


def write(site: Path, name: str, *more: str) -> None:
    (site.parent / "lists" / f"{name}.yaml").write_text(list_text(name, *more), "utf-8")


def fate(site: Path, *to: str, account: str = "ben", subject: str = "Agenda", **fields: str) -> str:
    """What `explain` says becomes of a mail."""
    path = site.parent / "mail.eml"
    addresses = ", ".join(each if "@" in each else f"{each}@lists.example.org" for each in to)
    header = {"From": f"{account}@example.org", "To": addresses, "Subject": subject, **fields}
    text = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in header.items())
    path.write_bytes(f"{text}\r\nThis is a text of a few words, and nobody minds.\r\n".encode())
    said = run("explain", path, "--account", account, "--config", site)
    assert 0 == said.exit_code, said.output
    return said.stdout.splitlines()[0].rpartition(": ")[2]


def checked(site: Path) -> str:
    said = run("check", "--config", site)
    assert 0 == said.exit_code, said.output
    return said.stdout


@pytest.mark.slow
def test_1_a_new_list_is_under_the_guard(site: Path) -> None:
    assert "pass" == fate(site, "hamburg", "berlin")

    said = run_program("new-list", "hamburg@lists.example.org", "--config", site)

    assert 0 == said.returncode
    assert "hold" == fate(site, "hamburg", "berlin")
    assert "hamburg" in run_program("lists", "--config", site).stdout


def test_2_the_neighbour_has_to_agree(site: Path) -> None:
    write(site, "press", "crosspost_with: [harbour]")
    write(site, "harbour")
    site.write_text(site.read_text().replace("crosspost_pairs:\n  - [press, harbour]\n", ""), "utf-8")

    assert "harbour has not agreed yet: its file does not name press. Ask harbour-owner@" in checked(site)
    assert "hold" == fate(site, "press", "harbour")
    write(site, "harbour", "crosspost_with: [press]")
    assert "has not agreed" not in checked(site)
    assert "pass" == fate(site, "press", "harbour")


def test_3_a_renamed_list_keeps_its_old_address(site: Path) -> None:
    (site.parent / "lists" / "press.yaml").unlink()
    site.write_text(site.read_text().replace("[press, harbour]", "[news, harbour]"), "utf-8")
    write(site, "news", "aliases: [press@lists.example.org]", "was: press")
    write(site, "berlin")

    checked(site)
    assert "hold" == fate(site, "press", "berlin")
    assert "pass" == fate(site, "press", "harbour")


def test_4_parts_of_a_list(site: Path) -> None:
    write(site, "press", "includes: [berlin, brandenburg]")
    write(site, "berlin")

    assert ("hold", "hold", "pass") == (
        fate(site, "press", "berlin"),
        fate(site, "berlin", "brandenburg"),
        fate(site, "press"),
    )


def test_5_a_news_list(site: Path) -> None:
    write(site, "press", "kind: announce", "posters: [anna]", "discussion: berlin")

    assert ("pass", "hold") == (fate(site, "press", account="anna"), fate(site, "press"))
    assert "pass" == fate(site, "press", "berlin", account="anna")
    assert "hold" == fate(site, "press", From="anna@example.org")


def test_6_mail_that_belongs_elsewhere(site: Path) -> None:
    write(site, "press", "wrong_if:", "  - subject_has: [receipt, refund]", "    use: harbour")

    assert ("hold", "pass") == (
        fate(site, "press", subject="My RECEIPT, again"),
        fate(site, "press", subject="Receipts"),
    )


def test_7_a_program_may_post_to_this_list_alone(site: Path) -> None:
    site.write_text(site.read_text() + "accounts:\n  calendar: {mailbox: null, automatic: true}\n", "utf-8")
    write(site, "press", "kind: announce", "posters: [anna]", "automatic: [calendar]")
    write(site, "berlin", "kind: announce", "posters: [anna]")

    mark = {"Auto_Submitted": "auto-generated"}
    assert "pass" == fate(site, "press", account="calendar", **mark)
    assert "refuse" == fate(site, "berlin", account="calendar", **mark)


def test_8_an_exception_ends_by_itself_and_needs_both(site: Path) -> None:
    def entry(other: str, until: str = SOON) -> tuple[str, ...]:
        return ("exceptions:", f"  - until: {until}", f"    crosspost_with: [{other}]", '    reason: "congress"')

    write(site, "press", *entry("berlin"))
    assert "hold" == fate(site, "press", "berlin")
    write(site, "berlin", *entry("press"))
    assert "pass" == fate(site, "press", "berlin")
    page = run("rules-page", site.parent / "www", "--config", site)
    assert 0 == page.exit_code
    until = shipped().of("en").day(date.fromisoformat(SOON), "date")
    assert f"up to and with {until}: congress" in (site.parent / "www" / "rules.txt").read_text("utf-8").replace(
        "\n ", ""
    )
    write(site, "berlin", *entry("press", "2026-01-01"))
    assert "this exception ended on 2026-01-01" in run("check", "--config", site).stdout


def test_9_what_a_closed_list_says_stays_there(site: Path) -> None:
    forward = site.parent / "forward.eml"
    forward.write_bytes(
        b"From: ben@example.org\r\nTo: berlin@lists.example.org\r\nSubject: Fwd: The hall\r\n\r\n"
        b"---------- Forwarded message ---------\r\nFrom: Clara <clara@example.org>\r\n"
        b"Date: Sat, 21 Nov 2026 at 10:12\r\nSubject: The hall\r\nTo: harbour@lists.example.org\r\n\r\n"
        b"The hall is ours from nine on.\r\n"
    )

    def explained() -> str:
        said = run("explain", forward, "--account", "ben", "--config", site)
        assert 0 == said.exit_code, said.output
        return said.stdout

    write(site, "harbour")
    assert "forward.eml: pass" in explained()
    write(site, "harbour", "audience: closed")
    assert "forward.eml: hold" in explained()
    assert "Said in lists/harbour.yaml:5: audience: closed" in explained()
    assert 'or if the file of the closed list named the others in "may_quote_to"' in explained()
    write(site, "harbour", "audience: closed", "readers: [ben]", "may_quote_to: [berlin]")
    assert "forward.eml: pass" in explained()
    run("rules-page", site.parent / "www", "--config", site)
    for name in ("rules.txt", "index.html"):
        page = (site.parent / "www" / name).read_text("utf-8")
        assert "harbour" not in page
        assert "1 closed list is looked after and not named here." in page


def test_10_try_first_then_switch_on(site: Path) -> None:
    for name in ("press", "berlin"):
        write(site, name, "on_alarm: observe")
    assert "pass" == fate(site, "press", "berlin")
    for name in ("press", "berlin"):
        write(site, name, "on_alarm: hold", 'say: "For minutes use the archive."', 'call: "Sam, 030 123"')
    assert "hold" == fate(site, "press", "berlin")
