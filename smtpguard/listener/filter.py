"""The door for a mail server in front (Postfix's smtpd_proxy_filter): webmail and scripts that go to it directly.

The front has checked password and sender; behind us stands its re-entry port, to which everything but the content goes
up live. Who has logged in the front says: in its own Received field, which Postfix writes and which becomes known with
the content only, or in XCLIENT (Postfix's XCLIENT_README). XCLIENT ends here: at the re-entry port it would be a login
without a password. XFORWARD goes up, so that the log there names the real client (XFORWARD_README).

The front writes our reply into its log, beside sender and recipients. So a member's mail that was taken gets one and
the same reply, whatever became of it, and refusals name no list (T-42).
"""

from __future__ import annotations

import re
from typing import ClassVar

from smtpguard import maillog, replies
from smtpguard.listener.auth import Login
from smtpguard.listener.connection import ClientConnection
from smtpguard.listener.submission import SubmissionConnection
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.content import Content
from smtpguard.mail.envelope import Path
from smtpguard.mail.received import authenticated_sender
from smtpguard.mail.reply import Reply
from smtpguard.upstream import UpstreamError

# XCLIENT_README, "XCLIENT Command syntax"; LOGIN is the one that counts here.
ATTRIBUTES = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT")
_UNAVAILABLE = "[UNAVAILABLE]"
# RFC 3461, 4: "+" and two hexadecimal digits stand for an octet, everything else but "+" and "=" for itself.
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})+")
_HEXCHAR = re.compile(rb"\+([0-9A-Fa-f]{2})")


class FilterConnection(SubmissionConnection):
    """The front as our client."""

    VERBS: ClassVar[frozenset[bytes]] = ClientConnection.VERBS | {b"XFORWARD", b"XCLIENT"}
    behind_front: ClassVar[bool] = True

    async def greet(self) -> bool:
        """Only those named in `trust` are let in: whoever speaks here says who has logged in (T-41, T-43)."""
        if not self.client.comes_from(self.options.trust):
            self.say(replies.STRANGER)
            return False
        return await super().greet()

    def counted_as(self) -> str | None:
        """The front may open as many connections as it has clients; strangers are counted until they are gone."""
        return None if self.client.comes_from(self.options.trust) else super().counted_as()

    # ------------------------------------------------------------ who sends

    @property
    def may_log_in(self) -> bool:
        """Nobody does here: passwords are the front's business."""
        return False

    @property
    def from_trusted_network(self) -> bool:
        """Never: the peer is the front, not the printer behind it (90-06). Mail without a login here is 90-03."""
        return False

    @property
    def asks_for_login(self) -> bool:
        """Never: the front has let its client in."""
        return False

    @property
    def may_answer(self) -> bool:
        """Who answers becomes known with the content; until then nothing has happened."""
        return True

    def sender_of(self, content: Content) -> Login | None:
        """The account that the front names; one that it cannot spell ("?") is a login whose identity nobody knows."""
        if self.options.received_by is None:
            return self._login
        name = authenticated_sender(content.pieces(), self.options.received_by)
        return None if name is None else Login(None if "?" in name else name)

    # ------------------------------------------------------------ EHLO, XFORWARD, XCLIENT

    @property
    def _takes_xclient(self) -> bool:
        return self.options.received_by is None

    def more_to_offer(self) -> tuple[str, ...]:
        """XFORWARD as the re-entry port offers it, and our own XCLIENT."""
        reply = self.upstream.hello_reply
        lines = reply.lines[1:] if reply is not None else ()
        offered = tuple(each for each in lines if each.upper().split()[:1] == ["XFORWARD"])
        return (*offered, "XCLIENT " + " ".join(ATTRIBUTES)) if self._takes_xclient else offered

    async def smtp_XFORWARD(self, arg: str) -> None:
        """Up as typed: whom the log behind us names changes nothing here."""
        if "XFORWARD" not in self.upstream.extensions:
            self.refuse(replies.NOT_IMPLEMENTED)
        elif self.in_transaction:
            self.refuse(replies.NOT_IN_TRANSACTION)
        else:
            self.say(await self._mirror())

    async def smtp_XCLIENT(self, arg: str) -> None:
        """Who has logged in at the front; the session then begins anew with a greeting."""
        if not self._takes_xclient:
            self.refuse(replies.NOT_IMPLEMENTED)
        elif self.in_transaction:
            self.refuse(replies.NOT_IN_TRANSACTION)
        elif not self._greeted:
            self.refuse(replies.HELLO_FIRST)
        elif (said := xclient_attributes(arg)) is None:
            self.refuse(replies.BAD_ARGUMENT)
        else:
            if "LOGIN" in said:
                login = said["LOGIN"]
                self._login = None if login is None else Login(login)
            self.forget()
            self.say(self.upstream.greeting)

    # ------------------------------------------------------------ content

    async def _decide(self, arrival: Arrival, content: Content, *, to_guard: bool) -> Reply:
        """Like a member's mail; what nobody has logged in for goes up, also an answer to the guard.

        There the mail server decides where such an answer goes: to an answers door, which looks at its reverse-path.
        """
        if to_guard and not arrival.authenticated:
            refusal = await self._send_up(arrival.envelope.recipients)
            if refusal is not None:
                content.close()
                await self.member.reset()
                return refusal
            to_guard = False
        reply = await super()._decide(arrival, content, to_guard=to_guard)
        return replies.TAKEN if reply.ok and arrival.authenticated else reply

    async def _send_up(self, recipients: tuple[Path, ...]) -> Reply | None:
        """RCPT for those that were taken here; the mail server's refusal of one, None if it takes all."""
        try:
            for path in recipients:
                typed = " ".join((f"RCPT TO:{path.typed}", *path.parameters))
                reply = await self.upstream.command(typed.encode("utf-8", "surrogateescape"))
                if not reply.ok:
                    return reply if reply.code >= 400 else replies.UPSTREAM_LOST
        except UpstreamError as error:
            maillog.warning("a session with the mail server was lost", why=str(error))
            return error.reply if error.reply is not None and error.reply.code >= 400 else replies.UPSTREAM_LOST
        return None


def xclient_attributes(argument: str) -> dict[str, str | None] | None:
    """The attributes of XCLIENT, names in upper case; a value is None for [UNAVAILABLE]. None if they are not in order.

    Each name is known and stands once, each value is xtext (RFC 3461, 4) and, decoded, UTF-8 without control
    characters: what two readers could read in two ways is no login.
    """
    found: dict[str, str | None] = {}
    for each in argument.split(" "):
        name, equals, typed = each.partition("=")
        name = name.upper()
        if name not in ATTRIBUTES or name in found or not equals:
            return None
        if typed.upper() == _UNAVAILABLE:
            found[name] = None
            continue
        value = _decoded(typed)
        if value is None or (name == "LOGIN" and value.startswith("[")):
            return None
        found[name] = value
    return found


def _decoded(typed: str) -> str | None:
    if not _XTEXT.fullmatch(typed):
        return None
    octets = _HEXCHAR.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), typed.encode("ascii"))
    try:
        value = octets.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return value if value.isprintable() and value.strip() else None
