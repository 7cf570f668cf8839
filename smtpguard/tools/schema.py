"""JSON Schema (2020-12) of both kinds of settings files, made of the models that read them.

An editor that knows it (by the line `# yaml-language-server: $schema=...`) completes keys and marks slips while they
are typed. It says less than `smtpguard check`: what a word must look like, not whether a list of that name exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import Enum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from smtpguard.config.lists import LIST_MODELS, SCHEMA_FILE, ListSettings
from smtpguard.config.settings import MODELS, Settings
from smtpguard.config.values import Between

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# The line that tells editors with yaml-language-server where the schema lies.
EDITOR_LINE = "# yaml-language-server: $schema="
FILE_NAMES: Mapping[str, str] = {"site": "smtpguard.schema.json", "list": SCHEMA_FILE}

_DURATION = {"type": "string", "pattern": "^[0-9]{1,9}[smhd]$", "examples": ["30s", "15m", "72h", "3d"]}
_SIZE = {"type": "string", "pattern": "^[0-9]{1,12}(B|KiB|MiB|GiB)$", "examples": ["64KiB", "25MiB"]}
_TEXT = {"type": "string", "minLength": 1, "pattern": "\\S"}
_LINE = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[^\\n]*\\S[^\\n]*$"}
_ADDRESS = {"type": "string", "pattern": "^\\s*[^\\s<>,;]+@[^\\s<>,;@]+\\s*$"}
_DATE = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "examples": ["2026-12-06"]}

# What each reader of `config.values` and `config.places` takes, by its name, as YAML 1.2 types the words.
_FORMS: Mapping[str, JsonSchemaValue] = {
    "read_text": _TEXT,
    "read_line": _LINE,
    "read_list_name": {**_LINE, "pattern": "^\\s*[^@\\s][^\\s,]*\\s*$"},
    "read_login": _LINE,
    "read_group_name": _ADDRESS,
    "read_account_name": {**_LINE, "pattern": "^\\s*[^@\\s,;][^\\s,;]*\\s*$"},
    "read_word": {**_LINE, "pattern": "^\\s*[^\\s,]+\\s*$"},
    "read_phrase": _LINE,
    "read_tag": _LINE,
    "read_mark": {**_LINE, "minLength": 4},
    "read_rule": _LINE,
    "read_page_address": {
        "type": "string",
        "pattern": "^(unix:/.+|fd:[A-Za-z0-9@._-]+|(\\[[^\\]\\s]+\\]|[^:\\[\\]\\s/]+):[0-9]{1,5})$",
    },
    "read_page_url": {"type": "string", "pattern": "^https?://[^/\\s]+/?$"},
    "read_flag": {"type": "boolean"},
    "read_number": {"type": "integer", "minimum": 0},
    "read_duration": _DURATION,
    "read_size": _SIZE,
    "read_date": _DATE,
    "read_day": _DATE,
    "read_zone": {**_TEXT, "examples": ["Europe/Berlin", "UTC"]},
    "read_language": {"type": "string", "pattern": "^\\s*[a-z]{2,3}(-[A-Za-z0-9]{2,8})*\\s*$"},
    "read_endpoint": {"type": "string", "pattern": "^(\\[[^\\]\\s]+\\]|[^:\\[\\]\\s/]+):[0-9]{1,5}$"},
    "read_door": {"type": "string", "pattern": "^(fd:[A-Za-z0-9@._-]+|(\\[[^\\]\\s]+\\]|[^:\\[\\]\\s/]+):[0-9]{1,5})$"},
    "read_domain": {"type": "string", "pattern": "^\\s*[^\\s@,;]+\\s*$"},
    "read_address": _ADDRESS,
    "read_address_or_null": {"anyOf": [_ADDRESS, {"type": "null"}]},
    "read_network": {"type": "string", "pattern": "^\\s*[0-9A-Fa-f.:]+(/[0-9]{1,3})?\\s*$"},
    "read_path": _TEXT,
    "read_secret_path": _TEXT,
    "read_path_below": _TEXT,
    "read_authority": _TEXT,
}


class UnknownReaderError(Exception):
    """A model reads a value in a way that the schema has no form for; the text names the reader."""


def schema(kind: Literal["site", "list"]) -> dict[str, Any]:
    """The schema of smtpguard.yaml ("site") or of a file in lists/ ("list")."""
    model, title = (Settings, "smtpguard.yaml") if kind == "site" else (ListSettings, "lists/NAME.yaml")
    made = model.model_json_schema(schema_generator=_FileSchema, mode="validation")
    for place, each in (MODELS if kind == "site" else LIST_MODELS).items():
        node = made["$defs"][each.__name__] if place else made
        _describe(node, place if kind == "site" else f"lists/{place}")
    return {"$schema": DIALECT, "title": title, **made}


class _FileSchema(GenerateJsonSchema):
    """Pydantic's schema of a model, with the words of a file in place of the values that become of them."""

    schema_dialect = DIALECT

    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> JsonSchemaValue:
        """A value that one of our readers makes of a word."""
        return _form(schema["function"]["function"])

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """A word that is looked at by one of our readers before it is bound."""
        function: Callable[..., Any] = schema["function"]["function"]
        inner = self.generate_inner(schema["schema"])
        name = function.__name__.lstrip("_")
        if name in ("one_or_many", "entries"):
            return {"anyOf": [inner["items"], inner]}
        if name == "long_form":
            short = _FORMS["read_address_or_null"]["anyOf"]
            return {**inner, "additionalProperties": {"anyOf": [*short, inner["additionalProperties"]]}}
        if name == "addressed":
            pair = {"type": "array", "items": _FORMS["read_list_name"], "minItems": 2, "maxItems": 2}
            return {"anyOf": [pair, {"type": "array", "items": pair}]}
        # One of some words, looked at for what other readers take for a number.
        return inner if "enum" in inner else _form(function)

    def function_after_schema(self, schema: core_schema.AfterValidatorFunctionSchema) -> JsonSchemaValue:
        """A value that is bounded once it is read."""
        inner = self.generate_inner(schema["schema"])
        function: Callable[..., Any] = schema["function"]["function"]
        if isinstance(function, Between):
            return {**inner, "minimum": function.least, "maximum": function.most}
        return inner

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """A table whose keys are the admin's own words."""
        return {"type": "object", "additionalProperties": self.generate_inner(schema["values_schema"])}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """None stands for "not there": nobody writes it."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """The default, as one would write it; left out where it is "not there" or a part of its own."""
        inner = self.generate_inner(schema["schema"])
        written = _written(schema.get("default"))
        return inner if written is None else {**inner, "default": written}

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Titles would only repeat the keys."""
        return False


