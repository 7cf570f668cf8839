"""Who lives on the test mail server, and which lists there are. All names are made up."""

from __future__ import annotations

from dataclasses import dataclass

MEMBER_DOMAIN = "example.test"
LIST_DOMAIN = "lists.example.test"
GUARD_DOMAIN = "check.example.test"
ELSEWHERE_DOMAIN = "elsewhere.test"  # another organisation, with a mail server of its own
SERVER_NAME = "mail.example.test"

GUARD_USER = "mailcheck"
GUARD_ADDRESS = f"{GUARD_USER}@{GUARD_DOMAIN}"
CONTACT = f"emil@{MEMBER_DOMAIN}"


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody with a mailbox. The login is the whole address; Dovecot takes the bare name, too."""

    name: str
    address: str
    password: str

    @property
    def login(self) -> str:
        return self.address


@dataclass(frozen=True, slots=True)
class MailingList:
    """One Mailman list. `name` is the local part, `members` are the names of those who get its posts."""

    name: str
    address: str
    members: tuple[str, ...]

    @property
    def list_id(self) -> str:
        """Mailman's own name for it (RFC 2919)."""
        return f"{self.name}.{LIST_DOMAIN}"


def _member(name: str) -> Member:
    return Member(name, f"{name}@{MEMBER_DOMAIN}", f"the long password of {name}")


def _list(name: str, *members: str) -> MailingList:
    return MailingList(name, f"{name}@{LIST_DOMAIN}", members)


MEMBERS = {name: _member(name) for name in ("anna", "ben", "clara", "dora", "emil")}

# ben is on berlin only and dora on brandenburg only, so that a post that went to one list of two can be told apart.
LISTS = {
    posting.name: posting
    for posting in (
        _list("berlin", "anna", "ben", "clara"),
        _list("brandenburg", "anna", "clara", "dora"),
        _list("all-members", "anna", "ben", "clara", "dora", "emil"),
        _list("press", "anna", "emil"),
    )
}

# A login of the guard's own that may send with every member's address: the outbox's `login: account`.
OUTBOX_ACCOUNT = _member("outbox")
