"""What `check` and `serve` say of the files that the settings name."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from smtpguard.cli import main
from smtpguard.config.loading import load
from smtpguard.config.named_files import file_troubles, read_node_secret
from smtpguard.config.sources import FileError
from tests.loopback.certificates import Authority, authority

__all__ = ["authority"]

SITE = """\
address: mailcheck@check.example.test
contact: it@example.test
listeners:
  - {kind: submission, listen: "127.0.0.1:0"}
tls: {certificate: cert.pem, key_file: cert.key}
upstream: {server: "mail.example.test:587", ca: ca.pem}
outbox:
  server: "mail.example.test:465"
  tls: implicit
  ca: ca.pem
  login: account
  user: mailcheck
  password_file: ./password
"""


@pytest.fixture
def site(tmp_path: Path, authority: Authority) -> Path:
    """Settings whose files are all in order."""
    certificate, key = authority.issue()
    for name, octets in {
        "smtpguard.yaml": SITE.encode(),
        "cert.pem": certificate.read_bytes() + authority.pem.read_bytes(),
        "cert.key": key.read_bytes(),
        "ca.pem": authority.pem.read_bytes(),
        "password": b"correct horse\n",
    }.items():
        (tmp_path / name).write_bytes(octets)
        (tmp_path / name).chmod(0o600)
    return tmp_path / "smtpguard.yaml"


def told(site: Path) -> list[tuple[str, str, bool]]:
    settings = load(site).settings
    assert settings is not None
    return [(each.key, each.text, each.is_fatal) for each in file_troubles(settings, datetime.now(UTC))]


def test_files_in_order_are_not_spoken_of(site: Path) -> None:
    assert told(site) == []


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("cert.pem", ["tls.certificate"]),
        ("cert.key", ["tls.key_file"]),
        ("ca.pem", ["upstream.ca", "outbox.ca"]),
        ("password", ["outbox.password_file"]),
    ],
)
def test_a_file_that_is_not_there_or_is_none_is_named_without_waiting(site: Path, name: str, keys: list[str]) -> None:
    (site.parent / name).unlink()
    assert told(site) == [(key, "cannot be read: No such file or directory", True) for key in keys]

    os.mkfifo(site.parent / name)
    assert told(site) == [(key, "is not a regular file", True) for key in keys]


@pytest.mark.parametrize(
    ("name", "octets", "key", "text"),
    [
        ("cert.pem", b"", "tls.certificate", "holds no certificate in PEM form"),
        ("cert.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "tls.certificate", "holds no"),
        ("cert.key", b"\xff\xfe", "tls.key_file", "holds no private key in PEM form"),
        ("ca.pem", b"x", "upstream.ca", "holds no certificate in PEM form"),
        ("password", b"\n", "outbox.password_file", "is empty"),
        ("password", b"one\ntwo\n", "outbox.password_file", "has more than the one line with the password"),
        ("password", b"\xe4", "outbox.password_file", "is not written in UTF-8"),
        ("password", b"x" * 70_000, "outbox.password_file", "is larger than 64 KiB"),
    ],
)
def test_a_file_that_holds_something_else_is_named(site: Path, name: str, octets: bytes, key: str, text: str) -> None:
    (site.parent / name).write_bytes(octets)

    (first, *_) = told(site)
    assert (first[0], first[1][: len(text)], first[2]) == (key, text, True)


def test_a_key_of_another_certificate_is_named(site: Path, authority: Authority) -> None:
    (site.parent / "cert.key").write_bytes(authority.issue()[1].read_bytes())

    text = f"is not the key of the first certificate in {site.parent}/cert.pem"
    assert told(site) == [("tls.key_file", text, True)]


def test_a_key_with_a_passphrase_is_named_and_nobody_is_asked_for_it(site: Path) -> None:
    path = site.parent / "cert.key"
    key = load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))

    ((name, text, fatal),) = told(site)
    assert (name, text.split(",")[0], fatal) == ("tls.key_file", "is protected by a passphrase", True)


def test_what_can_still_be_used_is_told_and_not_fatal(site: Path, authority: Authority) -> None:
    certificate, key = authority.issue(expired=True)
    (site.parent / "cert.pem").write_bytes(certificate.read_bytes())
    (site.parent / "cert.key").write_bytes(key.read_bytes())
    (site.parent / "password").chmod(0o644)

    (old, open_to_all) = told(site)
    assert (old[0], old[1].startswith("expired on 2"), old[2]) == ("tls.certificate", True, False)
    assert (open_to_all[0], "read by every user" in open_to_all[1], open_to_all[2]) == (
        "outbox.password_file",
        True,
        False,
    )


def test_files_that_nobody_would_open_are_not_looked_for(site: Path) -> None:
    text = SITE.replace('127.0.0.1:0"', '127.0.0.1:0", tls: none')
    site.write_text(
        text.replace("mail.example.test:587", "127.0.0.1:587").replace("ca: ca.pem}", "ca: no.pem, tls: none}")
    )
    (site.parent / "cert.pem").unlink()

    assert told(site) == []


def test_check_notes_a_file_that_is_not_there_and_serve_ends_with_78(site: Path) -> None:
    (site.parent / "cert.pem").unlink()
    line = f'"tls.certificate" cannot be read: No such file or directory: {site.parent}/cert.pem'

    checked = CliRunner().invoke(main, ["check", "--config", str(site)])
    served = CliRunner().invoke(main, ["serve", "--config", str(site)])

    assert (0, True) == (checked.exit_code, f"note: to serve, {line}\n" in checked.stdout)
    assert (78, f"{site}: {line}\n") == (served.exit_code, served.stderr)


RANDOM = bytes.fromhex("9f3c1d0e5b7a88c2641be07f2a93d5cc10ffb34e6d81a7295c0e43b8f617d20a")


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "node-secret"
    path.touch(0o600)
    return path


@pytest.mark.parametrize(
    "octets",
    [
        RANDOM,
        bytes(range(32)),
        RANDOM.hex().encode(),
        RANDOM.hex().upper().encode() + b"\n",
        base64.b64encode(RANDOM),
        base64.b64encode(RANDOM) + b"\r\n",
    ],
)
def test_T_04_the_nodes_secret_is_32_octets_as_they_are_or_written_out(secret_file: Path, octets: bytes) -> None:
    secret_file.write_bytes(octets)

    assert (octets if len(octets) == 32 else RANDOM) == read_node_secret(secret_file)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        RANDOM[:31],
        RANDOM + b"\n",
        RANDOM.hex()[:62].encode(),
        RANDOM.hex().encode() + b"00",
        base64.b64encode(RANDOM[:24]),
        b"correct horse battery staple!!!!",
        b"0" * 64,
        bytes(32),
        b"\xc3\xa4" * 16,
        RANDOM.hex().encode() + b"\n" + RANDOM.hex().encode(),
        RANDOM.hex().replace("9", "\u0669").encode(),
    ],
)
def test_T_04_a_secret_that_is_none_is_refused_with_the_way_to_make_one(secret_file: Path, octets: bytes) -> None:
    secret_file.write_bytes(octets)
    with pytest.raises(FileError, match=r"does not hold 32 random octets.*openssl rand -hex 32"):
        read_node_secret(secret_file)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
def test_T_04_a_secret_that_every_user_can_get_at_is_refused(secret_file: Path, mode: int) -> None:
    secret_file.write_bytes(RANDOM)
    secret_file.chmod(mode)
    with pytest.raises(FileError, match="chmod 600"):
        read_node_secret(secret_file)


def test_T_04_check_and_serve_look_at_the_nodes_secret(site: Path) -> None:
    (site.parent / "url").write_text("postgresql://smtpguard:x@db.example.test/smtpguard\n")
    (site.parent / "url").chmod(0o600)
    site.write_text(SITE + "store: {kind: postgresql, url_file: ./url}\nsecret_file: ./node-secret\n")
    assert told(site) == [("secret_file", "cannot be read: No such file or directory", True)]
    (site.parent / "node-secret").write_bytes(RANDOM)
    (site.parent / "node-secret").chmod(0o600)

    assert told(site) == []


def test_a_credential_that_cannot_be_used_is_told_with_where_it_comes_from(
    site: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path_factory.mktemp("credentials")
    (credentials / "cert.key").write_text("\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    site.with_name("password").unlink()

    said = {key: text for key, text, _ in told(site)}

    assert (
        "the credential cert.key: its file is the one that LoadCredential= of the service names" in said["tls.key_file"]
    )
    assert "write LoadCredential=NAME:FILE in the service, and the NAME alone here" in said["outbox.password_file"]


def test_without_credentials_nobody_is_told_of_them(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    site.with_name("password").unlink()

    assert "redential" not in str(told(site))
