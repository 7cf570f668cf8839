"""What deploy/systemd/several-nodes.conf makes of a machine: a node that shares a database with others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tests.deployed import DEPLOY

DROP_IN = DEPLOY / "systemd" / "several-nodes.conf"


def node_settings() -> dict[str, Any]:
    """The keys of smtpguard.yaml that belong to it, as its first lines name them."""
    head = DROP_IN.read_text("utf-8").partition("[Service]")[0]
    found: dict[str, Any] = {}
    for each in re.findall(r"`(\w+: [^`]+)`", head):
        found |= yaml.safe_load(each)
    return found


def put_credentials(folder: Path, url: str, secret: bytes) -> None:
    """The files that it loads, below `folder`, which stands for the credentials' folder: `url` is the database's."""
    texts = {"store-url": url, "node-secret": secret.hex()}
    loaded = re.findall(r"^LoadCredential=([\w-]+):(.+)$", DROP_IN.read_text("utf-8"), re.MULTILINE)
    assert texts.keys() == dict(loaded).keys()
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in loaded:
        file = folder / Path(path).name
        file.write_text(f"{texts[name]}\n")
        file.chmod(0o600)
