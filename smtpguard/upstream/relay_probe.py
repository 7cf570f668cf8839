"""Does the mail server relay for us without a login? Then whoever reaches the guard could send to anybody."""

from __future__ import annotations

from smtpguard.upstream import UpstreamError
from smtpguard.upstream.connection import Connection
from smtpguard.upstream.target import Target

# RFC 2606, 2: nothing is ever delivered to `invalid.`; only a server that would relay takes it.
PROBE = b"TO:<smtpguard-relay-probe@probe.invalid>"


async def relays_without_login(target: Target, hello_name: str) -> bool | None:
    """True if the mail server takes a recipient in a foreign domain from us without AUTH, False if it refuses him.

    None if it could not be tried, or was put off with 4xx. There is no DATA: nothing is ever sent.
    """
    try:
        connection = await Connection.open(target)
    except UpstreamError:
        return None
    try:
        return await _asked(connection, hello_name.encode("utf-8", "surrogateescape"))
    except UpstreamError:
        return None
    finally:
        connection.abort()


async def _asked(connection: Connection, hello_name: bytes) -> bool | None:
    if not (await connection.hello(hello_name)).ok:
        return None
    sender = await connection.command(b"MAIL FROM:<>")
    if sender.ok:
        recipient = await connection.command(b"RCPT " + PROBE)
        verdict = None if recipient.transient else recipient.ok
    else:
        verdict = None if sender.transient else False
    await connection.reset()
    await connection.quit()
    return verdict
