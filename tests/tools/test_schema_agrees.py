"""The schema and the loader agree about every key of every file: what `check` takes, no editor marks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import yaml

from smtpguard.config.lists import LIST_MODELS
from smtpguard.config.loading import list_file, site_file
from smtpguard.config.places import surroundings_of
from smtpguard.config.settings import MODELS
from smtpguard.config.sources import source_of
from tests.tools.test_schema import Core, complaints

pytestmark = pytest.mark.slow

Kind = Literal["site", "list"]

AROUND = surroundings_of(Path("/"))
LIST = "list: a@b.example\nmanager: plain\nabout: x\ncontact: c@b.example\n"
# What else must stand beside a key below the first level.
BESIDE = {
    "wrong_if": {"subject_has": "a", "use": "b"},
    "exceptions": {"until": "2026-12-06", "crosspost_with": "a", "reason": "b"},
    "examples": {"to": "a", "expect": "pass"},
    "listeners.submission": {"kind": "submission", "listen": '"a:1"'},
    "listeners.filter": {"kind": "filter", "listen": '"a:1"', "received_by": "a.example"},
    "listeners.answers": {"kind": "answers", "listen": '"a:1"'},
    "listeners.tap": {"kind": "tap", "listen": '"a:1"'},
    "tls": {"certificate": "a", "key_file": "b"},
    "upstream": {"server": '"a:1"'},
    "outbox": {"server": '"127.0.0.1:1"', "user": "u"},
    "groups": {"expands": "a"},
}
KEYS: list[tuple[Kind, str, str]] = [
    (kind, place, each.alias or name)
    for kind, models in (("list", LIST_MODELS), ("site", MODELS))
    for place, model in models.items()
    for name, each in model.model_fields.items()
]
VALUES = (
    *("x", '"x"', "a b", '"a, b"', "a,b", "[x]", "[x, y]", "[[x, y]]", "[a b]", '"@x"', '"[x]"', '" x "', '""', '" "'),
    *(
        "a@b.example",
        "[a@b.example, c@b.example]",
        '"Ann <a@b.example>"',
        "example.org",
        "[example.org]",
        "Europe/Berlin",
    ),
    *("5", '"5"', "0", "100", "1000000", "-5", "1.5", "1.2", '"1.2"', "1e3", "0301", "1_000", "0x1F", "99999999999"),
    *("true", "false", "yes", "off", "null", "~", "22:30", '"22:30"', "2026-12-06", '"2026-12-06"', "2026-13-40"),
    *(
        "72h",
        "3d",
        "72 h",
        "25MiB",
        "25MB",
        "hold",
        "refuse",
        "pass",
        "ask",
        "suggest",
        "Hold",
        "none",
        "lists",
        "en",
        "de",
    ),
    *(
        "[]",
        "{}",
        "[1]",
        "[true]",
        "[null]",
        '[""]',
        "{a: b}",
        "{x: null}",
        "{x: a@b.example}",
        '"a\\nb"',
        '"a\\u202eb"',
    ),
    *('"127.0.0.1:25"', "127.0.0.1:25", '"[::1]:25"', '"127.0.0.1/32"', "10.0.0.1", f'"{"x" * 200}"', f'"{"x" * 201}"'),
)
# Never what a key wants; no other key and no other file could make it right.
NEVER = ("[[[x]]]", "{a: {b: c}}", "5.5")


def document(place: str, key: str, value: str, kind: Kind) -> str:
    start = LIST if kind == "list" else ""
    if not place:
        kept = "".join(f"{each}\n" for each in start.splitlines() if not each.startswith(f"{key}:"))
        return f"{kept}{key}: {value}\n"
    beside = dict(BESIDE.get(place, {}))
    if key == "domain":
        del beside["server"]
    if (place, key) in {("accounts", "automatic"), ("accounts", "language")}:
        beside["mailbox"] = "null"
    body = "".join(f"    {name}: {each}\n" for name, each in {**beside, key: value}.items())
    if place in ("wrong_if", "exceptions", "examples") or place.startswith("listeners"):
        return f"{start}{place.partition('.')[0]}:\n  -\n{body}"
    if place == "defaults.burst":
        return f"defaults:\n  burst:\n{body}"
    if place in ("accounts", "groups"):
        return f"{place}:\n  g@b.example:\n{body}"
    return f"{start}{place}:\n{body}"


def refusals(kind: Kind, text: str) -> list[str]:
    """What the loader has against one file by itself."""
    source = source_of("file", text)
    if kind == "list":
        _, found = list_file("a", source, "file", AROUND)
    else:
        found = site_file(source, "file", AROUND).problems
    return [each.text for each in found if each.is_error]


def id_of(case: tuple[Kind, str, str]) -> str:
    return ".".join(each for each in case if each)


@pytest.mark.parametrize("case", KEYS, ids=id_of)
def test_what_the_loader_takes_the_schema_takes(case: tuple[Kind, str, str]) -> None:
    kind, place, key = case
    for value in VALUES:
        if key == "crosspost_pairs" and value in ("[x]", "[example.org]"):
            continue  # that a pair is of two is said when all files are looked at together
        text = document(place, key, value, kind)
        if not refusals(kind, text):
            assert [] == complaints(kind, yaml.load(text, Loader=Core)), text


@pytest.mark.parametrize("case", KEYS, ids=id_of)
def test_values_of_the_wrong_sort_are_refused_by_both(case: tuple[Kind, str, str]) -> None:
    kind, place, key = case
    for value in NEVER:
        text = document(place, key, value, kind)
        assert refusals(kind, text), text
        assert complaints(kind, yaml.load(text, Loader=Core)), text
