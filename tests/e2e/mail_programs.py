"""Members' mail programs: Python's smtplib, swaks and msmtp. Each logs in with STARTTLS and sends octets as they are.

All say the same: the server's last word, as the program itself got it.
"""

from __future__ import annotations

import re
import smtplib
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from tests.e2e.stack import Member, Stack

PATIENCE = 60.0  # seconds for one mail; below 0.5 were measured

Place = tuple[str, int]


class Said(NamedTuple):
    """A server's reply: its code, and its text without the code."""

    code: int
    text: str


class Program(Protocol):
    """Sends `content` to `to` through the server at `place`, logged in as `sender`."""

    def __call__(self, stack: Stack, place: Place, sender: Member, to: Sequence[str], content: bytes) -> Said: ...


@contextmanager
def session(stack: Stack, place: Place, member: Member | None = None) -> Iterator[smtplib.SMTP]:
    """A connection with TLS, logged in if `member` is given."""
    with smtplib.SMTP(*place, timeout=PATIENCE) as client:
        client.starttls(context=ssl.create_default_context(cafile=str(stack.ca_file)))
        client.ehlo()
        if member is not None:
            client.login(member.login, member.password)
        yield client


def by_smtplib(
    stack: Stack, place: Place, sender: Member, to: Sequence[str], content: bytes,
    mail_options: Sequence[str] = (), rcpt_options: Sequence[Sequence[str]] = (),
) -> Said:  # fmt: skip
    """Send by Python's own client. `rcpt_options` are one sequence for each recipient, or none at all."""
    with session(stack, place, sender) as client:
        return submit(client, sender.address, to, content, mail_options, rcpt_options)


def submit(
    client: smtplib.SMTP, sender: str, to: Sequence[str], content: bytes,
    mail_options: Sequence[str] = (), rcpt_options: Sequence[Sequence[str]] = (),
) -> Said:  # fmt: skip
    """One mail over an open connection: the reply to the content, or the first refusal before it."""
    size = [f"SIZE={len(content)}"] if client.has_extn("size") else []
    said = _said(client.mail(sender, (*mail_options, *size)))
    if said.code != 250:
        return said
    for recipient, options in zip(to, rcpt_options or [()] * len(to), strict=True):
        said = _said(client.rcpt(recipient, tuple(options)))
        if said.code != 250:
            return said
    try:
        return _said(client.data(content))
    except smtplib.SMTPDataError as refused:  # DATA itself
        return _said((refused.smtp_code, refused.smtp_error))


def by_swaks(stack: Stack, place: Place, sender: Member, to: Sequence[str], content: bytes) -> Said:
    """Send by swaks, whose transcript names what came and went."""
    transcript = _run(
        "swaks", "--server", place[0], "--port", str(place[1]), "--tls", "--tls-verify",
        "--tls-ca-path", str(stack.ca_file), "--auth", "LOGIN", "--auth-user", sender.login,
        "--auth-password", sender.password, "--from", sender.address, "--to", ",".join(to), "--data", "-",
        stdin=content.replace(b"\r\n", b"\n").removesuffix(b"\n"),  # it adds one itself
    )  # fmt: skip
    return _last_word(transcript, sent=r"~> \.", came=r"<(?:~|\*\*|~\*) +")


def by_msmtp(stack: Stack, place: Place, sender: Member, to: Sequence[str], content: bytes) -> Said:
    """Send by msmtp, given everything on its command line, so that no file of this user's is read."""
    transcript = _run(
        "msmtp", "--debug", f"--host={place[0]}", f"--port={place[1]}", "--tls=on", "--tls-starttls=on",
        f"--tls-trust-file={stack.ca_file}", "--auth=plain", f"--user={sender.login}",
        f"--passwordeval=printf %s '{sender.password}'", f"--from={sender.address}", "--", *to,
        stdin=content.replace(b"\r\n", b"\n"),
    )  # fmt: skip
    return _last_word(transcript, sent=r"--> \.", came=r"<-- ")


PROGRAMS: dict[str, Program] = {"smtplib": by_smtplib, "swaks": by_swaks, "msmtp": by_msmtp}


def _run(*command: str, stdin: bytes) -> str:
    done = subprocess.run(
        command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False
    )
    return done.stdout.decode(errors="replace").replace("\r\n", "\n")


def _last_word(transcript: str, *, sent: str, came: str) -> Said:
    """The reply to the dot. Raises AssertionError with the transcript if the program did not come so far."""
    found = re.search(rf"(?m)^ *{sent}$\s+^ *{came}(\d{{3}})[ -](.*)$", transcript)
    assert found is not None, transcript
    return Said(int(found[1]), found[2].strip())


def _said(reply: tuple[int, bytes]) -> Said:
    return Said(reply[0], reply[1].decode())
