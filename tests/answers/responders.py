"""Automatic answers as programs write them (tests/messages/automatic), made answers to one notice."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "messages" / "automatic"
# Their header says that no person wrote them.
MARKED = sorted((FOLDER / "marked").glob("*.eml"))
# It says nothing: only the words of the first line are left to go by.
UNMARKED = sorted((FOLDER / "unmarked").glob("*.eml"))


def responder(path: Path, notice: bytes, member: str = "anna@example.test") -> bytes:
    """The answer in `path` to the octets of a notice, with CRLF line ends."""
    mail: EmailMessage = message_from_bytes(notice, policy=policy.default)  # type: ignore[assignment]
    part = mail.get_body(("plain",))
    assert part is not None
    text = str(part.get_content()).replace("\r\n", "\n")
    facts = {
        "member": member,
        "address": str(mail["Reply-To"] or mail["From"]).strip("<>"),
        "subject": str(mail["Subject"]),
        "message_id": str(mail["Message-ID"]),
        "quoted": "\n".join(f"> {line}" for line in text.split("\n")),
        "notice": text,
        "notice_html": escape(text).replace("\n", "<br>\n"),
        "notice_octets": notice.decode("ascii").replace("\r\n", "\n"),
    }
    answer = path.read_text("utf-8")
    for name, fact in facts.items():
        answer = answer.replace("{" + name + "}", fact)
    return answer.replace("\n", "\r\n").encode()


def reverse_path(octets: bytes, member: str = "anna@example.test") -> str:
    """What the responder's mail server puts into MAIL: the null reverse-path where its file says so."""
    return "" if b"\r\nReturn-Path: <>\r\n" in octets.partition(b"\r\n\r\n")[0] else member
