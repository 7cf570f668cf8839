"""A small site with files of its own, and the commands run on it as an admin would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner, Result

from smtpguard.cli import main
from tests.logs import restored_loggers

SITE = """\
organisation: "Example Union"
timezone: UTC
address: mailcheck@check.example.org
contact: it@example.org
list_domains: [lists.example.org]
desks: [commission@example.org, trust@lists.example.org]
account_domain: example.org
crosspost_pairs:
  - [press, harbour]
"""
BERLIN = """\
list: berlin@lists.example.org
manager: mailman3
about: "Berlin branch: meetings"
contact: berlin-owner@lists.example.org
crosspost_with: [brandenburg]
examples:
  - {to: [berlin], subject: "Agenda", expect: pass}
  - {to: [berlin, brandenburg], subject: "Agenda", expect: pass}
  - {to: [berlin, press], subject: "Agenda", expect: hold}
"""


def list_text(name: str, *more: str) -> str:
    """The file of a list called `name`, with further lines."""
    lines = (
        f"list: {name}@lists.example.org",
        "manager: mailman3",
        f'about: "About {name}"',
        f"contact: {name}-owner@lists.example.org",
        *more,
    )
    return "".join(f"{each}\n" for each in lines)


def write_site(folder: Path) -> Path:
    """Four lists: berlin and brandenburg agree, harbour and press are paired by the site; the site file's path."""
    lists = folder / "lists"
    lists.mkdir(parents=True)
    (lists / "berlin.yaml").write_text(BERLIN, "utf-8")
    (lists / "brandenburg.yaml").write_text(list_text("brandenburg", "crosspost_with: [berlin]"), "utf-8")
    (lists / "harbour.yaml").write_text(list_text("harbour", "crosspost_with: [berlin]"), "utf-8")
    (lists / "press.yaml").write_text(list_text("press"), "utf-8")
    path = folder / "smtpguard.yaml"
    path.write_text(SITE, "utf-8")
    return path


def run(*arguments: str | Path, text: str | None = None, **environment: str) -> Result:
    """One command, in this process."""
    with restored_loggers():
        return CliRunner().invoke(main, [*map(str, arguments)], input=text, env=environment)


def run_program(
    *arguments: str | Path, text: str = "", environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """One command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "smtpguard", *map(str, arguments)],
        input=text, capture_output=True, text=True, timeout=60, check=False, cwd=folder,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
