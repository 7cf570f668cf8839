"""`smtpguard explain`: what would happen to a message, for people and for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from smtpguard.cli import main
from smtpguard.rows import ROWS
from tests.logs import restored_loggers

LETTER = (
    "Have a look.\n\n"
    "---------- Forwarded message ---------\nFrom: Clara <clara@example.org>\nDate: Sat, 21 Nov 2026 at 10:12\n"
    "Subject: our talk\nTo: Ben <ben@example.org>\n\n"
    "Between us, I think the new plan is too expensive. Please keep this to yourself for now.\n"
)
BOTH = "berlin@lists.example.org, all-members@lists.example.org"


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    with restored_loggers():
        yield


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A settings file with two lists, whose state_dir is not there."""
    folder = tmp_path / "config"
    (folder / "lists").mkdir(parents=True)
    for name in ("berlin", "all-members"):
        entry = {
            "list": f"{name}@lists.example.org",
            "manager": "mailman3",
            "about": f"About {name}",
            "contact": f"{name}-owner@lists.example.org",
        }
        (folder / "lists" / f"{name}.yaml").write_text(yaml.safe_dump(entry), "utf-8")
    settings = {
        "list_domains": ["lists.example.org"],
        "account_domain": "example.org",
        "desks": ["commission@example.org"],
        "state_dir": str(tmp_path / "nowhere" / "state"),
    }
    path = folder / "smtpguard.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    return path


def message(folder: Path, name: str = "mail.eml", **fields: str) -> Path:
    """An .eml file; `body` and header fields as given."""
    body = fields.pop("body", "Here they are.\n")
    head = {"From": "Anna <anna@example.org>", "To": BOTH, "Subject": "Minutes", **fields}
    text = "".join(f"{key}: {value}\n" for key, value in head.items() if value) + "\n" + body
    path = folder / name
    path.write_bytes(text.replace("\n", "\r\n").encode("utf-8", "surrogateescape"))
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


def objects(*arguments: str | Path) -> list[dict[str, Any]]:
    result = run("--json", *arguments)
    assert 0 == result.exit_code, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_json_is_exactly_what_is_promised(tmp_path: Path, site: Path) -> None:
    path = message(tmp_path, body=LETTER, Subject="Fwd: our talk")

    (told,) = objects(path, "--account", "anna", "--config", site)

    assert {
        "file": str(path),
        "action": "hold",
        "findings": [
            {
                "id": "11-08",
                "rule": 11,
                "check": "forwarded_private",
                "facts": {
                    "author": "Clara",
                    "begins": "Between us, I think the new ...",
                    "sent": "Sat, 21 Nov 2026 at 10:12",
                    "subject": "our talk",
                    "target": ["berlin", "all-members"],
                },
            },
            {
                "id": "12-02",
                "rule": 12,
                "check": "crosspost",
                "facts": {"lists": ["berlin", "all-members"], "header_only": []},
            },
        ],
        "passages": [
            {"voice": "own", "kind": None, "author": None, "recipients": [], "words": 3},
            {
                "voice": "forwarded",
                "kind": "inline",
                "author": "clara@example.org",
                "recipients": ["ben@example.org"],
                "words": 17,
            },
        ],
        "decided_by": "11-08",
        "settings": [
            {"file": "lists/berlin.yaml", "line": 3, "text": "list: berlin@lists.example.org"},
            {"file": "lists/all-members.yaml", "line": 3, "text": "list: all-members@lists.example.org"},
        ],
        "to_pass": [
            "without the forwarded mail",
            (
                'to one of these lists alone; or if lists/berlin.yaml said "crosspost_with: [all-members]" and '
                'lists/all-members.yaml said "crosspost_with: [berlin]"'
            ),
        ],
    } == told
    assert ["file", "action", "findings", "passages", "decided_by", "settings", "to_pass"] == list(told)


