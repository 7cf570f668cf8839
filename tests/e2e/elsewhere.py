"""Another organisation's mail server: takes what Postfix sends it for ELSEWHERE_DOMAIN and remembers it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.e2e.stack import DELIVERY, Stack
from tests.ports import HOST


@dataclass(frozen=True, slots=True)
class Delivery:
    """One mail as it came: envelope, parameters of MAIL, content."""

    sender: str
    recipients: tuple[str, ...]
    parameters: frozenset[str]
    content: bytes


class _Mailroom:
    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content
        assert content is not None
        parameters = frozenset(each.upper() for each in envelope.mail_options)
        self.deliveries.append(Delivery(envelope.mail_from or "", tuple(envelope.rcpt_tos), parameters, content))
        return "250 2.0.0 taken"


@contextmanager
def elsewhere(stack: Stack) -> Iterator[list[Delivery]]:
    """That mail server, for the length of a with-block; what comes is in the list. It knows SMTPUTF8 (RFC 6531)."""
    mailroom = _Mailroom()
    server = Controller(
        mailroom, hostname=HOST, port=stack.elsewhere_port, ready_timeout=DELIVERY, enable_SMTPUTF8=True
    )
    server.start()
    try:
        yield mailroom.deliveries
    finally:
        server.stop()
