"""smtpguard.yaml(5) and smtpguard-list.yaml(5): every key, made of the models that read them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from smtpguard import __version__
from smtpguard.tools.manual.roff import Page, bold, escaped, slanted
from smtpguard.tools.schema import schema

_VALUES: Sequence[tuple[str, str]] = (
    ("text", "In quotes if it has a colon, a #, or looks like a number, a date, yes or no."),
    ("true, false", "Without quotes. yes, no, on and off are refused."),
    ("number", "Digits, without quotes."),
    ("duration", "30s, 15m, 72h, 3d."),
    ("size", "64KiB, 25MiB."),
    ("host", 'In quotes: "192.0.2.1:587", "[2001:db8::1]:587".'),
    ("date", "2026-12-31."),
    ("list of values", 'In brackets, or one per line with "- " in front; a single value needs neither.'),
    ("file", "A relative name starts at the folder of smtpguard.yaml."),
)
_SITE = """
The settings of a site, in YAML. Lists have files of their own beside it, see smtpguard-list.yaml(5).

smtpguard check prints every mistake with its line and what to write instead. A running guard reads a changed file
within seconds, and keeps its last good version if it has a mistake.
"""
_LIST = """
The settings of one mailing list, in YAML: lists/NAME.yaml beside smtpguard.yaml. The file's name is the list's id.

A list file decides about its own list. It can only ask for more, or open what the other list's file opens, too.
smtpguard new-list writes one, smtpguard edit changes it safely, smtpguard check prints every mistake with its line.
"""
_SITE_EXAMPLE = """
address: mailcheck@check.example.org
contact: postmaster@example.org
listeners:
  - {kind: submission, listen: "0.0.0.0:587"}
  - {kind: answers, listen: "127.0.0.1:10026"}
tls: {certificate: /etc/smtpguard/tls/cert.pem, key_file: tls-key.pem}
upstream: {server: "127.0.0.1:10587", tls: none}
outbox: {server: "127.0.0.1:10025"}
list_domains: [lists.example.org]
account_domain: example.org
"""
_LIST_EXAMPLE = """
list: berlin@lists.example.org
manager: mailman3
about: What happens in Berlin
contact: berlin-owner@lists.example.org
crosspost_with: [brandenburg]
"""
_DEPTH_MAX = 6


@dataclass(frozen=True, slots=True)
class _Key:
    """One key: the keys that lead to it, joined by dots, what is there without it, and what it means."""

    place: str
    default: str
    meaning: str


def settings_page(kind: Literal["site", "list"]) -> str:
    """The page of smtpguard.yaml ("site") or of a file in lists/ ("list"), in roff."""
    name = "smtpguard.yaml" if kind == "site" else "smtpguard-list.yaml"
    page = Page(name, 5, f"smtpguard {__version__}", "File formats")
    page.head("Name")
    about = "settings of smtpguard" if kind == "site" else "settings of one mailing list for smtpguard"
    page.raw(f"{escaped(name)} \\- {about}")
    page.head("Description")
    page.text(_SITE if kind == "site" else _LIST)
    page.head("Values")
    for term, said in _VALUES:
        page.entry(slanted(term), said)
    page.head("Keys")
    made = schema(kind)
    for each in _keys(made, made, ""):
        page.entry(f"{bold(each.place)} ({escaped(each.default)})", each.meaning)
    page.head("Example")
    page.example((_SITE_EXAMPLE if kind == "site" else _LIST_EXAMPLE).strip().splitlines())
    page.head("See also")
    other = "smtpguard-list.yaml" if kind == "site" else "smtpguard.yaml"
    page.raw(f"{bold('smtpguard')}(8), {bold(other)}(5)")
    return str(page)


def _keys(made: Mapping[str, Any], node: Mapping[str, Any], place: str, depth: int = 0) -> Iterator[_Key]:
    """Every key below `node`, each before those within it."""
    required = node.get("required", ())
    for name, value in node.get("properties", {}).items():
        here = f"{place}.{name}" if place else name
        default = value.get("default")
        said = "required" if name in required else "none" if default is None else _spoken(default)
        if (meaning := value.get("description")) is not None:
            yield _Key(here, said, meaning)
        if depth < _DEPTH_MAX:
            for inner, kind in _within(made, value):
                yield from _keys(made, inner, f"{here}.{kind}" if kind else here, depth + 1)


def _within(made: Mapping[str, Any], value: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The parts that a value may consist of, and the kind of each where there are several."""
    nodes: list[Mapping[str, Any]] = [value]
    found: dict[str, Mapping[str, Any]] = {}
    while nodes:
        node = nodes.pop(0)
        if (reference := node.get("$ref")) is not None:
            name = reference.rpartition("/")[2]
            found.setdefault(name, made["$defs"][name])
        nodes += [each for key in ("anyOf", "oneOf", "allOf") for each in node.get(key, ())]
        nodes += [node[key] for key in ("items", "additionalProperties") if isinstance(node.get(key), dict)]
    for each in found.values():
        kind = each.get("properties", {}).get("kind", {}).get("const", "")
        yield each, kind


def _spoken(default: Any) -> str:
    return default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
