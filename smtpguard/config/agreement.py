"""What no file can know by itself: whether all the files together make sense (SEMANTICS e3, T-30, T-50).

A broken file takes part as far as it can: its list is known by its id, so that nobody else is told that it is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpguard.accounts import canonical_login, is_guard_address
from smtpguard.config.binding import Steps, suggestion
from smtpguard.config.lists import ListFile
from smtpguard.config.problems import Problem, Severity, quoted_value
from smtpguard.config.reader import Document
from smtpguard.config.settings import GUARD_DOMAIN_NAMES, Settings
from smtpguard.lists import MailingList, Manager
from smtpguard.mail.address import Address, parse_address
from smtpguard.policy import Kind, Policy

_MANAGER_NAMES = {"mailman3": "Mailman", "sympa": "Sympa", "ezmlm": "ezmlm", "plain": "The list manager"}


class Agreement:
    """The site file and the list files, looked at together. `site` is what could be understood of it."""

    def __init__(self, site: Settings, site_document: Document, files: tuple[ListFile, ...]) -> None:
        self._site = site
        self._site_document = site_document
        self._files = files
        self._by_id = {each.id: each for each in files}
        # By `Address.folded`, as `Policy` finds lists: two files must not mean one list.
        self._owners: dict[tuple[str, str], tuple[ListFile, int]] = {}
        for file in files:
            for address, steps in file.addresses:
                mark = file.document.mark(steps)
                self._owners.setdefault(address.folded, (file, 0 if mark is None else mark.line))
        mailboxes = ((login, entry.mailbox) for login, entry in site.accounts.items())
        self._mailboxes = {mailbox.folded: login for login, mailbox in mailboxes if mailbox is not None}

    def problems(self) -> Iterator[Problem]:
        """Everything that the files contradict each other in."""
        yield from self._site_has_domains()
        for file in self._files:
            seen: dict[Address, int] = {}
            for address, steps in file.addresses:
                yield from self._claim(file, address, steps, seen)
            yield from self._names(file)
            yield from self._partners(file)
        yield from self._pairs()
        yield from self._accounts()

    def policy(self) -> Policy:
        """The policy of files without errors."""
        site = self._site
        lists = (each.mailing_list(frozenset(self._partner_ids(each))) for each in self._files)
        pairs = (frozenset(self._id_of(each) or "" for each in pair) for pair in site.crosspost_pairs)
        return Policy(
            lists=tuple(each for each in lists if each is not None),
            desks=frozenset(site.desks),
            list_domains=frozenset(site.list_domains),
            pairs=frozenset(pairs),
            max_lists=site.max_lists,
            expires=site.defaults.expires,
            hold_size=site.limits.hold_size,
            guard_address=site.address,
            call=site.call,
            account_domain=site.account_domain,
        )

    def _site_has_domains(self) -> Iterator[Problem]:
        root = self._site_document.root
        if root is not None and self._files and not self._site.list_domains and "list_domains" not in root:
            text = '"list_domains" is missing: with lists, it names the domains that their addresses may lie in.'
            yield self._site_document.source.problem(None, text)

    def _claim(self, file: ListFile, address: Address, steps: Steps, seen: dict[Address, int]) -> Iterator[Problem]:
        """One address of a list file: free to take, and the list's to take?"""
        owner, line = self._owners[address.folded]
        if owner is not file:
            yield file.problem(steps, f"{address} already belongs to {owner.name} line {line}.")
        elif address in seen:
            yield file.problem(steps, f"{address} is written twice in this file (first in line {line}). Delete one.")
        elif (text := self._not_free(address)) is not None:
            yield file.problem(steps, text)
        seen[address] = line

    def _not_free(self, address: Address) -> str | None:
        site = self._site
        if site.list_domains and address.domain not in site.list_domains:
            return f"{address} is not in a list domain. Only the site admin can add one (smtpguard.yaml, list_domains)."
        desks = [each.folded for each in site.desks]
        if address.folded in desks:
            line = self._site_line("desks", desks.index(address.folded))
            return f"{address} is a desk of the site (smtpguard.yaml line {line}). A list cannot have it."
        if site.address is not None and is_guard_address(address, site.address):
            return f"{address} is the mail check itself (smtpguard.yaml). A list cannot have it."
        if address.domain == site.guard_domain and address.key[0] in GUARD_DOMAIN_NAMES:
            return f"{address} belongs to the mail check (RFC 5321, 4.5.1). A list cannot have it."
        if (login := self._mailboxes.get(address.folded)) is not None:
            where = f"(smtpguard.yaml line {self._site_line('accounts', login)})"
            return f"{address} is the mailbox of an account {where}. A list cannot have it."
        return None

    def _site_line(self, *steps: int | str) -> int:
        mark = self._site_document.mark(steps)
        return 0 if mark is None else mark.line

    def _names(self, file: ListFile) -> Iterator[Problem]:
        """Addresses that read like a role of a list, and files that are called otherwise than their list."""
        local = file.id if file.draft.address is None else file.draft.address.key[0]
        if local != file.id:
            text = f'the file is called {file.id}, the list {local}: its id is "{file.id}". Better name them alike.'
            yield file.problem(("list",), text, Severity.WARNING)
        for address, steps in file.addresses:
            yield from self._role_name(file, address, steps)

    def _role_name(self, file: ListFile, address: Address, steps: Steps) -> Iterator[Problem]:
        local, domain = address.key
        for place in (number for number, letter in enumerate(local) if letter == "-" and number):
            name, suffix = local[:place], local[place:]
            base = Address(name, domain)
            owner = self._owners.get(base.folded)
            other = None if owner is None or owner[0] is file else owner[0]
            role = _role((other or file).draft.manager, base, address)
            if role is None:
                continue
            people = role is Kind.ROLE_PEOPLE
            if other is not None:
                whose = "the owners' address" if people else "an address for commands"
                yield file.problem(steps, f"this is {whose} of {other.id}, not the list.")
                return
            manager = _MANAGER_NAMES[file.draft.manager or "plain"]
            meant = f"owners of {name}" if people else f"commands to {name}"
            text = f'{manager} reads ...{suffix} as "{meant}". Mail to this address is treated as the list.'
            yield file.problem(steps, text, Severity.WARNING)
            return

    def _id_of(self, word: str) -> str | None:
        """The id of the list that `word` means, by id or by one of its addresses."""
        lowered = word.lower()
        if lowered in self._by_id:
            return lowered
        address = parse_address(word) if "@" in word else None
        owner = None if address is None else self._owners.get(address.folded)
        return None if owner is None else owner[0].id

    def _unknown_list(self, word: str) -> str:
        known = ["@".join(each) for each in self._owners] if "@" in word else [each.id for each in self._files]
        return f"there is no list {quoted_value(word)}.{suggestion(word, known)}"

    def _partner_ids(self, file: ListFile) -> Iterator[str]:
        for word in file.draft.crosspost_with:
            if (found := self._id_of(word)) is not None:
                yield found

    def _partners(self, file: ListFile) -> Iterator[Problem]:
        for number, word in enumerate(file.draft.crosspost_with):
            steps = ("crosspost_with", number)
            found = self._id_of(word)
            if found is None:
                yield file.problem(steps, self._unknown_list(word))
            elif found == file.id:
                yield file.problem(steps, "this is the list itself. Name the other list.")
            else:
                yield from self._one_sided(file, steps, found)

    def _one_sided(self, file: ListFile, steps: Steps, partner: str) -> Iterator[Problem]:
        other = self._by_id[partner]
        if other.settings is None or file.id in self._partner_ids(other):
            return
        if any({self._id_of(each) for each in pair} == {file.id, partner} for pair in self._site.crosspost_pairs):
            return
        text = f"{partner} has not agreed yet: its file does not name {file.id}. Ask {other.settings.contact.normal}."
        yield file.problem(steps, f"{text} Until then mails to both are held.", Severity.WARNING)

    def _pairs(self) -> Iterator[Problem]:
        source, mark = self._site_document.source, self._site_document.mark
        for number, pair in enumerate(self._site.crosspost_pairs):
            if len(pair) != 2:
                text = "a pair names two lists: [one, other]. For three lists write the three pairs."
                yield source.problem(mark(("crosspost_pairs", number)), text)
                continue
            ids = [self._id_of(word) for word in pair]
            for place, (word, found) in enumerate(zip(pair, ids, strict=True)):
                if found is None:
                    yield source.problem(mark(("crosspost_pairs", number, place)), self._unknown_list(word))
            if ids[0] is not None and ids[0] == ids[1]:
                yield source.problem(mark(("crosspost_pairs", number)), "both are the same list. Name two lists.")

    def _accounts(self) -> Iterator[Problem]:
        """The account map: no login twice, and no mailbox behind which several people read (T-30)."""
        source, mark = self._site_document.source, self._site_document.mark
        site, policy = self._site, self.policy()
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
            if policy.kind(entry.mailbox) in (Kind.ROLE_MACHINE, Kind.ROLE_PEOPLE):
                text = "this is an address of a list's owners or commands: a notice there would reach the wrong people."
                text += " Alarmed mail of this account will be refused (90-05)."
                yield source.problem(mark(("accounts", login, "mailbox")), text, Severity.WARNING)
            elif site.address is not None and is_guard_address(entry.mailbox, site.address):
                text = "this is the mail check itself; it cannot ask itself. Name a person's mailbox."
                yield source.problem(mark(("accounts", login, "mailbox")), text)


def _role(manager: str | None, base: Address, address: Address) -> Kind | None:
    """What `address` is to `manager`, if a list were called `base`."""
    if manager is None:
        return None
    alone = MailingList(id="", address=base, manager=Manager(manager), about="", contact="")
    kind = Policy(lists=(alone,)).kind(address)
    return kind if kind in (Kind.ROLE_MACHINE, Kind.ROLE_PEOPLE) else None
