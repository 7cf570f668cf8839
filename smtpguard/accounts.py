"""From the login that was typed to the mailbox that a notice goes to (SEMANTICS c1 "Account", T-30, T-40).

Whoever gets the notice can decide about the mail. So a mailbox is only what the site says, what the login itself is,
or, where the site wants it, the reverse-path; never a list, never the role address of a list, never the guard.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from smtpguard.mail.address import Address, domain_normal
from smtpguard.mail.message import Account
from smtpguard.policy import Kind, Policy

# RFC 5321, 4.1.2 (Dot-string) and RFC 6531, 3.3. A login may hold anything that a password may; an address made of it
# goes into RCPT TO, so nothing that could end or change that command is let through.
_DOT_STRING = re.compile(r"[^\s()<>\[\]:;@\\,\".\x00-\x20\x7f-\xa0]+(?:\.[^\s()<>\[\]:;@\\,\".\x00-\x20\x7f-\xa0]+)*")
_DOMAIN = re.compile(r"(?:(?!-)[a-z0-9_-]{1,63}(?<!-)\.)*(?!-)[a-z0-9_-]{1,63}(?<!-)")
# RFC 5321, 4.5.3.1.3: a path has at most 256 octets, its angle brackets included.
_ADDRESS_OCTETS_MAX = 254
_NOBODY = frozenset({Kind.LIST, Kind.GROUP, Kind.ROLE_MACHINE, Kind.ROLE_PEOPLE})


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """What the site says about one account. `mailbox` None: this account has none and is never asked (90-05);
    `automatic`: it is a program's.
    """

    mailbox: Address | None = field(default=None, repr=False)
    language: str | None = None
    automatic: bool = False


def canonical_login(login: str, account_domain: str | None = None) -> str:
    """The one spelling of `login`: NFC, lower case, with `account_domain` as realm if it names none (T-40)."""
    name = unicodedata.normalize("NFC", unicodedata.normalize("NFC", login.strip()).lower())
    return f"{name}@{account_domain}" if account_domain and "@" not in name else name


class Directory:
    """Knows the mailbox of every account. `entries` are the site's exceptions, by login as in AUTH."""

    def __init__(
        self,
        policy: Policy,
        *,
        entries: Mapping[str, AccountEntry] | None = None,
        account_domain: str | None = None,
        from_reverse_path: bool = False,
    ) -> None:
        self._policy = policy
        self._account_domain = account_domain
        self._from_reverse_path = from_reverse_path
        self._entries = {canonical_login(login, account_domain): entry for login, entry in (entries or {}).items()}

    def account(self, login: str, reverse_path: Address | None = None) -> Account:
        """The account of `login`, as it was typed in AUTH; its mailbox is None if nobody can be asked (90-05)."""
        name = canonical_login(login, self._account_domain)
        entry = self._entries.get(name)
        mailbox = self._mailbox(name, reverse_path) if entry is None else entry.mailbox
        if mailbox is not None and not self.may_be_asked(mailbox):
            mailbox = None
        if entry is None:
            return Account(login=name, mailbox=mailbox)
        return Account(login=name, mailbox=mailbox, language=entry.language, automatic=entry.automatic)

    def _mailbox(self, name: str, reverse_path: Address | None) -> Address | None:
        # The canonical login has its realm by now: "the login itself" and "login@account_domain" are one case.
        if "@" in name:
            # Read as it stands: to the mail server a login `<anna@..>` or `anna(x)@..` need not be the account anna@..
            local, _, domain = name.rpartition("@")
            return _plain_mailbox(Address(local, domain_normal(domain)))
        return _plain_mailbox(reverse_path) if self._from_reverse_path and reverse_path is not None else None

    def may_be_asked(self, mailbox: Address) -> bool:
        """False for addresses behind which stand several people, a program, or the guard itself (T-30)."""
        if self._policy.kind(mailbox) in _NOBODY:
            return False
        guard = self._policy.guard_address
        return guard is None or not is_guard_address(mailbox, guard)


def is_guard_address(address: Address, guard: Address) -> bool:
    """True for `guard`, with or without a code behind a plus sign."""
    return address.domain == guard.domain and address.key[0].partition("+")[0] == guard.key[0]


def _plain_mailbox(address: Address) -> Address | None:
    """`address` in normal form, if it can stand in a command as it is."""
    if not _DOT_STRING.fullmatch(address.local_part) or not _DOMAIN.fullmatch(address.domain):
        return None
    plain = f"{address.local_part}@{address.domain}"
    if len(plain.encode("utf-8", "surrogatepass")) > _ADDRESS_OCTETS_MAX or not _encodable(plain):
        return None
    return Address(address.local_part, address.domain, plain)


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
