"""What setup does not go along with: names, ports and files with which the guard would not work."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpguard.tools.setup.looking import LookError, look_around
from tests.tools.setup.postfix_folder import GIVEN, MAIN, MASTER, postfix_in, setup

# Each asks the real postconf, many times.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["etc", "etc/smtpguard", "smtpguard.conf"])
def test_the_name_of_a_folder_is_not_taken_for_that_of_the_file(tmp_path: Path, name: str) -> None:
    said = setup(postfix_in(tmp_path / "postfix"), tmp_path / name, *GIVEN)

    assert 2 == said.exit_code
    assert f"name the file itself, like {tmp_path / name}/smtpguard.yaml." in said.stderr
    assert ["postfix"] == [each.name for each in tmp_path.iterdir()]


def test_folders_that_postfix_cannot_name_are_told_before_the_first_question(tmp_path: Path) -> None:
    postfix = postfix_in(tmp_path / "post fix")

    said = setup(postfix, tmp_path / "smtpguard.yaml", typed="")

    assert 2 == said.exit_code
    assert f"{postfix}: this name cannot stand in lines for Postfix. Use a plain one." in said.stderr
    assert "Where shall the guard stand?" not in said.stdout


@pytest.mark.parametrize(
    ("service", "more", "words"),
    [
        ("", ("--members-port", "25"), "master.cf has smtp already, at port 25,"),
        ("3587 inet n - y - - smtpd\n", (), "master.cf has 3587 already, at port 3587,"),
        ("localhost:3588 inet n - y - - smtpd\n", (), "master.cf has localhost:3588 already, at port 3588,"),
        (
            "[::]:10026 inet n - n - - smtpd\n",
            ("--place", "filter"),
            "master.cf has [::]:10026 already, at port 10026,",
        ),
        ("smtps inet n - y - - smtpd\n", ("--answers-port", "465"), "a service at port 465, where the guard is to"),
        ("", ("--submission", "0.0.0.0:2526"), "port 2526 is given twice."),
    ],
)
def test_a_port_that_something_else_has_is_told_line_by_line(
    tmp_path: Path, service: str, more: tuple[str, ...], words: str
) -> None:
    config = tmp_path / "smtpguard.yaml"

    said = setup(postfix_in(tmp_path / "postfix", master=MASTER + service), config, *GIVEN, *more)

    assert 2 == said.exit_code
    assert words in said.stderr
    assert "\nChoose another port (smtpguard setup --help), or take that service out.\n" in said.stderr
    assert not config.exists()


def test_the_same_port_at_another_address_of_the_machine_is_free(tmp_path: Path) -> None:
    postfix = postfix_in(tmp_path / "postfix", master=MASTER + "192.0.2.1:3587 inet n - y - - smtpd\n")

    assert 0 == setup(postfix, tmp_path / "smtpguard.yaml", *GIVEN).exit_code


def test_a_certificate_is_not_paired_with_the_key_of_another(tmp_path: Path) -> None:
    main = MAIN.replace("/etc/ssl/mail.example.org.pem", "tls/mail.example.org.pem")
    config = tmp_path / "smtpguard.yaml"

    assert 0 == setup(postfix_in(tmp_path / "postfix", main), config, *GIVEN).exit_code

    line = "tls: {certificate: /etc/smtpguard/tls/fullchain.pem, key_file: /etc/smtpguard/tls/key.pem}\n"
    assert line in config.read_text()


def test_the_folder_of_postfix_may_be_named_as_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = MAIN.replace("/etc/ssl/mail.example.org.pem", "$config_directory/mail.example.org.pem")
    postfix_in(tmp_path / "postfix", main)
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "smtpguard.yaml"

    assert 0 == setup(Path("postfix"), config, *GIVEN).exit_code

    line = f"tls: {{certificate: {tmp_path}/postfix/mail.example.org.pem, "
    assert line in config.read_text()


def test_what_stands_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "lists").touch()

    said = setup(postfix_in(tmp_path / "postfix"), tmp_path / "smtpguard.yaml", *GIVEN)

    assert 73 == said.exit_code
    assert f"smtpguard: {tmp_path / 'lists'} cannot be written: File exists\n" in said.stderr
    assert ["lists", "postfix"] == sorted(each.name for each in tmp_path.iterdir())


def test_a_file_is_no_folder_for_held_mail(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.touch()

    said = setup(postfix_in(tmp_path / "postfix"), tmp_path / "smtpguard.yaml", *GIVEN, "--state-dir", state)

    assert (2, True) == (said.exit_code, "is a file" in said.stderr)


def test_a_file_that_is_not_sympas_is_told(tmp_path: Path) -> None:
    file = tmp_path / "sympa.conf"
    file.write_text("root:x:0:0:root:/root:/bin/sh\n")

    with pytest.raises(LookError, match="names no domain: is this Sympa's"):
        look_around(postfix_in(tmp_path / "postfix"), None, file, {})
