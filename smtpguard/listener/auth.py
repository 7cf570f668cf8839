"""AUTH, passed up once and verbatim (RFC 4954); on its way the identity is read, and nothing else is kept.

What we cannot read does not go up: the mail server must never understand another identity than we do (T-40). So each
response has to be exactly what its mechanism asks for at that step. A server that takes one for another step than we do
(to some, the two blanks in `AUTH LOGIN  name` are an empty response) is stopped at the next one. GSSAPI, NTLM and
EXTERNAL hide the identity and are never carried; *-PLUS is bound to the client's own TLS session, which ends here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from smtpguard import replies
from smtpguard.mail.reply import Reply
from smtpguard.upstream import UpstreamError

# SCRAM after an empty challenge needs three answers. More challenges than this are a server gone mad.
STEPS_MAX = 8

# The base64 module takes paddings that other readers do not.
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
# RFC 2195, 2: a name, which may have blanks itself, a blank, 16 octets in hex.
_CRAM_MD5 = re.compile(r"([^\x00]+) [0-9A-Fa-f]{32}")
# RFC 5802, 7: saslname. ^A ends the GS2 header of OAUTHBEARER; in a name it is as odd as NUL.
_SASLNAME = r"(?:[^\x00\x01,=]|=2C|=3D)+"
# RFC 5802, 7: client-first-message. "p=" is channel binding; "m=" has to fail. An extension may not bear the name of
# what stands before it: a server that collects attributes by name would take the last one.
_SCRAM_FIRST = re.compile(
    rf"[ny],(?:a=(?P<authzid>{_SASLNAME}))?,n=(?P<name>{_SASLNAME}),r=[!-+\--~]+(?:,[b-lo-qs-zA-Z]=[^\x00,]+)*"
)
# RFC 5802, 7: client-final-message. None is a client-first-message, too.
_SCRAM_FINAL = re.compile(r"c=[A-Za-z0-9+/]+={0,2},r=[!-+\--~]+(?:,[A-Za-z]=[^\x00,]+)*,p=[A-Za-z0-9+/]+={0,2}")
# XOAUTH2 as Google and Microsoft describe it: the name and the token, each ended by ^A, and one more ^A.
_XOAUTH2 = re.compile(r"user=([^\x00\x01]+)\x01auth=(?i:bearer) [!-~]+\x01\x01")
# RFC 7628, 3.1: GS2 header and pairs, each ended by ^A, and one more ^A. Without "a=" only the token says who it is.
_OAUTHBEARER = re.compile(
    rf"[ny],a=(?P<authzid>{_SASLNAME}),\x01(?P<pairs>(?:[A-Za-z]+=[\t\r\n -~]*\x01)+)\x01", re.ASCII
)
_BEARER = re.compile(r"(?i:bearer) +[!-~]+")


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
    """Reads the identity from the client's responses of one AUTH; a password is decoded only where it stands beside.

    `mechanism` is one of READABLE.
    """

    def __init__(self, mechanism: str) -> None:
        self._mechanism = _MECHANISMS[mechanism]
        self._later = iter(self._mechanism.later)
        self.identity: str | None = None

    def read_initial(self, response: bytes) -> bool:
        """Like `read`, for the initial response; False, too, where the mail server has to speak first."""
        return self._mechanism.client_first and self.read(response)

    def read(self, response: bytes) -> bool:
        """Take one response as it stands on the wire; False if it is not what the mechanism asks for."""
        if self.identity is not None:
            fits = next(self._later, None)
            return fits is not None and fits(response)
        # "=", an empty initial response (RFC 4954, 4), says no more than an empty one: nobody.
        text = _decoded(response)
        self.identity = self._mechanism.identity(text) if text is not None else None
        return self.identity is not None


async def authenticate(session: Dialogue, line: bytes, mechanism: str, initial: bytes | None) -> Login | None:
    """Carry on the dialogue that `line` begins, replies to the client included; the login if the mail server gave 235.

    `mechanism` is one of READABLE; `initial` is the initial response, None if there was none. Raises UpstreamError.
    """
    reader = IdentityReader(mechanism)
    if initial is not None and not reader.read_initial(initial):
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
                # QUIT comes next, and is good base64: the mail server would count a wrong password.
                with suppress(UpstreamError):
                    await session.ask(b"*")
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
    if _BASE64.fullmatch(response) is None:
        return None
    try:
        return base64.b64decode(response).decode()
    except UnicodeDecodeError:
        return None


# ---------------------------------------------------------------- the identity, by mechanism


def _plain(text: str) -> str | None:
    """RFC 4616: [authzid] NUL authcid NUL passwd."""
    parts = text.split("\0")
    return (parts[0] or parts[1] or None) if len(parts) == 3 else None


def _login(text: str) -> str | None:
    """The first response of LOGIN is the name; with a NUL in it, two readers could read two names."""
    return text if text and "\0" not in text else None


def _cram_md5(text: str) -> str | None:
    found = _CRAM_MD5.fullmatch(text)
    return found[1] if found is not None else None


def _scram(text: str) -> str | None:
    found = _SCRAM_FIRST.fullmatch(text)
    return _saslname(found["authzid"] or found["name"]) if found is not None else None


def _xoauth2(text: str) -> str | None:
    found = _XOAUTH2.fullmatch(text)
    return found[1] if found is not None else None


def _oauthbearer(text: str) -> str | None:
    """RFC 7628, 3.1; the token is a bearer's, no pair stands twice, and none names another user."""
    found = _OAUTHBEARER.fullmatch(text)
    if found is None:
        return None
    pairs = [pair.split("=", 1) for pair in found["pairs"].split("\1")[:-1]]
    values = {key.lower(): value for key, value in pairs}
    if len(values) < len(pairs) or "user" in values or _BEARER.fullmatch(values.get("auth", "")) is None:
        return None
    return _saslname(found["authzid"])


