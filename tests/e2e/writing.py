"""What members write, and how their mail programs put it: posts, forwards, answers. All octets have CRLF line ends."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from email.utils import formatdate, getaddresses

from tests.e2e.stack import Letter, Member

TEXT = "The minutes of the meeting are on the shelf.\n"


# Long enough to be known again after some of its words were changed.
REPORT = (
    "The gathering in winter has shown that we need another room for the children, and that nobody wants to pay for "
    "it before the council has answered our letter about rent and heating. So please read what was said below, and "
    "tell us until Friday whether you can help with tools, paint or some hours of your time on the weekend. Whoever "
    "has a van should bring it along, since the old shelves must go to the yard of our neighbours before noon.\n"
)


def reworded(text: str) -> str:
    """The text with every tenth word changed."""
    others = ("garden", "spring", "lorry", "wood", "bread", "kettle", "candle")
    words = text.split()
    for number, place in enumerate(range(4, len(words), 10)):
        words[place] = others[number % len(others)]
    return " ".join(words) + "\n"


def new_subject() -> str:
    """A subject that no other mail of this run has."""
    return f"minutes {uuid.uuid4().hex}"


def letter(
    sender: Member, to: Sequence[str], subject: str, body: str | bytes = TEXT, *, fields: Sequence[str] = ()
) -> bytes:
    """A mail as an ordinary program writes it: header, empty line, body. `fields` are further header lines."""
    lines = (
        f"From: {sender.name.title()} <{sender.address}>",
        f"To: {', '.join(to)}",
        f"Subject: {subject}",
        f"Date: {formatdate(localtime=True)}",
        f"Message-ID: <{uuid.uuid4().hex}@{sender.address.partition('@')[2]}>",
        *fields,
    )
    octets = body if isinstance(body, bytes) else body.replace("\r\n", "\n").replace("\n", "\r\n").encode()
    return "\r\n".join((*lines, "", "")).encode() + octets


def forwarded(author: str, to: str, text: str) -> str:
    """A body with a mail of `author` to `to`, as Thunderbird forwards it in the text."""
    return (
        "See below.\n\n"
        "-------- Forwarded Message --------\n"
        "Subject: \tabout the meeting\n"
        "Date: \tMon, 16 Nov 2026 19:12:03 +0100\n"
        f"From: \t{author}\n"
        f"To: \t{to}\n"
        f"\n{text}\n"
    )


def answer(notice: Letter, member: Member, choice: str) -> tuple[str, bytes]:
    """The recipient and the octets of a reply to `notice`: what "Reply" does, with `choice` on the first line."""
    recipient = str(notice.message["Reply-To"]).strip("<>")
    message_id = notice.message["Message-ID"]
    quoted = "".join(f"> {line}\n" if line else ">\n" for line in notice.text.splitlines())
    body = f"{choice}\n\nOn {notice.message['Date']}, {notice.message['From']} wrote:\n{quoted}"
    fields = (
        f"In-Reply-To: {message_id}",
        f"References: {message_id}",
        "Content-Type: text/plain; charset=utf-8",
        "MIME-Version: 1.0",
    )
    return recipient, letter(member, [recipient], f"Re: {notice.subject}", body, fields=fields)


def reply_to_all(post: Letter, member: Member, body: str = TEXT) -> tuple[list[str], bytes]:
    """The recipients and the octets of what "Reply all" makes of a list post: to all that stand in its To."""
    to = [address for _, address in getaddresses([str(post.message["To"])])]
    message_id = post.message["Message-ID"]
    fields = (f"In-Reply-To: {message_id}", f"References: {message_id}")
    return to, letter(member, to, f"Re: {post.subject}", body, fields=fields)