def test_an_attached_mail_is_a_passage_of_its_kind(tmp_path: Path) -> None:
    body = (
        "--B\nContent-Type: text/plain\n\nSee below.\n--B\nContent-Type: message/rfc822\n\n"
        "From: Clara <clara@example.org>\nTo: ben@example.org, dora@example.org\n\nBetween us two.\n--B--\n"
    )
    kind = {"MIME-Version": "1.0", "Content-Type": "multipart/mixed; boundary=B"}

    (told,) = objects(message(tmp_path, body=body, **kind))

    assert {
        "voice": "forwarded",
        "kind": "attached",
        "author": "clara@example.org",
        "recipients": ["ben@example.org", "dora@example.org"],
        "words": 3,
    } == told["passages"][1]


def test_words_say_outcome_row_reasons_recipients_and_who_speaks(tmp_path: Path, site: Path) -> None:
    path = message(tmp_path, body=LETTER, Subject="Fwd: our talk")

    said = run(path, "--account", "anna", "--config", site)

    assert 0 == said.exit_code
    assert said.stdout.startswith(f"{path}: hold\n  It would be held, and its sender asked.\n  Decided by 11-08: ")
    assert ROWS["11-08"] in said.stdout
    assert "  11-08 (forwarded_private): It would take a private mail of Clara" in said.stdout
    assert "  12-02 (crosspost): It is addressed to two lists, and most mails belong on one (rule 12).\n" in said.stdout
    assert "  Recipients: berlin@lists.example.org, all-members@lists.example.org\n" in said.stdout
    assert "  Passage: own, 3 words\n  Passage: forwarded, inline by clara@example.org, 17 words\n" in said.stdout


@pytest.mark.parametrize(
    ("fields", "options", "action", "row"),
    [
        ({"To": "berlin@lists.example.org"}, (), "pass", "12-01"),
        ({"To": "ben@example.org"}, (), "pass", "11-01"),
        ({}, (), "hold", "12-02"),
        ({"To": "ben@example.org", "Bcc": "berlin@lists.example.org"}, (), "hold", "12-10"),
        ({"To": "commission@example.org"}, (), "pass", "11-25"),
        ({"To": "berlin-request@lists.example.org"}, (), "pass", "11-26"),
        ({"Auto-Submitted": "auto-generated"}, (), "refuse", "90-01"),
        ({}, ("--account", "berlin@lists.example.org"), "refuse", "90-05"),
        ({"From": ""}, (), "refuse", "90-05"),
    ],
)
def test_the_row_that_decides_is_named(
    tmp_path: Path, site: Path, fields: dict[str, str], options: tuple[str, ...], action: str, row: str
) -> None:
    path = message(tmp_path, **fields)

    words = run(path, *options, "--config", site)
    (told,) = objects(path, *options, "--config", site)

    assert 0 == words.exit_code  # also when it would be held
    assert action == told["action"]
    assert f"Decided by {row}: {ROWS[row]}" in words.stdout


def test_to_replaces_the_header_as_envelope(tmp_path: Path, site: Path) -> None:
    path = message(tmp_path, To="berlin@lists.example.org")

    (header,) = objects(path, "--config", site)
    (one,) = objects(path, "--config", site, "--to", "ben@example.org")
    (two,) = objects(
        path, "--config", site, "--to", "Berlin@Lists.example.org", "--to", "all-members@lists.example.org"
    )

    assert ["pass", "pass", "hold"] == [header["action"], one["action"], two["action"]]


def test_what_is_no_address_behind_to_is_an_error_and_not_left_out(tmp_path: Path) -> None:
    result = run(message(tmp_path), "--to", "ben@example.org", "--to", "<>")

    assert 2 == result.exit_code
    assert "--to <>: this is no address" in result.stderr


def test_a_recipient_needs_a_domain_from_somewhere(tmp_path: Path, site: Path) -> None:
    without = run(message(tmp_path), "--to", "nonsense")
    completed = run(message(tmp_path), "--to", "commission", "--config", site)

    assert (2, True) == (without.exit_code, "--to nonsense: this has no domain" in without.stderr)
    assert "Recipients: commission@example.org" in completed.stdout
    assert "11-25" in completed.stdout


