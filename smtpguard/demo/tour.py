"""The tour: four members' mails, told as they happen, over real sockets with Python's own SMTP client.

Every step is checked; the tour ends with a non-zero code if one went otherwise than it should.
"""

from __future__ import annotations

import asyncio
import smtplib
import tempfile
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

import click

from smtpguard import maillog
from smtpguard.app import Application
from smtpguard.config.loading import load
from smtpguard.demo.mailserver import DemoMailServer
from smtpguard.demo.staying import free_page_url, stay
from smtpguard.keeper import Charge

# Long enough for the steps before it, short enough to wait for.
EXPIRES_SECONDS = 10
SWEEP_SECONDS = 0.5
# Who tries it himself has all the time that members have.
STAYING_EXPIRES_SECONDS = 72 * 3600

MEMBERS = {name: f"{name}@example.test" for name in ("anna", "ben", "clara")}
LISTS = {
    "berlin@lists.example.test": (MEMBERS["anna"], MEMBERS["ben"]),
    "all-members@lists.example.test": tuple(MEMBERS.values()),
    "press@lists.example.test": (MEMBERS["clara"],),
}
ABOUT = {
    "berlin": "Berlin branch: meetings and minutes",
    "all-members": "News for all members",
    "press": "Press releases and answers to journalists",
}

_SITE = """\
organisation: "Example Union"
address: mailcheck@check.example.test
contact: it@example.test
call: "Sam, office, 030 123 45 67, Mon-Fri 10-16"
listeners:
  - kind: submission
    listen: "127.0.0.1:0"
    tls: none
upstream: {{server: "127.0.0.1:{submission}", tls: none}}
outbox: {{server: "127.0.0.1:{trusted}", tls: none, login: none}}
list_domains: [lists.example.test]
desks: [commission@example.test]
account_domain: example.test
timezone: Europe/Berlin
defaults: {{expires: {expires}s}}
state_dir: state
"""
_PAGE = """\
public_url: "{page}"
web: {{listen: "{listen}"}}
"""
_LIST = (
    'list: {name}@lists.example.test\nmanager: mailman3\nabout: "{about}"\ncontact: {name}-owner@lists.example.test\n'
)


@dataclass
class Tour:
    """What the steps share: the mail server, the guard's port, and what went wrong so far."""

    server: DemoMailServer
    port: int = 0
    failures: list[str] = field(default_factory=list)

    def expect(self, what: str, true: bool) -> None:
        """Say what should be, and whether it is."""
        click.echo(f"   {'ok ' if true else 'NOT'}  {what}")
        if not true:
            self.failures.append(what)

    async def send(self, member: str, to: list[str], subject: str, text: str) -> None:
        """One mail of `member`, by smtplib through the guard."""
        message = EmailMessage()
        message["From"] = f"{member.capitalize()} <{MEMBERS[member]}>"
        message["To"] = ", ".join(to)
        message["Subject"] = subject
        message["Message-ID"] = f"<{abs(hash((member, subject))):x}@example.test>"
        message.set_content(text)
        await asyncio.to_thread(self._send, member, to, message)

    def _send(self, member: str, to: list[str], message: EmailMessage) -> None:
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as client:
            client.login(MEMBERS[member], f"{member}-password")
            client.send_message(message, MEMBERS[member], to)

    async def answer(self, member: str, notice: EmailMessage, word: str) -> None:
        """Answer a notice with `word`, as a mail program does: to its Reply-To, the notice quoted below."""
        quoted = "".join(f"> {line}\n" for line in text_of(notice).splitlines())
        address = str(notice["Reply-To"]).strip("<>")
        await self.send(member, [address], f"Re: {notice['Subject']}", f"{word}\n\n{quoted}")

    def count(self, mailbox: str, subject: str) -> int:
        """How many mails with exactly this subject lie in a mailbox."""
        return sum(str(each["Subject"]) == subject for each in self.server.mailboxes.get(mailbox, ()))


def text_of(message: EmailMessage) -> str:
    """The text of a notice."""
    body = message.get_body(("plain",))
    return "" if body is None else str(body.get_content())


async def tour(keep: bool = False) -> int:
    """Run the whole tour; 0 if every step went as it should. With `keep` a guard goes on after it, until Ctrl-C."""
    maillog.set_up("error")
    server = DemoMailServer({address: f"{name}-password" for name, address in MEMBERS.items()}, LISTS)
    await server.start()
    try:
        with tempfile.TemporaryDirectory(prefix="smtpguard-demo-") as name:
            walk = await _walked(Path(name), server)
            if keep:
                await _go_on(Path(name), server)
    finally:
        await server.stop()
    return 1 if walk.failures else 0


async def _walked(folder: Path, server: DemoMailServer) -> Tour:
    """The tour with a guard of its own, and what it came to."""
    application = Application(_charge(folder, server), sweep_seconds=SWEEP_SECONDS)
    await application.start()
    click.echo(f"A mail server and smtpguard in front of it run on 127.0.0.1, port {application.ports[0]}.")
    walk = Tour(server, application.ports[0])
    try:
        for step in (ordinary_post, cross_post, forwarded_letter, nobody_answers):
            await step(walk)
    finally:
        await application.stop()
    _show_mailboxes(walk)
    click.echo("\nEvery step went as it should." if not walk.failures else f"\nWent otherwise: {walk.failures}")
    return walk


