"""How a member's address is handed on to the mail server: the PROXY header before all else, or XCLIENT after EHLO."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

from smtpguard.mail.reply import Reply
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.origin import Origin, origin_of
from smtpguard.upstream.wire import Wire

# XCLIENT_README's refusals of the command itself, and those of servers that do not know it. Any other 4xx or 5xx is the
# new greeting: the mail server does not want this member.
_COMMAND_REFUSED = frozenset({500, 501, 502, 503, 504, 550, 555})


def to_be_named(wire: Wire, origin: Origin | None) -> Origin | None:
    """Whom to name on this connection: the member at `origin`, or the guard itself for a connection of its own.

    A member on this very machine must not be 127.0.0.1 to a mail server elsewhere, which would take him for somebody
    on its own machine: he is at the address that it sees. None if the connection has ended.
    """
    own = origin_of(*(wire.transport.get_extra_info(end) for end in ("sockname", "peername")))
    if origin is None or (origin.source.is_loopback and own is not None and not own.source.is_loopback):
        return own
    return origin


async def send_header(wire: Wire, origin: Origin | None, host: str, context: ssl.SSLContext | None) -> None:
    """Write the PROXY header, and with a `context` begin TLS behind it, with `host` as the certificate's name.

    Raises UpstreamError or OSError.
    """
    sender = to_be_named(wire, origin)
    try:
        if sender is None:
            raise UpstreamError("the mail server closed the connection")
        wire.transport.write(sender.proxy_header)
        if context is not None:
            secured = await asyncio.get_running_loop().start_tls(wire.transport, wire, context, server_hostname=host)
            if secured is None:
                raise ConnectionAbortedError("TLS handshake")
            wire.secured(secured)
    except BaseException:
        wire.end("no connection")
        raise


class Introduction:
    """XCLIENT, said once in a session.

    Whatever the mail server makes of it, the session goes on: members' mail must not wait until an admin has mended
    this. `failure` says in words for the log why it did not work.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self.is_due = True
        self.failure: str | None = None

    def command(self, extensions: Mapping[str, str]) -> bytes | None:
        """What to say after an EHLO that was answered with `extensions`; None if that has no sense."""
        self.is_due = False
        command = self._origin.xclient(extensions.get("XCLIENT", "").upper().split())
        if command is None:
            self.failure = "the mail server does not offer XCLIENT with ADDR to this machine"
        return command

    def refusal(self, answer: Reply) -> Reply | None:
        """The answer, if it says that the mail server does not want this member; None if EHLO comes next."""
        if answer.code in _COMMAND_REFUSED:
            self.failure = "the mail server refused XCLIENT"
            return None
        return None if answer.ok else answer
