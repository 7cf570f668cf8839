"""A client that says exactly what a test says, octet for octet; usually over TLS from the first one."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from base64 import b64decode, b64encode, urlsafe_b64encode
from hmac import digest
from types import TracebackType
from typing import Self

from tests.e2e.mail_programs import PATIENCE, Place
from tests.e2e.stack import Member, Stack
from tests.e2e.stack.dovecot import TOKEN_KEY
from tests.loopback.sasl import CLIENTS

BY_TOKEN = ("XOAUTH2", "OAUTHBEARER")
BY_CHALLENGE = tuple(CLIENTS)  # with what stands before, all but PLAIN and LOGIN
MECHANISMS = ("PLAIN", "LOGIN", *BY_CHALLENGE)


class Wire:
    """One connection. A reply is its octets, all lines of it."""

    def __init__(self, stack: Stack, place: Place, *, tls: bool = True) -> None:
        self._socket = socket.create_connection(place, PATIENCE)
        if tls:
            context = ssl.create_default_context(cafile=str(stack.ca_file))
            self._socket = context.wrap_socket(self._socket, server_hostname=place[0])
        self._stream = self._socket.makefile("rb")
        self.greeting = self.reply()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close without a word."""
        self._stream.close()
        self._socket.close()

    def send(self, octets: bytes) -> None:
        """All in one segment, as far as TLS and the line allow."""
        self._socket.sendall(octets)

    def reply(self) -> bytes:
        """The next reply; empty if the other side has closed."""
        lines = b""
        while line := self._stream.readline():
            lines += line
            if line[3:4] != b"-":
                break
        return lines

    def ask(self, line: bytes | str) -> bytes:
        """Send one line, and its reply."""
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def replies(self, octets: bytes, count: int) -> list[bytes]:
        """Send it all at once, and so many replies."""
        self.send(octets)
        return [self.reply() for _ in range(count)]

    def login(self, member: Member, mechanism: str = "PLAIN", secret: str = "") -> bytes:
        """The last reply of one AUTH. `secret`: a password or token other than the right one."""
        if mechanism in BY_CHALLENGE:
            return self._challenged(member, mechanism, secret)
        secret = secret or member.password
        if mechanism == "PLAIN":
            return self.ask("AUTH PLAIN " + _coded(f"\0{member.login}\0{secret}".encode()))
        for word in ("AUTH LOGIN", _coded(member.login.encode())):
            reply = self.ask(word)
            assert reply.startswith(b"334"), reply
        return self.ask(_coded(secret.encode()))

    def _challenged(self, member: Member, mechanism: str, secret: str) -> bytes:
        right = token(member) if mechanism in BY_TOKEN else member.password
        client = CLIENTS[mechanism](member.login, secret or right, "")
        next(client)
        reply = self.ask(f"AUTH {mechanism}")
        while reply.startswith(b"334"):
            reply = self.ask(_coded(client.send(b64decode(reply[4:]))))
        return reply


def offers(ehlo: bytes) -> dict[str, str]:
    """What a reply to EHLO offers: keywords and their arguments."""
    lines = [line[4:].decode() for line in ehlo.splitlines()[1:]]
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in lines}


def queued(reply: bytes) -> bool:
    """True if the mail server itself has taken the mail."""
    return re.fullmatch(rb"250 2\.0\.0 Ok: queued as \w+\r\n", reply) is not None


def token(member: Member) -> str:
    """A token for this member as Dovecot takes it (RFC 7519)."""
    now = int(time.time())
    head = {"alg": "HS256", "typ": "JWT"}
    claims = {"sub": member.login, "iat": now - 5, "exp": now + 600}
    signed = b".".join(_for_url(json.dumps(part).encode()) for part in (head, claims))
    return (signed + b"." + _for_url(digest(TOKEN_KEY.encode(), signed, "sha256"))).decode()


def _for_url(octets: bytes) -> bytes:
    return urlsafe_b64encode(octets).rstrip(b"=")


def _coded(octets: bytes) -> str:
    return b64encode(octets).decode()
