"""Marks: keyed hashes under which the memory keeps accounts, lists and Message-IDs, and the fingerprints of texts.

All come from the key of one week. Without it a mark can be neither guessed nor compared with one of another week, and
when the key is gone, what was kept under it is (THREAT-MODEL section 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from smtpguard.fingerprints import Fingerprinter
from smtpguard.lists import MailingList
from smtpguard.mail.message import Account

# Long enough that no two of the millions that a key sees are alike by chance.
MARK_OCTETS = 12
# Lists are few: a shorter mark tells them apart.
LIST_OCTETS = 8
# Message-IDs that tie an answer to its thread: In-Reply-To, the first ones of References and the last. Programs that
# shorten References keep both ends (RFC 5322, 3.6.4).
LINKS_MAX = 4


class Marks:
    """What the key of `week`, 32 octets, makes of accounts, lists, Message-IDs and words."""

    def __init__(self, week: str, key: bytes) -> None:
        self.week = week
        self._key = key
        self.fingerprinter = Fingerprinter(key)
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

    def _mark(self, text: str, what: bytes, octets: int) -> bytes:
        # `person` keeps the kinds apart: a Message-ID is never taken for an account. RFC 7693, 2.5 (parameter block).
        return blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=octets, person=what).digest()
