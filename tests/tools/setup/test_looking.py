"""What setup finds on a machine, and what it says of what it cannot read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smtpguard.lists import Manager
from smtpguard.tools.setup import postfix as postfix_module
from smtpguard.tools.setup.found import Found, Postfix
from smtpguard.tools.setup.looking import LookError, look_around
from smtpguard.tools.setup.postfix import PostfixError, look_at_postfix, way_to
from tests.tools.importing.rest_server import AUTHORIZATION, PASSWORD, Handle, send, web_server
from tests.tools.setup.postfix_folder import postfix_in

# Each asks the real postconf, many times.
pytestmark = pytest.mark.slow


def mailman_with(*domains: str) -> Handle:
    """A REST interface that knows its domains and nothing else."""

    def handle(request: object) -> None:
        assert request.path == "/3.1/domains"  # type: ignore[attr-defined]
        known = request.headers["Authorization"] == AUTHORIZATION  # type: ignore[attr-defined]
        body = json.dumps({"entries": [{"mail_host": each} for each in domains]}) if known else "{}"
        send(request, 200 if known else 401, body.encode())  # type: ignore[arg-type]

    return handle


def mailman_cfg(folder: Path, port: int, password: str = PASSWORD) -> Path:
    file = folder / "mailman.cfg"
    # An option of another section may stand twice, and Mailman's values have % in them.
    file.write_text(
        f"[mta]\nlmtp_port: 8024\nlmtp_port: 8025\n[webservice]\nhostname: 127.0.0.1\nport: {port}\n"
        f"admin_user: restadmin\nadmin_pass: {password}\n[logging.root]\nformat: %(asctime)s\n"
    )
    return file


def found_mailman(file: Path | str) -> Found:
    return look_around(None, str(file), None, {})


def test_mailman_is_asked_for_its_domains_by_its_own_settings(tmp_path: Path) -> None:
    with web_server(mailman_with("lists.example.org", "Club.example.org", "not a domain")) as url:
        file = mailman_cfg(tmp_path, int(url.rpartition(":")[2]))
        [found] = found_mailman(file).list_servers

    assert (Manager.MAILMAN3, str(file)) == (found.manager, found.file)
    assert ("lists.example.org", "club.example.org") == found.domains
    assert (f"{url}/3.1", "restadmin") == (found.url, found.user)
    assert PASSWORD not in repr(found)


def test_a_mailman_that_does_not_answer_is_a_remark_without_its_password(tmp_path: Path) -> None:
    with web_server(mailman_with()) as url:
        port = int(url.rpartition(":")[2])
        refused = found_mailman(mailman_cfg(tmp_path, port, "the wrong one"))
    away = found_mailman(mailman_cfg(tmp_path, port))

    for found, words in ((refused, "refuses this user or password"), (away, "cannot be reached")):
        [server] = found.list_servers
        assert () == server.domains
        assert words in found.remarks[-1]
        assert PASSWORD not in str(found)


def test_an_address_of_mailman_is_taken_as_it_is() -> None:
    [found] = found_mailman("https://lists.example.org:8001/3.1").list_servers

    assert ("https://lists.example.org:8001/3.1", ()) == (found.url, found.domains)


@pytest.mark.parametrize(
    ("text", "words"), [("no section\n", "is no file of settings of Mailman"), (None, "cannot be read: No such file")]
)
def test_a_file_that_was_named_and_cannot_be_read_ends_it(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "mailman.cfg"
    if text is not None:
        file.write_text(text)

    with pytest.raises(LookError, match=words):
        found_mailman(file)


def test_sympas_domains_are_its_own_and_those_of_its_robots(tmp_path: Path) -> None:
    folder = tmp_path / "sympa"
    (folder / "club.example.org").mkdir(parents=True)
    (folder / "club.example.org" / "robot.conf").touch()
    (folder / "templates").mkdir()
    (folder / "sympa.conf").write_text("# domain nowhere.example\ndomain\tsympa.example.org\nlistmaster a@b.example\n")

    [found] = look_around(None, None, folder / "sympa.conf", {}).list_servers

    assert (Manager.SYMPA, ("sympa.example.org", "club.example.org")) == (found.manager, found.domains)


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LC_ALL": "fr_FR", "LANG": "de_DE"}, "fr"),
        ({"LANG": "C.UTF-8"}, None),
        ({}, None),
    ],
)
def test_the_language_is_that_of_the_session(environment: dict[str, str], language: str | None) -> None:
    assert language == look_around(None, None, None, environment).language


def test_the_time_zone_is_the_machines() -> None:
    zone = look_around(None, None, None, {}).timezone

    assert zone is None or (Path("/usr/share/zoneinfo") / zone).exists() or zone == "Etc/UTC"


def test_postfix_without_settings_is_named(tmp_path: Path) -> None:
    postfix_in(tmp_path / "postfix")
    (tmp_path / "empty").mkdir()

    with pytest.raises(LookError, match=r"Postfix in .*/empty: .*main\.cf"):
        look_around(tmp_path / "empty", None, None, {})


def test_a_machine_without_postfix_is_no_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postfix_module, "_FOLDERS", ())

    found = look_around(None, None, None, {})

    assert found.postfix is None
    assert ("Postfix was not found: postconf is not on this machine.",) == found.remarks


@pytest.mark.parametrize(
    ("script", "seconds", "words"),
    [
        ("exec sleep 60", 0.3, "has not answered within 0 seconds"),
        ("exec >&- 2>&-; exec sleep 60", 0.3, "has not answered within 0 seconds"),
        ("echo 'postconf: fatal: no' >&2; exit 1", 60, "fatal: no"),
    ],
)
def test_a_postfix_that_does_not_answer_ends_the_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, seconds: float, words: str
) -> None:
    program = tmp_path / "postconf"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(postfix_module, "SECONDS", seconds)

    with pytest.raises(PostfixError, match=words):
        look_at_postfix(None)


@pytest.mark.parametrize("to", [1, 2])
def test_of_a_postfix_that_says_things_without_end_no_more_is_read_than_any_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: int
) -> None:
    program = tmp_path / "postconf"
    program.write_text(f"#!/bin/sh\nexec yes 'myhostname = mail.example.org' >&{to}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(PostfixError, match="postconf says more than 4 MiB"):
        look_at_postfix(None)


def pem(*kinds: str) -> str:
    """A file of such parts, as far as their first and last lines show."""
    return "".join(f"-----BEGIN {each}-----\nMII\n-----END {each}-----\n" for each in kinds)


@pytest.mark.parametrize(
    ("parts", "pair"),
    [
        ([("PRIVATE KEY", "CERTIFICATE", "CERTIFICATE"), ("EC PRIVATE KEY", "CERTIFICATE")], (0, 0)),
        ([("RSA PRIVATE KEY",), ("CERTIFICATE", "CERTIFICATE", "PRIVATE KEY"), ("CERTIFICATE",)], (1, 0)),
        ([("DH PARAMETERS",), ("EC PARAMETERS", "EC PRIVATE KEY"), ("CERTIFICATE",)], (2, 1)),
        ([("CERTIFICATE",), ("PRIVATE KEY",)], None),
        ([("PRIVATE KEY",), None], None),
    ],
)
def test_a_certificate_and_its_key_are_found_in_whichever_of_the_chain_files_they_are(
    tmp_path: Path, parts: list[tuple[str, ...] | None], pair: tuple[int, int] | None
) -> None:
    files = [tmp_path / f"{number}.pem" for number in range(len(parts))]
    for file, each in zip(files, parts, strict=True):
        if each is not None:
            file.write_text(pem(*each))
    folder = postfix_in(tmp_path / "postfix", f"smtpd_tls_chain_files = {', '.join(map(str, files))}\n")

    found = look_around(folder, None, None, {})

    assert found.postfix is not None
    assert found.postfix.pair == (None if pair is None else (str(files[pair[0]]), str(files[pair[1]])))
    assert any("which its key, cannot be told" in each for each in found.remarks) is (pair is None)


def test_the_way_to_a_domain_is_read_from_tables_in_files_alone(tmp_path: Path) -> None:
    folder = postfix_in(tmp_path / "postfix")
    (folder / "ways").write_text(
        "check.example.org smtp:[127.0.0.1]:2626\nsix.example.org lmtp:inet:[::1]:24\nby.example.org smtp:host:25\n"
    )
    tables = f"hash:{folder}/not-there, mysql:{folder}/ways, proxy:ldap:x, texthash:{folder}/ways"
    found = Postfix(str(folder), {}, {"transport_maps": tables}, ())

    assert "127.0.0.1:2626" == str(way_to("check.example.org", found))
    assert "[::1]:24" == str(way_to("six.example.org", found))
    assert way_to("by.example.org", found) is None
    assert way_to("other.example.org", found) is None
