"""What a member makes of a mail in his mailbox, as mail programs do: forwarded, attached, answered, quoted, pasted.

Made of the octets that he got. What comes out is a draft: the sender's own header lines are still to come.
"""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from html import escape
from textwrap import wrap
from typing import NamedTuple

PARAGRAPHS = (
    (
        "Between the two of us, I no longer believe that the plan for the old boat house can work, because the roof "
        "alone would cost more than everything we have put aside since the spring."
    ),
    (
        "I have not told the others yet that the treasurer wants to leave the board after that quarrel about the keys, "
        "and I would rather they heard it from her than from anybody else."
    ),
    "Could you come by on the evening before, so that we find a way to say it without making everybody angry again?",
)
PRIVATE = "Dear friend,\n\n" + "\n\n".join("\n".join(wrap(each, 72)) for each in PARAGRAPHS) + "\n\nYours\n"
ANSWER = (
    "I would rather paint the hall in yellow, since my grandmother told me that the old colour was chosen by a man "
    "whom nobody in the village ever liked."
)
POSTED = (
    "The kitchen of the meeting house gets a new floor in the first week of March, and until then nobody should walk\n"
    "there with wet boots. Whoever has the grey carpet from last summer may bring it back to the cellar.\n"
)
OWN = (
    (
        "The weather was kind to us on Sunday, and eleven people came to paint the fence. Next time we need more "
        "brushes and somebody who brings soup."
    ),
    "By the way, the shed is open again every afternoon, since the neighbour has found the other padlock.",
)
SIGHT = "Have a look at this."


class Draft(NamedTuple):
    """A mail without the lines From, To, Date and Message-ID; line ends are LF."""

    subject: str
    body: str
    fields: tuple[str, ...] = ()

    def octets(self, *header: str) -> bytes:
        """The mail with these header lines in front."""
        text = "\n".join((*header, f"Subject: {self.subject}", *self.fields, "", self.body))
        return text.replace("\n", "\r\n").encode()


def inline(received: bytes, text: str = SIGHT) -> Draft:
    """Forwarded in the text, as Thunderbird does."""
    mail = _read(received)
    head = "\n".join(f"{name}: \t{mail[name]}" for name in ("Subject", "Date", "From", "To"))
    block = f"-------- Forwarded Message --------\n{head}\n\n{_text(mail)}"
    return Draft(f"Fwd: {mail['Subject']}", f"{text}\n\n{block}")


def attached(received: bytes, text: str = SIGHT) -> Draft:
    """Forwarded as an attachment (message/rfc822)."""
    subject = _read(received)["Subject"]
    inner = received.decode().replace("\r\n", "\n")
    body = (
        "This is a mail in several parts.\n"
        f"--apart\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
        '--apart\nContent-Type: message/rfc822; name="mail.eml"\nContent-Disposition: attachment; '
        f'filename="mail.eml"\n\n{inner}\n--apart--\n'
    )
    return Draft(f"Fwd: {subject}", body, _mime('multipart/mixed; boundary="apart"'))


def pasted(subject: str, paragraph: str, width: int = 58) -> Draft:
    """A paragraph in the middle of one's own text, broken into lines anew; nothing says whose it is."""
    return Draft(subject, "\n\n".join("\n".join(wrap(each, width)) for each in (OWN[0], paragraph, OWN[1])) + "\n")


def pasted_in_html(subject: str, paragraph: str) -> Draft:
    """The same from a program that writes HTML alone, with words in bold."""
    first, *others = paragraph.split()
    marked = " ".join((f"<b>{escape(first)}</b>", *map(escape, others)))
    body = f"<html><body><p>{escape(OWN[0])}</p>\n<div>{marked}</div>\n<p>{escape(OWN[1])}</p></body></html>\n"
    return Draft(subject, body, _mime("text/html; charset=utf-8"))


def answer(received: bytes, text: str = SIGHT, *, quoting: bool = True) -> Draft:
    """What "Reply" makes of it, the new words on top."""
    mail = _read(received)
    quoted = "".join(f"> {line}\n" if line else ">\n" for line in _text(mail).splitlines())
    below = f"\nOn {mail['Date']}, {mail['From']} wrote:\n{quoted}" if quoting else ""
    subject = str(mail["Subject"])
    links = (f"In-Reply-To: {mail['Message-ID']}", f"References: {mail['Message-ID']}")
    return Draft(subject if subject.startswith("Re: ") else f"Re: {subject}", f"{text}\n{below}", links)


def _read(received: bytes) -> EmailMessage:
    return message_from_bytes(received, policy=policy.default)


def _text(mail: EmailMessage) -> str:
    part = mail.get_body(preferencelist=("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def _mime(content_type: str) -> tuple[str, ...]:
    return ("MIME-Version: 1.0", f"Content-Type: {content_type}", "Content-Transfer-Encoding: 8bit")