@pytest.mark.parametrize("disguised", ["berlin%lists.example.org", "berlin", '"berlin@lists.example.org"@example.org'])
def test_a_recipient_that_serve_refuses_is_refused_here(tmp_path: Path, site: Path, disguised: str) -> None:
    result = run(message(tmp_path), "--to", disguised, "--config", site)

    assert 2 == result.exit_code
    assert "the guard refuses this recipient: 553 5.1.3" in result.stderr


def test_a_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    result = run(tmp_path / "pipe")

    assert 2 == result.exit_code
    assert "pipe is not a regular file" in result.stderr


def test_a_file_that_breaks_while_it_is_read_is_named() -> None:
    result = run("/proc/self/mem")

    assert 2 == result.exit_code
    assert "/proc/self/mem cannot be read: Input/output error" in result.stderr


@pytest.mark.slow
def test_a_full_disk_behind_stdout_is_one_line_and_exit_code_69(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "smtpguard", "explain", message(tmp_path)],
            stdout=full, stderr=subprocess.PIPE, timeout=30, check=False,
        )  # fmt: skip

    assert (69, b"smtpguard: No space left on device\n") == (done.returncode, done.stderr)


def test_to_cc_and_bcc_serve_without_to(tmp_path: Path) -> None:
    path = message(tmp_path, To="a@example.org", Cc="B <b@example.org>, a@example.org", Bcc="c@example.org")

    assert "  Recipients: a@example.org, b@example.org, c@example.org\n" in run(path).stdout


def test_without_config_no_file_is_read(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.parent / "config").mkdir()
    monkeypatch.chdir(site.parent)

    (told,) = objects(message(tmp_path))

    assert ("pass", []) == (told["action"], told["findings"])


def test_broken_settings_are_told_on_stderr(tmp_path: Path, site: Path) -> None:
    site.write_text("list_domains: [lists.example.org\nnonsense: 1\n", "utf-8")

    result = run("--json", message(tmp_path), "--config", site)

    assert 78 == result.exit_code
    assert "" == result.stdout
    assert "smtpguard.yaml:" in result.stderr


def test_warnings_go_to_stderr_and_json_stays_clean(tmp_path: Path, site: Path) -> None:
    (site.parent / "lists" / "press.yml").write_text(
        'list: press@lists.example.org\nmanager: mailman3\nabout: "x"\ncontact: it@example.org\n', "utf-8"
    )

    result = run("--json", message(tmp_path), "--config", site)

    assert 0 == result.exit_code
    assert "warning: " in result.stderr
    assert 1 == len(result.stdout.splitlines())
    json.loads(result.stdout)


@pytest.mark.slow
def test_T_16_neither_state_dir_nor_store_is_touched(tmp_path: Path, site: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    path = message(tmp_path)

    result = subprocess.run(
        [sys.executable, "-m", "smtpguard", "explain", str(path), "--config", str(site)],
        capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
    )  # fmt: skip

    assert (0, "") == (result.returncode, result.stderr)
    assert ": hold\n" in result.stdout
    assert sorted([*before, path]) == sorted(tmp_path.rglob("*"))
    assert not (tmp_path / "nowhere").exists()


def test_a_store_in_use_is_left_alone(tmp_path: Path, site: Path) -> None:
    state = tmp_path / "nowhere" / "state"
    state.mkdir(parents=True)
    (state / "holds.sqlite3").write_bytes(b"not a database at all")

    assert 0 == run(message(tmp_path), "--config", site).exit_code
    assert [state / "holds.sqlite3"] == list(state.rglob("*"))


def test_hundreds_of_files_in_one_call_give_one_line_each_in_order(tmp_path: Path, site: Path) -> None:
    paths = [message(tmp_path, f"{n:03}.eml", To=BOTH if n % 2 else "ben@example.org") for n in range(400)]

    told = objects(*paths, "--config", site)

    assert [str(each) for each in paths] == [each["file"] for each in told]
    assert ["pass", "hold"] * 200 == [each["action"] for each in told]


def test_lf_files_read_like_crlf_files(tmp_path: Path, site: Path) -> None:
    path = message(tmp_path, body=LETTER)
    (crlf,) = objects(path, "--config", site)
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    (lf,) = objects(path, "--config", site)

    assert crlf == lf


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\r\n",
        b"\n\n\n",
        b"no header at all",
        b"\x00\xff\xfe" * 1000,
        b"From: " + b"(" * 5000,
        b"To: " + b"x@y, " * 20000,
    ],
    ids=["empty", "end", "blank lines", "text", "octets", "comments", "addresses"],
)
def test_what_is_no_mail_is_explained_all_the_same(tmp_path: Path, site: Path, octets: bytes) -> None:
    path = tmp_path / "mail.eml"
    path.write_bytes(octets)

    assert 0 == run(path, "--config", site).exit_code
    assert 1 == len(objects(path, "--config", site))


