"""`make demo KEEP=1`: the demo goes on, for whoever wants to try it with a mail program, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import signal
import socket
import sys
from email.message import EmailMessage
from urllib.parse import urlsplit

import click

from smtpguard.config.problems import printable
from smtpguard.demo.mailboxes import Mailboxes
from smtpguard.demo.mailserver import DemoMailServer

HOST = "127.0.0.1"
# A page on this machine that takes longer is not there.
PAGE_SECONDS = 5.0


def free_page_url() -> str:
    """Where the page can be: a port of this machine that nobody has now."""
    with socket.create_server((HOST, 0)) as free:
        return f"http://{HOST}:{free.getsockname()[1]}"


async def stay(server: DemoMailServer, port: int, page: str, lists: list[str]) -> None:
    """Say how to take part, show what arrives, and return at SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, end.set)
    mailboxes = Mailboxes(server.passwords, server.mailboxes)
    await mailboxes.start()
    server.news = _show
    try:
        _invite(server, port, mailboxes.port, page if await asyncio.to_thread(_is_there, page) else None, lists)
        await end.wait()
    finally:
        server.news = None
        await mailboxes.stop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)


def _invite(server: DemoMailServer, port: int, incoming: int, page: str | None, lists: list[str]) -> None:
    click.echo("\nThe demo goes on. For a mail program (everything is on this machine, without TLS):\n")
    for login, password in server.passwords.items():
        click.echo(f"   account         {login:22} password {password}")
    click.echo(f"   outgoing mail   SMTP  {HOST}  port {port}   no TLS, normal password")
    click.echo(f"   incoming mail   POP3  {HOST}  port {incoming}   no TLS, normal password")
    if page is not None:
        click.echo(f"   the page        {page}")
    click.echo(f"\nLists: {', '.join(lists)}")
    click.echo("Write one mail to two of them: a notice comes. Answer it. What arrives is shown here, too.")
    click.echo("Ctrl-C ends everything.")
    sys.stdout.flush()


def _show(mailbox: str, message: EmailMessage) -> None:
    click.echo("\n" + printable(f"{mailbox} has mail from {message['From']}: {message['Subject']}"))
    if "Reply-To" in message and "mailcheck" in str(message["From"]):
        body = message.get_body(("plain",))
        for line in ("" if body is None else str(body.get_content())).splitlines():
            click.echo(printable(f"   | {line}").rstrip())
    sys.stdout.flush()


def _is_there(page: str) -> bool:
    connection = http.client.HTTPConnection(urlsplit(page).netloc, timeout=PAGE_SECONDS)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
