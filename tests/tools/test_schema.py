"""`smtpguard schema`: what editors are told agrees with what the models read, and with what is shipped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
import yaml

from smtpguard.config.lists import LIST_MODELS, ListSettings
from smtpguard.config.loading import load
from smtpguard.config.settings import MODELS, Settings
from smtpguard.tools.schema import EDITOR_LINE, meanings, schema
from tests.tools.site import run

PROJECT = Path(__file__).parents[2]
CONFIG = PROJECT / "config"
BAD = PROJECT / "tests" / "golden" / "bad_config"
README_ROW = re.compile(r"^\| `([a-z_.]+)` \| (?:`[^`]*`|[a-z ]+) \| (.*) \|$", re.MULTILINE)
KINDS: tuple[Literal["site", "list"], ...] = ("site", "list")


class Core(yaml.SafeLoader):
    """YAML as editors read it (YAML 1.2, 10.3.2): `yes` is a word, a date is a word, 0301 is a number."""


Core.yaml_implicit_resolvers = {}
for tag, pattern, letters in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"null|Null|NULL|~|", "nN~\0"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+0123456789."),
):
    Core.add_implicit_resolver(
        f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), [*letters.replace("\0", ""), ""]
    )
Core.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))


def content(path: Path) -> Any:
    return yaml.load(path.read_text("utf-8"), Loader=Core) or {}


def complaints(kind: Literal["site", "list"], document: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema(kind))
    return [each.message for each in validator.iter_errors(document)]


def good_sites() -> Iterator[Path]:
    """Every golden site that has no error, and the example."""
    yield CONFIG / "smtpguard.yaml"
    for folder in sorted(BAD.iterdir()):
        path = folder / "smtpguard.yaml"
        if path.exists() and load(path).ok:
            yield path


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_schema_of_2020_12(kind: Literal["site", "list"]) -> None:
    made = schema(kind)

    assert "https://json-schema.org/draft/2020-12/schema" == made["$schema"]
    jsonschema.Draft202012Validator.check_schema(made)


@pytest.mark.parametrize(
    ("kind", "path"), [("site", CONFIG / "smtpguard.schema.json"), ("list", CONFIG / "lists" / "list.schema.json")]
)
def test_what_is_shipped_is_what_the_command_prints(kind: str, path: Path) -> None:
    said = run("schema", kind)

    assert (0, "") == (said.exit_code, said.stderr)
    assert path.read_text("utf-8") == said.stdout, f"smtpguard schema {kind} > {path.relative_to(PROJECT)}"


def test_the_site_is_the_default_and_other_kinds_are_refused() -> None:
    assert run("schema", "site").stdout == run("schema").stdout
    assert 2 == run("schema", "lists").exit_code


@pytest.mark.parametrize("path", list(good_sites()), ids=lambda path: path.parent.name)
def test_what_check_accepts_the_schema_accepts(path: Path) -> None:
    assert [] == complaints("site", content(path))
    for each in load(path).files:
        assert [] == complaints("list", content(path.parent / each.name)), each.name


# Mistakes that can be seen without knowing the other files: the schema marks them while they are typed.
SEEN = {
    "choices",
    "durations_and_sizes",
    "hosts_and_ports",
    "required_keys_missing",
    "telephone_number",
    "unknown_keys",
    "word_with_at_sign_in_quotes",
    "wrong_shapes",
    "yes_is_not_true",
}


@pytest.mark.parametrize("name", sorted(SEEN))
def test_mistakes_of_one_word_are_marked(name: str) -> None:
    folder = BAD / name
    found = [each for path in folder.glob("*.yaml") for each in complaints("site", content(path))]
    found += [each for path in folder.glob("lists/*.yaml") for each in complaints("list", content(path))]

    assert found


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("site", "plus_addresses: yes"),
        ("site", 'plus_addresses: "true"'),
        ("site", "max_lists: 2.5"),
        ("site", "defaults: {expires: 72}"),
        ("site", "defaults: {expires: 3 days}"),
        ("site", "limits: {message_size: 25MB}"),
        ("site", "desks: [commission]"),
        ("site", "crosspost_pairs: [[one, two, three]]"),
        ("site", "listeners: [{kind: web, listen: '127.0.0.1:1'}]"),
        ("site", "aliases: []"),
        ("list", "call: 0301234567"),
        ("list", "exceptions: [{until: 6.12.2026, crosspost_with: [x], reason: y}]"),
        ("list", "exceptions: [{until: 2026-12-06, crosspost_with: [], reason: y}]"),
        ("list", "exceptions: [{crosspost_with: [x], reason: y}]"),
        ("list", "posters: {anna: x}"),
        ("list", "topics: [two words]"),
        ("list", "kind: forum"),
        ("list", "examples: [{to: berlin, expect: maybe}]"),
        ("list", "desks: [x@example.org]"),
    ],
)
def test_values_of_the_wrong_form_are_marked(kind: Literal["site", "list"], text: str) -> None:
    required = {"list": "a@example.org", "manager": "plain", "about": "x", "contact": "b@example.org"}
    rest = required if kind == "list" else {}

    assert [] == complaints(kind, rest)
    assert complaints(kind, {**rest, **yaml.load(text, Loader=Core)})


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("site", "desks: commission@example.org"),
        ("site", "accounts: {anna: anna@example.org, office: {mailbox: null, automatic: true}}"),
        ("site", "crosspost_pairs: [one, two]"),
        ("site", "groups: {staff@example.org: {expands: berlin}}"),
        ("site", "listeners: [{kind: submission, listen: '[::]:587'}, {kind: answers, listen: 'localhost:25'}]"),
        ("list", "crosspost_with: brandenburg"),
        ("list", "wrong_if: {subject_has: receipt, use: treasury}"),
        ("list", "exceptions: [{until: 2026-12-06, crosspost_with: x, reason: y}]"),
        ("list", 'call: "0301234567"'),
    ],
)
def test_every_way_of_writing_that_check_accepts_is_accepted(kind: Literal["site", "list"], text: str) -> None:
    required = {"list": "a@example.org", "manager": "plain", "about": "x", "contact": "b@example.org"}
    rest = required if kind == "list" else {}

    assert [] == complaints(kind, {**rest, **yaml.load(text, Loader=Core)})


def test_every_key_of_every_model_is_there_with_its_meaning() -> None:
    for kind, places, top in (("site", MODELS, Settings), ("list", LIST_MODELS, ListSettings)):
        made = schema("site" if kind == "site" else "list")
        for model in places.values():
            node = made if model is top else made["$defs"][model.__name__]
            assert {each.alias or name for name, each in model.model_fields.items()} == set(node["properties"])
            for name, value in node["properties"].items():
                assert value.get("description"), f"{model.__name__}.{name}"
            assert node["additionalProperties"] is False


def test_the_meanings_are_those_of_the_readme() -> None:
    site, lists = (CONFIG / "README.md").read_text("utf-8").split("## lists/NAME.yaml")
    told = {
        **{key: meaning.replace("`", "") for key, meaning in README_ROW.findall(site)},
        **{f"lists/{key}": meaning.replace("`", "") for key, meaning in README_ROW.findall(lists)},
    }

    assert told == dict(meanings())


def test_defaults_are_written_as_one_writes_them() -> None:
    made = schema("site")
    defaults = made["$defs"]["Defaults"]["properties"]

    assert ["72h", "7d", 20] == [defaults[each]["default"] for each in ("expires", "expires_max", "visible_max")]
    assert "25MiB" == made["$defs"]["Limits"]["properties"]["message_size"]["default"]
    assert "default" not in made["properties"]["state_dir"]  # this machine's


def test_the_examples_tell_editors_where_the_schema_lies() -> None:
    for path in (CONFIG / "smtpguard.yaml", *(CONFIG / "lists").glob("*.yaml")):
        first = path.read_text("utf-8").splitlines()[0]
        assert first.startswith(EDITOR_LINE), path.name
        assert json.loads((path.parent / first.removeprefix(EDITOR_LINE)).read_text("utf-8"))


def test_a_schema_beside_the_lists_is_no_list() -> None:
    assert not [each for each in load(CONFIG / "smtpguard.yaml").problems if "schema" in each.file]
