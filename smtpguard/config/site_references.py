"""What the site file says about lists, accounts and groups: whether it can mean what it says (SEMANTICS e3, T-30)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from smtpguard.accounts import canonical_login, is_guard_address
from smtpguard.config.problems import Problem, Severity, quoted_value
from smtpguard.config.reader import Document
from smtpguard.config.settings import Settings
from smtpguard.mail.address import Address, parse_address
from smtpguard.policy import Kind, Policy


@dataclass(frozen=True, slots=True)
class SiteReferences:
    """The site file, and how words in it are read.

    `id_of` gives the id of the list that a word means, `unknown` says that it means none; `member` gives the address
    that an entry of a group means.
    """

    site: Settings
    document: Document
    id_of: Callable[[str], str | None]
    unknown: Callable[[str], tuple[str, Severity]]
    member: Callable[[str], Address | None]

    def problems(self, policy: Policy) -> Iterator[Problem]:
        """Everything in the file that names what is not there, or is something else; `policy` is what it comes to."""
        yield from self._pairs()
        yield from self._accounts(policy)
        yield from self._groups()

    def _pairs(self) -> Iterator[Problem]:
        source, mark = self.document.source, self.document.mark
        for number, pair in enumerate(self.site.crosspost_pairs):
            if len(pair) != 2:
                text = "a pair names two lists: [one, other]. For three lists write the three pairs."
                yield source.problem(mark(("crosspost_pairs", number)), text)
                continue
            ids = [self.id_of(word) for word in pair]
            for place, (word, found) in enumerate(zip(pair, ids, strict=True)):
                if found is None:
                    yield source.problem(mark(("crosspost_pairs", number, place)), *self.unknown(word))
            if ids[0] is not None and ids[0] == ids[1]:
                yield source.problem(mark(("crosspost_pairs", number)), "both are the same list. Name two lists.")

    def _accounts(self, policy: Policy) -> Iterator[Problem]:
        """The account map: no login twice, and no mailbox behind which several people read (T-30)."""
        source, mark = self.document.source, self.document.mark
        site = self.site
        logins: dict[str, int] = {}
        for login, entry in site.accounts.items():
            canonical = canonical_login(login, site.account_domain)
            place = mark(("accounts", login), key=True)
            if canonical in logins:
                text = f"this is the account of line {logins[canonical]} again: logins are compared without case."
                yield source.problem(place, f"{text} Keep one of them.")
            logins.setdefault(canonical, 0 if place is None else place.line)
            if entry.mailbox is None:
                continue
            kind = policy.kind(entry.mailbox)
            if kind in (Kind.ROLE_MACHINE, Kind.ROLE_PEOPLE, Kind.GROUP):
                what = "a group" if kind is Kind.GROUP else "an address of a list's owners or commands"
                text = f"this is {what}: a notice there would reach the wrong people."
                text += " Alarmed mail of this account will be refused (90-05)."
                yield source.problem(mark(("accounts", login, "mailbox")), text, Severity.WARNING)
            elif site.address is not None and is_guard_address(entry.mailbox, site.address):
                text = "this is the mail check itself; it cannot ask itself. Name a person's mailbox."
                yield source.problem(mark(("accounts", login, "mailbox")), text)

    def _groups(self) -> Iterator[Problem]:
        """Groups: no address twice, none that is something else already, and nothing unknown in them."""
        source, mark = self.document.source, self.document.mark
        seen: dict[tuple[str, str], int] = {}
        for name, group in self.site.groups.items():
            address, place = parse_address(name), mark(("groups", name), key=True)
            if address is None:
                continue
            if address.folded in seen:
                text = f"this is the group of line {seen[address.folded]} again. Put all entries into one list."
                yield source.problem(place, text)
            seen.setdefault(address.folded, 0 if place is None else place.line)
            if address in self.site.desks:
                yield source.problem(place, "this is a desk; mail to it is never looked at. Delete it here or there.")
            elif self.site.address is not None and is_guard_address(address, self.site.address):
                yield source.problem(place, "this is the guard's own address; it cannot be a group.")
            for number, word in enumerate(group.expands):
                steps = ("groups", name, "expands", number)
                member = self.member(word)
                if "@" not in word and self.id_of(word) is None:
                    yield source.problem(mark(steps), *self.unknown(word))
                elif "@" in word and member is None:
                    text = f"{quoted_value(word)} is no mail address like name@example.org."
                    yield source.problem(mark(steps), text)
                elif member == address:
                    yield source.problem(mark(steps), "this is the group itself. Name persons and lists.")
