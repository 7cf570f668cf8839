"""The files of deploy/systemd under a real systemd, as their README says: activation, sandbox, reload, watchdog."""

from __future__ import annotations

import asyncio
import json
import shutil
import smtplib
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.e2e.machine import ETC, Machine
from tests.loopback.certificates import Authority, authority
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, MEMBERS, PASSWORDS, XCLIENT, mail, write_config

__all__ = ["authority"]

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ANNA = MEMBERS["anna"]
SOCKETS = tuple(f"smtpguard-{each}.socket" for each in ("submission", "submissions", "smtp", "page"))

# How a session ends that has begun, and has no mail under way, when the guard ends.
ENDED = (smtplib.SMTPServerDisconnected, smtplib.SMTPResponseException, ssl.SSLError, ConnectionResetError)

# Runs before the guard, in the same sandbox: all that the guard is made of is there, and what it must not do fails.
PROBE = """\
import mmap, os, psycopg, smtpguard.cli, smtpguard.web.door
for what, act in {
    "writes memory and runs it": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "writes the system": lambda: open("/usr/probe", "w"),
    "writes its settings": lambda: open("/etc/smtpguard/smtpguard.yaml", "a"),
    "reads its secrets where they lie": lambda: os.listdir("/etc/smtpguard/credentials"),
    "sees others": lambda: open("/proc/1/cmdline"),
    "sees homes": lambda: os.listdir("/root"),
    "speaks to the kernel": lambda: __import__("socket").socket(16, 3, 0),
}.items():
    try:
        act()
    except OSError:
        print("probe: nobody", what)
    else:
        raise SystemExit("probe: somebody " + what)
print("probe: core", __import__("resource").getrlimit(__import__("resource").RLIMIT_CORE))
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(tmp_path_factory.mktemp("machine")) as started:
        yield started


@asynccontextmanager
async def site(machine: Machine, authority: Authority) -> AsyncIterator[tuple[FakeUpstream, FakeUpstream]]:
    """Installed as the README says, with both mail servers; the sockets are open, and no guard runs yet."""
    etc = machine.root / ETC
    machine.run("systemctl", "stop", "smtpguard.service", *SOCKETS)
    machine.run("systemctl", "reset-failed")
    machine.run("rm", "-rf", "/var/lib/private/smtpguard", "/etc/smtpguard")
    machine.run("install", "-d", "-m", "750", "-g", "smtpguard-settings", "/etc/smtpguard", "/etc/smtpguard/lists")
    machine.run("install", "-d", "-m", "700", "/etc/smtpguard/credentials")
    certificate, key = authority.issue("localhost", "127.0.0.1")
    for source, name in ((certificate, "tls-certificate.pem"), (key, "tls-key.pem")):
        shutil.copy(source, etc / "credentials" / name)
        (etc / "credentials" / name).chmod(0o600)
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        write_config(
            etc, up, out, state_dir="/var/lib/smtpguard",
            tls={"certificate": "tls-certificate.pem", "key_file": "tls-key.pem"},
            listeners=[
                {"kind": "submission", "listen": "fd:submission"},
                {"kind": "submission", "listen": "fd:submissions", "tls": "implicit"},
                {"kind": "answers", "listen": "fd:smtp"},
            ],
            web={"listen": "fd:page"}, public_url="https://mailcheck.example.test",
        )  # fmt: skip
        machine.run(
            "sh", "-c", "cd /etc/smtpguard && chgrp smtpguard-settings *.yaml lists/* && chmod 640 *.yaml lists/*"
        )
        await asyncio.to_thread(machine.run, "systemctl", "start", *SOCKETS)
        yield up, out


async def send(authority: Authority, subject: str, *to: str, implicit: bool = False) -> None:
    """One mail of Anna's by port 587 or 465 of the machine. Raises smtplib's errors."""
    await asyncio.to_thread(_send, authority, subject, to, implicit)


def _send(authority: Authority, subject: str, to: tuple[str, ...], implicit: bool) -> None:
    context = ssl.create_default_context(cafile=authority.pem)
    if implicit:
        client: smtplib.SMTP = smtplib.SMTP_SSL("localhost", 465, timeout=60, context=context)
    else:
        client = smtplib.SMTP("localhost", 587, timeout=60)
        client.starttls(context=context)
    try:
        client.login(ANNA, PASSWORDS[ANNA])
        client.sendmail(ANNA, to, mail("anna", to, subject=subject))
        with suppress(*ENDED):  # it is sent, however the session ends
            client.quit()
    finally:
        client.close()


def test_a_first_mail_starts_the_guard_which_may_do_what_it_needs_and_nothing_else(
    machine: Machine, authority: Authority
) -> None:
    (machine.root / "opt/smtpguard/probe.py").write_text(PROBE)
    before = f"ExecStartPre={machine.python} /opt/smtpguard/probe.py"
    machine.drop_in("probe", f"[Service]\nEnvironment=PYTHONPATH=/opt/smtpguard/code\n{before}\n")

    async def play() -> None:
        async with site(machine, authority) as (up, out):
            assert (await asyncio.to_thread(machine.shows, "ActiveState"))["ActiveState"] == "inactive"
            await send(authority, "passed", BERLIN)
            await send(authority, "held", BERLIN, ALL, implicit=True)
            await out.wait_for_messages(1)
            assert len(up.messages) == 1
            by_hand = ["env", "CREDENTIALS_DIRECTORY=/etc/smtpguard/credentials", "smtpguard"]
            checked = await asyncio.to_thread(
                machine.run, *by_hand, "check", "--config", "/etc/smtpguard/smtpguard.yaml"
            )
            assert "no error" in checked
            assert "to serve" not in checked
            page = ["curl", "-sS", "--unix-socket", "/run/smtpguard-page.sock", "http://mailcheck.example.test/rules"]
            assert "<title>" in await asyncio.to_thread(machine.run, *page)
            await machine.until(ActiveState="active")
            said = await asyncio.to_thread(machine.shows, "StatusText", "MainPID")
            assert said["StatusText"].startswith("taking mail at 3 listeners")
            process = said["MainPID"]
            status = await asyncio.to_thread(machine.run, "cat", f"/proc/{process}/status")
            facts = dict(each.split(":\t", 1) for each in status.splitlines() if ":\t" in each)
            assert facts["Uid"].split()[0] != "0"
            assert {int(facts[each], 16) for each in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
            assert facts["NoNewPrivs"] == "1"
            assert facts["Seccomp"] == "2"
            modes = ["stat", "--format=%a %n", "/var/lib/private/smtpguard", "/var/lib/private/smtpguard/holds.sqlite3"]
            assert [each.split()[0] for each in machine.run(*modes).splitlines()] == ["700", "600"]

    try:
        machine.in_network(play)
    finally:
        machine.drop_in("probe", "")
    log = machine.journal()
    assert log.count("probe: nobody") == 7
    assert "probe: core (0, 0)" in log


# smtplib forgets its socket when a handshake is cut.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_reload_and_restart_leave_the_doors_open(machine: Machine, authority: Authority) -> None:
    async def play() -> None:
        async with site(machine, authority) as (up, out):
            await send(authority, "before", BERLIN, ALL)
            await out.wait_for_messages(1)
            path = machine.root / ETC / "smtpguard.yaml"
            path.write_text(path.read_text().replace("030 123 45 67", "030 765 43 21"))
            await asyncio.to_thread(machine.run, "systemctl", "reload", "smtpguard.service")
            await machine.until(ActiveState="active")
            await send(authority, "after the reload", BERLIN, ALL)
            await out.wait_for_messages(2)
            assert b"030 765 43 21" in out.messages[1].content

            again = asyncio.create_task(asyncio.to_thread(machine.run, "systemctl", "restart", "smtpguard.service"))
            for number in range(10):
                try:
                    await send(authority, f"meanwhile {number}", BERLIN, implicit=bool(number % 2))
                except ENDED:  # whoever was just being greeted comes again; a connection that is refused is an error
                    await send(authority, f"meanwhile {number}", BERLIN, implicit=bool(number % 2))
            await again
            await send(authority, "at the end", BERLIN)
            assert len(up.messages) == 11
            assert (await asyncio.to_thread(machine.shows, "NRestarts", "Result")) == {
                "NRestarts": "0",
                "Result": "success",
            }

    machine.in_network(play)


def test_a_guard_that_stands_still_is_started_again(machine: Machine, authority: Authority) -> None:
    machine.drop_in("quick", "[Service]\nWatchdogSec=3s\n")

    async def play() -> None:
        async with site(machine, authority) as (up, _):
            await send(authority, "before", BERLIN)
            process = int((await asyncio.to_thread(machine.shows, "MainPID"))["MainPID"])
            await asyncio.to_thread(machine.run, "kill", "-STOP", str(process))
            await machine.until(NRestarts="1", ActiveState="active")
            await send(authority, "after", BERLIN)
            assert len(up.messages) == 2

    try:
        machine.in_network(play)
    finally:
        machine.drop_in("quick", "")
    assert "Watchdog timeout" in machine.journal()


def test_commands_for_admins_work_as_the_service_s_own_user(machine: Machine, authority: Authority) -> None:
    config = ["--config", "/etc/smtpguard/smtpguard.yaml"]

    async def play() -> None:
        async with site(machine, authority) as (_, out):
            await send(authority, "held", BERLIN, ALL)
            await out.wait_for_messages(1)
            live = ["smtpguard", "check", "--live", *config]
            assert "5 files in force" in await asyncio.to_thread(machine.run, *live)
            said = await asyncio.to_thread(machine.run, "smtpguard-as-service", "doctor", *config, ok=False)
            assert "/var/lib/smtpguard: closed to other users" in said
            assert "tls-certificate.pem: for localhost" in said  # the service's own credentials
            said = await asyncio.to_thread(machine.run, "smtpguard-as-service", "held", *config, "--format", "json")
            assert json.loads(said)
            said = await asyncio.to_thread(machine.run, "sh", "-c", f"smtpguard held {' '.join(config)} 2>&1", ok=False)
            assert "use smtpguard-as-service" in said

    machine.in_network(play)


def test_what_is_missing_ends_the_start_and_is_said(machine: Machine, authority: Authority) -> None:
    async def play() -> None:
        async with site(machine, authority):
            machine.run("systemctl", "stop", "smtpguard-submissions.socket")
            await asyncio.to_thread(machine.run, "systemctl", "start", "smtpguard.service", ok=False)
            said = await asyncio.to_thread(machine.shows, "NRestarts", "ExecMainStatus", "ActiveState")
            assert said == {"NRestarts": "0", "ExecMainStatus": "78", "ActiveState": "failed"}
            (machine.root / ETC / "credentials/tls-key.pem").unlink()
            machine.run("systemctl", "start", "smtpguard-submissions.socket")
            await asyncio.to_thread(machine.run, "systemctl", "start", "smtpguard.service", ok=False)
            assert (await asyncio.to_thread(machine.shows, "ExecMainStatus"))["ExecMainStatus"] == "78"
            machine.run("systemctl", "stop", "smtpguard.service", *SOCKETS)

    machine.in_network(play)
    log = machine.journal()
    assert '"fd:submissions": systemd passes no socket of this name (passed: page, smtp, submission)' in log
    assert '"tls.key_file" holds no private key in PEM form (the credential tls-key.pem:' in log
