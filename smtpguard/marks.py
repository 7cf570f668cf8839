"""Marks: keyed hashes under which the memory keeps accounts, lists and Message-IDs, and the fingerprints of texts.

All come from the key of one week. Without it a mark can be neither guessed nor compared with one of another week, and
when the key is gone, what was kept under it is (THREAT-MODEL section 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from hashlib import blake2b

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from smtpguard.copying import TABLE_OCTETS, Copier
from smtpguard.fingerprints import Fingerprinter
from smtpguard.lists import MailingList
from smtpguard.mail.address import Address
from smtpguard.mail.message import Account

# Long enough that no two of the millions that a key sees are alike by chance.
MARK_OCTETS = 12
# Lists are few: a shorter mark tells them apart.
LIST_OCTETS = 8
# Message-IDs that tie an answer to its thread: In-Reply-To, the first ones of References and the last. Programs that
# shorten References keep both ends (RFC 5322, 3.6.4).
LINKS_MAX = 4
# Persons, subjects and threads within one mailbox.
PERSON_OCTETS = 8
# Mailboxes whose key is at hand. When full it begins anew.
MAILBOXES_MAX = 2000

_MAILBOX_KEY = b"smtpguard mailbox v1 "


class Marks:
    """What the key of `week`, 32 octets, makes of accounts, lists, Message-IDs and words."""

    def __init__(self, week: str, key: bytes) -> None:
        self.week = week
        self._key = key
        self.fingerprinter = Fingerprinter(key)
        self._mailboxes: dict[str, MailboxMarks] = {}
        self._lists: dict[str, bytes] = {}
        self._ids: dict[bytes, str] = {}
        self._ids_of: Mapping[str, MailingList] | None = None

    def account(self, account: Account) -> bytes:
        """One member: the mailbox, or the login where there is none (SEMANTICS c1, "same account")."""
        if account.mailbox is not None:
            return self._mark(account.mailbox.normal, b"mailbox", MARK_OCTETS)
        return self._mark(account.login, b"login", MARK_OCTETS)

    def list(self, list_id: str) -> bytes:
        """One list, by its id."""
        if list_id not in self._lists:
            self._lists[list_id] = self._mark(list_id, b"list", LIST_OCTETS)
        return self._lists[list_id]

    def lists(self, list_ids: Iterable[str]) -> tuple[bytes, ...]:
        """Several lists, in an order of their own, so that equal sets have equal marks."""
        return tuple(sorted({self.list(each) for each in list_ids}))

    def ids(self, marks: Iterable[bytes], lists: Mapping[str, MailingList]) -> tuple[str, ...]:
        """The ids behind marks, as far as they are those of `lists` (by id) or of what one of them was before."""
        if self._ids_of is not lists:
            self._ids = {self.list(each.was): each.id for each in lists.values() if each.was is not None}
            self._ids |= {self.list(each): each for each in lists}
            self._ids_of = lists
        return tuple(self._ids[each] for each in marks if each in self._ids)

    def links(self, message_ids: Iterable[str]) -> tuple[bytes, ...]:
        """Message-IDs, at most LINKS_MAX of them: the first ones and the last."""
        ids = tuple(dict.fromkeys(message_ids))
        if len(ids) > LINKS_MAX:
            ids = (*ids[: LINKS_MAX - 1], ids[-1])
        return tuple(self._mark(each, b"message", MARK_OCTETS) for each in ids)

    def mailbox(self, name: str) -> MailboxMarks:
        """The marks of one mailbox (`name_of`) or closed list (`name_of_list`), under a key of its own (T-11)."""
        found = self._mailboxes.get(name)
        if found is None:
            if len(self._mailboxes) >= MAILBOXES_MAX:
                self._mailboxes.clear()
            info = _MAILBOX_KEY + name.encode("utf-8", "surrogatepass")
            key = HKDF(SHA256(), length=32, salt=None, info=info).derive(self._key)
            found = self._mailboxes[name] = MailboxMarks(self.week, key)
        return found

    @cached_property
    def copier(self) -> Copier:
        """Makes the fingerprints of list posts that everybody may read."""
        return Copier(self._key, TABLE_OCTETS)

    def _mark(self, text: str, what: bytes, octets: int) -> bytes:
        return _mark(self._key, text, what, octets)


class MailboxMarks:
    """What the key of one mailbox in `week` makes of persons, Message-IDs, subjects and words. Nobody else's mailbox
    can be looked into with it."""

    def __init__(self, week: str, key: bytes) -> None:
        self.week = week
        self._key = key
        self.itself = _mark(key, "", b"itself", MARK_OCTETS)

    @cached_property
    def copier(self) -> Copier:
        """Makes the fingerprints of this mailbox."""
        return Copier(self._key)

    def person(self, name: str) -> bytes:
        """Somebody who wrote or got a mail, by `name_of` or `name_of_address`."""
        return _mark(self._key, name, b"person", PERSON_OCTETS)

    def message(self, message_id: str) -> bytes:
        """A Message-ID."""
        return _mark(self._key, message_id, b"message", PERSON_OCTETS)

    def conversation(self, conversation: str) -> bytes:
        """A thread as Outlook counts it."""
        return _mark(self._key, conversation, b"conversation", PERSON_OCTETS)

    def subject(self, base_subject: str) -> bytes:
        """A Subject without its prefixes, case aside."""
        return _mark(self._key, " ".join(base_subject.casefold().split()), b"subject", PERSON_OCTETS)


def name_of(account: Account) -> str:
    """Whose mailbox it is: the same for accounts that are one member (SEMANTICS c1)."""
    return account.mailbox.normal if account.mailbox is not None else f"login {account.login}"


def name_of_address(address: Address) -> str:
    """The same for somebody who gets mail."""
    return address.normal


def name_of_list(list_id: str) -> str:
    """A closed list, as if it were a mailbox; no address has a blank."""
    return f"list {list_id}"


def _mark(key: bytes, text: str, what: bytes, octets: int) -> bytes:
    # `person` keeps the kinds apart: a Message-ID is never taken for an account. RFC 7693, 2.5 (parameter block).
    return blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=octets, person=what).digest()
