"""What a member has said since MAIL: who shall get this mail, and whether the guard stands alone among them."""

from __future__ import annotations

from collections.abc import Callable

from smtpguard import replies
from smtpguard.mail.envelope import Path
from smtpguard.mail.reply import Reply


class MemberTransaction:
    """An open transaction. `recipients` are those the mail server accepted; `guards` the guard's own addresses.

    An answer to the guard carries a code, so it goes to the guard alone (90-16, T-26): as soon as anybody else stands
    beside it, in whichever order, the mail is `mixed` and nothing of it will be sent; `not_alone` is then the reply.
    """

    def __init__(self, reverse_path: Path, not_alone: Callable[[], Reply]) -> None:
        self.reverse_path = reverse_path
        self.not_alone = not_alone
        self.recipients: list[Path] = []
        self.guards: list[Path] = []
        self.mixed = False

    def add_guard(self, path: Path, *, authenticated: bool) -> Reply:
        """RCPT to an address of the guard; the reply to it.

        The mail server never sees this recipient, so the guard itself asks for the login here.
        """
        if self.mixed or self.recipients or any(each.address != path.address for each in self.guards):
            return self.mix()
        if not authenticated:
            # Whoever comes next must not get the code either.
            self.mixed = True
            return replies.LOGIN_FIRST
        if not self.guards:
            self.guards.append(path)
        return replies.RECIPIENT_OK

    def mix(self) -> Reply:
        """Another recipient beside the guard; the reply to it."""
        self.mixed = True
        return self.not_alone()
