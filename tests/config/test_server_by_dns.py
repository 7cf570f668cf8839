"""`domain` and `dane` in the settings, and what the command line makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpguard.config.loading import load
from smtpguard.config.places import Endpoint
from smtpguard.config.settings import Settings, SettingsError

FILE = """
list_domains: [lists.example.org]
upstream:
  domain: Büro.Example.org
  dane: true
outbox:
  domain: example.org
  tls: implicit
  login: none
"""


def settings(folder: Path, text: str = FILE) -> Settings:
    path = folder / "smtpguard.yaml"
    path.write_text(text, "utf-8")
    loaded = load(path)
    assert loaded.problems == ()
    assert loaded.settings is not None
    return loaded.settings


def test_a_domain_stands_instead_of_a_server(tmp_path: Path) -> None:
    read = settings(tmp_path)

    assert read.upstream is not None
    assert read.outbox is not None
    assert (read.upstream.server, read.upstream.domain) == (None, "xn--bro-hoa.example.org")
    assert (read.upstream.dane, read.upstream.tls) == (True, "starttls")
    assert (read.outbox.domain, read.outbox.dane, read.outbox.tls) == ("example.org", False, "implicit")


def test_a_server_on_the_command_line_is_instead_of_the_domain_with_the_same_manners(tmp_path: Path) -> None:
    moved = settings(tmp_path).overridden(upstream=Endpoint("mail.example.org", 465)).upstream

    assert moved is not None
    assert moved.domain is None
    assert Endpoint("mail.example.org", 465) == moved.server
    assert (moved.dane, moved.tls) == (True, "starttls")


def test_an_address_on_the_command_line_cannot_have_dane(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--upstream 192\.0\.2\.7:25: .*no TLSA records"):
        settings(tmp_path).overridden(upstream=Endpoint("192.0.2.7", 25))
