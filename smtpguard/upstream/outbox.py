"""The guard's own way to the mail server: notices and results under its own login, releases under the member's."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from enum import Enum

from smtpguard.mail.reply import Reply
from smtpguard.upstream import Carrier, Outcome, Transmission, UpstreamError
from smtpguard.upstream.connection import Connection
from smtpguard.upstream.target import Target, Timeouts
from smtpguard.upstream.transaction import transmit

# RFC 5321, 4.5.3.1.4: a command line has 512 octets; AUTH lines are longer (RFC 4954, 4: 12,288). Ours stay below.
LOGIN_OCTETS_MAX = 1024

# Values of XCLIENT that mean "no login" (Postfix XCLIENT_README): an account so named would be taken for nobody.
_XCLIENT_NOBODY = frozenset({"[UNAVAILABLE]", "[TEMPUNAVAIL]"})


class OutboxLogin(Enum):
    """How the guard says for whom it sends.

    XCLIENT: names the account, without a password, on a port that trusts the guard's address (Postfix). ACCOUNT: logs
    in as itself for everything. NONE: says nothing.
    """

    XCLIENT = "xclient"
    ACCOUNT = "account"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The guard's own account at the mail server."""

    user: str = field(repr=False)
    password: str = field(default="", repr=False)


class ConnectionCarrier:
    """A connection that is ready for MAIL. With `lasting`, `close` leaves it open: it is a member's own session."""

    def __init__(self, connection: Connection, *, lasting: bool = False) -> None:
        self._connection = connection
        self._lasting = lasting

    @property
    def extensions(self) -> frozenset[str]:
        return frozenset(self._connection.extensions)

    async def transmit(self, mail: Transmission, before_end: Callable[[], Awaitable[bool]] | None = None) -> Outcome:
        return await transmit(self._connection, mail, before_end)

    async def close(self) -> None:
        if not self._lasting:
            await self._connection.quit()


class SubmissionOutbox:
    """Opens a connection for each mail and logs in as `login` says.

    `hello_name` is the guard's own name for EHLO. `credentials` are needed for XCLIENT (the user alone) and ACCOUNT.
    """

    def __init__(
        self, target: Target, *, login: OutboxLogin, hello_name: str, credentials: Credentials | None = None
    ) -> None:
        if login is not OutboxLogin.NONE and credentials is None:
            raise ValueError("a login needs credentials")
        self._target = target
        self._login = login
        self._hello_name = hello_name.encode("ascii")
        self._credentials = credentials or Credentials("")
        self._can_require_tls = False

    @property
    def can_require_tls(self) -> bool:
        """True if the last connection had checked TLS, and REQUIRETLS was offered in it; False if there was none."""
        return self._can_require_tls

    def wait(self, timeouts: Timeouts) -> None:
        """Be so patient from the next connection on."""
        self._target = replace(self._target, timeouts=timeouts)

    async def open(self, login: str | None = None) -> Carrier:
        """A connection ready for MAIL, for the account `login`, or for the guard's own mail if None.

        Raises UpstreamError if the mail server cannot be reached, refuses the login, or does not offer what is needed.
        Its `reply` is set for a refused greeting and a 421 only: a refused login is not the member's fault.
        """
        return ConnectionCarrier(await self.connect(login))

    async def connect(self, login: str | None = None) -> Connection:
        """The same, for whoever has commands of his own to say. Raises UpstreamError."""
        connection = await Connection.open(self._target)
        try:
            await self._hello(connection)
            if self._login is OutboxLogin.XCLIENT:
                await self._xclient(connection, self._credentials.user if login is None else login)
            elif self._login is OutboxLogin.ACCOUNT:
                await self._authenticate(connection)
        except BaseException:
            connection.abort()
            raise
        self._can_require_tls = "REQUIRETLS" in connection.extensions
        return connection

    async def _hello(self, connection: Connection) -> None:
        reply = await connection.hello(self._hello_name)
        if not reply.ok:
            raise _refused("the mail server refused the outbox's EHLO", connection, reply)

    async def _xclient(self, connection: Connection, login: str) -> None:
        if (
            login.upper() in _XCLIENT_NOBODY
            or not 0 < len(login.encode("utf-8", "surrogateescape")) <= LOGIN_OCTETS_MAX
        ):
            raise UpstreamError("this login cannot be named by XCLIENT")
        if "LOGIN" not in connection.extensions.get("XCLIENT", "").upper().split():
            raise UpstreamError(
                "the mail server does not offer XCLIENT with LOGIN to the outbox"
                " (Postfix: smtpd_authorized_xclient_hosts must name this machine; others: login: account)"
            )
        reply = await connection.command(b"XCLIENT LOGIN=" + xtext(login))
        # Postfix XCLIENT_README: on success the server starts again with its greeting.
        if reply.code != 220:
            raise _refused("the mail server refused XCLIENT", connection, reply)
        await self._hello(connection)

    async def _authenticate(self, connection: Connection) -> None:
        mechanisms = connection.extensions.get("AUTH", "").upper().split()
        if "PLAIN" in mechanisms:
            reply = await self._plain(connection)
        elif "LOGIN" in mechanisms:
            reply = await self._login_mechanism(connection)
        else:
            raise UpstreamError("the mail server offers neither AUTH PLAIN nor AUTH LOGIN to the outbox")
        if reply.code != 235:
            raise _refused("the mail server refused the outbox's login", connection, reply)

    async def _plain(self, connection: Connection) -> Reply:
        """RFC 4616, with an initial response (RFC 4954, 4)."""
        message = f"\0{self._credentials.user}\0{self._credentials.password}".encode()
        return await connection.command(b"AUTH PLAIN " + base64.b64encode(message))

    async def _login_mechanism(self, connection: Connection) -> Reply:
        """AUTH LOGIN (draft-murchison-sasl-login): two challenges, whose words do not matter."""
        reply = await connection.command(b"AUTH LOGIN")
        for secret in (self._credentials.user, self._credentials.password):
            if reply.code != 334:
                return reply
            reply = await connection.command(base64.b64encode(secret.encode()))
        return reply


def xtext(value: str) -> bytes:
    """`value` in UTF-8 as xtext (RFC 3461, 4): octets outside `!` to `~`, `+` and `=` become `+` and two hex digits."""
    octets = value.encode("utf-8", "surrogateescape")
    return b"".join(b"%c" % o if 33 <= o <= 126 and o not in b"+=" else b"+%02X" % o for o in octets)


def _refused(what: str, connection: Connection, reply: Reply) -> UpstreamError:
    return UpstreamError(f"{what}: {reply.text}", reply=connection.farewell)
