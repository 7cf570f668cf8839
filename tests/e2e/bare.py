"""A Postfix as a site has it before smtpguard comes: members on ports 587 and 465, the world on port 25, at an address
of its own. Logins, mailboxes and lists are those of the site's Dovecot and Mailman; nothing of the guard is there.

    postfix.follow(next_steps, ...)     # what an admin does who has these lines before him
"""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.deployed import adapted
from tests.e2e.stack import Stack
from tests.e2e.stack.postfix import MASTER, RELOADED, Ports, Postfix
from tests.e2e.stack.settings import merged
from tests.ports import answers, free_address, wait_until

# What hands mail to Mailman and to Dovecot, and asks Dovecot for passwords.
SHIPPED = ("mailman/main.cf", "dovecot/main.cf")
PORTS = SUBMISSION, SUBMISSIONS, INBOUND = 587, 465, 25
# Debian's own lines for both, with the comment signs taken away, and who may write as whom.
MEMBERS = """\
{host}:{port} inet n - n - - smtpd
  -o syslog_name=postfix/{name}
  -o {tls}
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_sender_restrictions=reject_sender_login_mismatch
  -o smtpd_recipient_restrictions=
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
"""
# Programs that an admin runs for Postfix, each line as it is printed.
POSTFIXS = ("cat", "cp", "install", "openssl", "postconf", "postfix")


@contextmanager
def bare(stack: Stack, folder: Path) -> Iterator[Bare]:
    """One below `folder`, which Postfix's own user must be able to enter."""
    postfix = Bare(stack, folder)
    stack.mail_servers.append(postfix)
    try:
        yield postfix
    finally:
        stack.mail_servers.remove(postfix)
        postfix.end()


class Bare(Postfix):
    """One such Postfix, running. `address` is where members and the world reach it, on the ports of the standards."""

    certificate = "server"

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack = stack
        try:
            self.address = free_address(*PORTS)
        except OSError:
            pytest.skip("another server has port 25, 465 or 587 at every address of this machine")
        super().__init__(folder, Ports(SUBMISSION, SUBMISSIONS, 0, INBOUND, 0, stack.elsewhere_port))
        self.make_folders()
        certificate, key = stack.authority.issue(self.address)
        self.start(stack.keeper, stack.site, certificate=certificate, key=key)

    def files(self, site: Mapping[str, str]) -> dict[str, str]:
        """Its settings."""
        # Dovecot's sockets lie where the site's Postfix looks for them.
        sockets = f"{self._stack.postfix.folder}/queue/private/"
        main = [adapted(name, site).replace("private/", sockets) for name in SHIPPED]
        return {"main.cf": merged(*main, self.own_lines()), "master.cf": self._master()}

    def _master(self) -> str:
        starttls, implicit = "smtpd_tls_security_level=encrypt", "smtpd_tls_wrappermode=yes"
        return "".join((
            MASTER.format(host=self.address, inbound=INBOUND),
            MEMBERS.format(host=self.address, port=SUBMISSION, name="submission", tls=starttls),
            MEMBERS.format(host=self.address, port=SUBMISSIONS, name="submissions", tls=implicit),
        ))  # fmt: skip

    def answers(self) -> bool:
        """True if all its ports take connections."""
        return all(map(self._takes, PORTS))

    def _takes(self, port: int) -> bool:
        return answers(port, self.address)

    def has_left_its_members(self) -> bool:
        """True if nobody listens where members send."""
        return not self._takes(SUBMISSION) and not self._takes(SUBMISSIONS)

    def end(self) -> None:
        """End it; were this left out, the keeper of the site would do it."""
        master = int(self._pid_file.read_text())
        os.kill(master, signal.SIGTERM)
        wait_until("its ports are closed", lambda: not any(map(self._takes, PORTS)), RELOADED)

    def follow(self, next_steps: str, others: Mapping[str, Callable[[str], None]]) -> None:
        """Type the lines that stand below each step, in their order; `others` say what is done with those that are not
        Postfix's, by how they begin. Raises AssertionError for one that nobody knows, or that fails.
        """
        for line in re.findall(r"^     (\S.*)$", next_steps, re.MULTILINE):
            acts = [act for beginning, act in others.items() if line.startswith(beginning)]
            if shlex.split(line)[0] in POSTFIXS:
                acts.append(self._type)
            assert len(acts) == 1, f"nobody knows what to do with: {line}"
            acts[0](line)

    def _type(self, line: str) -> None:
        self.age()  # people type more slowly
        reloads, serving = self._reloads(), self._serving()
        done = self._run("sh", "-e", "-c", line)
        assert done.returncode == 0, f"{line}: {done.stdout}"
        if line.endswith(" reload"):
            # Whoever waits for a client by then still has the old settings, and ends by itself.
            wait_until("Postfix has read its files again", lambda: self._reloads() > reloads, RELOADED)
            wait_until("nobody serves as before", lambda: not serving & self._serving(), RELOADED)

    @property
    def _pid_file(self) -> Path:
        return self.folder / "queue/pid/master.pid"

    def _reloads(self) -> int:
        return len(re.findall(r" postfix/master\[\d+\]: reload -- ", self.log()))

    def _serving(self) -> set[str]:
        """The process ids of its smtpd(8)s."""
        master = self._pid_file.read_text().strip()
        found = set()
        for each in Path("/proc").glob("[0-9]*/stat"):
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                name, _, more = each.read_text().partition("(")[2].rpartition(") ")
                if name == "smtpd" and more.split()[1] == master:
                    found.add(each.parent.name)
        return found
