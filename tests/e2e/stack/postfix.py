"""Postfix: submission for the members, a trusted port for the guard, and the way to the lists and mailboxes.

All that has to do with the guard, the lists and Dovecot comes from the files of deploy/.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deployed import adapted
from tests.e2e.stack.keeper import Keeper
from tests.e2e.stack.people import (
    ELSEWHERE_DOMAIN,
    MEMBER_DOMAIN,
    MEMBERS,
    OUTBOX_ACCOUNT,
    SERVER_NAME,
    Member,
)
from tests.e2e.stack.programs import POSTFIX, POSTFIX_DAEMONS, POSTMAP
from tests.e2e.stack.settings import also, at, merged, services, without
from tests.ports import HAS_IPV6, HOST, answers, wait_until

START = 90.0  # seconds; 2 to 3 were measured
RELOADED = 60.0  # seconds; below one was measured
# Below one, too. But at a reload close behind another one a busy Postfix was seen to greet nobody for 100 seconds, and
# to log nothing: then a smtpd(8) ended with "bad command startup", and for 60 more its master started no other.
GREETS = 300.0

# What deploy/ does not speak of: this is a site of its own, and the shipped lines come before it (`merged`).
MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {daemons}
maillog_file = {folder}/log/postfix.log
maillog_file_prefixes = {folder}/log
myhostname = {server}
mydomain = {member_domain}
myorigin = {member_domain}
mydestination =
mynetworks =
alias_maps =
alias_database =
biff = no
inet_interfaces = loopback-only
inet_protocols = {protocols}

# Nothing leaves this machine, and nobody is asked for a name.
default_transport = error:5.1.2 this mail server knows no other domain
local_transport = error:5.1.1 no such mailbox
smtp_dns_support_level = disabled
smtpd_peername_lookup = no

virtual_mailbox_domains = {member_domain}
virtual_mailbox_maps = texthash:{folder}/conf/mailboxes
transport_maps = texthash:{folder}/conf/transport
smtpd_relay_restrictions = reject_unauth_destination

smtpd_tls_cert_file = {folder}/conf/{certificate}.pem
smtpd_tls_key_file = {folder}/conf/{certificate}.key
# hash, not texthash: smtpd looks before each new client whether the file was replaced. See `permit`.
smtpd_sender_login_maps = hash:{folder}/conf/sender_logins

# All members come from the guard's one address.
smtpd_client_event_limit_exceptions = 127.0.0.0/8
# Wrong passwords and unknown addresses are answered at once.
smtpd_error_sleep_time = 0
# A guard that was down for a moment gets its answers soon.
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 4s
smtp_connection_cache_on_demand = no
"""

