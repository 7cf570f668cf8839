"""What no file can know by itself: whether all the files together make sense (SEMANTICS e3, T-30, T-50).

A broken file takes part as far as it can: its list is known by its id, so that nobody else is told that it is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property

from smtpguard.accounts import canonical_login, is_guard_address
from smtpguard.config.binding import Steps, suggestion
from smtpguard.config.line_files import LineFile
from smtpguard.config.lists import ListFile
from smtpguard.config.places import address_of
from smtpguard.config.private_mail import PrivateMail
from smtpguard.config.problems import Problem, Severity, quoted_value
from smtpguard.config.reader import Document
from smtpguard.config.references import References
from smtpguard.config.settings import GUARD_DOMAIN_NAMES, Settings
from smtpguard.config.site_references import SiteReferences
from smtpguard.lists import Manager, OnAlarm, WrongTopic
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.bounds import Bounds
from smtpguard.policy import Policy, Remember
from smtpguard.roles import Role, role_of_robot, role_of_suffix

# As many as fit into a message; the others are found in the list files.
NAMES_SHOWN_MAX = 5

_MANAGER_NAMES = {"mailman3": "Mailman", "sympa": "Sympa", "ezmlm": "ezmlm", "plain": "The list manager"}


class Agreement:
    """The site file and the list files, looked at together. `site` is what could be understood of it, `lines` are the
    files that it names, and perhaps others."""

    def __init__(
        self, site: Settings, site_document: Document, files: tuple[ListFile, ...], lines: tuple[LineFile, ...] = ()
    ) -> None:
        self._site = site
        self._site_document = site_document
        self._files = files
        self._by_id = {each.id: each for each in files}
        # By `Address.folded`, as `Policy` finds lists: two files must not mean one list.
        self._owners: dict[tuple[str, str], tuple[ListFile, Steps]] = {}
        claims = [(file, *each) for file in files for each in file.addresses]
        # Posting addresses first: an alias takes none of them away, whatever its file is called.
        for file, address, steps in sorted(claims, key=lambda each: each[2] != ("list",)):
            self._owners.setdefault(address.folded, (file, steps))
        mailboxes = ((login, entry.mailbox) for login, entry in site.accounts.items())
        # Where no zone is set, the machine's (as for the deadlines in notices).
        self._zone = site.timezone or datetime.now().astimezone().tzinfo or UTC
        self._groups_of_site = {each.folded: name for name in site.groups if (each := parse_address(name)) is not None}
        self._mailboxes = {mailbox.folded: login for login, mailbox in mailboxes if mailbox is not None}
        named = {(each.kind, each.path): each for each in lines}
        self._lines = {each: named.get(each) for each in site.line_files}
        self._roster = next((each for each in self._lines.values() if each is not None and each.addresses), None)

    def problems(self) -> Iterator[Problem]:
        """Everything that the files contradict each other in."""
        # Made here: kept as a part of this, it would keep us, and all files, until Python clears up (gc).
        today = datetime.now(self._zone).date()
        references = References(self._site, self._by_id, self._id_of, self._unknown_list, today)
        yield from self._site_has_domains()
        for file in self._files:
            seen: set[Address] = set()
            for address, steps in file.addresses:
                yield from self._claim(file, address, steps, seen)
            yield from self._names(file)
            yield from self._partners(file)
            yield from references.problems(file)
        said = SiteReferences(self._site, self._site_document, self._id_of, self._unknown_list, self._member)
        yield from said.problems(self.policy)
        private = PrivateMail(self._site, self._site_document, self._lines, today)
        yield from private.problems(self._groups_of_site)

    @cached_property
    def policy(self) -> Policy:
        """The policy of files without errors."""
        site = self._site
        lists = (each.mailing_list(self._id_of, self._names_of) for each in self._files)
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
            on_alarm=OnAlarm(site.defaults.on_alarm),
            expires_max=site.defaults.expires_max,
            first_post_asks=site.defaults.first_post == "ask",
            burst=site.defaults.burst.burst,
            visible_max=site.defaults.visible_max,
            window=site.defaults.window,
            thread_memory=site.defaults.thread_memory,
            wrong_topic=WrongTopic(site.defaults.wrong_topic),
            groups=self._groups(),
            plus_addresses=site.plus_addresses,
            zone=self._zone,
            member_domains=frozenset(site.member_domains),
            roster=None if self._roster is None else self._roster.addresses,
            remember=Remember(site.remember),
            private_max_recipients=site.defaults.private_max_recipients,
            strict=site.defaults.strict,
            adding_people_asks=site.defaults.adding_people == "ask",
            consent_marks=site.consent_marks,
            private_marks=site.private_marks,
            stock=tuple(phrase for each in self._lines.values() if each is not None for phrase in each.phrases),
            bounds=Bounds(
                site.limits.inspect_text,
                site.limits.inspect_parts,
                site.limits.inspect_depth,
                int(site.limits.inspect_time.total_seconds()),
            ),
            alarms_per_account_and_hour=site.limits.alarms_per_account_and_hour,
        )

    def _groups(self) -> Mapping[Address, tuple[Address, ...]]:
        """The site's groups, lists in them by their posting addresses."""
        found: dict[Address, tuple[Address, ...]] = {}
        for name, group in self._site.groups.items():
            address = parse_address(name)
            members = [self._member(each) for each in group.expands]
            if address is not None:
                found[address] = tuple(each for each in members if each is not None)
        return found

    def _member(self, word: str) -> Address | None:
        """The address that an entry of `expands` means: the one written, or that of the list with this id."""
        if "@" in word:
            return address_of(word)
        file = self._by_id.get(word.lower())
        return None if file is None else file.draft.address

    def _names_of(self, word: str) -> Iterator[str]:
        """How the account or mailbox `word` is spelt in an `Account`: as a login, as an address, or both."""
        yield canonical_login(word, self._site.account_domain)
        address = parse_address(word) if "@" in word else None
        if address is not None:
            yield address.normal

    def _site_has_domains(self) -> Iterator[Problem]:
        root = self._site_document.root
        if root is not None and self._files and not self._site.list_domains and "list_domains" not in root:
            text = '"list_domains" is missing: with lists, it names the domains that their addresses may lie in.'
            yield self._site_document.source.problem(None, text)
        domain, domains = self._site.account_domain, self._site.list_domains
        if domain in domains and self._files:
            done = {each.folded for each in self._site.list_addresses}
            named = ["@".join(each) for each in self._owners if each[1] == domain and each not in done]
            text = (
                f"members have their mailboxes in {domain} (account_domain): a list file could take one of them for its"
            )
            text += " list. Take this domain out of list_domains"
            if named:
                more = ", ..." if len(named) > NAMES_SHOWN_MAX else ""
                text += f", and name its lists in list_addresses: {', '.join(named[:NAMES_SHOWN_MAX])}{more}"
            place = self._site_document.mark(("list_domains", domains.index(domain)))
            yield self._site_document.source.problem(place, f"{text}.", Severity.WARNING)

    def _claim(self, file: ListFile, address: Address, steps: Steps, seen: set[Address]) -> Iterator[Problem]:
        """One address of a list file: free to take, and the list's to take?"""
        owner, first = self._owners[address.folded]
        if owner is not file:
            yield file.problem(steps, f"{address} already belongs to {owner.name} line {_line(owner, first)}.")
        elif address in seen:
            line = _line(file, first)
            yield file.problem(steps, f"{address} is written twice in this file (first in line {line}). Delete one.")
        elif (other := self._owner_before_plus(address)) not in (None, file.id):
            yield file.problem(steps, f"{address} is a plus-address of {other}. Another list cannot have it.")
        elif (text := self._not_free(address)) is not None:
            yield file.problem(steps, text)
        seen.add(address)

    def _owner_before_plus(self, address: Address) -> str | None:
        """The list that `address` belongs to by what stands before the plus sign."""
        local, plus, _ = address.folded[0].partition("+")
        owner = self._owners.get((local, address.domain)) if plus else None
        return None if owner is None else owner[0].id

    def _not_free(self, address: Address) -> str | None:
        site = self._site
        if site.list_domains and address.domain not in site.list_domains and address not in site.list_addresses:
            return (
                f"{address} is not in a list domain. Only the site admin can name it (smtpguard.yaml, list_addresses)."
            )
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
        if self._roster is not None and address.folded in self._roster.addresses:
            where = f"(smtpguard.yaml line {self._site_line('roster')})"
            return f"{address} is on the roster of members {where}. A list cannot have it."
        if (name := self._groups_of_site.get(address.folded)) is not None:
            where = f"(smtpguard.yaml line {self._site_line('groups', name)})"
            return f"{address} is a group of the site {where}. A list cannot have it."
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
            people = role is Role.PEOPLE
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

    def _unknown_list(self, word: str) -> tuple[str, Severity]:
        """What is to be said of a word that means no list; a warning if it was one, or nobody could rename a list that
        another file names. It opens nothing until that file names the new one: anybody could say that he was another.
        """
        heir = next((each.id for each in self._files if (each.draft.was or "").lower() == word.lower()), None)
        if heir is not None:
            return f"{word} is called {heir} now. Write that; until then it counts for nothing here.", Severity.WARNING
        known = ["@".join(each) for each in self._owners] if "@" in word else [each.id for each in self._files]
        return f"there is no list {quoted_value(word)}.{suggestion(word, known)}", Severity.ERROR

    def _partner_ids(self, file: ListFile) -> Iterator[str]:
        for word in file.draft.crosspost_with:
            if (found := self._id_of(word)) is not None:
                yield found

    def _partners(self, file: ListFile) -> Iterator[Problem]:
        for number, word in enumerate(file.draft.crosspost_with):
            steps = ("crosspost_with", number)
            found = self._id_of(word)
            if found is None:
                yield file.problem(steps, *self._unknown_list(word))
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


def _line(file: ListFile, steps: Steps) -> int:
    mark = file.document.mark(steps)
    return 0 if mark is None else mark.line


def _role(manager: str | None, base: Address, address: Address) -> Role | None:
    """What `address` is to `manager`, if a list were called `base`; as `Policy.kind` sees it."""
    name, list_name = address.folded[0].partition("+")[0], base.folded[0]
    if manager is None or not name.startswith(list_name):
        return None
    robot = role_of_robot(name) if manager == Manager.SYMPA.value else None
    return robot or role_of_suffix(name[len(list_name) :], Manager(manager))
