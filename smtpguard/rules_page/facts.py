"""What the rules page tells, as values of no language: which rules are in force, which lists there are and what may go
to several of them, every exception with its end, and what is remembered for how long.

It names no person: who may post is a number, an owner's address is left out unless it is a list's or the site's role
address, and addresses in an admin's own words are shown only if they are a list's, a role's or a desk's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from smtpguard.config.settings import Settings
from smtpguard.lists import ListKind, MailingList, OnAlarm, WrongTopic
from smtpguard.mail.address import Address, parse_address
from smtpguard.policy import Kind, Policy, Remember
from smtpguard.rules_page.asked import Asked, asked
from smtpguard.rules_page.exceptions import exceptions

# What is mail to a person anywhere in a sentence; the address itself is read by `parse_address`. A local part may stand
# in quotes, with blanks in it (RFC 5321, 4.1.2; it has 64 octets at the most), or have an apostrophe within.
_WORD = r"[^\s<>()\[\],;:\"']+"
_ADDRESS = re.compile(rf"""(?:"(?:[^"\\]|\\.){{1,64}}"|{_WORD}(?:'{_WORD})*)@{_WORD}[^\s<>()\[\],;:"'.!?]""")
# Stands for it in an admin's own words, until a language says it: OBJECT REPLACEMENT CHARACTER.
NOT_SHOWN = "\ufffc"
_PUBLIC_KINDS = frozenset({Kind.LIST, Kind.ROLE_MACHINE, Kind.ROLE_PEOPLE, Kind.DESK})


@dataclass(frozen=True, slots=True)
class Entry:
    """A list as members see it. `posters` is how many accounts may post, 0 for all whom the list server lets; `expires`
    how long a held mail waits, None if none is held. `strays` are words of Subjects that belong on another list, and
    that list, "" if it is closed; with `asks_words` tags and topics of other lists count here (12-23, 12-29)."""

    id: str
    address: str
    about: str
    posters: int
    discussion: str | None
    includes: tuple[str, ...]
    on_alarm: OnAlarm
    expires: timedelta | None
    contact: str | None
    say: str | None
    tag: str | None
    topics: tuple[str, ...]
    strays: tuple[tuple[tuple[str, ...], str], ...]
    asks_words: bool


@dataclass(frozen=True, slots=True)
class Exempted:
    """Two lists that may be written to together up to and with the day `until`."""

    lists: tuple[str, str]
    until: date
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered, and how long; `closed`: there are closed lists, `roster`: a list of members."""

    remember: Remember
    expires_max: timedelta
    window: timedelta
    thread_memory: timedelta
    posts: timedelta
    private: timedelta
    informed: date | None
    closed: bool
    roster: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the page tells on `day`. `rules` are the organisation's own words by number; `closed` counts the
    lists that are not named; of `pairs` the third says whether the site has decided it."""

    organisation: str | None
    day: date
    guard: str | None
    expires: timedelta
    asked: Asked
    rules: Mapping[int, str]
    desks: tuple[str, ...]
    lists: tuple[Entry, ...]
    closed: int
    max_lists: int
    pairs: tuple[tuple[str, str, bool], ...]
    exceptions: tuple[Exempted, ...]
    memory: Memory


def facts_of(settings: Settings, policy: Policy, now: datetime) -> Facts:
    """What counts at the moment `now`. A thousand lists with what they allow each other take seconds."""
    # Closed lists are counted and not named, here and beside other lists (T-52).
    lists = sorted((each for each in policy.lists if not each.is_closed), key=lambda each: each.id)
    return Facts(
        organisation=settings.organisation,
        day=now.astimezone(policy.zone).date(),
        guard=None if settings.address is None else settings.address.normal,
        expires=policy.expires,
        asked=asked(policy),
        rules={int(number): _without_persons(words, policy) for number, words in settings.rules.items()},
        desks=tuple(sorted(each.normal for each in policy.desks if _is_public(each.normal, policy, settings))),
        lists=tuple(_entry(each, _posters(each), policy) for each in lists),
        closed=len(policy.lists) - len(lists),
        max_lists=policy.max_lists,
        pairs=tuple(
            (one.id, other.id, frozenset((one.id, other.id)) in policy.pairs)
            for one, other in _named_together(lists, policy)
            if policy.allowed((one, other))
        ),
        exceptions=tuple(_exempted(lists, policy, now)),
        memory=Memory(
            remember=policy.remember,
            expires_max=policy.expires_max,
            window=policy.window,
            thread_memory=max(policy.window, policy.thread_memory),
            posts=settings.memory.posts,
            private=settings.memory.private,
            informed=settings.members_informed,
            closed=len(lists) < len(policy.lists),
            roster=policy.roster is not None,
        ),
    )


