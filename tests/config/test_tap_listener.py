"""A listener of kind tap: from the settings to the door, and what has to be there for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpguard.certificates import Certificates
from smtpguard.config.in_force import InForce
from smtpguard.config.loading import load
from smtpguard.config.places import endpoint_of
from smtpguard.config.private_mail import letter
from smtpguard.config.settings import Settings
from smtpguard.doors import bounded, doors
from smtpguard.listener.options import Kind, Protocol, Tls
from smtpguard.policy import Remember
from tests.loopback.certificates import Authority

TAP = """
listeners:
  - {kind: submission, listen: "127.0.0.1:0", tls: none}
  - kind: tap
    listen: "127.0.0.1:2527"
"""
HOLDING = """
address: mailcheck@check.example.org
contact: it@example.org
upstream: {server: "127.0.0.1:587", tls: none}
outbox: {server: "127.0.0.1:3588", login: none}
timezone: UTC
"""
INFORMED = "remember: threads\nmembers_informed: 2026-10-01\n"


def settings_of(folder: Path, text: str) -> Settings:
    (folder / "smtpguard.yaml").write_text(text)
    loaded = load(folder / "smtpguard.yaml")
    assert loaded.ok, loaded.problems
    assert loaded.settings is not None
    return loaded.settings


def test_the_shortest_tap_lets_in_this_machine_and_takes_nobody_for_the_list_server(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, TAP + HOLDING + INFORMED + "limits: {recipients: 7}\nstate_dir: state\n")
    door = doors(settings, Certificates())[1]

    assert (Kind.TAP, Protocol.SMTP, Tls.NONE) == (door.kind, door.protocol, door.tls)
    assert (["127.0.0.1/32"], ()) == ([str(each) for each in door.trust], door.list_server)
    assert (None, 7, (), "check.example.org") == (door.target, door.recipients, door.trusted_networks, door.hostname)
    assert [] == settings.missing_to_serve()


def test_all_that_can_be_said_of_a_tap_reaches_its_door(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue()
    said = """    protocol: lmtp
    tls: starttls
    trust: [127.0.0.1, "2001:db8::/64"]
    list_server: "2001:db8::25"
"""
    tls = f"tls: {{certificate: {certificate}, key_file: {key}}}\n"
    door = doors(settings_of(tmp_path, TAP + said + HOLDING + INFORMED + tls + "state_dir: state\n"), Certificates())[1]

    assert (Protocol.LMTP, Tls.STARTTLS) == (door.protocol, door.tls)
    assert ["127.0.0.1/32", "2001:db8::/64"] == [str(each) for each in door.trust]
    assert ["2001:db8::25/128"] == [str(each) for each in door.list_server]


@pytest.mark.parametrize("key", ["address", "contact", "outbox"])
def test_without_all_that_a_hold_needs_there_is_no_tap(tmp_path: Path, key: str) -> None:
    less = "".join(f"{line}\n" for line in HOLDING.splitlines() if not line.startswith(key))
    missing = settings_of(tmp_path, TAP + less + INFORMED).missing_to_serve()

    assert ["tap" in each and key in each for each in missing] == [True]


def test_a_tap_alone_serves_nobody(tmp_path: Path) -> None:
    alone = TAP.replace('  - {kind: submission, listen: "127.0.0.1:0", tls: none}\n', "")
    settings = settings_of(tmp_path, alone + HOLDING + INFORMED)

    assert ["listeners" in each for each in settings.missing_to_serve()] == [True]
    listening = settings.overridden(listen=endpoint_of("127.0.0.1:2525"))
    assert ["submission", "tap"] == [each.kind for each in listening.listeners]
    assert [] == listening.missing_to_serve()


@pytest.mark.parametrize(
    ("said", "problems"),
    [
        ("", 1),
        ("members_informed: 2026-10-01\n", 1),
        ("remember: threads\n", 1),
        ("remember: all\n", 1),
        ("remember: lists\nmembers_informed: 2026-10-01\n", 1),
        ("remember: thread\nmembers_informed: 2026-10-01\n", 1),
        ("remember: all\nmembers_informed: 2026-10-01\n", 0),
    ],
)
def test_a_tap_is_refused_until_members_know_and_private_mail_is_remembered(
    tmp_path: Path, said: str, problems: int
) -> None:
    (tmp_path / "smtpguard.yaml").write_text(TAP + HOLDING + said)
    loaded = load(tmp_path / "smtpguard.yaml")

    assert problems == len(loaded.problems), loaded.problems
    assert (loaded.policy is None) is bool(problems)
    words = [letter(Settings(remember=each), taps=True).split(", for ")[0] for each in ("threads", "all")]
    told = any(each in problem.text for problem in loaded.problems for each in words)
    assert told is (problems == 1 and "members_informed" not in said)


def test_members_are_told_of_mail_that_comes_in_only_where_there_is_a_tap() -> None:
    assert "comes in for you" in letter(Settings(remember="all"), taps=True)
    assert "comes in for you" not in letter(Settings(remember="all"))


# ---------------------------------------------------------------- while the guard runs


@pytest.fixture
def running(tmp_path: Path) -> InForce:
    (tmp_path / "smtpguard.yaml").write_text(TAP + HOLDING + INFORMED + f"state_dir: {tmp_path}/state\n")
    in_force = InForce(tmp_path / "smtpguard.yaml")
    assert () == in_force.start().kept
    return in_force


def write(in_force: InForce, text: str) -> None:
    in_force.path.write_text(f"{text}state_dir: {in_force.path.parent}/state\n")


def test_a_tap_that_is_taken_away_needs_a_restart_and_private_mail_is_forgotten_at_once(running: InForce) -> None:
    write(running, TAP.partition("  - kind: tap")[0] + HOLDING)
    standing = running.renew()

    assert () == standing.kept
    assert ("listeners",) == standing.needs_restart
    assert Remember.LISTS is standing.policy.remember
    assert ["submission", "tap"] == [each.kind for each in standing.settings.listeners]


def test_where_a_tap_stays_the_settings_that_it_needs_cannot_go(running: InForce) -> None:
    write(running, TAP + HOLDING)
    standing = running.renew()

    assert ["smtpguard.yaml"] == [each.name for each in standing.kept]
    assert Remember.THREADS is standing.policy.remember


def test_other_networks_of_a_tap_need_a_restart(running: InForce) -> None:
    write(running, f'{TAP}    list_server: "127.0.0.1"\n{HOLDING}{INFORMED}')
    standing = running.renew()

    assert ("listeners",) == standing.needs_restart
    assert () == doors(standing.settings, Certificates())[1].list_server


def test_limits_of_a_tap_change_while_it_is_open(running: InForce) -> None:
    (_, door) = doors(running.renew().settings, Certificates())
    write(running, f"{TAP}{HOLDING}{INFORMED}limits: {{message_size: 1MiB, messages_per_session: 3}}\n")
    changed = bounded(door, running.renew().settings)

    assert (1024**2, 3) == (changed.message_size, changed.messages_per_session)
    assert (door.list_server, door.trust) == (changed.list_server, changed.trust)
