"""Postfix: submission for the members, a trusted port for the guard, and the way to the lists and mailboxes."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.stack.keeper import Keeper
from tests.e2e.stack.people import (
    ELSEWHERE_DOMAIN,
    GUARD_ADDRESS,
    GUARD_DOMAIN,
    GUARD_USER,
    LIST_DOMAIN,
    MEMBER_DOMAIN,
    MEMBERS,
    OUTBOX_ACCOUNT,
    SERVER_NAME,
    Member,
)
from tests.e2e.stack.ports import HAS_IPV6, HOST, answers, wait_until
from tests.e2e.stack.programs import POSTFIX, POSTFIX_DAEMONS, POSTMAP

START = 30.0  # seconds; 2 to 3 were measured

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
virtual_transport = lmtp:unix:{lmtp_socket}
relay_domains = {list_domain}, {guard_domain}
relay_recipient_maps = regexp:{list_map}, regexp:{folder}/conf/guard_recipients
transport_maps = texthash:{folder}/conf/transport, regexp:{list_map}
smtpd_relay_restrictions = reject_unauth_destination

smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth_socket}
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

# Same checks on both: only a known login, and only with an address of his.
CHECKED = """\
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_sender_restrictions=reject_sender_login_mismatch
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
"""

# On the trusted port smtpd_tls_auth_only must stay "no": where AUTH is not open, a login by XCLIENT does not count.
MASTER = """\
{host}:{inbound} inet n - n - - smtpd
  -o syslog_name=postfix/inbound
{host}:{submission} inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_auth_only=yes
  -o smtpd_sasl_mechanism_filter=plain,login
{checked}\
{more}\
{host}:{trusted} inet n - n - - smtpd
  -o syslog_name=postfix/trusted
  -o smtpd_tls_security_level=none
  -o smtpd_authorized_xclient_hosts={host}/32
  -o receive_override_options=no_address_mappings
{checked}\
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


# Submission with TLS from the first octet, and with every mechanism that Dovecot has.
WRAPPED = """\
{address}:{submissions} inet n - n - - smtpd
  -o syslog_name=postfix/submissions
  -o smtpd_tls_wrappermode=yes
  -o smtpd_tls_security_level=encrypt
{checked}\
"""


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

    def __init__(self, folder: Path, ports: Ports) -> None:
        self.folder = folder
        self.ports = ports
        self._logins = {member.address: {member.login, OUTBOX_ACCOUNT.login} for member in MEMBERS.values()}
        self._logins[GUARD_ADDRESS] = {GUARD_USER, OUTBOX_ACCOUNT.login}

    def start(
        self,
        keeper: Keeper,
        *,
        certificate: Path,
        key: Path,
        auth_socket: Path,
        lmtp_socket: Path,
        list_map: Path,
    ) -> None:
        """Write the configuration and start; returns when all three ports answer. Raises RuntimeError, TimeoutError."""
        for name in ("conf", "queue", "log", "data"):
            (self.folder / name).mkdir(parents=True)
        subprocess.run(["/usr/bin/chown", "postfix", str(self.folder / "data")], check=True)
        conf = self.folder / "conf"
        (conf / "main.cf").write_text(
            MAIN.format(
                folder=self.folder, daemons=POSTFIX_DAEMONS, server=SERVER_NAME, member_domain=MEMBER_DOMAIN,
                list_domain=LIST_DOMAIN, guard_domain=GUARD_DOMAIN, certificate=certificate, key=key,
                auth_socket=auth_socket, lmtp_socket=lmtp_socket, list_map=list_map,
                protocols="all" if HAS_IPV6 else "ipv4",
            )
        )  # fmt: skip
        (conf / "master.cf").write_text(
            MASTER.format(
                host=HOST, checked=CHECKED, inbound=self.ports.inbound, submission=self.ports.submission,
                trusted=self.ports.trusted, more="".join(
                    WRAPPED.format(address=address, submissions=self.ports.submissions, checked=CHECKED)
                    for address in ((HOST, "[::1]") if HAS_IPV6 else (HOST,))
                ),
            )
        )  # fmt: skip
        (conf / "mailboxes").write_text("".join(f"{member.address} x\n" for member in MEMBERS.values()))
        (conf / "transport").write_text(
            f"{GUARD_DOMAIN} smtp:[{HOST}]:{self.ports.guard}\n"
            f"{ELSEWHERE_DOMAIN} smtp:[{HOST}]:{self.ports.elsewhere}\n"
        )
        domain = GUARD_DOMAIN.replace(".", r"\.")
        (conf / "guard_recipients").write_text(
            f"/^{GUARD_USER}(\\+.*)?@{domain}$/ x\n/^(postmaster|abuse)@{domain}$/ x\n"
        )
        self._write_logins()
        keeper.pid_file(self.folder / "queue" / "pid" / "master.pid")
        started = self._run(str(POSTFIX), "-c", str(conf), "start")
        if started.returncode != 0:
            raise RuntimeError(f"Postfix did not start: {started.stdout}\n{self.log()}")
        ports = (self.ports.submission, self.ports.submissions, self.ports.trusted, self.ports.inbound)
        wait_until("Postfix answers", lambda: all(answers(port) for port in ports), START)

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
        fresh = self.folder / "conf" / "sender_logins.new"
        # An address nobody may use stays in the table: one that is not in it may be used without a login.
        rows = (f"{address} {', '.join(sorted(logins)) or 'nobody'}\n" for address, logins in self._logins.items())
        fresh.write_text("".join(rows))
        made = self._run(str(POSTMAP), "-c", str(self.folder / "conf"), f"hash:{fresh}")
        if made.returncode != 0:
            raise RuntimeError(f"postmap: {made.stdout}")
        for suffix in ("", ".db"):
            Path(f"{fresh}{suffix}").replace(self.folder / "conf" / f"sender_logins{suffix}")

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        # Output to a file of ours: what `postfix start` leaves running keeps its standard error open.
        output = self.folder / "log" / "commands"
        with output.open("w") as stream:
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, timeout=60, check=False
            ).returncode
        return subprocess.CompletedProcess(command, code, stdout=output.read_text())