def _form(function: Callable[..., Any]) -> JsonSchemaValue:
    form = _FORMS.get(function.__name__)
    if form is None:
        raise UnknownReaderError(f"{function.__module__}.{function.__name__} has no form in the schema")
    return dict(form)


def _written(default: Any) -> Any:
    """`default` as it would stand in a file; None if it would not."""
    if isinstance(default, bool) or (isinstance(default, int) and default < 1024 * 1024):
        return default
    if isinstance(default, int):
        return f"{default // 1024**2}MiB"
    if isinstance(default, timedelta):
        return written_duration(default)
    if isinstance(default, Enum):
        return default.value
    if isinstance(default, (str, Path)):
        return str(default)
    if isinstance(default, tuple):
        return [str(each) for each in default]
    return None


def written_duration(length: timedelta) -> str:
    """`length` as it is written in a file: 72h, 3d; days only where they are more than three, as people say it."""
    seconds = int(length.total_seconds())
    for unit, size, least in (("d", 86400, 3 * 86400 + 1), ("h", 3600, 7200), ("m", 60, 120)):
        if seconds >= least and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


@cache
def meanings() -> Mapping[str, str]:
    """What each key means, by the keys that lead there; those of list files begin with "lists/".

    They are the words of config/README.md, which does not travel with the program.
    """
    text = (files("smtpguard.tools") / "meanings.txt").read_text("utf-8")
    return dict(line.split(": ", 1) for line in text.splitlines())


def _describe(node: dict[str, Any], place: str) -> None:
    """Give every key of a model its meaning; `place` are the keys that lead to it, joined by dots."""
    node.pop("title", None)
    node.pop("description", None)
    for name, value in node["properties"].items():
        meaning = meanings().get(f"{place}.{name}".lstrip(".").replace("/.", "/"))
        if meaning is not None:
            value["description"] = meaning
        if "anyOf" in value and "minLength" in value:
            # Pydantic counts letters where the list may be written as one word.
            value["anyOf"][1]["minItems"] = value.pop("minLength")
