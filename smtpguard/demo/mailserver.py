"""A mail server for the tour: logins, mailboxes in memory, and lists that fan out. It listens on loopback only."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

# A demo that is left running keeps so many mails of each mailbox, all in memory.
MAILS_MAX = 200


@dataclass
class DemoMailServer:
    """Takes mail for members and lists. `passwords` by login; `lists` are the members' addresses of each list.

    `submission` wants a login; `trusted` is the port for the guard's own mail and its releases. `news` is told of each
    mail, with the mailbox that it came to.
    """

    passwords: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]]
    mailboxes: dict[str, list[EmailMessage]] = field(default_factory=dict)
    submission: int = 0
    trusted: int = 0
    news: Callable[[str, EmailMessage], None] | None = None
    _servers: list[asyncio.Server] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Listen on two free ports of 127.0.0.1."""
        loop = asyncio.get_running_loop()
        for wants_login in (True, False):
            server = await loop.create_server(partial(self._door, wants_login), "127.0.0.1", 0)
            self._servers.append(server)
        self.submission, self.trusted = (each.sockets[0].getsockname()[1] for each in self._servers)

    def _door(self, wants_login: bool) -> SMTP:
        with warnings.catch_warnings():
            # aiosmtpd warns of logins without TLS; this server is on loopback, and everything in it is made up.
            warnings.simplefilter("ignore", UserWarning)
            return self._smtp(wants_login)

    def _smtp(self, wants_login: bool) -> SMTP:
        return SMTP(
            self,
            hostname="mail.example.test",
            auth_required=wants_login,
            auth_require_tls=False,
            authenticator=self._login,
            enable_SMTPUTF8=True,
        )

    def _login(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        known = isinstance(data, LoginPassword) and self.passwords.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=known)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Deliver to each recipient; a list to all its members (aiosmtpd's hook for a finished message)."""
        message = message_from_bytes(envelope.content or b"", policy=policy.default)  # type: ignore[arg-type]
        for recipient in envelope.rcpt_tos:
            for mailbox in self.lists.get(recipient, (recipient,)):
                mails = self.mailboxes.setdefault(mailbox, [])
                mails.append(message)
                del mails[:-MAILS_MAX]
                if self.news is not None:
                    self.news(mailbox, message)
        self._arrived.set()
        return "250 2.0.0 Ok: taken by the mail server"

    async def wait_for(self, mailbox: str, subject: str, seconds: float = 20) -> EmailMessage | None:
        """The first mail in `mailbox` whose subject begins with `subject`, waited for at most `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for each in self.mailboxes.get(mailbox, ()):
                        if str(each["Subject"]).startswith(subject):
                            return each
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return None

    async def stop(self) -> None:
        """Close both ports."""
        for each in self._servers:
            each.close()
        for each in self._servers:
            await each.wait_closed()
