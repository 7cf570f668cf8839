"""Files as strangers leave them: links, pipes, odd encodings, bombs; and names that are no list files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smtpguard.config.loading import load
from smtpguard.config.problems import PROBLEMS_PER_FILE_MAX, QUOTED_CHARACTERS_MAX, format_problem
from smtpguard.config.reader import read_document
from smtpguard.config.sources import LIST_FILE_OCTETS_MAX, SITE_FILE_OCTETS_MAX, source_of

SITE = "list_domains: [lists.example.org]\n"
BIKES = "list: bikes@lists.example.org\nmanager: mailman3\nabout: Repairs\ncontact: bikes-owner@lists.example.org\n"


def site(tmp_path: Path, text: str | bytes = SITE, **lists: str | bytes) -> Path:
    path = tmp_path / "smtpguard.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "lists").mkdir(exist_ok=True)
    for name, content in lists.items():
        (tmp_path / "lists" / f"{name}.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def said(path: Path) -> list[str]:
    return [format_problem(each) for each in load(path).problems]


def test_a_file_with_nothing_but_list_domains_is_valid(tmp_path: Path) -> None:
    (tmp_path / "smtpguard.yaml").write_text(SITE)

    loaded = load(tmp_path / "smtpguard.yaml")

    assert loaded.ok
    assert loaded.policy is not None
    assert frozenset({"lists.example.org"}) == loaded.policy.list_domains
    assert loaded.settings is not None
    assert len(loaded.settings.missing_to_serve()) == 2
    assert [each.split('"')[1] for each in loaded.settings.missing_to_hold()] == ["address", "contact", "outbox"]


def test_an_empty_file_is_valid(tmp_path: Path) -> None:
    assert load(site(tmp_path, "# nothing yet\n")).ok


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert said(tmp_path / "smtpguard.yaml") == ["smtpguard.yaml: cannot be read: No such file or directory."]


def test_bytes_order_marks_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    windows = b"\xef\xbb\xbf" + BIKES.replace("\n", "\r\n").encode()

    loaded = load(site(tmp_path, bikes=windows))

    assert loaded.problems == ()
    assert loaded.policy is not None
    assert tuple(each.id for each in loaded.policy.lists) == ("bikes",)


def test_backup_copies_are_passed_over_and_named(tmp_path: Path) -> None:
    path = site(tmp_path, bikes=BIKES)
    copies = [
        "bikes.yaml~",
        "bikes.yaml.bak",
        "bikes.yaml.orig",
        "bikes (1).yaml",
        ".bikes.yaml.swp",
        "Copy of bikes.yaml",
    ]
    for name in copies:
        (tmp_path / "lists" / name).write_text(BIKES)

    loaded = load(path)

    assert loaded.ok
    assert sorted(f"lists/{each}" for each in copies) == [each.file for each in loaded.problems]


def test_T_51_a_link_out_of_the_folder_is_refused_and_its_text_stays_secret(tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("password: hunter2\n")
    path = site(tmp_path, bikes=BIKES)
    (tmp_path / "lists" / "boats.yaml").symlink_to(secret)

    assert said(path) == ["lists/boats.yaml: this is a link to a place outside its folder. Put the file itself here."]


def test_T_51_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    path = site(tmp_path)
    inner = tmp_path / "lists" / "..data"
    inner.mkdir()
    (inner / "bikes.yaml").write_text(BIKES)
    (tmp_path / "lists" / "bikes.yaml").symlink_to("..data/bikes.yaml")

    assert load(path).ok


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(path)], ids=["pipe", "loop"])
def test_T_51_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path, make: object) -> None:
    path = site(tmp_path)
    assert callable(make)
    make(tmp_path / "lists" / "bikes.yaml")

    problems = load(path).problems

    assert [each.file for each in problems] == ["lists/bikes.yaml"]
    assert problems[0].is_error


def test_T_51_sizes_are_bounded(tmp_path: Path) -> None:
    large = "#" * LIST_FILE_OCTETS_MAX + "\n"
    path = site(tmp_path, "#" * SITE_FILE_OCTETS_MAX + "\n", bikes=large)

    assert said(path) == [
        "smtpguard.yaml: this file is larger than 1024 KiB, the most that is read.",
        "lists/bikes.yaml: this file is larger than 64 KiB, the most that is read.",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        "{" * 60_000,
        "- " * 30_000,
        "a: " * 20_000,
        "? " * 30_000,
        "".join(" " * n + "a:\n" for n in range(340)),
        "a: !!python/object/apply:os.system [ls]\n",
        "\n".join(f"k{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 1500)),
        "{" + ", ".join(f"k{n}: {n}" for n in range(5000)) + "}",
        "\n".join(["a: 1"] * 10_000),
        "\x00" * 60_000,
        "\t- x\n" * 10_000,
        '"' + "x" * 60_000,
        "x" * 60_000 + ": 1",
        "crosspost_with: [" + "bik, " * 12_000 + "]",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_hostile_list_file_costs_little_and_gets_a_short_answer(tmp_path: Path, text: str) -> None:
    path = site(tmp_path, bikes=text[:LIST_FILE_OCTETS_MAX], boats=BIKES.replace("bikes", "boats"))

    start = time.process_time()
    problems = load(path).problems

    assert time.process_time() - start < 5
    assert any(each.is_error and each.file == "lists/bikes.yaml" for each in problems)
    assert len(problems) <= PROBLEMS_PER_FILE_MAX + 1
    assert all(len(each.quoted) <= 9 * QUOTED_CHARACTERS_MAX and len(each.text) < 1000 for each in problems)
    assert all(format_problem(each).replace("\n    ", "").isprintable() for each in problems)


@pytest.mark.slow
def test_many_accounts_and_lists_are_read_in_seconds(tmp_path: Path) -> None:
    accounts = "".join(f"  member{n}: m{n}@example.org\n" for n in range(20_000))
    lists = {f"list{n}": BIKES.replace("bikes", f"list{n}") for n in range(200)}
    path = site(tmp_path, f"{SITE}account_domain: example.org\naccounts:\n{accounts}", **lists)

    start = time.process_time()
    loaded = load(path)

    assert loaded.ok
    assert time.process_time() - start < 30


@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cs"]) | st.sampled_from("[]{}:,-#&*!|>'\"%@`\t\n  a1"), max_size=80
    )
)
@settings(max_examples=3 * settings().max_examples)
def test_reading_never_raises(text: str) -> None:
    document = read_document(source_of("lists/bikes.yaml", text))

    assert document.root is not None or document.problems


@given(
    alias=st.sampled_from(
        ["anna@example.org", "robin@elsewhere.example", "mailcheck@check.example.org", "trust@example.org"]
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_T_50_no_list_file_turns_a_person_into_a_list(tmp_path: Path, alias: str) -> None:
    text = (
        "list_domains: [lists.example.org, example.org]\naddress: mailcheck@check.example.org\n"
        "desks: [trust@example.org]\naccounts: {anna: anna@example.org}\n"
    )

    loaded = load(site(tmp_path, text, bikes=f"{BIKES}aliases: [{alias}]\n"))

    assert not loaded.ok
    assert loaded.policy is None


def test_a_file_name_with_a_line_feed_stays_on_its_line(tmp_path: Path) -> None:
    path = site(tmp_path)
    (tmp_path / "lists" / "x\nberlin.yaml").write_text(BIKES)
    (tmp_path / "lists" / "y\x1b[2J\n~").write_text("x")

    printed = said(path)

    assert [each.split(": ")[0] for each in printed] == ["lists/x<U+000A>berlin.yaml", "lists/y<U+001B>[2J<U+000A>~"]
    assert all(each.isprintable() for each in printed)