def _entry(one: MailingList, posters: int, policy: Policy) -> Entry:
    on_alarm = one.on_alarm or policy.on_alarm
    contact = parse_address(one.contact)
    public = contact is not None and _is_shown(contact, policy)
    discussion = None if one.discussion is None else policy.by_id.get(one.discussion)
    return Entry(
        id=one.id,
        address=one.address.normal,
        about=_without_persons(one.about, policy),
        posters=posters if one.kind is ListKind.ANNOUNCE else 0,
        discussion=None if discussion is None or discussion.is_closed else discussion.id,
        includes=tuple(sorted(each for each in one.includes if not policy.by_id[each].is_closed)),
        on_alarm=on_alarm,
        expires=policy.expires_of([one]) if on_alarm is OnAlarm.HOLD else None,
        contact=one.contact if public else None,
        say=None if one.say is None else _without_persons(one.say, policy),
        tag=None if one.tag is None else _without_persons(one.tag, policy),
        topics=tuple(_without_persons(each, policy) for each in one.topics),
        strays=tuple(
            (tuple(_without_persons(each, policy) for each in rule.subject_has), _named(rule.use, policy))
            for rule in one.wrong_if
        ),
        asks_words=policy.wrong_topic_of(one) is WrongTopic.HOLD,
    )


def _named_together(lists: list[MailingList], policy: Policy) -> Iterator[tuple[MailingList, MailingList]]:
    """Lists of which the site or a file of theirs names both: of a thousand, not every pair is looked at."""
    named = {frozenset((one.id, other)) for one in lists for other in one.crosspost_with}
    return _couples(lists, named | policy.pairs)


def _couples(lists: list[MailingList], pairs: Collection[frozenset[str]]) -> Iterator[tuple[MailingList, MailingList]]:
    """The lists of `pairs` of ids, in the order of `lists`."""
    places = {each.id: place for place, each in enumerate(lists)}
    found = {tuple(sorted(places[each] for each in pair)) for pair in pairs if pair <= places.keys()}
    return ((lists[couple[0]], lists[couple[1]]) for couple in sorted(found) if len(couple) == 2)


def _posters(one: MailingList) -> int:
    """How many accounts may post. One that is named by an address has it as its login and as its mailbox."""
    addresses = {name: parse_address(name) for name in one.posters}
    return len({name if address is None else address.normal for name, address in addresses.items()})


def _exempted(lists: list[MailingList], policy: Policy, now: datetime) -> list[Exempted]:
    """Exceptions that both sides have; the earlier of two ends counts."""
    ends = {(one.id, other): until for one in lists for other, until, agreed in exceptions(one, policy, now) if agreed}
    found = []
    for one, other in _couples(lists, {frozenset(pair) for pair in ends}):
        both = [ends[pair] for pair in ((one.id, other.id), (other.id, one.id)) if pair in ends]
        if both and not policy.allowed((one, other)):
            reasons = [
                entry.reason
                for each, partner in ((one, other), (other, one))
                for entry in each.exemptions
                if partner.id in entry.crosspost_with and entry.until.isoformat() in both
            ]
            words = tuple(dict.fromkeys(_without_persons(each, policy) for each in reasons))
            found.append(Exempted((one.id, other.id), date.fromisoformat(min(both)), words))
    return found


def _without_persons(text: str, policy: Policy) -> str:
    """`text` without the addresses of persons: an admin writes one in passing, and the page is for everybody."""

    def shown(match: re.Match[str]) -> str:
        # What stands before an apostrophe may be a word of its own: "les membres d'info@lists.example.org".
        read = (parse_address(each) for each in (match[0], match[0].rpartition("'")[2]))
        return match[0] if any(each is not None and _is_shown(each, policy) for each in read) else NOT_SHOWN

    return _ADDRESS.sub(shown, text)


def _named(list_id: str, policy: Policy) -> str:
    """`list_id`, or "" for a closed list."""
    return "" if policy.by_id[list_id].is_closed else list_id


def _is_shown(address: Address, policy: Policy) -> bool:
    """True for the address of a list, a role or a desk; a closed list is not named."""
    found = policy.list_of(address)
    return policy.kind(address) in _PUBLIC_KINDS and not (found is not None and found.is_closed)


def _is_public(desk: str, policy: Policy, settings: Settings) -> bool:
    """False for a desk that is at the same time the mailbox of an account, that is, of a person."""
    return desk not in {each.mailbox.normal for each in settings.accounts.values() if each.mailbox is not None}
