"""What the organisation decided: its lists, its desks, and which lists may be addressed together.

A `Policy` is a value, made once from the configuration and handed along with one submission, so that a reload in
between cannot split a verdict. Addresses are recognised exactly, never as substrings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import Enum
from functools import cached_property
from itertools import combinations

from smtpguard.lists import Burst, MailingList, Manager, OnAlarm, WrongTopic
from smtpguard.mail.address import Address
from smtpguard.mail.bounds import BOUNDS, Bounds
from smtpguard.roles import Role, role_of_robot, role_of_suffix
from smtpguard.topics import TopicIndex, topic_index


class Kind(Enum):
    """Recipient classes of SEMANTICS c1, first match wins in this order."""

    DESK = "desk"
    LIST = "list"
    ROLE_MACHINE = "role-machine"
    ROLE_PEOPLE = "role-people"
    GROUP = "group"
    AT_LIST_DOMAIN = "at-list-domain"
    MEMBER = "member"
    PERSON = "person"

    @property
    def human(self) -> bool:
        """True for recipients behind whom a person reads: third parties in the sense of rule 11."""
        return self in (Kind.ROLE_PEOPLE, Kind.GROUP, Kind.AT_LIST_DOMAIN, Kind.MEMBER, Kind.PERSON)


_KINDS_OF_ROLES = {Role.MACHINE: Kind.ROLE_MACHINE, Role.PEOPLE: Kind.ROLE_PEOPLE}


class Remember(Enum):
    """What is kept of mail that went out (`remember`), each with all that stands before it."""

    NONE = "none"
    LISTS = "lists"
    THREADS = "threads"
    ALL = "all"

    @property
    def posts(self) -> bool:
        """True if list posts are remembered."""
        return self is not Remember.NONE

    @property
    def threads(self) -> bool:
        """True if it is remembered who wrote privately to whom, and which answer belongs to which mail."""
        return self in (Remember.THREADS, Remember.ALL)

    @property
    def texts(self) -> bool:
        """True if the words of private mail are remembered: without them pasted text is not found."""
        return self is Remember.ALL


@dataclass(frozen=True)
class Policy:
    """Everything judging needs to know about the organisation.

    `pairs` are the list-id pairs that the site allows; `expires` is how long a held mail waits; `hold_size` in octets;
    `account_domain` is what the mail server puts behind a name without domain. `groups` are addresses that expand to
    others (class 6), to groups as well; with `plus_addresses`, berlin+x@ is the list berlin@ (class 4); `zone` is where
    a day ends. What a list's own file says goes before `on_alarm`, `expires`, `first_post_asks`, `burst`,
    `wrong_topic`, `strict`, `adding_people_asks` and `call`.

    For rule 11: `roster` are the members' addresses (`Address.folded`); where it is None, `member_domains` say whose
    address counts as a member's. Mail to more than `private_max_recipients` persons is a circular. `consent_marks` and
    `private_marks` are the words of authors who do not mind, or who do (11-13, 11-14); `stock` are phrases of the site
    that prove nothing. `bounds` say how much of a message is looked into (90-07). `alarms_per_account_and_hour` is for
    those that tell who is a member (11-24, T-14).
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
    remember: Remember = Remember.LISTS
    roster: frozenset[tuple[str, str]] | None = field(default=None, repr=False)
    private_max_recipients: int = 10
    strict: bool = False
    adding_people_asks: bool = False
    consent_marks: tuple[str, ...] = ("[may be forwarded]",)
    private_marks: tuple[str, ...] = ("[please do not forward]",)
    stock: tuple[str, ...] = field(default=(), repr=False)
    bounds: Bounds = BOUNDS
    alarms_per_account_and_hour: int = 10
    topics: TopicIndex = field(init=False, repr=False, compare=False)
    _by_address: Mapping[tuple[str, str], MailingList] = field(init=False, repr=False, compare=False)
    _names: frozenset[str] = field(init=False, repr=False, compare=False)
    _longest_name: int = field(init=False, repr=False, compare=False)
    _groups: Mapping[tuple[str, str], tuple[Address, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = {address.folded: each for each in self.lists for address in each.addresses}
        object.__setattr__(self, "_by_address", table)
        object.__setattr__(self, "_names", frozenset(name for name, _ in table))
        object.__setattr__(self, "_longest_name", max((len(name) for name, _ in table), default=0))
        # Here and not when the first mail asks: a policy is made beside the running sessions.
        object.__setattr__(self, "topics", topic_index(self.lists))
        groups = {each.folded: members for each, members in self.groups.items()}
        object.__setattr__(self, "_groups", {each: tuple(_expanded(each, groups)) for each in groups})

    @cached_property
    def has_closed_lists(self) -> bool:
        """True if one of the lists is closed: then it matters who is known to read it (T-13)."""
        return any(each.is_closed for each in self.lists)

    @cached_property
    def _robots(self) -> frozenset[str]:
        """Domains in which a Sympa has lists, and so addresses of its own."""
        sympa = (each for each in self.lists if each.manager is Manager.SYMPA)
        return frozenset(address.domain for each in sympa for address in each.addresses)

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
        """The list that `address` posts to, by exact posting address or alias; never for a desk.

        A group is none: it may be several (`lists_of`).
        """
        address = self.completed(address)
        return None if address in self.desks else self._list_at(address)

    def _list_at(self, address: Address) -> MailingList | None:
        name, domain = address.folded
        found = self._by_address.get((name, domain))
        if found is None and self.plus_addresses and "+" in name and self._role(address) is None:
            found = self._by_address.get((name.partition("+")[0], domain))
        return found

    def members_of(self, address: Address) -> tuple[Address, ...]:
        """Whom `address` reaches: what a group expands to, groups in it expanded as well; else `address` alone."""
        address = self.completed(address)
        return self._groups[address.folded] if self.kind(address) is Kind.GROUP else (address,)

    def lists_of(self, addresses: Iterable[Address]) -> tuple[MailingList, ...]:
        """The distinct lists among `addresses`, those of groups as well, in the order in which they are named first."""
        found = (self.list_of(member) for each in addresses for member in self._reached(each))
        return tuple({each.id: each for each in found if each is not None}.values())

    def _reached(self, address: Address) -> tuple[Address, ...]:
        return self.members_of(address) if self._groups else (address,)

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
        if self._list_at(address) is not None:
            return Kind.LIST
        if address.folded in self._groups:
            return Kind.GROUP
        if address.domain in self.list_domains:
            return Kind.AT_LIST_DOMAIN
        return Kind.MEMBER if self.is_member(address) else Kind.PERSON

    def is_member(self, address: Address) -> bool:
        """True if `address` counts as a member's (SEMANTICS c1, "a member")."""
        address = self.completed(address)
        named = address.domain in self.member_domains if self.roster is None else address.folded in self.roster
        return named and address.folded not in self._groups and self._list_at(address) is None

    def is_outsider(self, address: Address) -> bool:
        """True if `address` is known to be a stranger's. Members have addresses anywhere, so only a roster tells."""
        return self.roster is not None and self.kind(address) is Kind.PERSON

    def allowed(self, lists: Iterable[MailingList], when: datetime | None = None) -> bool:
        """12-03: at most `max_lists` lists, and every pair agreed by both lists' files or by the site.

        `when`, aware, is the moment that counts for exemptions; without it none counts.
        """
        chosen = tuple(lists)
        if len(chosen) > self.max_lists:
            return False
        day = None if when is None else when.astimezone(self.zone).date()
        return all(self._pair_allowed(one, other, day) for one, other in combinations(chosen, 2))

    def _pair_allowed(self, one: MailingList, other: MailingList, day: date | None) -> bool:
        if frozenset((one.id, other.id)) in self.pairs:
            return True
        return one.admits(other.id, day) and other.admits(one.id, day)

    @cached_property
    def umbrellas(self) -> tuple[MailingList, ...]:
        """The lists that include others."""
        return tuple(each for each in self.lists if each.includes)

    @cached_property
    def included(self) -> Mapping[str, frozenset[str]]:
        """By id, the ids of all lists that a list includes, however deep; never itself."""
        return {each.id: self._included(each) for each in self.lists}

    def _included(self, umbrella: MailingList) -> frozenset[str]:
        found: set[str] = set()
        waiting = [umbrella]
        while waiting:
            for child in waiting.pop().includes:
                if child not in found and child in self.by_id:
                    found.add(child)
                    waiting.append(self.by_id[child])
        return frozenset(found - {umbrella.id})

    def on_alarm_of(self, lists: Iterable[MailingList]) -> OnAlarm:
        """What a finding that names `lists` leads to: the strictest that they say; without lists, the site's word."""
        said = [each.on_alarm or self.on_alarm for each in lists]
        return max(said, key=lambda each: each.strictness, default=self.on_alarm)

    def expires_of(self, lists: Iterable[MailingList]) -> timedelta:
        """How long a mail to `lists` waits: the longest that they say, at most `expires_max`."""
        return min(max((each.expires or self.expires for each in lists), default=self.expires), self.expires_max)

    def burst_of(self, addressed: MailingList) -> Burst:
        """12-27, as the addressed list or the site says."""
        return addressed.burst or self.burst

    def first_post_asks_of(self, addressed: MailingList) -> bool:
        """12-25, as the addressed list or the site says."""
        return self.first_post_asks if addressed.first_post_asks is None else addressed.first_post_asks

    def wrong_topic_of(self, addressed: MailingList) -> WrongTopic:
        """12-29, as the addressed list or the site says."""
        return addressed.wrong_topic or self.wrong_topic

    def strict_of(self, addressed: MailingList) -> bool:
        """11-10, as the addressed list or the site says."""
        return self.strict if addressed.strict is None else addressed.strict

    def adding_people_asks_of(self, lists: Iterable[MailingList]) -> bool:
        """11-03, as one of the addressed lists or, without any, the site says."""
        said = [each.adding_people_asks for each in lists]
        return any(self.adding_people_asks if each is None else each for each in said or [None])

    def _role(self, address: Address) -> Kind | None:
        """The role of `<name><suffix>`, then optional `+detail`, of one of the lists; by the list's own manager."""
        name = address.folded[0].partition("+")[0]
        if address.domain in self._robots:
            robot = role_of_robot(name)
            if robot is not None:
                return _KINDS_OF_ROLES[robot]
        # The longest name first: `berlin-mitte-owner` belongs to berlin-mitte, though there is a list berlin.
        for end in range(min(len(name) - 1, self._longest_name), 0, -1):
            each = self._by_address.get((name[:end], address.domain)) if name[end] == "-" else None
            role = None if each is None else role_of_suffix(name[end:], each.manager)
            if role is not None:
                return _KINDS_OF_ROLES[role]
        return None


def _expanded(group: tuple[str, str], groups: Mapping[tuple[str, str], tuple[Address, ...]]) -> Iterator[Address]:
    """The members of `group` that are no groups themselves, each once; groups that name each other end here."""
    seen = {group}
    waiting = list(reversed(groups[group]))
    while waiting:
        member = waiting.pop()
        if member.folded in seen:
            continue
        seen.add(member.folded)
        if member.folded in groups:
            waiting += reversed(groups[member.folded])
        else:
            yield member