def _saslname(text: str) -> str:
    """RFC 5802, 5.1: "," and "=" are escaped, nothing else."""
    return text.replace("=2C", ",").replace("=3D", "=")


# ---------------------------------------------------------------- what comes after it


def _password(response: bytes) -> bool:
    """The password of LOGIN is not ours to look at."""
    return True


def _scram_final(response: bytes) -> bool:
    text = _decoded(response)
    return text is not None and _SCRAM_FINAL.fullmatch(text) is not None


def _nothing(response: bytes) -> bool:
    """The answer to SCRAM's server-final-message, which SMTP can bring in a challenge only (RFC 4954, 4)."""
    return not response


def _failure_seen(response: bytes) -> bool:
    """The answer to a challenge that says in JSON why a token is bad: ^A (RFC 7628, 3.2.3) or nothing (XOAUTH2)."""
    return response in (b"", b"AQ==")


@dataclass(frozen=True, slots=True)
class _Mechanism:
    """How to read the first response, the look of each later one, and whether there may be an initial response."""

    identity: Callable[[str], str | None]
    later: tuple[Callable[[bytes], bool], ...] = ()
    client_first: bool = True


_SCRAM = _Mechanism(_scram, (_scram_final, _nothing))
_MECHANISMS = {
    "PLAIN": _Mechanism(_plain),
    "LOGIN": _Mechanism(_login, (_password,)),
    "CRAM-MD5": _Mechanism(_cram_md5, client_first=False),
    "SCRAM-SHA-1": _SCRAM,
    "SCRAM-SHA-256": _SCRAM,
    "XOAUTH2": _Mechanism(_xoauth2, (_failure_seen,)),
    "OAUTHBEARER": _Mechanism(_oauthbearer, (_failure_seen,)),
}
READABLE = frozenset(_MECHANISMS)
"""The mechanisms whose identity can be read (T-40)."""
