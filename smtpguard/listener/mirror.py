"""A client's session with the mail server behind us: one connection for each client, opened when it connects.

What the mail server says reaches the client unchanged; what the client says goes up as typed.
"""

from __future__ import annotations

import asyncio

from smtpguard import maillog, replies
from smtpguard.listener.connection import ClientConnection
from smtpguard.listener.member import MemberUpstream
from smtpguard.listener.options import ListenerOptions
from smtpguard.listener.roll import Roll
from smtpguard.mail.reply import Reply
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.connection import Connection


class MirroredConnection(ClientConnection):
    """A client, and its connection to the mail server. Subclasses say which commands go up."""

    def __init__(self, options: ListenerOptions, roll: Roll, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(options, roll, loop)
        self._upstream: Connection | None = None
        self._member: MemberUpstream | None = None

    def end_transaction(self) -> None:
        """Forget the open transaction."""
        raise NotImplementedError

    @property
    def upstream(self) -> Connection:
        """The connection to the mail server. Raises UpstreamError if there is none."""
        if self._upstream is None:
            raise UpstreamError("not connected")
        return self._upstream

    @property
    def member(self) -> MemberUpstream:
        """The same, as the flow sees it. Raises UpstreamError if there is none."""
        if self._member is None:
            raise UpstreamError("not connected")
        return self._member

    async def greet(self) -> bool:
        """The mail server's greeting is ours; without one the client goes at once."""
        if self.options.target is None:
            raise ValueError("a submission door needs a mail server")
        try:
            self._upstream = await Connection.open(self.options.target, origin=self.client.origin)
        except UpstreamError as error:
            maillog.warning("no session with the mail server", why=str(error))
            refused = error.reply
            self.say(refused if refused is not None and refused.code >= 400 else replies.UPSTREAM_AWAY)
            return False
        self._upstream.pace = self._pace
        self._member = MemberUpstream(self._upstream)
        self.say(self._upstream.greeting)
        return True

    async def ask(self, line: bytes) -> Reply:
        """Send a line up; the mail server's reply. After a 421 the client is let go, too. Raises UpstreamError."""
        return self._in_step(await self.upstream.command(line), challenge=True)

    def _in_step(self, reply: Reply, *, challenge: bool = False) -> Reply:
        """`reply`, unless it asks the client for something nobody has announced. Raises UpstreamError."""
        if 300 <= reply.code < 400 and not (challenge and reply.code == 334):
            raise UpstreamError("the mail server answered out of order")
        if reply.code == 421:
            self.hang_up()
        return reply

    async def _mirror(self) -> Reply:
        """Send the client's command up as typed; the mail server's reply. Raises UpstreamError."""
        return self._in_step(await self.upstream.command(self.line))

    async def admit(self, verb: bytes) -> bool:
        """A mail server that has said goodbye in the meantime: its last word answers the next command."""
        if self.upstream.alive:
            return True
        self.last_word(self.upstream.farewell or replies.UPSTREAM_GONE)
        return False

    def trouble(self, error: Exception) -> None:
        """The mail server died under a command: 451, or its own last word; the next command gets 421.

        A new connection would not help, for no password is kept to log in with.
        """
        self.end_transaction()
        if self._upstream is not None:
            self._upstream.abort()
        if not isinstance(error, UpstreamError):
            super().trouble(error)
        elif error.reply is not None and error.reply.code == 421:
            self.last_word(error.reply)
        else:
            maillog.warning("a session with the mail server was lost", why=str(error))
            self.say(replies.UPSTREAM_LOST)

    def let_go(self) -> None:
        """QUIT goes up when nothing runs there any more; nobody waits for it."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None and upstream.alive:
            upstream.leave(self._roll.farewell())