HOSTILE = "\u2028\u2029\x85\x1b[2J\u202e\udcff\x07\r\n"


def test_a_line_of_json_is_one_line_whatever_the_mail_says(tmp_path: Path, site: Path) -> None:
    letter = LETTER.replace("Clara", f"Cl{HOSTILE.strip()}ara").replace("our talk", f"our {HOSTILE.strip()} talk")

    result = run("--json", message(tmp_path, body=letter), "--config", site)

    assert 1 == len(result.stdout.splitlines())
    assert result.stdout.isascii()
    assert "hold" == json.loads(result.stdout)["action"]


def test_words_for_people_cannot_move_their_cursor(tmp_path: Path, site: Path) -> None:
    letter = LETTER.replace("Clara", "Cl\x1b\u202e\x07ara")

    said = run(message(tmp_path, body=letter), "--config", site).stdout

    assert not any(each in said for each in "\x1b\u202e\x07")
    assert "Cl<U+001B>" in said


def test_a_strange_file_name_stays_itself(tmp_path: Path) -> None:
    path = message(tmp_path, "b\udcfcrief\n.eml")

    (told,) = objects(path)

    assert str(path) == told["file"]
    assert f"{tmp_path}/b<U+DCFC>rief<U+000A>.eml: pass\n" in run(path).stdout


@pytest.mark.parametrize("arguments", [(), ("missing.eml",), ("--json",)])
def test_a_wrong_command_line_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    assert 2 == run(*arguments).exit_code


def test_what_is_only_counted_is_told(tmp_path: Path, site: Path) -> None:
    for name in ("berlin", "all-members"):
        path = site.parent / "lists" / f"{name}.yaml"
        path.write_text(path.read_text("utf-8") + "on_alarm: observe\n", "utf-8")

    said = run(message(tmp_path), "--config", site).stdout

    assert ": pass\n" in said
    assert f"  Only counted (on_alarm: observe): 12-02: {ROWS['12-02']}\n" in said


def test_hints_are_told_though_they_alarm_nobody(tmp_path: Path, site: Path) -> None:
    hidden = message(tmp_path, To="undisclosed-recipients:;", Bcc="berlin@lists.example.org")
    unknown = message(tmp_path, "other.eml", To="berlni@lists.example.org")

    assert f"  Hint: {ROWS['12-11']}" in run(hidden, "--config", site).stdout
    assert "  Hint: A recipient lies in a list domain but is no list we know" in run(unknown, "--config", site).stdout


def test_what_is_not_looked_into_is_said(tmp_path: Path, site: Path) -> None:
    path = message(tmp_path, body="Between us, nobody should know.\n" * 3000)
    assert "Could not be read" not in run("--config", site, path).stdout
    with site.open("a", encoding="utf-8") as file:
        file.write("limits: {inspect_text: 64KiB}\n")
    assert "  Could not be read: text cut\n" in run("--config", site, path).stdout
