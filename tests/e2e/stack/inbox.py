"""What a member sees: one mailbox, read by IMAP."""

from __future__ import annotations

import email
import email.policy
import imaplib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage

from tests.e2e.stack.people import Member
from tests.ports import HOST

PAUSE = 0.05  # seconds between two looks
PATIENCE = 60.0  # seconds for one reply of Dovecot's


@dataclass(frozen=True, slots=True)
class Letter:
    """One message as it lies in a mailbox: its bytes, and the same read."""

    content: bytes = field(repr=False)
    message: EmailMessage = field(repr=False)
    subject: str

    @property
    def text(self) -> str:
        """The plain text of the message."""
        part = self.message.get_body(preferencelist=("plain",))
        return "" if part is None else str(part.get_content())


class Inbox:
    """One member's INBOX. Each call is an IMAP session of its own, so nothing is seen that another could not see."""

    def __init__(self, member: Member, port: int) -> None:
        self._member = member
        self._port = port

    def letters(self) -> list[Letter]:
        """All that lies there now, oldest first."""
        return self._until(lambda found: True, seconds=PATIENCE)

    def wait_for(self, subject: str | None, count: int, seconds: float) -> list[Letter]:
        """The letters whose subject holds `subject`, as soon as there are `count`. Raises TimeoutError."""

        def fitting(found: list[Letter]) -> list[Letter]:
            return [letter for letter in found if subject is None or subject in letter.subject]

        return fitting(self._until(lambda found: len(fitting(found)) >= count, seconds))

    def empty(self) -> None:
        """Delete everything."""
        with self._session() as session:
            _, [count] = session.select("INBOX")
            if count == b"0":
                return
            session.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
            session.expunge()

    def _session(self) -> imaplib.IMAP4:
        session = imaplib.IMAP4(HOST, self._port, timeout=PATIENCE)
        session.login(self._member.login, self._member.password)
        return session

    def _until(self, enough: Callable[[list[Letter]], bool], seconds: float) -> list[Letter]:
        deadline = time.monotonic() + seconds
        with self._session() as session:
            while True:
                found = self._fetch(session)
                if enough(found):
                    return found
                if time.monotonic() > deadline:
                    subjects = [letter.subject for letter in found]
                    raise TimeoutError(f"{self._member.name}: not within {seconds:g} s; there is {subjects}")
                time.sleep(PAUSE)

    @staticmethod
    def _fetch(session: imaplib.IMAP4) -> list[Letter]:
        _, [count] = session.select("INBOX", readonly=True)
        if count == b"0":
            return []  # "1:*" of nothing is a syntax error
        _, rows = session.fetch("1:*", "(BODY.PEEK[])")
        letters = []
        for row in rows:
            if isinstance(row, tuple):
                content = row[1]
                message = email.message_from_bytes(content, policy=email.policy.default)
                letters.append(Letter(content, message, str(message["Subject"] or "")))
        return letters