# Port 25, and the programs of every Postfix; members.master.cf comes behind them.
MASTER = """\
{host}:{inbound} inet n - n - - smtpd
  -o syslog_name=postfix/inbound
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

# Where deploy/ and Mailman say what Postfix shall do, in the order of their values.
SHIPPED = ("postfix/main.cf", "mailman/main.cf", "dovecot/main.cf")
TABLES = ("smtpguard_domain", "smtpguard_recipients", "smtpguard_senders")
MEMBERS_SERVICES = "postfix/members.master.cf"


def _greets(port: int) -> bool:
    """True if somebody who connects here is greeted."""
    try:
        with socket.create_connection((HOST, port), timeout=5) as connection:
            return connection.recv(4) == b"220 "
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Ports:
    """Where Postfix listens (submission, submissions, trusted, inbound), and where it hands on the guard domain's mail
    (guard) and that of another organisation (elsewhere).
    """

    submission: int
    submissions: int
    trusted: int
    inbound: int
    guard: int
    elsewhere: int


class Postfix:
    """One Postfix with its configuration, queue and data below `folder`."""

    certificate = "smtpguard"  # where members.master.cf has it, without the suffix

    def __init__(self, folder: Path, ports: Ports) -> None:
        self.folder = folder
        self.conf = folder / "conf"
        self.ports = ports
        self._logins = {member.address: {member.login, OUTBOX_ACCOUNT.login} for member in MEMBERS.values()}

    def start(self, keeper: Keeper, site: Mapping[str, str], *, certificate: Path, key: Path) -> None:
        """Write the configuration and start; returns when all ports answer. `site` has the values of deploy/README.md.

        Raises RuntimeError, TimeoutError.
        """
        for folder in (self.conf, self.folder / "log"):
            folder.mkdir(parents=True)
        for name, text in self.files(site).items():
            (self.conf / name).write_text(text)
        for file, suffix in ((certificate, "pem"), (key, "key")):
            (self.conf / f"{self.certificate}.{suffix}").write_bytes(file.read_bytes())
        (self.conf / f"{self.certificate}.key").chmod(0o600)
        (self.conf / "mailboxes").write_text("".join(f"{member.address} x\n" for member in MEMBERS.values()))
        (self.conf / "transport").write_text(f"{ELSEWHERE_DOMAIN} smtp:[{HOST}]:{self.ports.elsewhere}\n")
        self._write_logins()
        self.age()
        keeper.pid_file(self.folder / "queue" / "pid" / "master.pid")
        started = self._run(str(POSTFIX), "-c", str(self.conf), "start")
        if started.returncode != 0:
            raise RuntimeError(f"Postfix did not start: {started.stdout}\n{self.log()}")
        wait_until("Postfix answers", self.answers, START)

    def files(self, site: Mapping[str, str]) -> dict[str, str]:
        """Its settings: main.cf, master.cf and the tables that deploy/ ships."""
        return {
            **{name: adapted(f"postfix/{name}", site) for name in TABLES},
            "main.cf": merged(*(adapted(name, site) for name in SHIPPED), self.own_lines()),
            "master.cf": self._services(adapted(MEMBERS_SERVICES, site)),
        }

    def own_lines(self) -> str:
        """The lines of main.cf that deploy/ does not speak of."""
        return MAIN.format(
            folder=self.folder, daemons=POSTFIX_DAEMONS, server=SERVER_NAME, member_domain=MEMBER_DOMAIN,
            protocols="all" if HAS_IPV6 else "ipv4", certificate=self.certificate,
        )  # fmt: skip

    def answers(self) -> bool:
        """True if all its ports take connections."""
        return all(
            map(answers, (self.ports.submission, self.ports.submissions, self.ports.trusted, self.ports.inbound))
        )

    def make_folders(self) -> None:
        """The folders that must be there before Dovecot puts its sockets into one of them."""
        for name in ("queue/private", "data"):
            (self.folder / name).mkdir(parents=True)
            subprocess.run(["/usr/bin/chown", "postfix", str(self.folder / name)], check=True)
        (self.folder / "queue" / "private").chmod(0o700)

    @contextmanager
    def adding(
        self, more_services: str, ports: Sequence[int], *, tables: Mapping[str, str] | None = None, main: str = ""
    ) -> Iterator[None]:
        """For the length of a with-block there are these services, tables and lines of main.cf, too.

        Raises TimeoutError if the services do not answer at `ports`.
        """
        files = {name: self.conf / name for name in ("master.cf", "main.cf")}
        before = {name: file.read_text() for name, file in files.items()}
        for name, text in (tables or {}).items():
            (self.conf / name).write_text(text)
        try:
            files["master.cf"].write_text(before["master.cf"] + more_services)
            files["main.cf"].write_text(merged(before["main.cf"], main))
            self._reload()
            wait_until("the added services answer", lambda: all(map(answers, ports)), RELOADED)
            yield
        finally:
            for name, file in files.items():
                file.write_text(before[name])
            self._reload()
            wait_until("the added services have ended", lambda: not any(map(answers, ports)), RELOADED)

    def _services(self, shipped: str) -> str:
        """Port 25 and Postfix's own programs, the shipped services, and one of these with TLS from the first octet."""
        submission = services(shipped)[f"{HOST}:{self.ports.submission}"]
        # Every mechanism that Dovecot has on the one, and on the other those that everybody has.
        wrapped = also(without(submission, "syslog_name=postfix/submission"), "smtpd_tls_wrappermode=yes")
        places = [f"{each}:{self.ports.submissions}" for each in (HOST, "[::1]")[: 1 + HAS_IPV6]]
        few = {f"{HOST}:{self.ports.submission}": also(submission, "smtpd_sasl_mechanism_filter=plain,login")}
        return "".join((
            MASTER.format(host=HOST, inbound=self.ports.inbound),
            *(also(at(wrapped, place), "syslog_name=postfix/submissions") for place in places),
            *{**services(shipped), **few}.values(),
        ))  # fmt: skip

    def permit(self, member: Member, address: str, *, allowed: bool) -> None:
        """Let this member's login (and the outbox account's) send with this address, or no more.

        Holds for every connection opened from now on; one that is open keeps what it had.
        """
        logins = self._logins.setdefault(address.lower(), set())
        for login in (member.login, OUTBOX_ACCOUNT.login):
            logins.add(login) if allowed else logins.discard(login)
        self._write_logins()

    def log(self) -> str:
        """The mail log so far."""
        file = self.folder / "log" / "postfix.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def queued(self) -> int:
        """How many messages are on their way. Those put off until later (a peer that is down) do not count."""
        queue = self.folder / "queue"
        return sum(1 for name in ("maildrop", "incoming", "active") for _ in (queue / name).iterdir())

    def _write_logins(self) -> None:
        """Make the table anew and put it in the old one's place at once.

        smtpd asks before each new client whether its table's file is still the one it opened, and starts anew if not:
        no reload, and no moment at which an old process serves a new client.
        """
        fresh = self.conf / "sender_logins.new"
        # An address nobody may use stays in the table: one that is not in it may be used without a login.
        rows = (f"{address} {', '.join(sorted(logins)) or 'nobody'}\n" for address, logins in self._logins.items())
        fresh.write_text("".join(rows))
        made = self._run(str(POSTMAP), "-c", str(self.conf), f"hash:{fresh}")
        if made.returncode != 0:
            raise RuntimeError(f"postmap: {made.stdout}")
        for suffix in ("", ".db"):
            Path(f"{fresh}{suffix}").replace(self.conf / f"sender_logins{suffix}")

    def age(self) -> None:
        """Say that its settings have been there for a while.

        Every program of Postfix waits until main.cf is two seconds old, lest somebody is still writing it.
        """
        then = time.time() - 60
        os.utime(self.conf / "main.cf", (then, then))

    def _reload(self) -> None:
        self.age()
        done = self._run(str(POSTFIX), "-c", str(self.conf), "reload")
        if done.returncode != 0:
            raise RuntimeError(f"postfix reload: {done.stdout}")
        for port in (self.ports.inbound, self.ports.submission, self.ports.trusted):
            wait_until("Postfix greets again", lambda port=port: _greets(port), GREETS)  # type: ignore[misc]

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        # Output to a file of ours: what `postfix start` leaves running keeps its standard error open.
        output = self.folder / "log" / "commands"
        with output.open("w") as stream:
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, timeout=60, check=False
            ).returncode
        return subprocess.CompletedProcess(command, code, stdout=output.read_text())
