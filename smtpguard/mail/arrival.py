"""One mail as it came in through a door: the login, the envelope and the content, before anybody has looked at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from smtpguard.mail.content import Content
from smtpguard.mail.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Arrival:
    """`id` names the mail in the log; `login` is the identity of a successful AUTH as the client spelled it (the
    authorization identity if one was given), None without AUTH; `authenticated` is true also where a login succeeded
    whose identity could not be read; `arrived` is aware, UTC.

    `from_trusted_network`: the client may send without a login (90-06). `behind_front`: the client is a mail server
    that writes our reply into its log beside sender and recipients, and whose session is not its member's (T-42).
    """

    id: str
    login: str | None = field(repr=False)
    authenticated: bool
    envelope: Envelope = field(repr=False)
    content: Content = field(repr=False)
    arrived: datetime
    from_trusted_network: bool = False
    behind_front: bool = False
