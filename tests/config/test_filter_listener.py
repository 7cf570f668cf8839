"""A listener of kind filter and trusted_networks: from the settings to the doors."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpguard.certificates import Certificates
from smtpguard.config.listeners import FilterListener
from smtpguard.config.loading import load
from smtpguard.config.places import endpoint_of
from smtpguard.config.settings import Settings
from smtpguard.doors import doors
from smtpguard.listener.options import Kind, ListenerOptions
from tests.loopback.certificates import Authority

FILTER = """
listeners:
  - kind: filter
    listen: "127.0.0.1:10025"
    received_by: Mail.Example.org
"""
UPSTREAM = """
upstream: {server: "127.0.0.1:587", tls: none, client_address: xclient}
"""
SUBMISSION = """
  - kind: submission
    listen: "127.0.0.1:587"
    tls: none
"""


def settings_of(folder: Path, text: str) -> Settings:
    (folder / "smtpguard.yaml").write_text(text)
    loaded = load(folder / "smtpguard.yaml")
    assert loaded.ok, loaded.problems
    assert loaded.settings is not None
    return loaded.settings


def door_of(folder: Path, text: str) -> ListenerOptions:
    return doors(settings_of(folder, text), Certificates())[0]


def test_the_shortest_filter_listener_lets_in_this_machine_and_hands_on_to_the_upstream(tmp_path: Path) -> None:
    door = door_of(tmp_path, FILTER + UPSTREAM)

    assert (Kind.FILTER, "mail.example.org", ["127.0.0.1/32"]) == (
        door.kind,
        door.received_by,
        [str(each) for each in door.trust],
    )
    assert door.target is not None
    # The front's own address says nothing of its clients.
    assert ("127.0.0.1", 587, "none", "none") == (
        door.target.host,
        door.target.port,
        door.target.tls,
        door.target.client_address,
    )


def test_a_filter_listener_may_have_a_re_entry_port_of_its_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    door = door_of(
        tmp_path,
        f'{FILTER}    upstream: "mail.example.org:10026"\n    upstream_tls: starttls\n'
        f'    trust: ["192.0.2.1", "2001:db8::/64"]\n'
        f'upstream: {{server: "127.0.0.1:587", tls: none, ca: {authority.pem}}}\n',
    )

    assert ["192.0.2.1/32", "2001:db8::/64"] == [str(each) for each in door.trust]
    assert door.target is not None
    assert ("mail.example.org", 10026, "starttls") == (door.target.host, door.target.port, door.target.tls)
    assert door.target.context is not None


def test_with_xclient_no_received_field_is_read(tmp_path: Path) -> None:
    door = door_of(tmp_path, FILTER.replace("received_by: Mail.Example.org", "account_from: xclient") + UPSTREAM)

    assert door.received_by is None


def test_a_plain_link_is_allowed_where_the_upstream_s_is(tmp_path: Path) -> None:
    door = door_of(
        tmp_path,
        FILTER + '    upstream: "192.0.2.9:10026"\n'
        'upstream: {server: "192.0.2.9:587", tls: none, allow_plaintext: true}\n',
    )

    assert door.target is not None
    assert "none" == door.target.tls


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (FILTER + UPSTREAM, []),
        (FILTER + '    upstream: "127.0.0.1:10026"\n', []),
        (FILTER, ["upstream"]),
        (FILTER + '    upstream: "127.0.0.1:10026"\n' + SUBMISSION, ["upstream"]),
        (FILTER.replace("received_by", "tls: implicit\n    received_by") + UPSTREAM, ["tls"]),
    ],
)
def test_what_is_missing_to_serve(tmp_path: Path, text: str, missing: list[str]) -> None:
    said = settings_of(tmp_path, text).missing_to_serve()

    assert missing == [each.split('"')[1] for each in said]


def test_listen_on_the_command_line_leaves_filter_listeners_alone(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, FILTER + SUBMISSION + UPSTREAM).overridden(listen=endpoint_of("127.0.0.1:2525"))

    assert ["submission", "filter"] == [each.kind for each in settings.listeners]
    assert isinstance(settings.listeners[1], FilterListener)


def test_trusted_networks_hold_for_submission_listeners(tmp_path: Path) -> None:
    text = f'{FILTER}{SUBMISSION}{UPSTREAM}trusted_networks: [192.0.2.0/24, "2001:db8::1"]\n'
    behind_front, submission = doors(settings_of(tmp_path, text), Certificates())

    assert ["192.0.2.0/24", "2001:db8::1/128"] == [str(each) for each in submission.trusted_networks]
    assert () == behind_front.trusted_networks
