"""What the site file and the command line mean together."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from smtpguard.config.listeners import AnswersListener, SubmissionListener
from smtpguard.config.loading import load
from smtpguard.config.places import Endpoint, endpoint_of
from smtpguard.config.sections import Limits
from smtpguard.config.settings import Settings, SettingsError
from smtpguard.listener.options import Kind, ListenerOptions

FULL = """
listeners:
  - kind: submission
    listen: "127.0.0.1:587"
    auth_without_tls: always
    tls: none
  - kind: submission
    listen: "127.0.0.1:465"
    tls: implicit
  - kind: answers
    listen: "127.0.0.1:2526"
    trust: ["10.0.0.0/8", "::1"]
upstream:
  server: "127.0.0.1:25"
  tls: none
state_dir: state
"""


def settings_of(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "smtpguard.yaml").write_text(text)
    loaded = load(tmp_path / "smtpguard.yaml")
    assert loaded.ok, loaded.problems
    assert loaded.settings is not None
    return loaded.settings


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("90m", 5400), ("72h", 259200), ("3d", 259200), ('"3d"', 259200)]
)
def test_durations_have_units(tmp_path: Path, text: str, seconds: int) -> None:
    assert timedelta(seconds=seconds) == settings_of(tmp_path, f"defaults: {{expires: {text}}}").defaults.expires


@pytest.mark.parametrize(("text", "octets"), [("512B", 512), ("64KiB", 65536), ("25MiB", 26214400), ("1GiB", 1 << 30)])
def test_sizes_have_units(tmp_path: Path, text: str, octets: int) -> None:
    assert octets == settings_of(tmp_path, f"limits: {{message_size: {text}}}").limits.message_size


SESSION_LIMITS = (
    "recipients", "connections", "connections_per_address", "messages_per_session", "errors_per_session",
    "received_fields",
)  # fmt: skip


@pytest.mark.parametrize("name", SESSION_LIMITS)
def test_limits_of_a_session_are_those_of_a_door_and_never_nothing(tmp_path: Path, name: str) -> None:
    door = ListenerOptions("127.0.0.1", 0, kind=Kind.ANSWERS)

    assert getattr(door, name) == getattr(Limits(), name)
    assert getattr(settings_of(tmp_path, f"limits: {{{name}: 7}}").limits, name) == 7
    (tmp_path / "smtpguard.yaml").write_text(f"limits: {{{name}: 0}}")
    (problem,) = load(tmp_path / "smtpguard.yaml").problems
    assert "write a number from 1 to" in problem.text


@pytest.mark.parametrize(
    ("text", "endpoint", "loopback"),
    [
        ("127.0.0.1:25", Endpoint("127.0.0.1", 25), True),
        ("[::1]:25", Endpoint("::1", 25), True),
        ("[::ffff:127.0.0.1]:25", Endpoint("::ffff:7f00:1", 25), True),
        ("localhost:0", Endpoint("localhost", 0), True),
        ("[2001:db8::25]:587", Endpoint("2001:db8::25", 587), False),
        ("mail.example.org:587", Endpoint("mail.example.org", 587), False),
        ("localhost.example.org:587", Endpoint("localhost.example.org", 587), False),
    ],
)
def test_endpoints_are_read_and_written_alike(text: str, endpoint: Endpoint, loopback: bool) -> None:
    read = endpoint_of(text)

    assert endpoint.port == read.port
    assert loopback is read.is_loopback
    assert read == endpoint_of(str(read))


@pytest.mark.parametrize(
    "text", ["", "25", ":25", "host", "host:", "host:66666", "a b:25", "fd:mail", "[::1]", "::1:25"]
)
def test_a_bad_endpoint_of_the_command_line_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT|no name of a host"):
        endpoint_of(text)


def test_lists_may_be_written_as_one_string(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "list_domains: Lists.Example.ORG.\ndesks: trust@example.org\n")

    assert settings.list_domains == ("lists.example.org",)
    assert [str(each) for each in settings.desks] == ["trust@example.org"]


@pytest.mark.parametrize(
    "address", ["a@b.test", "a@intranet", "a@mail.local", "a@localhost", "ä@bücher.example.org", "a+b@example.org"]
)
def test_addresses_of_intranets_and_other_scripts_are_addresses(tmp_path: Path, address: str) -> None:
    assert [address] == [str(each) for each in settings_of(tmp_path, f"desks: [{address}]").desks]


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "max_lists: 3")

    with pytest.raises(ValidationError):
        settings.max_lists = 9  # type: ignore[misc]


def test_secrets_come_from_credentials_first_then_from_beside_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "key.pem").write_text("")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    text = "tls: {certificate: key.pem, key_file: KEY}"

    assert credentials / "key.pem" == settings_of(tmp_path, text.replace("KEY", "key.pem")).tls.key_file  # type: ignore[union-attr]
    assert tmp_path / "key.pem" == settings_of(tmp_path, text.replace("KEY", "./key.pem")).tls.key_file  # type: ignore[union-attr]
    assert tmp_path / "own.pem" == settings_of(tmp_path, text.replace("KEY", "own.pem")).tls.key_file  # type: ignore[union-attr]
    # The certificate is no secret, but whoever runs as nobody else does may not read it where it lies.
    assert credentials / "key.pem" == settings_of(tmp_path, text).tls.certificate  # type: ignore[union-attr]
    assert tmp_path / "key.pem" == settings_of(tmp_path, "state_dir: key.pem").state_dir


def test_state_and_keys_follow_the_environment_and_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two")
    plain = settings_of(tmp_path, "max_lists: 2")
    written = settings_of(tmp_path, "state_dir: here\nkeys: day-keys")
    moved = settings_of(tmp_path, "keys: /srv/keys").overridden(state_dir=Path("/srv/state"))

    assert Path("/var/lib/one/keys") == plain.key_folder
    assert tmp_path / "here" / "day-keys" == written.key_folder
    assert Path("/srv/other/day-keys") == written.overridden(state_dir=Path("/srv/other")).key_folder
    assert (Path("/srv/state"), Path("/srv/keys")) == (moved.state_dir, moved.key_folder)


def test_the_run_without_a_file_is_a_relay_without_hold() -> None:
    near = Settings.from_command_line(endpoint_of("127.0.0.1:0"), endpoint_of("localhost:25"), Path("/srv/state"))
    far = Settings.from_command_line(endpoint_of("127.0.0.1:0"), endpoint_of("mail.example.org:587"))

    assert near.upstream is not None
    assert far.upstream is not None
    assert (near.upstream.tls, far.upstream.tls) == ("none", "starttls")
    assert [each.auth for each in near.listeners if isinstance(each, SubmissionListener)] == ["optional"]
    assert Path("/srv/state") == near.state_dir
    assert near.missing_to_serve() == []
    assert len(near.missing_to_hold()) == 3


def test_listen_on_the_command_line_replaces_the_members_doors_only(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, FULL).overridden(listen=endpoint_of("127.0.0.1:0"))

    first, second = settings.listeners
    assert isinstance(first, SubmissionListener)
    assert isinstance(second, AnswersListener)
    assert (Endpoint("127.0.0.1", 0), "none", "always", "required") == (
        first.listen,
        first.tls,
        first.auth_without_tls,
        first.auth,
    )
    assert [str(each) for each in second.trust] == ["10.0.0.0/8", "::1/128"]


def test_upstream_on_the_command_line_keeps_the_manners_of_the_file(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, FULL)

    moved = settings.overridden(upstream=endpoint_of("127.0.0.1:26"))

    assert moved.upstream is not None
    assert (Endpoint("127.0.0.1", 26), "none") == (moved.upstream.server, moved.upstream.tls)
    with pytest.raises(SettingsError, match="in the open"):
        settings.overridden(upstream=endpoint_of("mail.example.org:25"))


def test_the_command_line_alone_completes_a_file_without_listeners(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "list_domains: [lists.example.org]").overridden(
        listen=endpoint_of("127.0.0.1:0"), upstream=endpoint_of("127.0.0.1:25")
    )

    assert settings.missing_to_serve() == []
    assert [each.auth for each in settings.listeners if isinstance(each, SubmissionListener)] == ["required"]


def test_what_serving_lacks_is_told(tmp_path: Path) -> None:
    text = FULL + "tls: {certificate: cert.pem, key_file: key.pem}\n"

    without_tls = settings_of(tmp_path, FULL).missing_to_serve()
    with_tls = settings_of(tmp_path, text).missing_to_serve()

    assert [each.split('"')[1] for each in without_tls] == ["tls", "address"]
    assert [each.split('"')[1] for each in with_tls] == ["address"]


def test_the_run_without_a_file_lets_one_client_take_all_connections() -> None:
    limits = Settings.from_command_line(endpoint_of("127.0.0.1:2525"), endpoint_of("127.0.0.1:25")).limits

    assert limits.connections == limits.connections_per_address
    assert 1_000 < limits.messages_per_session
