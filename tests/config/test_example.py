"""The settings that come with the project, and the page that explains every key."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from pydantic_core import PydanticUndefined

from smtpguard.cli import main
from smtpguard.config.lists import LIST_MODELS, ListSettings
from smtpguard.config.loading import load
from smtpguard.config.named_files import file_troubles
from smtpguard.config.places import Endpoint
from smtpguard.config.sections import Section
from smtpguard.config.settings import MODELS
from smtpguard.mail.address import Address

CONFIG = Path(__file__).parents[2] / "config"
ROW = re.compile(r"^\| `([a-z_.]+)` \| (?:`([^`]*)`|([a-z ]+)) \|", re.MULTILINE)
SIZES = {"limits.message_size", "limits.hold_size", "limits.inspect_text", "limits.held_bytes_per_account"}
DEFAULTS_OF_THE_PLACE = {"upstream.ca": "system", "outbox.ca": "system", "state_dir": "./state"}


def shown(key: str, default: Any) -> str:
    if key in DEFAULTS_OF_THE_PLACE:
        return DEFAULTS_OF_THE_PLACE[key]
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    if isinstance(default, Section):
        return "see below"
    if isinstance(default, timedelta):
        seconds = int(default.total_seconds())
        # 72h and 60s are how people say these.
        day = seconds % 86400 == 0 and seconds > 3 * 86400
        unit, length = (
            ("d", 86400) if day else ("h", 3600) if seconds >= 7200 else ("m", 60) if seconds > 60 else ("s", 1)
        )
        return f"{seconds // length}{unit}"
    if key in SIZES:
        return f"{default // 1024**2}MiB"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return f"[{', '.join(str(each) for each in default)}]"
    if isinstance(default, Enum):
        return str(default.value)
    return str(default)


def keys_of(model: type[Section], place: str = "") -> dict[str, str]:
    found = {}
    for name, each in model.model_fields.items():
        key = f"{place}.{each.alias or name}".lstrip(".")
        default = {} if each.default_factory is dict else each.default
        found[key] = shown(key, default)
    return found


def test_the_example_has_neither_error_nor_warning() -> None:
    loaded = load(CONFIG / "smtpguard.yaml")

    assert loaded.problems == ()
    assert loaded.ok
    assert loaded.policy is not None
    assert len(loaded.policy.lists) == 8


def test_check_accepts_the_example_without_a_warning() -> None:
    said = CliRunner().invoke(main, ["check", "--config", str(CONFIG / "smtpguard.yaml")])

    assert 0 == said.exit_code
    assert "warning" not in said.output
    assert "8 lists, no error" in said.output


def test_the_example_can_serve_and_hold_once_its_certificate_is_there() -> None:
    settings = load(CONFIG / "smtpguard.yaml").settings

    assert settings is not None
    assert settings.missing_to_hold() == []
    assert settings.missing_to_serve() == []
    troubles = file_troubles(settings, datetime.now(UTC))
    assert [(each.key, each.text) for each in troubles] == [
        ("tls.certificate", "cannot be read: No such file or directory"),
        ("tls.key_file", "cannot be read: No such file or directory"),
    ]


def test_the_example_means_what_it_says() -> None:
    loaded = load(CONFIG / "smtpguard.yaml")
    settings, policy, directory = loaded.settings, loaded.policy, loaded.directory
    assert settings is not None
    assert policy is not None
    assert directory is not None

    assert Endpoint("::", 465) == settings.listeners[1].listen
    assert Path("/var/lib/smtpguard/keys") == settings.key_folder
    assert timedelta(hours=72) == policy.expires
    assert policy.allowed([policy.by_id["harvest"], policy.by_id["kitchen"]])
    assert policy.allowed([policy.by_id["harvest"], policy.by_id["everybody"]])
    assert not policy.allowed([policy.by_id["tools"], policy.by_id["kitchen"]])
    assert policy.by_id["everybody"] == policy.list_of(Address("ALL", "example.org"))
    assert str(directory.account("Robin").mailbox) == "robin@example.org"
    assert str(directory.account("webshop").mailbox) == "kim.miller@example.org"
    assert directory.account("scanner").mailbox is None
    assert {"north", "south"} == policy.included["everybody"]
    assert policy.by_id["news"].is_poster(directory.account("OFFICE"))
    assert policy.by_id["news"].is_poster(directory.account("webshop"))
    assert not policy.by_id["news"].is_poster(directory.account("robin"))
    assert policy.by_id["tools"].takes_automatic(directory.account("calendar"))
    helpers = policy.lists_of([Address("helpers", "example.org")])
    assert ["tools"] == [each.id for each in helpers]


def test_the_readme_names_every_key_with_its_default_and_no_other() -> None:
    site = {key: default for place, model in MODELS.items() for key, default in keys_of(model, place).items()}
    lists = {key: default for place, model in LIST_MODELS.items() for key, default in keys_of(model, place).items()}
    text = (CONFIG / "README.md").read_text(encoding="utf-8")
    rows = {key: code or word for key, code, word in ROW.findall(text)}

    assert site | lists == rows


def test_the_example_shows_every_key_of_a_list_file() -> None:
    texts = [each.read_text(encoding="utf-8") for each in sorted((CONFIG / "lists").glob("*.yaml"))]
    keys = {each.alias or name for name, each in ListSettings.model_fields.items()}

    shown = {key for key in keys if any(re.search(rf"^(?:# )?{key}:", each, re.MULTILINE) for each in texts)}

    assert keys == shown
