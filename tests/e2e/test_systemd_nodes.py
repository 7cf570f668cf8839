"""Two machines with a real systemd and the files of deploy/systemd, several-nodes.conf among them; one PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import shutil
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.e2e.machine import ETC, Machine
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, MEMBERS, PASSWORDS, XCLIENT, mail, parsed, write_config
from tests.loopback.links import link
from tests.postgresql import Database, postgresql, postgresql_cluster
from tests.several_nodes import DROP_IN, node_settings, put_credentials

__all__ = ["postgresql", "postgresql_cluster"]

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ANNA = MEMBERS["anna"]
SECRET = bytes(range(32))
SERVICE = "smtpguard.service"
# Both machines have one network: here members reach the one that dies, and the one that is left.
LOST, LEFT = 1587, 2587


@pytest.fixture
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, Machine]]:
    """The one that dies, and the one that is left."""
    with (
        Machine(tmp_path_factory.mktemp("left")) as left,
        Machine(tmp_path_factory.mktemp("lost"), beside=left) as lost,
    ):
        yield lost, left


def install(machine: Machine, door: int, up: FakeUpstream, out: FakeUpstream, url: str) -> None:
    """As deploy/systemd/README.md says for one of several nodes."""
    etc = machine.root / ETC
    machine.run("install", "-d", "-m", "750", "-g", "smtpguard-settings", "/etc/smtpguard", "/etc/smtpguard/lists")
    machine.run("install", "-d", "-m", "700", "/etc/smtpguard/credentials")
    put_credentials(etc / "credentials", url, SECRET)
    write_config(
        etc, up, out, **node_settings(), state_dir="/var/lib/smtpguard",
        listeners=[
            {"kind": "submission", "listen": f"127.0.0.1:{door}", "tls": "none"},
            {"kind": "answers", "listen": f"127.0.0.1:{door + 1}"},
        ],
    )  # fmt: skip
    machine.run("sh", "-c", "cd /etc/smtpguard && chgrp smtpguard-settings *.yaml lists/* && chmod 640 *.yaml lists/*")
    shutil.copy(DROP_IN, etc)
    machine.run(
        "install", "-D", "-m", "644", f"/{ETC}/{DROP_IN.name}", f"/etc/systemd/system/{SERVICE}.d/{DROP_IN.name}"
    )
    machine.run("systemctl", "daemon-reload")


async def send(door: int, subject: str, *to: str, text: str = "Here they are.") -> None:
    """One mail of Anna's. Raises smtplib's errors."""

    def sent() -> None:
        with smtplib.SMTP("127.0.0.1", door, timeout=60) as client:
            client.login(ANNA, PASSWORDS[ANNA])
            client.sendmail(ANNA, to, mail("anna", to, subject=subject, body=text))

    await asyncio.to_thread(sent)


async def answer(door: int, notice: EmailMessage, choice: str) -> None:
    await send(door, "Re: a notice", str(notice["Reply-To"]).strip("<>"), text=choice)


async def told(out: FakeUpstream, subject: str) -> EmailMessage:
    """The guards' own mail whose subject begins so, waited for."""

    def found() -> list[EmailMessage]:
        own = [parsed(each) for each in out.messages if each.mail.startswith(b"FROM:<>")]
        return [each for each in own if str(each["Subject"]).startswith(subject)]

    await out.wait_until(lambda: bool(found()))
    return found()[0]


def test_what_a_node_held_the_other_releases_also_when_the_first_has_died(
    machines: tuple[Machine, Machine], postgresql: Database
) -> None:
    lost, left = machines

    async def play() -> None:
        async with (
            FakeUpstream(users=PASSWORDS, require_login=True) as up,
            FakeUpstream(xclient=XCLIENT) as out,
            link(postgresql.socket) as way,
        ):
            url = postgresql.url_at(way.port)
            for machine, door in ((lost, LOST), (left, LEFT)):
                await asyncio.to_thread(install, machine, door, up, out, url)
                await asyncio.to_thread(machine.run, "systemctl", "start", SERVICE)
            for number in range(3):
                await send(LOST, f"mail {number}", BERLIN, ALL)
            notices = [await told(out, f'NOT SENT YET: "mail {number}"') for number in range(3)]
            assert [] == up.messages

            await answer(LEFT, notices[0], "ONLY 1")
            await told(out, 'Sent: "mail 0"')
            await asyncio.to_thread(lost.die)
            await answer(LEFT, notices[1], "ONLY 1")
            await told(out, 'Sent: "mail 1"')

            assert 2 == len([each for each in out.messages if not each.mail.startswith(b"FROM:<>")])
            # What waits still is seen there, too, by who has the node's own credentials.
            seen = ["smtpguard-as-service", "held", "--config", f"/{ETC}/smtpguard.yaml", "--format", "json"]
            assert 1 == json.loads(await asyncio.to_thread(left.run, *seen))["waiting"]

    left.in_network(play)


def test_a_node_without_its_secrets_does_not_start_and_says_which(tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:

        async def play() -> None:
            async with FakeUpstream() as up, FakeUpstream() as out:
                await asyncio.to_thread(install, machine, LEFT, up, out, "postgresql://nowhere")
                for each in (machine.root / ETC / "credentials").iterdir():
                    each.unlink()
                await asyncio.to_thread(machine.run, "systemctl", "start", SERVICE, ok=False)

        machine.in_network(play)

        assert {"ActiveState": "failed", "ExecMainStatus": "78"} == machine.shows("ActiveState", "ExecMainStatus")
        said = machine.run("systemctl", "status", "--full", SERVICE, ok=False)
        for name in ("store-url", "node-secret"):
            assert f"(the credential {name}: its file is the one that LoadCredential= of the service names)" in said
