"""AUTH, passed up once and verbatim (RFC 4954); on its way the identity is read, and nothing else is kept.

What we cannot read does not go up: the mail server must never understand another identity than we do (T-40).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Protocol

from smtpguard import replies
from smtpguard.mail.reply import Reply

# PLAIN needs one answer, LOGIN two. More challenges than this are a server gone mad.
STEPS_MAX = 8


class Dialogue(Protocol):
    """Both sides of a session, as AUTH needs them."""

    async def ask(self, line: bytes) -> Reply:
        """Send a line up; the mail server's reply. Raises UpstreamError."""

    async def read_line(self, *, dialogue: bool = False) -> bytes | None:
        """The client's next line, None if there is none any more."""

    def say(self, reply: Reply) -> None:
        """A reply to the client."""


@dataclass(frozen=True, slots=True)
class Login:
    """A successful AUTH. `identity` is as the client spelled it: the authorization identity if one was given; None if
    the mail server asked for none."""

    identity: str | None = field(repr=False)


class IdentityReader:
    """Reads the identity from the client's responses of one AUTH; a password is decoded only where it stands beside."""

    def __init__(self, mechanism: str) -> None:
        self._mechanism = mechanism
        self.identity: str | None = None

    def read(self, response: bytes) -> bool:
        """Take one response as it stands on the wire; False if it is not what the mechanism asks for."""
        if self.identity is not None:
            # The password of LOGIN: not ours to look at. PLAIN has nothing more to say.
            return self._mechanism == "LOGIN"
        # RFC 4954, 4: "=" is an empty initial response.
        text = _decoded(b"" if response == b"=" else response)
        if text is None:
            return False
        self.identity = _plain(text) if self._mechanism == "PLAIN" else _login(text)
        return self.identity is not None


async def authenticate(session: Dialogue, line: bytes, mechanism: str, initial: bytes | None) -> Login | None:
    """Carry on the dialogue that `line` begins, replies to the client included; the login if the mail server gave 235.

    `mechanism` is PLAIN or LOGIN; `initial` is the initial response, None if there was none. Raises UpstreamError.
    """
    reader = IdentityReader(mechanism)
    if initial is not None and not reader.read(initial):
        session.say(replies.LOGIN_UNREADABLE)
        return None
    reply = await session.ask(line)
    steps = 0
    while reply.code == 334:
        steps += 1
        response: bytes | None = b"*"
        readable = steps <= STEPS_MAX
        if readable:
            session.say(reply)
            response = await session.read_line(dialogue=True)
            if response is None:
                return None
            readable = response == b"*" or reader.read(response)
        # RFC 4954, 4: a single "*" ends the dialogue, so that the mail server does not wait for the rest.
        reply = await session.ask(response if readable and response is not None else b"*")
        if not readable:
            session.say(replies.LOGIN_UNREADABLE)
            return None
    session.say(reply)
    return Login(reader.identity) if reply.code == 235 else None


def _decoded(response: bytes) -> str | None:
    """Base64 and UTF-8, both strictly; a lenient reader upstream then reads the same."""
    try:
        return base64.b64decode(response, validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _plain(text: str) -> str | None:
    """RFC 4616: [authzid] NUL authcid NUL passwd."""
    parts = text.split("\0")
    return (parts[0] or parts[1] or None) if len(parts) == 3 else None


def _login(text: str) -> str | None:
    """The first response of LOGIN is the name; with a NUL in it, two readers could read two names."""
    return text if text and "\0" not in text else None
