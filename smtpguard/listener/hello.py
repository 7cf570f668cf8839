"""The answer to EHLO: the mail server's own, less what the guard does not carry."""

from __future__ import annotations

from smtpguard.listener.auth import READABLE
from smtpguard.mail.reply import Reply

# What goes through as it is because MAIL and RCPT go up as typed and content is not touched.
_CARRIED = frozenset({"8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "MT-PRIORITY"})


def mechanisms(reply: Reply) -> tuple[str, ...]:
    """What the mail server offers in its EHLO answer and the guard can read (T-40), in the mail server's order.

    A client that could bind SCRAM to TLS says so ("y" in its GS2 header) when it is not offered *-PLUS; a mail server
    that has *-PLUS must then refuse (RFC 5802, 6), for that is what a man in the middle would look like.
    """
    offered: dict[str, None] = {}
    for line in reply.lines[1:]:
        keyword, *words = line.upper().split() or [""]
        if keyword == "AUTH":
            offered.update(dict.fromkeys(words))
    return tuple(each for each in offered if each in READABLE)


def size_limit(reply: Reply, ours: int) -> int:
    """The smaller of our bound and the mail server's SIZE; 0 or none there means "no fixed one" (RFC 1870, 4)."""
    for line in reply.lines[1:]:
        words = line.split()
        if words and words[0].upper() == "SIZE" and len(words) > 1 and words[1].isascii() and words[1].isdigit():
            theirs = int(words[1])
            return min(ours, theirs) if theirs else ours
    return ours


def offer(reply: Reply, *, size: int, auth: tuple[str, ...], starttls: bool, more: tuple[str, ...] = ()) -> Reply:
    """What the client reads of the mail server's EHLO answer `reply`.

    The first line stays as it is. PIPELINING is offered always: we take a whole group, send it up one by one and answer
    in order (RFC 2920), whatever the mail server can do. SIZE only if it is offered there, for its parameter goes up.
    `more` are further lines, as they are.
    """
    lines = [reply.lines[0] if reply.lines else "", "PIPELINING"]
    for line in reply.lines[1:]:
        keyword = line.split(maxsplit=1)[0].upper() if line.split() else ""
        if keyword in _CARRIED:
            lines.append(line)
        elif keyword == "SIZE":
            lines.append(f"SIZE {size}")
    if auth:
        lines.append("AUTH " + " ".join(auth))
    if starttls:
        lines.append("STARTTLS")
    lines += more
    return Reply.of(reply.code, *dict.fromkeys(lines))
