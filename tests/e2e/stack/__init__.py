"""A whole mail site on loopback: Postfix, Dovecot and Mailman 3, all state in one folder, all ports high.

It is set up by the files of deploy/, with this site's own values in them (`Stack.site`), and what they do not speak of.
No system service is touched and nothing is written below /etc. What was started ends with the test run (keeper.py).
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.stack.dovecot import Dovecot
from tests.e2e.stack.inbox import Inbox, Letter
from tests.e2e.stack.keeper import Keeper
from tests.e2e.stack.mailman import Mailman
from tests.e2e.stack.people import (
    CONTACT,
    ELSEWHERE_DOMAIN,
    GUARD_ADDRESS,
    GUARD_DOMAIN,
    GUARD_USER,
    LIST_DOMAIN,
    LISTS,
    MEMBER_DOMAIN,
    MEMBERS,
    OUTBOX_ACCOUNT,
    SERVER_NAME,
    Member,
)
from tests.e2e.stack.postfix import Ports, Postfix
from tests.loopback.certificates import Authority
from tests.ports import HOST, free_ports, wait_until

# The servers' own users must be able to enter every folder on the way, and a Unix socket's path has 107 bytes at most:
# so neither pytest's private folder nor $TMPDIR.
PLACE = "/tmp"
DELIVERY = 60.0  # seconds a test waits for a mail; 0.2 to 0.4 were measured, several on a busy machine


class Stack:
    """The running site. `start` builds it, `end` leaves nothing behind."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="smtpguard-e2e-", dir=PLACE))
        self.folder.chmod(0o755)
        self.keeper = Keeper()
        if not os.environ.get("SMTPGUARD_E2E_KEEP"):
            self.keeper.folder(self.folder)
        submission, submissions, trusted, inbound, guard, elsewhere, imap, lmtp, rest = free_ports(9)
        self.postfix = Postfix(
            self.folder / "postfix", Ports(submission, submissions, trusted, inbound, guard, elsewhere)
        )
        self.mail_servers = [self.postfix]  # all through which mail may be on its way
        self.dovecot = Dovecot(self.folder / "dovecot", imap=imap)
        self.mailman = Mailman(self.folder / "mailman", lmtp=lmtp, rest=rest)
        # This site's values, for those that the table of deploy/README.md names.
        self.site = {
            "example.org": MEMBER_DOMAIN,
            "mail.example.org": SERVER_NAME,
            "check.example.org": GUARD_DOMAIN,
            "mailcheck": GUARD_USER,
            "lists.example.org": LIST_DOMAIN,
            "/etc/postfix/": f"{self.postfix.conf}/",
            "/var/spool/postfix/": f"{self.postfix.folder}/queue/",
            "/etc/mailman3/": f"{self.mailman.folder}/",
            "/var/lib/mailman3/": f"{self.mailman.folder}/var/",
            "3587": str(submission),
            "3588": str(trusted),
            "2526": str(guard),
            "lmtp_port: 8024": f"lmtp_port: {lmtp}",
            "smtp_port: 25": f"smtp_port: {inbound}",
        }
        self.authority = Authority(self.folder)
        self.ca_file = self.authority.pem
        self.certificate, self.key = self.authority.issue()

        self.submission = (HOST, submission)  # STARTTLS and AUTH; a login may send with its own address only
        self.submissions = (HOST, submissions)  # TLS at once, also on IPv6; every mechanism that Dovecot has
        self.trusted = (HOST, trusted)  # plain; XCLIENT LOGIN= from this machine, then the same checks
        self.inbound = (HOST, inbound)  # plain, no AUTH: mail from the world, for our domains only
        self.guard_answers_port = guard  # the guard domain's mail is handed to this port by SMTP
        self.elsewhere_port = elsewhere  # and mail for ELSEWHERE_DOMAIN to this one, where a test may listen
        self.members = MEMBERS
        self.lists = LISTS
        self.outbox_account = OUTBOX_ACCOUNT  # may send with every member's address
        self.started_in = 0.0  # seconds

    def start(self) -> None:
        """Start all three. Raises RuntimeError or TimeoutError with the server's own words."""
        begun = time.monotonic()
        self.mailman.launch(self.keeper, self.site)  # the slow one; the others start while it does
        self.postfix.make_folders()
        self.dovecot.start(self.keeper, self.site, [*MEMBERS.values(), OUTBOX_ACCOUNT])
        try:
            self.mailman.create_lists(LISTS.values())
        except TimeoutError as late:
            raise RuntimeError(f"{late}\n{self.mailman.log()}") from None
        # Last: smtpd reads Mailman's table of lists when it starts, and not again.
        self.postfix.start(self.keeper, self.site, certificate=self.certificate, key=self.key)
        self.started_in = time.monotonic() - begun

    def end(self) -> None:
        """End what was started and remove the folder. Raises RuntimeError if something would not end."""
        self.keeper.end()

    def inbox(self, member: Member | str) -> list[Letter]:
        """What lies in the member's mailbox now, oldest first."""
        return self._mailbox(member).letters()

    def wait_for(
        self, member: Member | str, *, subject: str | None = None, count: int = 1, seconds: float = DELIVERY
    ) -> list[Letter]:
        """The letters whose subject holds `subject`, as soon as there are `count` of them. Raises TimeoutError."""
        return self._mailbox(member).wait_for(subject, count, seconds)

    def empty_inboxes(self) -> None:
        """Let everything on its way arrive, then delete it."""
        self.settle()
        for member in MEMBERS.values():
            self._mailbox(member).empty()

    def settle(self, seconds: float = DELIVERY) -> None:
        """Wait until no mail is on its way: what has not arrived after this will not. Raises TimeoutError.

        Each server gives up its copy only when the next one has taken it; so a mail on its way is seen in one of the
        three looks, whichever way it goes.
        """

        def queued() -> bool:
            return any(server.queued() for server in self.mail_servers)

        wait_until("all mail has arrived", lambda: not (queued() or self.mailman.queued() or queued()), seconds)

    def mail_log(self) -> str:
        """Postfix's log so far."""
        return self.postfix.log()

    def wait_for_log(self, text: str, count: int = 1) -> None:
        """Wait until Postfix's log says this so often: its lines come a little behind its replies."""
        wait_until(f"Postfix's log says {text!r}", lambda: self.mail_log().count(text) >= count, DELIVERY)

    def revoke_sender(self, member: Member | str, address: str | None = None) -> None:
        """The member's login may no more send with this address (default: his own), on new connections."""
        member = self._member(member)
        self.postfix.permit(member, address or member.address, allowed=False)

    def grant_sender(self, member: Member | str, address: str | None = None) -> None:
        """Take a `revoke_sender` back, or allow one more address."""
        member = self._member(member)
        self.postfix.permit(member, address or member.address, allowed=True)

    @contextmanager
    def sender_revoked(self, member: Member | str, address: str | None = None) -> Iterator[None]:
        """`revoke_sender` for the length of a with-block."""
        self.revoke_sender(member, address)
        try:
            yield
        finally:
            self.grant_sender(member, address)

    def _mailbox(self, member: Member | str) -> Inbox:
        return Inbox(self._member(member), self.dovecot.imap)

    @staticmethod
    def _member(member: Member | str) -> Member:
        return MEMBERS[member] if isinstance(member, str) else member


__all__ = [
    "CONTACT", "DELIVERY", "ELSEWHERE_DOMAIN", "GUARD_ADDRESS", "GUARD_USER", "LISTS", "LIST_DOMAIN", "MEMBERS",
    "MEMBER_DOMAIN", "Letter", "Member", "Stack",
]  # fmt: skip