async def _go_on(folder: Path, server: DemoMailServer) -> None:
    """A guard that gives people time to answer, and has a page, until somebody ends the demo."""
    page = free_page_url()
    more = _PAGE.format(page=page, listen=page.removeprefix("http://"))
    application = Application(_charge(folder, server, STAYING_EXPIRES_SECONDS, more), sweep_seconds=SWEEP_SECONDS)
    await application.start()
    try:
        await stay(server, application.ports[0], page, [*LISTS])
    finally:
        await application.stop()
    click.echo("\nThe demo has ended; nothing of it is left.")


def _charge(folder: Path, server: DemoMailServer, expires: int = EXPIRES_SECONDS, more: str = "") -> Charge:
    """Write the settings as files, as an admin would, and read them."""
    (folder / "lists").mkdir(exist_ok=True)
    site = _SITE.format(submission=server.submission, trusted=server.trusted, expires=expires) + more
    (folder / "smtpguard.yaml").write_text(site, "utf-8")
    for name, about in ABOUT.items():
        (folder / "lists" / f"{name}.yaml").write_text(_LIST.format(name=name, about=about), "utf-8")
    loaded = load(folder / "smtpguard.yaml")
    assert loaded.settings and loaded.policy and loaded.directory, loaded.problems  # noqa: S101, PT018 - our own files
    return Charge(loaded.settings, loaded.policy, loaded.directory, texts=loaded.texts)


async def ordinary_post(walk: Tour) -> None:
    """One list: the normal case."""
    click.echo("\n1. Anna writes to one list. That is what lists are for.")
    await walk.send("anna", ["berlin@lists.example.test"], "Room for Tuesday", "We meet in the small room.\n")
    arrived = await walk.server.wait_for(MEMBERS["ben"], "Room for Tuesday")
    walk.expect("Ben has it at once, through the list", arrived is not None)


async def cross_post(walk: Tour) -> None:
    """Two lists: held, asked, ONLY 1."""
    click.echo("\n2. Anna writes to two lists at once. Nobody gets it; Anna is asked:")
    lists = ["berlin@lists.example.test", "all-members@lists.example.test"]
    await walk.send("anna", lists, "Minutes of Tuesday", "Here are the minutes of our meeting.\n")
    notice = await walk.server.wait_for(MEMBERS["anna"], "NOT SENT YET")
    walk.expect("the notice is in Anna's mailbox", notice is not None)
    walk.expect("nobody else has anything", walk.count(MEMBERS["ben"], "Minutes of Tuesday") == 0)
    if notice is None:
        return
    show(notice)
    click.echo("\n   Anna answers: ONLY 1")
    await walk.answer("anna", notice, "ONLY 1")
    result = await walk.server.wait_for(MEMBERS["anna"], 'Sent: "Minutes')
    walk.expect("Anna reads that it has been sent", result is not None)
    walk.expect("Ben has it, through berlin", walk.count(MEMBERS["ben"], "Minutes of Tuesday") == 1)
    walk.expect("Clara, who is only in all-members, does not", walk.count(MEMBERS["clara"], "Minutes of Tuesday") == 0)


async def forwarded_letter(walk: Tour) -> None:
    """A private mail on its way to a list: held, DISCARD."""
    click.echo("\n3. Ben forwards a private mail of Clara to a list. He is asked, and thinks better of it.")
    letter = (
        "What do you think of this?\n\n"
        "---------- Forwarded message ---------\n"
        f"From: Clara <{MEMBERS['clara']}>\nDate: Sat, 21 Nov 2026 at 10:12\nSubject: our talk\n"
        f"To: Ben <{MEMBERS['ben']}>\n\n"
        "Between us, I think the new plan is too expensive. Please keep this to yourself for now.\n"
    )
    await walk.send("ben", ["all-members@lists.example.test"], "Fwd: our talk", letter)
    notice = await walk.server.wait_for(MEMBERS["ben"], "NOT SENT YET")
    walk.expect("the notice is in Ben's mailbox", notice is not None)
    if notice is None:
        return
    reason = next((line for line in text_of(notice).splitlines() if line.startswith("Why:")), "")
    click.echo(f"   It says: {reason}")
    await walk.answer("ben", notice, "DISCARD")
    walk.expect("Ben reads that it is gone", await walk.server.wait_for(MEMBERS["ben"], "Thrown away") is not None)
    everybody = sum(walk.count(each, "Fwd: our talk") for each in MEMBERS.values())
    walk.expect("nobody ever got it", everybody == 0)


async def nobody_answers(walk: Tour) -> None:
    """When in doubt, write nothing: no answer, nothing sent."""
    click.echo(
        f"\n4. Anna writes to two lists again, and does not answer for {EXPIRES_SECONDS} seconds (otherwise 72 h)."
    )
    lists = ["press@lists.example.test", "all-members@lists.example.test"]
    await walk.send("anna", lists, "A hasty thought", "I am so angry that I must tell everybody.\n")
    line = await walk.server.wait_for(MEMBERS["anna"], "Not sent", EXPIRES_SECONDS + 20)
    walk.expect("Anna gets one line", line is not None)
    if line is not None:
        click.echo(f"   It says: {' '.join(text_of(line).split())}")
    walk.expect("nobody ever got it", sum(walk.count(each, "A hasty thought") for each in MEMBERS.values()) == 0)


def show(notice: EmailMessage) -> None:
    """The notice as its reader sees it."""
    click.echo(f"\n   | From:    {notice['From']}\n   | Subject: {notice['Subject']}\n   |")
    for line in text_of(notice).splitlines():
        click.echo(f"   | {line}".rstrip())


def _show_mailboxes(walk: Tour) -> None:
    click.echo("\nWhat each mailbox holds at the end:")
    for name, address in MEMBERS.items():
        click.echo(f"   {name}:")
        for each in walk.server.mailboxes.get(address, ()):
            click.echo(f"      {each['Subject']}")
