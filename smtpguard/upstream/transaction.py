"""One mail over an open connection: MAIL, RCPT, DATA and the content (RFC 5321, 3.3), all of it or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from smtpguard.mail.reply import Reply
from smtpguard.upstream import Outcome, Transmission, UpstreamError
from smtpguard.upstream.connection import Connection

BeforeEnd = Callable[[], Awaitable[bool]]


async def transmit(connection: Connection, mail: Transmission, before_end: BeforeEnd | None = None) -> Outcome:
    """Send `mail`, by the rules of `Carrier.transmit`.

    Nothing is sent unless each recipient in `mail.required` is taken, none is deferred (4xx) and at least one is taken:
    a partial release could not be told from a whole one by whoever answered the notice.
    Raises UpstreamError if the connection breaks or `before_end` says False; ValueError for a mail without recipients.
    """
    if not mail.rcpts:
        raise ValueError("a mail has at least one recipient")
    answer = await _refusable(connection, b"MAIL " + _octets(mail.mail))
    if not answer.ok:
        return Outcome(answer, (), answer, sent=False)
    replies: list[Reply] = []
    for number, rcpt in enumerate(mail.rcpts):
        reply = await _refusable(connection, b"RCPT " + _octets(rcpt))
        replies.append(reply)
        if reply.transient or (not reply.ok and number in mail.required):
            break
    last = replies[-1]
    stopped = not last.ok and (last.transient or len(replies) - 1 in mail.required)
    if stopped or not any(reply.ok for reply in replies):
        await connection.reset()
        return Outcome(answer, tuple(replies), last, sent=False)
    final = await deliver(connection, mail.pieces(), before_end)
    return Outcome(answer, tuple(replies), final, sent=final.ok)


async def deliver(connection: Connection, pieces: Iterable[bytes], before_end: BeforeEnd | None = None) -> Reply:
    """DATA and the content of a transaction whose MAIL and RCPTs have been taken; the reply to the content, or to DATA.

    After a refused DATA the server's transaction is still open, so RSET follows: else the next MAIL would be "nested".
    Raises UpstreamError if there is no reply.
    """
    return await _refusal(connection) or await connection.content(pieces, before_end)


async def deliver_arriving(connection: Connection, pieces: AsyncIterator[bytes]) -> Reply:
    """The same for content that is still on its way in. What `pieces` raise comes out, and the connection is closed."""
    return await _refusal(connection) or await connection.arriving_content(pieces)


async def _refusal(connection: Connection) -> Reply | None:
    """Say DATA; the reply if it is a refusal."""
    reply = await connection.command(b"DATA")
    if reply.code == 354:
        return None
    if reply.code < 400:
        connection.abort()
        raise UpstreamError("the mail server answered DATA out of order")
    await connection.reset()
    return reply


async def _refusable(connection: Connection, line: bytes) -> Reply:
    """The reply to a command that is taken (2xx) or refused (4xx, 5xx); a 3xx means we are out of step."""
    reply = await connection.command(line)
    if 300 <= reply.code < 400:
        connection.abort()
        raise UpstreamError("the mail server answered out of order")
    return reply


def _octets(argument: str) -> bytes:
    return argument.encode("utf-8", "surrogateescape")
