"""The classic spellings of a recipient elsewhere that make open relays of mail servers which look closed.

Servers of the last forty years have taken `%`, `!`, quoted addresses and source routes as routes (RFC 5321, 3.3 and
appendix C): for such a recipient they ask nobody for a login, and send the mail on.
"""

from __future__ import annotations

from dataclasses import dataclass

from smtpguard.mail.reply import Reply
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.connection import Connection
from smtpguard.upstream.target import Target

# RFC 2606, 2: nothing is ever delivered to `invalid.`
USER, FOREIGN = "smtpguard-relay-probe", "probe.invalid"
# {h} is a domain of the mail server's own.
RECIPIENTS = (
    "{u}@{d}",
    '"{u}@{d}"',
    "{u}%{d}",
    '"{u}%{d}"',
    "{u}%{d}@{h}",
    '"{u}%{d}"@{h}',
    '"{u}@{d}"@{h}',
    "{u}@{d}@{h}",
    "{u}@{d}@[127.0.0.1]",
    "{u}%{d}@[127.0.0.1]",
    '"{u}@{d}"@[127.0.0.1]',
    "{u}%{d}%{h}@{h}",
    "{d}!{u}",
    "{d}!{u}@{h}",
    "{d}!{u}@[127.0.0.1]",
    "{h}!{d}!{u}",
    "@{h}:{u}@{d}",
    "@[127.0.0.1]:{u}@{d}",
    "@localhost:{u}@{d}",
)
# Servers that trust whoever says that he is one of theirs.
SENDERS = ("postmaster@{h}", "postmaster@localhost", "postmaster@[127.0.0.1]")
# Postfix hangs up at the 20th refused command of a session, and waits a second at each from the 10th on.
TRIES_PER_CONNECTION = 6


@dataclass(frozen=True, slots=True)
class Relayed:
    """What the mail server made of `tried` forms. `taken` would be sent on; `doubtful` were taken by a server that
    takes any name at its own domain; `put_off` got a 4xx."""

    tried: int
    taken: tuple[str, ...]
    doubtful: tuple[str, ...]
    put_off: int


@dataclass(frozen=True, slots=True)
class _Form:
    sender: str
    recipient: str
    is_ours: bool = False
    """True if a server that takes any name of its own could take it for one."""


async def try_forms(target: Target, hello_name: str, domain: str) -> Relayed:
    """Ask the mail server for all forms without a login, `domain` being one of its own. Never says DATA.

    Raises UpstreamError if it cannot be asked.
    """
    replies = await _asked(target, hello_name, [_Form("", f"{USER}@{domain}", is_ours=True), *_forms(domain)])
    takes_any_name = replies.pop(0)[1].ok
    taken = [form for form, reply in replies if reply.ok]
    doubtful = [form for form in taken if form.is_ours and takes_any_name]
    return Relayed(
        tried=len(replies),
        taken=tuple(_shown(each) for each in taken if each not in doubtful),
        doubtful=tuple(map(_shown, doubtful)),
        put_off=sum(reply.transient for _, reply in replies),
    )


def _forms(domain: str) -> list[_Form]:
    names = {"u": USER, "d": FOREIGN, "h": domain}
    forms = []
    for each in RECIPIENTS:
        end = each.rpartition("@")[2] if not each.endswith('"') else ""
        # Without a domain behind it, a server puts its own there.
        is_ours = end != "{d}"
        forms.append(_Form("", each.format(**names), is_ours))
    forms += [_Form(each.format(**names), f"{USER}@{FOREIGN}") for each in SENDERS]
    return forms


async def _asked(target: Target, hello_name: str, forms: list[_Form]) -> list[tuple[_Form, Reply]]:
    replies: list[tuple[_Form, Reply]] = []
    while len(replies) < len(forms):
        connection = await Connection.open(target)
        try:
            hello = await connection.hello(hello_name.encode("ascii", "replace"))
            if not hello.ok:
                raise UpstreamError("the mail server refused EHLO", reply=hello)
            start = len(replies)
            for form in forms[start : start + TRIES_PER_CONNECTION]:
                try:
                    replies.append((form, await _reply(connection, form)))
                except UpstreamError:
                    if len(replies) == start:
                        raise
                    break  # Exim hangs up at the 4th error of a session, chasquid at the 3rd: asked again in a new one.
            await connection.quit()
        finally:
            connection.abort()
    return replies


async def _reply(connection: Connection, form: _Form) -> Reply:
    """The reply that decides: of RCPT, or of a MAIL that was refused already.

    Raises UpstreamError if the mail server has hung up, whatever it said before.
    """
    reply = await connection.command(f"MAIL FROM:<{form.sender}>".encode())
    if reply.ok:
        reply = await connection.command(f"RCPT TO:<{form.recipient}>".encode())
        await connection.reset()
    if not connection.alive:
        raise UpstreamError("the mail server closed the connection", reply=connection.farewell)
    return reply


def _shown(form: _Form) -> str:
    return f"<{form.recipient}>" + (f" from <{form.sender}>" if form.sender else "")
