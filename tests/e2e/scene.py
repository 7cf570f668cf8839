"""One member at her mail program, in front of the guard: what she sends, what she is asked, what she answers."""

from __future__ import annotations

from collections.abc import Sequence

from tests.e2e.guard import Guard
from tests.e2e.mail_programs import Place, Program, Said, by_smtplib
from tests.e2e.stack import GUARD_ADDRESS, Letter, Stack
from tests.e2e.writing import answer, letter
from tests.ports import wait_until

HELD = "2.0.0 NOT SENT YET: please answer the notice in your mailbox"
LOGGED = 60.0  # seconds; a line of the log comes a little behind what it tells of
READ = "2.0.0 Thank you, your answer has been read; you get a mail about it"


class Scene:
    """`name` sends through `guard`; everything she gets is read by IMAP."""

    def __init__(self, stack: Stack, guard: Guard, name: str = "anna") -> None:
        self.stack = stack
        self.guard = guard
        self.member = stack.members[name]

    def addresses(self, *names: str) -> list[str]:
        """The addresses of lists and members, by their names."""
        return [(self.stack.lists.get(name) or self.stack.members[name]).address for name in names]

    def write(self, subject: str, *names: str) -> bytes:
        """A short mail to these lists and members."""
        return letter(self.member, self.addresses(*names), subject)

    def send(self, content: bytes, *names: str, by: Program = by_smtplib) -> Said:
        """Send to these lists and members through the guard."""
        return by(self.stack, self.guard.submission, self.member, self.addresses(*names), content)

    def hold(self, subject: str, *names: str) -> Letter:
        """Send to several lists, see it held; the notice."""
        assert self.send(self.write(subject, *names), *names) == Said(250, HELD)
        return self.notice(subject)

    def notice(self, subject: str) -> Letter:
        """The one notice for this subject."""
        [notice] = self.stack.wait_for(self.member, subject=f'NOT SENT YET: "{subject}"')
        return notice

    def answer(self, notice: Letter, choice: str, *, by: Program = by_smtplib, place: Place | None = None) -> Said:
        """Reply to the notice, through the guard or, if `place` is given, through that server."""
        recipient, content = answer(notice, self.member, choice)
        return by(self.stack, place or self.guard.submission, self.member, [recipient], content)

    def told(self, beginning: str, subject: str) -> Letter:
        """The one mail of the guard whose subject is this: `Sent`, `Not sent`, `Thrown away`, ..."""
        [told] = self.stack.wait_for(self.member, subject=f'{beginning}: "{subject}"')
        return told

    def got(self, subject: str) -> dict[str, list[Letter]]:
        """Who has got the mail itself, once all mail has arrived: what has this subject and is not the guard's own."""
        self.stack.settle()
        found = {name: copies(self.stack.inbox(name), subject) for name in self.stack.members}
        return {name: letters for name, letters in found.items() if letters}

    def counts(self, subject: str) -> dict[str, int]:
        """The same as numbers."""
        return {name: len(letters) for name, letters in self.got(subject).items()}

    def wait_for_log(self, event: str, count: int = 1) -> None:
        """Wait until the guard's log has so many lines of this event."""
        wait_until(f"event={event}", lambda: self.guard.log().count(f" event={event}") >= count, LOGGED)


def copies(letters: Sequence[Letter], subject: str) -> list[Letter]:
    """Those with this subject, list tags before it allowed, that the guard did not write itself."""
    return [
        each for each in letters if each.subject.endswith(subject) and GUARD_ADDRESS not in str(each.message["From"])
    ]


def once(stack: Stack, list_name: str) -> dict[str, int]:
    """What `counts` gives for one post to this list and nobody else."""
    return dict.fromkeys(stack.lists[list_name].members, 1)


def is_as_sent(delivered: bytes, sent: bytes) -> bool:
    """True if the mail is octet for octet what was sent, behind what Postfix and Dovecot put on top of it."""
    head = delivered.removesuffix(sent)
    if not sent or len(head) + len(sent) != len(delivered):
        return False
    names = {line.partition(b":")[0] for line in head.split(b"\r\n") if line and line[:1] not in b" \t"}
    return head.endswith(b"\r\n") and names <= {b"Return-Path", b"Delivered-To", b"Received"}
