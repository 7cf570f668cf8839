"""What the organisation decided: its lists, its desks, and which lists may be addressed together.

A `Policy` is a value, made once from the configuration and handed along with one submission, so that a reload in
between cannot split a verdict. Addresses are recognised exactly, never as substrings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo
from enum import Enum
from functools import cached_property
from itertools import combinations

from smtpguard.lists import Burst, MailingList, Manager, OnAlarm, WrongTopic
from smtpguard.mail.address import Address


class Kind(Enum):
    """Recipient classes of SEMANTICS c1, first match wins in this order."""

    DESK = "desk"
    LIST = "list"
    ROLE_MACHINE = "role-machine"
    ROLE_PEOPLE = "role-people"
    AT_LIST_DOMAIN = "at-list-domain"
    MEMBER = "member"
    PERSON = "person"

    @property
    def human(self) -> bool:
        """True for recipients behind whom a person reads: third parties in the sense of rule 11."""
        return self in (Kind.ROLE_PEOPLE, Kind.AT_LIST_DOMAIN, Kind.MEMBER, Kind.PERSON)


# Suffixes of `<name><suffix>@`: what a machine reads, and what people read. The same suffix means opposite things for
# two managers. Mailman: handlers in mailman.runners.lmtp; Sympa: alias template (list_aliases.tt2); ezmlm: ezmlm(5).
_MACHINE_SUFFIXES: Mapping[Manager, tuple[str, ...]] = {
    Manager.MAILMAN3: ("-bounces", "-confirm", "-join", "-leave", "-request", "-subscribe", "-unsubscribe"),
    Manager.SYMPA: ("-owner", "-subscribe", "-unsubscribe"),
    Manager.EZMLM: (
        "-help", "-get", "-index", "-thread", "-accept", "-reject", "-confirm", "-return",
        "-subscribe", "-unsubscribe", "-sc", "-uc", "-tc", "-vc",
    ),
    Manager.PLAIN: (),
}  # fmt: skip
_PEOPLE_SUFFIXES: Mapping[Manager, tuple[str, ...]] = {
    Manager.MAILMAN3: ("-owner",),
    Manager.SYMPA: ("-request", "-editor"),
    Manager.EZMLM: ("-owner",),
    Manager.PLAIN: (),
}
# ezmlm puts arguments behind its commands: list-get.12, list-accept-1234.abc, list-return-12-anna=example.org.
_ARGUMENT_SEPARATORS = ("-", ".", "_")


@dataclass(frozen=True)
class Policy:
    """Everything judging needs to know about the organisation.

    `pairs` are the list-id pairs that the site allows; `expires` is how long a held mail waits; `hold_size` in octets;
    `member_domains` say whose address counts as a member's where there is no roster. `account_domain` is what the mail
    server puts behind a name without domain. `groups` are addresses that expand to others (class 6); `zone` is where a
    day ends. What a list's own file says goes before `on_alarm`, `expires`, `first_post_asks`, `burst`, `wrong_topic`
    and `call`.
    """

    lists: tuple[MailingList, ...] = ()
    desks: frozenset[Address] = frozenset()
    list_domains: frozenset[str] = frozenset()
    pairs: frozenset[frozenset[str]] = frozenset()
    max_lists: int = 2
    member_domains: frozenset[str] = frozenset()
    expires: timedelta = timedelta(hours=72)
    hold_size: int = 25 * 1024 * 1024
    guard_address: Address | None = None
    call: str | None = None
    account_domain: str | None = None
    on_alarm: OnAlarm = OnAlarm.HOLD
    expires_max: timedelta = timedelta(days=7)
    first_post_asks: bool = False
    burst: Burst = field(default_factory=Burst)
    visible_max: int = 20
    window: timedelta = timedelta(days=7)
    thread_memory: timedelta = timedelta(days=30)
    wrong_topic: WrongTopic = WrongTopic.SUGGEST
    groups: Mapping[Address, tuple[Address, ...]] = field(default_factory=dict)
    plus_addresses: bool = False
    zone: tzinfo = UTC
    _by_address: Mapping[tuple[str, str], MailingList] = field(init=False, repr=False, compare=False)
    _names: frozenset[str] = field(init=False, repr=False, compare=False)
    _longest_name: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = {address.folded: each for each in self.lists for address in each.addresses}
        object.__setattr__(self, "_by_address", table)
        object.__setattr__(self, "_names", frozenset(name for name, _ in table))
        object.__setattr__(self, "_longest_name", max((len(name) for name, _ in table), default=0))

    @cached_property
    def by_id(self) -> Mapping[str, MailingList]:
        """The lists by their id."""
        return {each.id: each for each in self.lists}

    def completed(self, address: Address) -> Address:
        """`address`, or with `account_domain` what a name without domain means (Postfix: append_at_myorigin)."""
        if address.domain or not self.account_domain:
            return address
        return Address(address.local_part, self.account_domain)

    def can_read(self, address: Address | None) -> bool:
        """False for a recipient that the mail server might deliver to a list although we do not see the list in it.

        `address` is None where none could be read. Where there are no lists, nothing is judged and all is well.
        """
        if not self._by_address:
            return True
        if address is None or not address.has_clear_domain:
            return False
        if not address.is_clear:
            # Routes and quoted addresses mean something to the host that the domain names; elsewhere they are names.
            return "." in address.domain and not address.domain.startswith("[") and not self._is_ours(address.domain)
        if self.list_of(address) is not None or ("." in address.domain and not address.domain.startswith("[")):
            return True
        # No domain, one of a single label or an IP address: which host is meant, only the mail server knows.
        return address.folded[0].partition("+")[0] not in self._names

    def _is_ours(self, domain: str) -> bool:
        """True for a host that may be one of the organisation's: it shares its last two labels (mail.example.org)."""
        ours = {*self.list_domains, *(each for _, each in self._by_address), self.account_domain or ""}
        return domain.split(".")[-2:] in [each.split(".")[-2:] for each in ours]

    def list_of(self, address: Address) -> MailingList | None:
        """The list that `address` posts to, by exact posting address or alias; never for a desk."""
        address = self.completed(address)
        return None if address in self.desks else self._by_address.get(address.folded)

    def lists_of(self, addresses: Iterable[Address]) -> tuple[MailingList, ...]:
        """The distinct lists among `addresses`, in the order in which they are named first."""
        found = (self.list_of(each) for each in addresses)
        return tuple(dict.fromkeys(each for each in found if each is not None))

    def kind(self, address: Address) -> Kind:
        """The recipient class of `address` (SEMANTICS c1)."""
        address = self.completed(address)
        if address in self.desks:
            return Kind.DESK
        if address.folded in self._by_address:
            return Kind.LIST
        role = self._role(address)
        if role is not None:
            return role
        if address.domain in self.list_domains:
            return Kind.AT_LIST_DOMAIN
        return Kind.MEMBER if self.is_member(address) else Kind.PERSON

    def is_member(self, address: Address) -> bool:
        """True if `address` counts as a member's (SEMANTICS c1, "a member")."""
        address = self.completed(address)
        return address.domain in self.member_domains and address.folded not in self._by_address

    def allowed(self, lists: Iterable[MailingList]) -> bool:
        """12-03: at most `max_lists` lists, and every pair agreed by both lists' files or by the site."""
        chosen = tuple(lists)
        if len(chosen) > self.max_lists:
            return False
        return all(self._pair_allowed(one, other) for one, other in combinations(chosen, 2))

    def _pair_allowed(self, one: MailingList, other: MailingList) -> bool:
        agreed = other.id in one.crosspost_with and one.id in other.crosspost_with
        return agreed or frozenset((one.id, other.id)) in self.pairs

    def _role(self, address: Address) -> Kind | None:
        """The role of `<name><suffix>`, then optional `+detail`, of one of the lists; by the list's own manager."""
        name = address.folded[0].partition("+")[0]
        if address.domain in self.list_domains and any(each.manager is Manager.SYMPA for each in self.lists):
            # Sympa's own addresses belong to the robot of the domain, not to one list.
            if name == "sympa" or name == "bounce" or name.startswith("bounce-"):
                return Kind.ROLE_MACHINE
            if name == "listmaster":
                return Kind.ROLE_PEOPLE
        # The longest name first: `berlin-mitte-owner` belongs to berlin-mitte, though there is a list berlin.
        for end in range(min(len(name) - 1, self._longest_name), 0, -1):
            each = self._by_address.get((name[:end], address.domain)) if name[end] == "-" else None
            if each is None:
                continue
            if _is_suffix(name[end:], _MACHINE_SUFFIXES[each.manager], each.manager):
                return Kind.ROLE_MACHINE
            if _is_suffix(name[end:], _PEOPLE_SUFFIXES[each.manager], each.manager):
                return Kind.ROLE_PEOPLE
        return None


def _is_suffix(rest: str, suffixes: tuple[str, ...], manager: Manager) -> bool:
    if rest in suffixes:
        return True
    if manager is not Manager.EZMLM:
        return False
    return any(rest.startswith(each + separator) for each in suffixes for separator in _ARGUMENT_SEPARATORS)
